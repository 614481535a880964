"""The bot's intake in order per chat, its answers as rows, and which message asked what."""

from alembic import op

revision = "0002"
down_revision = "0001"

STATEMENTS = (
    """
    ALTER TABLE telegram_update
      ADD COLUMN kind text,
      ADD COLUMN error text,
      ADD COLUMN not_before timestamptz NOT NULL DEFAULT '-infinity'
    """,
    # The claim query asks for the first open update of a chat.
    "CREATE INDEX telegram_update_chat ON telegram_update (bot_id, chat_id, update_id) WHERE state = 'received'",
    "CREATE INDEX telegram_update_age ON telegram_update (received_at)",
    # What the bot is going to say: written in the transaction of what caused it, encrypted, gone once it is said.
    # Answers to taps have no chat_id: they wait for nothing.
    """
    CREATE TABLE telegram_answer (
      id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      bot_id       bigint NOT NULL,
      chat_id      bigint,
      method       text NOT NULL,
      payload      text,
      locked_about uuid NOT NULL,
      challenge_id uuid,
      state        text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'saying', 'said', 'dead')),
      tries        integer NOT NULL DEFAULT 0,
      error        text,
      not_before   timestamptz NOT NULL,
      not_after    timestamptz,
      lease_until  timestamptz,
      created_at   timestamptz NOT NULL,
      done_at      timestamptz
    )
    """,
    "CREATE INDEX telegram_answer_open ON telegram_answer (bot_id, chat_id, id) WHERE state IN ('waiting', 'saying')",
    "CREATE INDEX telegram_answer_age ON telegram_answer (created_at)",
    # Messages of the dialog whose buttons must go when the challenge is over.
    """
    CREATE TABLE telegram_question (
      chat_id      bigint NOT NULL,
      message_id   bigint NOT NULL,
      challenge_id uuid NOT NULL,
      asked_at     timestamptz NOT NULL,
      PRIMARY KEY (chat_id, message_id)
    )
    """,
    "CREATE INDEX telegram_question_challenge ON telegram_question (challenge_id)",
    # A group that became a supergroup has another id; requests keep naming the old one.
    """
    CREATE TABLE telegram_alias (
      chat_id    bigint PRIMARY KEY,
      moved_to   bigint NOT NULL,
      changed_at timestamptz NOT NULL
    )
    """,
    # Replies given by Telegram: where their outcome is to be told.
    """
    CREATE TABLE telegram_reply (
      reply_id     uuid PRIMARY KEY,
      chat_id      bigint NOT NULL,
      user_id      bigint NOT NULL,
      message_id   bigint,
      challenge_id uuid,
      replied_at   timestamptz NOT NULL,
      judged_at    timestamptz
    )
    """,
    "CREATE INDEX telegram_reply_age ON telegram_reply (replied_at)",
)


def upgrade() -> None:
    """Add what the bot needs."""
    for statement in STATEMENTS:
        op.execute(statement)
