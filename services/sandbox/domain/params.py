"""Parameters of a Bot API call, which arrive as form fields, query, multipart or JSON."""

import json
import math
from collections.abc import Mapping
from typing import Any

from services.sandbox.domain.failures import bad_request


class Params:
    """Reads one call's parameters; each reader raises BotApiRefusal where the value cannot be read."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.values = dict(values)

    def __contains__(self, name: str) -> bool:
        return name in self.values

    def text(self, name: str, default: str = "") -> str:
        """A string, "" when absent."""
        value = self.values.get(name, default)
        return value if isinstance(value, str) else json.dumps(value)

    def integer(self, name: str, default: int = 0) -> int:
        """An integer; what is not one counts as 0, as in the real server (td::to_integer)."""
        try:
            number = float(self.values.get(name, default))
        except (TypeError, ValueError):
            return 0
        return int(self.values.get(name, default)) if math.isfinite(number) and number == int(number) else 0

    def flag(self, name: str) -> bool:
        """True for true, yes and 1 in any case."""
        return str(self.values.get(name, "")).lower() in {"true", "yes", "1"}

    def nested(self, name: str, what: str) -> Any:
        """A nested value: already an object (JSON body) or a JSON string (form). None when absent."""
        value = self.values.get(name)
        if not isinstance(value, str):
            return value
        if not value:
            return None
        try:
            return json.loads(value)
        except ValueError:
            raise bad_request(f"can't parse {what} JSON object") from None

    def identifier(self, name: str, missing: str) -> int:
        """An id that must be there; `missing` is the refusal's text otherwise."""
        number = self.integer(name)
        if number == 0:
            raise bad_request(missing)
        return number


def shown(values: Mapping[str, Any], limit: int = 4096) -> dict[str, str]:
    """The parameters as the call log keeps them: strings, each cut to `limit` characters."""
    return {k: (v if isinstance(v, str) else json.dumps(v, ensure_ascii=False))[:limit] for k, v in values.items()}
