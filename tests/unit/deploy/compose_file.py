"""Reads the part of YAML that docker-compose.yml is written in, and refuses everything else.

Block mappings and block sequences of scalars, anchors on mappings, `<<: *name`, plain scalars, and flow style as JSON.
There is no YAML parser among the pinned packages; a file that this reader takes, any YAML 1.2 parser reads the same."""

import json
import re
from dataclasses import dataclass
from typing import Any

_KEY = re.compile(r"(<<|[A-Za-z0-9_.-]+):(?: (.*))?")
_ANCHOR = re.compile(r"&([a-z-]+)")
_ALIAS = re.compile(r"\*([a-z-]+)")
_REFERENCE = re.compile(r"\$(?:(\$)|\{([A-Z][A-Z0-9_]*)(?::([?-])([^}]*))?\})")


class NotInOurYaml(ValueError):
    """A line is outside the subset, or would be read differently by other parsers."""


class Missing(LookupError):
    """A required variable has no value: compose stops with its sentence."""


@dataclass(frozen=True)
class _Line:
    number: int
    indent: int
    text: str

    def refuse(self, why: str) -> NotInOurYaml:
        return NotInOurYaml(f"line {self.number}: {why}: {self.text}")


def read(text: str) -> dict[str, Any]:
    """The file as data. Raises NotInOurYaml."""
    lines = [
        _Line(number, len(raw) - len(raw.lstrip()), raw.strip())
        for number, raw in enumerate(text.splitlines(), 1)
        if raw.strip() and not raw.lstrip().startswith("#")
    ]
    reader = _Reader(lines)
    found = reader.mapping(0)
    if reader.lines:
        raise reader.lines[0].refuse("unexpected indentation")
    return found


class _Reader:
    def __init__(self, lines: list[_Line]) -> None:
        self.lines = lines
        self._anchors: dict[str, dict[str, Any]] = {}

    def mapping(self, indent: int) -> dict[str, Any]:
        """The mapping whose keys stand at `indent`."""
        own: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        while self.lines and self.lines[0].indent == indent:
            line = self.lines.pop(0)
            match = _KEY.fullmatch(line.text)
            if not match:
                raise line.refuse("not `key: value`")
            key, value = match[1], match[2] or ""
            if key == "<<":
                merged = self._alias(value, line)
            elif key in own:
                raise line.refuse("a key twice")
            else:
                own[key] = self._value(value, line)
        return {**merged, **own}

    def _value(self, value: str, line: _Line) -> Any:
        anchor = _ANCHOR.fullmatch(value)
        if value and not anchor:
            return self._alias(value, line) if value.startswith("*") else _scalar(value, line)
        if not self.lines or self.lines[0].indent <= line.indent:
            if anchor:
                raise line.refuse("an anchor on nothing")
            return None
        if self.lines[0].text.startswith("- "):
            return self._sequence(self.lines[0].indent)
        found = self.mapping(self.lines[0].indent)
        if anchor:
            self._anchors[anchor[1]] = found
        return found

    def _sequence(self, indent: int) -> list[Any]:
        found = []
        while self.lines and self.lines[0].indent == indent:
            line = self.lines.pop(0)
            if not line.text.startswith("- "):
                raise line.refuse("not `- value`")
            found.append(_scalar(line.text[2:], line))
        return found

    def _alias(self, value: str, line: _Line) -> dict[str, Any]:
        match = _ALIAS.fullmatch(value)
        if not match or match[1] not in self._anchors:
            raise line.refuse("an unknown alias")
        return dict(self._anchors[match[1]])


def _scalar(value: str, line: _Line) -> Any:
    if value[0] in '[{"':
        try:
            return json.loads(value)
        except ValueError as error:
            raise line.refuse("flow style that is not JSON") from error
    if value[0] in "&*!|>%@`'#,]}?" or ": " in value or " #" in value or value.endswith(":"):
        raise line.refuse("quote it")
    if re.fullmatch(r"(?i)yes|no|on|off|y|n|null|~|[-+.0-9][-+.0-9a-f_xo:]*", value):
        if re.fullmatch(r"[1-9][0-9]*|0", value):
            return int(value)
        if re.fullmatch(r"\d+\.\d+\.\d+\.\d+", value):
            return value
        raise line.refuse("parsers differ on it, quote it")
    return {"true": True, "false": False}.get(value, value)


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
        raise NotInOurYaml(f"a lone $ in {value}")
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
