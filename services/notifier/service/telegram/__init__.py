"""Use cases of the Telegram dialog: linking an account, answering, outcomes, wishes."""
