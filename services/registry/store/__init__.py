"""PostgreSQL: the one place that speaks SQL. Statements lie in `sql/*.sql` and are called by name."""
