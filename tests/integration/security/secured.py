"""A secured Apache Kafka as an operator would make it: TLS, SCRAM-SHA-512, one principal per service, ACLs."""

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from shared.bus.access import MECHANISM, Access
from shared.bus.connection import Connection
from shared.clock import utc_now
from shared.events.rights import PRINCIPALS, Right
from stack.folder import RunFolder
from stack.kafka import Jars, KafkaCluster, Security
from tests.integration.security.certificates import Authority

ADMIN, BROKER = "admin", "broker"
ANSWER_SECONDS = 30.0
_OPERATIONS = {
    "Read": AclOperation.READ,
    "Write": AclOperation.WRITE,
    "Describe": AclOperation.DESCRIBE,
    "DescribeConfigs": AclOperation.DESCRIBE_CONFIGS,
    "AlterConfigs": AclOperation.ALTER_CONFIGS,
    "Create": AclOperation.CREATE,
}
_RESOURCES = {"topic": ResourceType.TOPIC, "group": ResourceType.GROUP}


@dataclass(frozen=True)
class Secured:
    """A cluster that nobody enters without a password."""

    kafka: KafkaCluster
    ca_file: Path
    passwords: Mapping[str, str]

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
            self.bootstrap, f"tests-{principal}", delivery_timeout=10.0, access=self.access(principal, password)
        )

    def environment(self, principal: str, prefix: str) -> dict[str, str]:
        """The variables of a process that acts as this principal."""
        return {
            f"{prefix}KAFKA": self.bootstrap,
            f"{prefix}KAFKA_USERNAME": principal,
            f"{prefix}KAFKA_PASSWORD": self.passwords[principal],
            f"{prefix}KAFKA_CA_FILE": str(self.ca_file),
        }

    def allow(self, rights: Iterable[Right]) -> None:
        """Add these ACLs, as the administrator."""
        admin = self.admin(ADMIN)  # its answers do not come when nobody holds it
        for done in admin.create_acls([_binding(right) for right in rights]).values():
            done.result(ANSWER_SECONDS)

    def forbid(self, rights: Iterable[Right]) -> None:
        """Take these ACLs away."""
        admin = self.admin(ADMIN)
        for done in admin.delete_acls([_filter(right) for right in rights]).values():
            done.result(ANSWER_SECONDS)

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


def secured(jars: Jars, run: RunFolder, *, name: str, lifetime: timedelta = timedelta(days=365)) -> Secured:
    """A cluster that is not started. `lifetime`: of the broker's certificate; negative: it ran out that long ago."""
    folder = run.path / f"{name}-certificates"
    folder.mkdir(mode=0o700)
    authority = Authority(name, utc_now())
    ca_file = authority.trusted(folder / "ca.pem")
    passwords = {user: secrets.token_urlsafe(18) for user in (*PRINCIPALS, ADMIN, BROKER)}
    security = _security(authority.broker(folder / "node.pem", lifetime=lifetime), ca_file, passwords)
    return Secured(KafkaCluster(jars, run, security=security, name=name), ca_file, passwords)


def _security(node: Path, ca_file: Path, passwords: Mapping[str, str]) -> Security:
    login = "org.apache.kafka.common.security.scram.ScramLoginModule required"
    listener = f"listener.name.sasl_ssl.{MECHANISM.lower()}"
    properties = {
        "sasl.enabled.mechanisms": MECHANISM,
        "sasl.mechanism.inter.broker.protocol": MECHANISM,
        f"{listener}.sasl.jaas.config": f'{login} username="{BROKER}" password="{passwords[BROKER]}";',
        "listener.name.controller.ssl.client.auth": "required",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(node),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(ca_file),
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": f"User:{BROKER};User:{ADMIN};User:CN=kafka-node",
    }
    users = [f"{MECHANISM}=[name={user},iterations=4096,password={word}]" for user, word in passwords.items()]
    return Security(
        properties=properties, format_arguments=tuple(word for user in users for word in ("--add-scram", user))
    )


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
