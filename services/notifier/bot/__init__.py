"""The Telegram edge: updates in, the dialog, its answers out."""
