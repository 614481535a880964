"""The notifier: sends messages by Telegram and SMS, and hears what comes back.

owns      message (the ledger), receipt, invitation, telegram_*, inbound_sms, dialog, suppression
consumes  notifier.urgent (group notifier-urgent), notifier.bulk (notifier-bulk), otp.challenges and
          registry.people (notifier)
produces  notifier.deliveries, notifier.replies
endpoints POST /twilio/status/{message_id}, POST /twilio/inbound, POST /telegram/{bot id},
          POST /v1/republish (operator)
also      channels/ (one provider a file), migrations/ (Alembic, plain SQL), locale/ (texts), relay.py (outbox)
"""
