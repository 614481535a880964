"""Who acts: an argument of every use case."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from services.registry.domain.failures import NotPermitted, OutOfScope


class Permission(StrEnum):
    """What an account, or one of its API keys, may do."""

    READ = "read"
    RECORD = "record"
    IMPORT = "import"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody signed in, or the account behind an API key."""

    account_id: UUID
    organisation_id: UUID
    name: str
    """How appointees see the recorder."""
    permissions: frozenset[Permission]
    unit_id: UUID | None = None
    """Scope: this unit and everything below; None: the whole organisation."""

    @property
    def only_own(self) -> UUID | None:
        """Whose imports this principal sees: rejected rows name people and phones of any unit, so that who has a part
        of the organisation sees their own (this account) alone. None: all."""
        return None if self.unit_id is None else self.account_id

    def may(self, permission: Permission) -> bool:
        """Whether this is allowed."""
        return permission in self.permissions

    def require(self, permission: Permission) -> None:
        """Raise NotPermitted unless allowed."""
        if not self.may(permission):
            raise NotPermitted(permission=permission.value)

    def require_everywhere(self, permission: Permission) -> None:
        """Raise NotPermitted unless allowed; OutOfScope unless for the whole organisation."""
        self.require(permission)
        if self.unit_id is not None:
            raise OutOfScope(unit="*")
