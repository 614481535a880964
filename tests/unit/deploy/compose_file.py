"""Reads a compose file, and replaces its variables as compose does."""

import re
from typing import Any

import yaml

_REFERENCE = re.compile(r"\$(?:(\$)|\{([A-Z][A-Z0-9_]*)(?::([?-])([^}]*))?\})")


class LoneDollar(ValueError):
    """A dollar that is neither a variable in braces nor doubled: compose may take it for a variable."""


class Missing(LookupError):
    """A required variable has no value: compose stops with its sentence."""


def read(text: str) -> dict[str, Any]:
    """The file as data. That Compose's own parser reads the same is a test of its own (tests/integration/deploy)."""
    found: dict[str, Any] = yaml.safe_load(text)
    return found


def interpolated(value: str, variables: dict[str, str]) -> str:
    """`value` with ${NAME}, ${NAME:-default} and ${NAME:?sentence} as compose replaces them. Raises Missing."""

    def replace(match: re.Match[str]) -> str:
        dollar, name, operator, rest = match.groups()
        if dollar:
            return "$"
        if given := variables.get(name):
            return given
        if operator == "-":
            return str(rest)
        raise Missing(f"{name} {rest or 'is not set'}")

    replaced = _REFERENCE.sub(replace, value)
    if "$" in _REFERENCE.sub("", value):
        raise LoneDollar(value)
    return replaced


def required(value: str) -> set[str]:
    """The variables without which compose does not start."""
    return {match[2] for match in _REFERENCE.finditer(value) if match[3] == "?" and match[4].strip()}


def environment(service: dict[str, Any], variables: dict[str, str]) -> dict[str, str]:
    """What a service's process finds in its environment: names without a value only when they are set."""
    declared: dict[str, str | None] = service.get("environment") or {}
    passed = {name: value for name, value in declared.items() if value is not None}
    found = {name: interpolated(value, variables) for name, value in passed.items()}
    return found | {name: variables[name] for name in declared if name not in passed and name in variables}


def dotenv(text: str) -> dict[str, str]:
    """A .env whose values are plain or in single quotes; inside them everything stands for itself."""
    lines = (line for line in text.splitlines() if line and not line.startswith("#"))
    pairs = (line.partition("=") for line in lines)
    return {name: value.removeprefix("'").removesuffix("'") for name, _, value in pairs}
