"""The ledger, what it learns, and what comes in."""

from alembic import op

revision = "0001"
down_revision = None

STATEMENTS = (
    # One row per message and recipient. `text` holds public parameters only; phone, name, code and link stay sealed.
    """
    CREATE TABLE message (
      id              uuid PRIMARY KEY,
      organisation_id uuid NOT NULL,
      lane            text NOT NULL CHECK (lane IN ('urgent', 'bulk')),
      template        text NOT NULL,
      text            jsonb NOT NULL,
      language        text NOT NULL,
      attempt         integer NOT NULL,
      fingerprints    jsonb NOT NULL DEFAULT '{}',
      contact         text,
      about           text,
      phone           text,
      chat_id         bigint,
      secrets         text,
      not_after       timestamptz,
      appointment_id  uuid,
      cycle           integer,
      challenge_id    uuid,
      unit_id         uuid,
      causation_id    uuid,
      traceparent     text,
      state           text NOT NULL DEFAULT 'queued'
                      CHECK (state IN ('queued', 'sending', 'accepted', 'delivered', 'failed', 'unknown')),
      channel         text,
      tried           text[] NOT NULL DEFAULT '{}',
      provider        text,
      provider_ref    text,
      reason          text,
      parts           integer,
      tries           integer NOT NULL DEFAULT 0,
      transient       integer NOT NULL DEFAULT 0,
      version         integer NOT NULL DEFAULT 0,
      resent          boolean NOT NULL DEFAULT false,
      not_before      timestamptz NOT NULL,
      lease_until     timestamptz,
      created_at      timestamptz NOT NULL,
      changed_at      timestamptz NOT NULL
    )
    """,
    # The claim query walks this: oldest due first, one lane never sees the other's rows.
    "CREATE INDEX message_queue ON message (lane, not_before) WHERE state = 'queued'",
    "CREATE INDEX message_lease ON message (lease_until) WHERE state = 'sending'",
    "CREATE INDEX message_doubt ON message (changed_at) WHERE state = 'unknown' AND lane = 'bulk' AND NOT resent",
    "CREATE INDEX message_challenge ON message (challenge_id) WHERE challenge_id IS NOT NULL",
    "CREATE INDEX message_appointment ON message (appointment_id) WHERE appointment_id IS NOT NULL",
    "CREATE INDEX message_age ON message (created_at)",
    # A receipt may come before the answer to the send, twice, and in any order; each is kept and applied once.
    """
    CREATE TABLE receipt (
      message_id  uuid NOT NULL,
      try         integer NOT NULL,
      status      text NOT NULL,
      code        text,
      received_at timestamptz NOT NULL,
      applied_at  timestamptz,
      PRIMARY KEY (message_id, try, status)
    )
    """,
    "CREATE INDEX receipt_age ON receipt (received_at)",
    # Learned from message requests and from what otp states, whichever comes first.
    """
    CREATE TABLE invitation (
      challenge_id    uuid PRIMARY KEY,
      organisation_id uuid NOT NULL,
      appointment_id  uuid NOT NULL,
      cycle           integer NOT NULL,
      handle_hash     text UNIQUE,
      fingerprints    jsonb NOT NULL DEFAULT '{}',
      prints          text[] NOT NULL DEFAULT '{}',
      organisation    jsonb,
      unit            jsonb,
      post            jsonb,
      language        text,
      contact         text,
      about           text,
      state           text NOT NULL DEFAULT 'open',
      version         integer NOT NULL DEFAULT 0,
      code_not_after  timestamptz,
      not_after       timestamptz,
      created_at      timestamptz NOT NULL,
      changed_at      timestamptz NOT NULL
    )
    """,
    "CREATE INDEX invitation_appointment ON invitation (appointment_id)",
    "CREATE INDEX invitation_prints ON invitation USING gin (prints)",
    """
    CREATE TABLE telegram_account (
      user_id           bigint PRIMARY KEY,
      chat_id           bigint NOT NULL,
      language          text NOT NULL DEFAULT 'hi',
      phone             text,
      fingerprints      jsonb NOT NULL DEFAULT '{}',
      prints            text[] NOT NULL DEFAULT '{}',
      contact_shared_at timestamptz,
      reachable         boolean NOT NULL DEFAULT true,
      announcements     boolean NOT NULL DEFAULT true,
      created_at        timestamptz NOT NULL,
      changed_at        timestamptz NOT NULL
    )
    """,
    "CREATE INDEX telegram_account_prints ON telegram_account USING gin (prints)",
    "CREATE INDEX telegram_account_chat ON telegram_account (chat_id)",
    """
    CREATE TABLE telegram_update (
      bot_id      bigint NOT NULL,
      update_id   bigint NOT NULL,
      chat_id     bigint,
      payload     text,
      state       text NOT NULL DEFAULT 'received' CHECK (state IN ('received', 'done', 'dead')),
      tries       integer NOT NULL DEFAULT 0,
      traceparent text,
      received_at timestamptz NOT NULL,
      done_at     timestamptz,
      PRIMARY KEY (bot_id, update_id)
    )
    """,
    "CREATE INDEX telegram_update_open ON telegram_update (update_id) WHERE state = 'received'",
    # The payload holds number and text under our storage key; the row without it is the inbox of replies.
    """
    CREATE TABLE inbound_sms (
      provider        text NOT NULL,
      inbound_id      text NOT NULL,
      reply_id        uuid NOT NULL UNIQUE,
      conversation_id uuid,
      payload         text,
      phone           text,
      fingerprints    jsonb NOT NULL DEFAULT '{}',
      state           text NOT NULL DEFAULT 'received' CHECK (state IN ('received', 'done', 'dead')),
      tries           integer NOT NULL DEFAULT 0,
      kind            text,
      answered_at     timestamptz,
      traceparent     text,
      received_at     timestamptz NOT NULL,
      done_at         timestamptz,
      PRIMARY KEY (provider, inbound_id)
    )
    """,
    "CREATE INDEX inbound_sms_open ON inbound_sms (received_at) WHERE state = 'received'",
    "CREATE INDEX inbound_sms_answered ON inbound_sms (conversation_id, answered_at) WHERE answered_at IS NOT NULL",
    "CREATE TABLE dialog (chat_id bigint PRIMARY KEY, state jsonb NOT NULL, changed_at timestamptz NOT NULL)",
    """
    CREATE TABLE suppression (
      fingerprint text NOT NULL,
      purpose     text NOT NULL,
      source      text NOT NULL,
      since       timestamptz NOT NULL,
      PRIMARY KEY (fingerprint, purpose)
    )
    """,
    """
    CREATE TABLE outbox (
      id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      type         text NOT NULL,
      body         text NOT NULL,
      urgent       boolean NOT NULL,
      traceparent  text,
      created_at   timestamptz NOT NULL,
      published_at timestamptz
    )
    """,
    # Replies and codes first: a broadcast's deliveries must not hold them up.
    "CREATE INDEX outbox_open ON outbox (urgent DESC, id) WHERE published_at IS NULL",
    "CREATE INDEX outbox_age ON outbox (created_at)",
    "CREATE TABLE erased (appointment_id uuid PRIMARY KEY, erased_at timestamptz NOT NULL)",
    "CREATE TABLE cluster (one boolean PRIMARY KEY DEFAULT true CHECK (one), id text NOT NULL)",
)


def upgrade() -> None:
    """Create everything."""
    for statement in STATEMENTS:
        op.execute(statement)
