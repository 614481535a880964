"""PostgreSQL and Valkey of the notifier; nothing else speaks SQL or Redis commands."""
