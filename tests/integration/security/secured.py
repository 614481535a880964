"""A secured Apache Kafka as an operator would make it: TLS, SCRAM-SHA-512, one principal per service, ACLs."""

import asyncio
import secrets
from collections.abc import Coroutine, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from shared.bus.access import MECHANISM, Access
from shared.bus.connection import Connection
from shared.clock import utc_now
from shared.events.rights import PRINCIPALS, Right
from stack import ports
from stack.folder import RunFolder
from stack.kafka import Jars, KafkaCluster, Security
from tests.e2e.world import until
from tests.integration.security.certificates import Authority

T = TypeVar("T")
ADMIN, BROKER = "admin", "broker"
DOOR = "DOOR"
RAN_OUT = timedelta(hours=-1)
ANSWER_SECONDS = 90.0
_OPERATIONS = {
    "Read": AclOperation.READ,
    "Write": AclOperation.WRITE,
    "Describe": AclOperation.DESCRIBE,
    "DescribeConfigs": AclOperation.DESCRIBE_CONFIGS,
    "AlterConfigs": AclOperation.ALTER_CONFIGS,
    "Create": AclOperation.CREATE,
}
_RESOURCES = {"topic": ResourceType.TOPIC, "group": ResourceType.GROUP}


async def all_closed() -> None:
    """Wait until the loop watches nothing but its own pipe: a TLS connection ends with a farewell that aiokafka does
    not wait for, and a loop that is closed before leaves a socket behind."""
    selector = asyncio.get_running_loop()._selector  # type: ignore[attr-defined]
    async with asyncio.timeout(60):
        while len(selector.get_map()) > 1:  # noqa: ASYNC110 # nothing tells of it
            await asyncio.sleep(0.01)


def ran(work: Coroutine[object, object, T]) -> T:
    """The result of `work` in a loop of its own."""

    async def to_the_end() -> T:
        try:
            return await work
        finally:
            await all_closed()

    return asyncio.run(to_the_end())


@dataclass(frozen=True)
class Secured:
    """A cluster that nobody enters without a password."""

    kafka: KafkaCluster
    authority: Authority
    ca_file: Path
    passwords: Mapping[str, str]
    door: int
    """Port of a listener that shows a certificate that ran out, until `renew`."""
    door_certificate: Path

    @property
    def bootstrap(self) -> str:
        """Where clients connect."""
        return self.kafka.bootstrap

    def access(self, principal: str, password: str | None = None) -> Access:
        """What a principal shows."""
        return Access(principal, password or self.passwords[principal], self.ca_file)

    def connection(self, principal: str, password: str | None = None) -> Connection:
        """As a service would connect."""
        return Connection(
            self.bootstrap, f"tests-{principal}", delivery_timeout=30.0, access=self.access(principal, password)
        )

    def environment(self, principal: str, prefix: str) -> dict[str, str]:
        """The variables of a process that acts as this principal."""
        return {
            f"{prefix}KAFKA": self.bootstrap,
            f"{prefix}KAFKA_USERNAME": principal,
            f"{prefix}KAFKA_PASSWORD": self.passwords[principal],
            f"{prefix}KAFKA_CA_FILE": str(self.ca_file),
        }

    def at_the_door(self, principal: str) -> Connection:
        """As a service would connect to the listener whose certificate ran out."""
        return replace(self.connection(principal), bootstrap=f"127.0.0.1:{self.door}")

    def renew(self, lifetime: timedelta = timedelta(days=365)) -> None:
        """The door shows a new certificate from now on, without a restart of the broker, as an operator would do it."""
        self.authority.broker(self.door_certificate, lifetime=lifetime)
        name = f"listener.name.{DOOR.lower()}.ssl.keystore.location"
        entry = ConfigEntry(name, str(self.door_certificate), incremental_operation=AlterConfigOpType.SET)
        admin = self.admin(ADMIN)
        node = ConfigResource(ConfigResource.Type.BROKER, "1", incremental_configs=[entry])
        for done in admin.incremental_alter_configs([node]).values():
            done.result(ANSWER_SECONDS)

    def set_password(self, principal: str, password: str) -> None:
        """Kafka knows this password of a principal from now on; open connections go on."""
        admin = self.admin(ADMIN)
        info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
        change = UserScramCredentialUpsertion(principal, info, password.encode())
        for done in admin.alter_user_scram_credentials([change]).values():
            done.result(ANSWER_SECONDS)

    def allow(self, rights: Iterable[Right]) -> None:
        """Add these ACLs, as the administrator, and wait until they hold."""
        admin = self.admin(ADMIN)  # its answers do not come when nobody holds it
        wanted = {_binding(right) for right in rights}
        for done in admin.create_acls([*wanted]).values():
            done.result(ANSWER_SECONDS)
        until(lambda: wanted <= _in_force(admin), "the node knows the rights")

    def forbid(self, rights: Iterable[Right]) -> None:
        """Take these ACLs away, and wait until they do not hold any more."""
        admin, gone = self.admin(ADMIN), [*rights]
        for done in admin.delete_acls([_filter(right) for right in gone]).values():
            done.result(ANSWER_SECONDS)
        until(lambda: not {_binding(right) for right in gone} & _in_force(admin), "the node has forgotten the rights")

    def admin(self, principal: str) -> AdminClient:
        """Another implementation of Kafka's protocol, acting as `principal`."""
        return AdminClient(
            {
                "bootstrap.servers": self.bootstrap,
                "security.protocol": "SASL_SSL",
                "sasl.mechanism": MECHANISM,
                "sasl.username": principal,
                "sasl.password": self.passwords[principal],
                "ssl.ca.location": str(self.ca_file),
                "log_level": 0,  # else it complains for ever once the broker has stopped
            }
        )


def secured(jars: Jars, run: RunFolder, *, name: str) -> Secured:
    """A cluster that is not started."""
    folder = run.path / f"{name}-certificates"
    folder.mkdir(mode=0o700)
    authority = Authority(name, utc_now())
    ca_file = authority.trusted(folder / "ca.pem")
    passwords = {user: secrets.token_urlsafe(18) for user in (*PRINCIPALS, ADMIN, BROKER)}
    node = authority.broker(folder / "node.pem")
    old = authority.broker(folder / "door.pem", lifetime=RAN_OUT)
    door = ports.pick()
    security = _security(node, old, door, ca_file, passwords)
    return Secured(KafkaCluster(jars, run, security=security, name=name), authority, ca_file, passwords, door, old)


def _security(node: Path, old: Path, door: int, ca_file: Path, passwords: Mapping[str, str]) -> Security:
    login = "org.apache.kafka.common.security.scram.ScramLoginModule required"
    login += f' username="{BROKER}" password="{passwords[BROKER]}";'
    jaas = f"{MECHANISM.lower()}.sasl.jaas.config"
    properties = {
        "sasl.enabled.mechanisms": MECHANISM,
        "sasl.mechanism.inter.broker.protocol": MECHANISM,
        f"listener.name.sasl_ssl.{jaas}": login,
        f"listener.name.{DOOR.lower()}.{jaas}": login,
        f"listener.name.{DOOR.lower()}.ssl.keystore.location": str(old),
        "listener.name.controller.ssl.client.auth": "required",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(node),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(ca_file),
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": f"User:{BROKER};User:{ADMIN};User:CN=kafka-node",
    }
    users = [f"{MECHANISM}=[name={user},iterations=4096,password={word}]" for user, word in passwords.items()]
    arguments = tuple(word for user in users for word in ("--add-scram", user))
    return Security(doors={DOOR: door}, properties=properties, format_arguments=arguments)


def _in_force(admin: AdminClient) -> set[AclBinding]:
    """What the node itself goes by: a change is acknowledged by the controller before the node has heard of it."""
    any_: Any = None
    pattern = (ResourceType.ANY, any_, ResourcePatternType.ANY, any_, any_, AclOperation.ANY, AclPermissionType.ANY)
    every = AclBindingFilter(*pattern)
    return {*admin.describe_acls(every).result(ANSWER_SECONDS)}


def _binding(right: Right) -> AclBinding:
    return AclBinding(*_pattern(right))


def _filter(right: Right) -> AclBindingFilter:
    return AclBindingFilter(*_pattern(right))


def _pattern(
    right: Right,
) -> tuple[ResourceType, str, ResourcePatternType, str, str, AclOperation, AclPermissionType]:
    return (
        _RESOURCES[right.resource],
        right.name,
        ResourcePatternType.LITERAL,
        f"User:{right.principal}",
        "*",
        _OPERATIONS[right.operation],
        AclPermissionType.ALLOW,
    )
