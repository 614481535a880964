"""A disk that is full for PostgreSQL: its files may not grow (RLIMIT_FSIZE), as under a quota. Needs no rights, and the
refusal is the kernel's: `could not extend file`."""

import os
import pwd
import resource
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import asyncpg

SEGMENT = 16 * 2**20
"""Bytes of a segment of the write-ahead log: the limit must let these be."""
_FILL = """
INSERT INTO outbox (event_id, organisation_id, urgent, topic, key, value, headers, created_at, published_at)
SELECT gen_random_uuid(), (SELECT id FROM organisation), false, 'none', '', repeat('x', 1000)::bytea, '[]', now(), now()
FROM generate_series(1, 2200)
"""


async def grown(url: str) -> int:
    """Make the registry's outbox larger than any file that must go on growing, each page too full for another row;
    returns its bytes."""
    db = await asyncpg.connect(url)
    try:
        await db.execute("ALTER TABLE outbox SET (fillfactor = 10, autovacuum_enabled = off)")
        await db.execute(_FILL)
        size: int = await db.fetchval("SELECT pg_relation_size('outbox')")
        return size
    finally:
        await db.close()


@contextmanager
def full(postgres: int, limit: int) -> Iterator[None]:
    """No file of this server grows beyond `limit` bytes as long as the block runs."""
    assert limit > SEGMENT
    _limit(postgres, limit)
    try:
        yield
    finally:
        _limit(postgres, resource.RLIM_INFINITY)


def _limit(postgres: int, limit: int) -> None:
    """By the server's own user: root may lack the right over others' limits (a container without SYS_RESOURCE). The
    server comes first: what it forks from then on inherits its limit."""
    if (child := os.fork()) == 0:  # not a new program: that user cannot read our checkout
        code = 1
        try:
            _as_nobody()
            _limit_one(postgres, limit)
            for pid in Path(f"/proc/{postgres}/task/{postgres}/children").read_text(encoding="ascii").split():
                _limit_one(int(pid), limit)
            code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, "the limit was not set"


def _as_nobody() -> None:
    if os.geteuid() == 0:
        user = pwd.getpwnam("nobody").pw_uid
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)


def _limit_one(pid: int, limit: int) -> None:
    with suppress(ProcessLookupError):
        hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)[1]
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (limit, hard))
