"""Why Kafka does not let us in. aiokafka says "Unable to bootstrap" for an expired certificate, a foreign CA, a wrong
password and a dead broker alike, so the first connection is made once more, and what it meets is said."""

import asyncio
import contextlib
import ssl
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from aiokafka.conn import collect_hosts, create_conn
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    IllegalSaslStateError,
    KafkaConnectionError,
    KafkaError,
    SaslAuthenticationFailed,
    TopicAuthorizationFailedError,
    UnsupportedSaslMechanismError,
    UnsupportedVersionError,
)
from aiokafka.protocol.metadata import MetadataRequest

from shared.bus.access import MECHANISM, OPEN
from shared.bus.connection import Connection
from shared.bus.wire import AccessRefused, BusUnavailable
from shared.clock import utc_now

LOST = (KafkaError, OSError, RuntimeError)
"""What a client raises whose broker is away. RuntimeError is uvloop's: a write to a connection that was just closed."""
_HOSTS = 3
_SECONDS = 3.0
"""For one broker: it is asked after it has failed, and whoever waits for the answer waits already."""
_NO_CHECK_TIME = 0x200000
"""X509_V_FLAG_NO_CHECK_TIME of OpenSSL: a certificate that ran out can be read."""
_OUT_OF_DATE = {9, 10}
_UNKNOWN_SIGNER = {2, 18, 19, 20, 21}
_OTHER_NAME = {62, 64}


async def unavailable(connection: Connection, error: BaseException) -> BusUnavailable:
    """What `error` of aiokafka means: AccessRefused with the cause where the broker or its certificate said no, else
    BusUnavailable."""
    if cause := _forbidden(connection, error):
        return AccessRefused(cause=cause)
    if isinstance(error, OSError) or (isinstance(error, KafkaError) and not isinstance(error, KafkaConnectionError)):
        return BusUnavailable()
    for host, port, _ in collect_hosts(connection.bootstrap)[:_HOSTS]:
        if cause := await _refusal(connection, host, port):
            return AccessRefused(cause=cause)
    return BusUnavailable()


def _forbidden(connection: Connection, error: BaseException) -> str | None:
    """An ACL that is missing."""
    who = f"user {connection.access.username or 'ANONYMOUS'}"
    for each in _chain(error):
        match each:
            case TopicAuthorizationFailedError():
                return f"{who} may not read or write topic {_named(each)}, or it does not exist"
            case GroupAuthorizationFailedError():
                return f"{who} may not use consumer group {_named(each)}"
            case ClusterAuthorizationFailedError():
                return f"{who} may write to no topic at all"
    return None


def _named(error: KafkaError) -> str:
    """What an authorization error is about: a name, a set of names, or a sentence that ends with the name."""
    about = error.args[0] if error.args else ""
    names = about if isinstance(about, (set, frozenset, list, tuple)) else [str(about).rpartition(" ")[2].rstrip(".")]
    return ", ".join(sorted(map(str, names)))


async def _refusal(connection: Connection, host: str, port: int) -> str | None:
    """What one broker says to a new connection; None: nothing, or it is fine."""
    try:
        async with asyncio.timeout(_SECONDS):
            established = await create_conn(host, port, **_settings(connection))
    except ssl.SSLCertVerificationError as error:
        return await _certificate(connection, host, port, error)
    except LOST as error:
        said = _sign_in(error, connection.access.username)
        return f"{host}:{port} {said}" if said else await _other_protocol(connection, host, port)
    try:
        await established.send(MetadataRequest([]))
    except LOST:
        return None if connection.access.username else f"{host}:{port} expects a user name and a password"
    finally:
        await _closed(established)
    return None


def _sign_in(error: BaseException, username: str | None) -> str | None:
    match error:
        case SaslAuthenticationFailed():
            return f"refused user {username}: wrong password, or unknown user"
        case UnsupportedSaslMechanismError():
            return f"does not offer {MECHANISM}"
        case IllegalSaslStateError() | UnsupportedVersionError():
            return "asks for no user and password on this port"
    return None


async def _other_protocol(connection: Connection, host: str, port: int) -> str | None:
    """Whether it would take a connection with TLS where we have none, or the other way round."""
    with contextlib.suppress(*LOST):
        async with asyncio.timeout(_SECONDS):
            if connection.access.ca_file is None:
                await _shown_certificate(host, port, ssl._create_unverified_context())  # noqa: S323, SLF001 # says nothing
                return f"{host}:{port} expects TLS"
            bare = replace(connection, access=OPEN)
            await _closed(await create_conn(host, port, **_settings(bare)))
            return f"{host}:{port} does not speak TLS"
    return None


async def _closed(established: Any) -> None:
    with contextlib.suppress(*LOST):
        async with asyncio.timeout(_SECONDS):
            if (closing := established.close()) is not None:
                await closing


def _settings(connection: Connection) -> dict[str, Any]:
    asked = {"client_id": connection.client_id, "request_timeout_ms": int(_SECONDS * 1000)}
    return connection.access.client_settings() | asked


async def _certificate(connection: Connection, host: str, port: int, error: ssl.SSLCertVerificationError) -> str:
    place = f"the certificate of {host}:{port}"
    if error.verify_code in _OUT_OF_DATE:
        return f"{place} {await _validity(connection, host, port)}"
    if error.verify_code in _UNKNOWN_SIGNER:
        return f"{place} is not signed by a CA of {connection.access.ca_file}"
    if error.verify_code in _OTHER_NAME:
        return f"{place} is not made out to {host}"
    return f"{place} is not valid: {error.verify_message}"


async def _validity(connection: Connection, host: str, port: int) -> str:
    """From when to when it is valid; read without looking at the clock."""
    ca_file = connection.access.ca_file
    context = ssl.create_default_context(cafile=None if ca_file == "system" else ca_file)
    context.verify_flags |= ssl.VerifyFlags(_NO_CHECK_TIME)
    with contextlib.suppress(*LOST):
        async with asyncio.timeout(_SECONDS):
            shown = await _shown_certificate(host, port, context)
        begin, end, now = _moment(shown["notBefore"]), _moment(shown["notAfter"]), utc_now()
        if end < now:
            return f"expired on {end:%Y-%m-%d at %H:%M} UTC"
        if begin > now:
            return f"is not valid before {begin:%Y-%m-%d at %H:%M} UTC"
    return "is out of date, or signed by a CA whose own is"


async def _shown_certificate(host: str, port: int, context: ssl.SSLContext) -> Any:
    _, writer = await asyncio.open_connection(host, port, ssl=context)
    try:
        return writer.get_extra_info("peercert")
    finally:
        writer.transport.abort()
        with contextlib.suppress(*LOST):
            await writer.wait_closed()


def _moment(shown: str) -> datetime:
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(shown), UTC)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__
