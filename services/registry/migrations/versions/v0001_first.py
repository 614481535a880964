"""Units, posts, people, appointments, their events, and who may do what."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_CATALOGUE = (
    """
    CREATE TABLE organisation (
        id uuid PRIMARY KEY,
        code text NOT NULL UNIQUE,
        name_hi text,
        name_en text,
        language text NOT NULL DEFAULT 'hi' CHECK (language IN ('hi', 'en')),
        preset text NOT NULL,
        created_at timestamptz NOT NULL,
        CHECK (coalesce(name_hi, name_en) IS NOT NULL)
    )
    """,
    """
    CREATE TABLE level (
        organisation_id uuid NOT NULL REFERENCES organisation,
        code text NOT NULL,
        rank smallint NOT NULL, -- 1 is the top
        name_hi text,
        name_en text,
        PRIMARY KEY (organisation_id, code),
        UNIQUE (organisation_id, rank),
        CHECK (coalesce(name_hi, name_en) IS NOT NULL)
    )
    """,
    """
    CREATE TABLE post (
        organisation_id uuid NOT NULL,
        level text NOT NULL,
        code text NOT NULL,
        name_hi text,
        name_en text,
        seats smallint NOT NULL CHECK (seats > 0),
        position smallint NOT NULL, -- order of display
        PRIMARY KEY (organisation_id, level, code),
        FOREIGN KEY (organisation_id, level) REFERENCES level,
        CHECK (coalesce(name_hi, name_en) IS NOT NULL)
    )
    """,
    """
    CREATE TABLE rule ( -- what a committee of a level needs at least; 'seats' is the sum of post.seats
        organisation_id uuid NOT NULL,
        level text NOT NULL,
        kind text NOT NULL CHECK (kind IN ('women')),
        minimum smallint NOT NULL CHECK (minimum > 0),
        PRIMARY KEY (organisation_id, level, kind),
        FOREIGN KEY (organisation_id, level) REFERENCES level
    )
    """,
)

_UNITS = (
    """
    CREATE TABLE unit (
        id uuid PRIMARY KEY,
        organisation_id uuid NOT NULL,
        level text NOT NULL,
        code text NOT NULL,
        number text, -- as people say it ("80", "2A"); names repeat, so it is always shown beside the name
        position integer NOT NULL DEFAULT 0, -- leading digits of number: the order of siblings
        name_hi text,
        name_en text,
        created_at timestamptz NOT NULL,
        UNIQUE (organisation_id, code),
        FOREIGN KEY (organisation_id, level) REFERENCES level,
        CHECK (coalesce(number, name_hi, name_en) IS NOT NULL)
    )
    """,
    "CREATE INDEX unit_code_prefix ON unit (organisation_id, code text_pattern_ops)",
    "CREATE INDEX unit_level ON unit (organisation_id, level)",
    """
    CREATE TABLE placement ( -- where a unit hangs in a tree, from .. to: the truth; several trees come later
        organisation_id uuid NOT NULL REFERENCES organisation,
        unit_id uuid NOT NULL REFERENCES unit,
        tree text NOT NULL DEFAULT 'organisation',
        parent_id uuid REFERENCES unit,
        valid_from timestamptz NOT NULL,
        valid_to timestamptz,
        PRIMARY KEY (unit_id, tree, valid_from),
        CHECK (valid_to > valid_from),
        CHECK (parent_id <> unit_id)
    )
    """,
    "CREATE UNIQUE INDEX placement_now ON placement (unit_id, tree) WHERE valid_to IS NULL",
    "CREATE INDEX placement_children ON placement (parent_id, tree) WHERE valid_to IS NULL",
    """
    CREATE TABLE lineage ( -- derived from today's placements of the tree 'organisation': a unit, and all above it
        unit_id uuid NOT NULL REFERENCES unit,
        above_id uuid NOT NULL REFERENCES unit,
        distance smallint NOT NULL, -- 0: itself, 1: its parent
        PRIMARY KEY (unit_id, above_id)
    )
    """,
    "CREATE INDEX lineage_below ON lineage (above_id, unit_id)",
    """
    CREATE TABLE unit_channel (
        unit_id uuid PRIMARY KEY REFERENCES unit,
        organisation_id uuid NOT NULL REFERENCES organisation,
        chat_id bigint NOT NULL,
        set_at timestamptz NOT NULL
    )
    """,
)

_PEOPLE = (
    """
    CREATE TABLE person (
        id uuid PRIMARY KEY,
        organisation_id uuid NOT NULL REFERENCES organisation,
        name_hi text,
        name_en text,
        gender text CHECK (gender IN ('female', 'male', 'other')), -- optional; counts of women need it
        language text NOT NULL CHECK (language IN ('hi', 'en')),
        created_at timestamptz NOT NULL,
        erased_at timestamptz,
        CHECK (erased_at IS NOT NULL OR coalesce(name_hi, name_en) IS NOT NULL)
    )
    """,
    """
    CREATE TABLE contact (
        id uuid PRIMARY KEY,
        organisation_id uuid NOT NULL REFERENCES organisation,
        person_id uuid NOT NULL REFERENCES person,
        phone_kid text NOT NULL,
        phone_box bytea NOT NULL, -- SecretBox of the E.164 number under PHONE_KEYS[phone_kid]
        phone_last3 text NOT NULL CHECK (phone_last3 ~ '^[0-9]{3}$'),
        created_at timestamptz NOT NULL
    )
    """,
    "CREATE INDEX contact_person ON contact (person_id, created_at)",
    """
    CREATE TABLE contact_fingerprint ( -- one row a key version: look-ups try all
        contact_id uuid NOT NULL REFERENCES contact ON DELETE CASCADE,
        kid text NOT NULL,
        fingerprint text NOT NULL,
        PRIMARY KEY (contact_id, kid)
    )
    """,
    "CREATE INDEX contact_by_fingerprint ON contact_fingerprint (fingerprint)",
    """
    CREATE TABLE subscription (
        unit_id uuid NOT NULL REFERENCES unit,
        person_id uuid NOT NULL REFERENCES person,
        organisation_id uuid NOT NULL REFERENCES organisation,
        contact_id uuid NOT NULL REFERENCES contact,
        created_at timestamptz NOT NULL,
        PRIMARY KEY (unit_id, person_id)
    )
    """,
    "CREATE INDEX subscription_person ON subscription (person_id)",
)

_APPOINTMENTS = (
    """
    CREATE TABLE appointment (
        id uuid PRIMARY KEY,
        organisation_id uuid NOT NULL REFERENCES organisation,
        unit_id uuid NOT NULL REFERENCES unit,
        level text NOT NULL,
        post text NOT NULL,
        seat smallint NOT NULL CHECK (seat > 0), -- ordinal within the post
        person_id uuid NOT NULL REFERENCES person,
        contact_id uuid REFERENCES contact, -- NULL once the person is erased
        state text NOT NULL CHECK (state IN ('recorded', 'verified', 'refused', 'locked', 'expired', 'ended')),
        state_at timestamptz NOT NULL,
        cycle integer NOT NULL DEFAULT 1,
        version integer NOT NULL DEFAULT 1,
        mode text NOT NULL CHECK (mode IN ('live', 'invite')),
        language text NOT NULL CHECK (language IN ('hi', 'en')),
        external_ref text,
        notice_version text NOT NULL,
        notice_language text NOT NULL,
        notice_at timestamptz NOT NULL,
        recorder text NOT NULL,
        recorded_by uuid NOT NULL,
        recorded_at timestamptz NOT NULL,
        invited_at timestamptz NOT NULL, -- start of the current cycle
        not_after timestamptz NOT NULL, -- end of the current invitation
        verified_at timestamptz,
        verified_via text,
        verified_notice jsonb,
        name_consent jsonb, -- {version, language, at}, or NULL: not given
        ended_at timestamptz,
        ended_reason text,
        FOREIGN KEY (organisation_id, level, post) REFERENCES post
    )
    """,
    """
    CREATE UNIQUE INDEX appointment_seat ON appointment (unit_id, post, seat) WHERE state IN ('recorded', 'verified')
    """,
    """
    CREATE UNIQUE INDEX appointment_external_ref ON appointment (organisation_id, external_ref)
        WHERE external_ref IS NOT NULL
    """,
    "CREATE INDEX appointment_unit ON appointment (unit_id, state)",
    "CREATE INDEX appointment_person ON appointment (person_id)",
    "CREATE INDEX appointment_contact ON appointment (contact_id)",
    """
    CREATE TABLE challenge ( -- one a cycle: which phone is asked, and what otp last stated
        id uuid PRIMARY KEY,
        organisation_id uuid NOT NULL REFERENCES organisation,
        appointment_id uuid NOT NULL REFERENCES appointment,
        cycle integer NOT NULL,
        contact_id uuid REFERENCES contact, -- NULL once the person is erased
        version integer NOT NULL DEFAULT 0, -- an event whose version is not above it changes nothing
        state text NOT NULL DEFAULT 'waiting'
            CHECK (state IN ('waiting', 'opened', 'verified', 'refused', 'locked', 'expired', 'closed')),
        at timestamptz NOT NULL,
        UNIQUE (appointment_id, cycle)
    )
    """,
    "CREATE INDEX challenge_contact ON challenge (contact_id)",
    """
    CREATE TABLE timeline (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        organisation_id uuid NOT NULL REFERENCES organisation,
        appointment_id uuid NOT NULL REFERENCES appointment,
        cycle integer NOT NULL,
        kind text NOT NULL,
        at timestamptz NOT NULL,
        details jsonb NOT NULL DEFAULT '{}' -- never a phone, name, code or handle
    )
    """,
    "CREATE INDEX timeline_appointment ON timeline (appointment_id, at, id)",
    """
    CREATE TABLE delivery ( -- the last state of a message; its course is in the timeline
        message_id uuid PRIMARY KEY,
        organisation_id uuid NOT NULL REFERENCES organisation,
        appointment_id uuid,
        cycle integer,
        challenge_id uuid,
        unit_id uuid,
        lane text NOT NULL,
        template text NOT NULL,
        channel text NOT NULL,
        provider text NOT NULL,
        state text NOT NULL CHECK (state IN ('accepted', 'delivered', 'failed', 'unknown')),
        reason text,
        falls_back boolean NOT NULL DEFAULT false,
        attempt integer NOT NULL,
        parts integer,
        version integer NOT NULL,
        at timestamptz NOT NULL
    )
    """,
    "CREATE INDEX delivery_appointment ON delivery (appointment_id, at)",
    """
    CREATE TABLE change ( -- what open pages must redraw; read only below pg_snapshot_xmin, ordered by (tx, id)
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        tx xid8 NOT NULL DEFAULT pg_current_xact_id(),
        organisation_id uuid NOT NULL REFERENCES organisation,
        unit_id uuid,
        appointment_id uuid,
        kind text NOT NULL,
        at timestamptz NOT NULL
    )
    """,
    "CREATE INDEX change_order ON change (tx, id)",
    "CREATE INDEX change_age ON change (at)",
)

_EVENTS = (
    """
    CREATE TABLE outbox (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        event_id uuid NOT NULL UNIQUE,
        organisation_id uuid NOT NULL REFERENCES organisation,
        urgent boolean NOT NULL,
        topic text NOT NULL,
        key bytea NOT NULL,
        value bytea NOT NULL,
        headers jsonb NOT NULL, -- [[name, text], ...]
        person_ids uuid[] NOT NULL DEFAULT '{}', -- whose sealed fields the value holds, so that they can be erased
        created_at timestamptz NOT NULL,
        published_at timestamptz,
        refused text -- why the broker never takes it: published_at is set, an alarm was raised
    )
    """,
    "CREATE INDEX outbox_waiting ON outbox (urgent DESC, id) WHERE published_at IS NULL",
    "CREATE INDEX outbox_published ON outbox (published_at) WHERE published_at IS NOT NULL",
    """
    CREATE TABLE cluster ( -- the broker seen last: another one has no memory of what was published
        one boolean PRIMARY KEY DEFAULT true CHECK (one),
        cluster_id text NOT NULL,
        seen_at timestamptz NOT NULL
    )
    """,
    """
    CREATE TABLE idempotency (
        organisation_id uuid NOT NULL REFERENCES organisation,
        account_id uuid NOT NULL,
        key text NOT NULL,
        request_hash bytea NOT NULL,
        status smallint,
        response jsonb,
        created_at timestamptz NOT NULL,
        PRIMARY KEY (organisation_id, account_id, key)
    )
    """,
    "CREATE INDEX idempotency_age ON idempotency (created_at)",
)

_ACCESS = (
    """
    CREATE TABLE account ( -- somebody who works with the registry: a recorder, an administrator, a program
        id uuid PRIMARY KEY,
        organisation_id uuid NOT NULL REFERENCES organisation,
        name text NOT NULL,
        unit_id uuid REFERENCES unit, -- its scope; NULL: the whole organisation
        permissions text[] NOT NULL,
        language text NOT NULL DEFAULT 'hi' CHECK (language IN ('hi', 'en')),
        created_at timestamptz NOT NULL,
        closed_at timestamptz
    )
    """,
    """
    CREATE TABLE api_key (
        id uuid PRIMARY KEY,
        organisation_id uuid NOT NULL REFERENCES organisation,
        account_id uuid NOT NULL REFERENCES account,
        key_hash bytea NOT NULL UNIQUE, -- SHA-256
        scopes text[] NOT NULL,
        created_at timestamptz NOT NULL,
        revoked_at timestamptz
    )
    """,
    """
    CREATE TABLE sign_in ( -- one-time links
        token_hash bytea PRIMARY KEY,
        organisation_id uuid NOT NULL REFERENCES organisation,
        account_id uuid NOT NULL REFERENCES account,
        created_at timestamptz NOT NULL,
        expires_at timestamptz NOT NULL,
        used_at timestamptz
    )
    """,
    """
    CREATE TABLE session (
        token_hash bytea PRIMARY KEY,
        organisation_id uuid NOT NULL REFERENCES organisation,
        account_id uuid NOT NULL REFERENCES account,
        language text,
        created_at timestamptz NOT NULL,
        seen_at timestamptz NOT NULL,
        expires_at timestamptz NOT NULL
    )
    """,
)

_IMPORTS = (
    """
    CREATE TABLE import_job (
        id uuid PRIMARY KEY,
        organisation_id uuid NOT NULL REFERENCES organisation,
        kind text NOT NULL CHECK (kind IN ('units', 'appointments')),
        preset text,
        state text NOT NULL CHECK (state IN ('running', 'done', 'failed')),
        problem text, -- code of the file-level problem
        problem_details jsonb,
        encoding text,
        columns text[],
        total_bytes bigint NOT NULL DEFAULT 0,
        bytes bigint NOT NULL DEFAULT 0,
        rows integer NOT NULL DEFAULT 0,
        accepted integer NOT NULL DEFAULT 0,
        unchanged integer NOT NULL DEFAULT 0, -- were there already: a repeated upload
        rejected integer NOT NULL DEFAULT 0,
        account_id uuid NOT NULL REFERENCES account,
        created_at timestamptz NOT NULL,
        seen_at timestamptz NOT NULL, -- last sign of life of the process that works on it
        finished_at timestamptz
    )
    """,
    "CREATE INDEX import_job_recent ON import_job (organisation_id, created_at)",
    """
    CREATE TABLE import_reject (
        job_id uuid NOT NULL REFERENCES import_job ON DELETE CASCADE,
        row integer NOT NULL, -- as in the spreadsheet: the header is row 1
        problem smallint NOT NULL, -- several a row
        column_name text,
        code text NOT NULL,
        details jsonb NOT NULL DEFAULT '{}',
        cells_kid text NOT NULL,
        cells bytea NOT NULL, -- the row as written (phones, names): SecretBox of a JSON array
        PRIMARY KEY (job_id, row, problem)
    )
    """,
)


def upgrade() -> None:
    """Make everything."""
    for statement in _CATALOGUE + _UNITS + _PEOPLE + _APPOINTMENTS + _EVENTS + _ACCESS + _IMPORTS:
        op.execute(statement)


def downgrade() -> None:
    """There is nothing before this."""
    raise NotImplementedError
