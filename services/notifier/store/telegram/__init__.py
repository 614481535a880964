"""Rows of the bot: updates that came in, the dialog, and what it is going to say."""
