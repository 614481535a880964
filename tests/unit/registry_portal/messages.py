"""Every message of the portal: in its templates, its code, and the docstrings of the failures that it explains."""

from collections.abc import Iterable, Iterator

from babel.messages.extract import extract_from_dir

import services.registry.api.site  # noqa: F401  # importing it defines every failure
from services.registry.api.portal.rendering import SERVICE
from shared.errors import Failure

Message = str | tuple[str, str]

METHODS = [("pages/**.html", "jinja2"), ("api/**.py", "python")]
OPTIONS = {"pages/**.html": {"extensions": "jinja2.ext.i18n", "trimmed": "false", "silent": "false"}}
KEYWORDS: dict[str, tuple[int | tuple[int, str], ...] | None] = {
    "_": None,
    "N_": None,
    "gettext": None,
    "ngettext": (1, 2),
}


def extracted() -> set[Message]:
    """Singular, or singular and plural."""
    found = extract_from_dir(str(SERVICE), METHODS, OPTIONS, KEYWORDS)
    messages: set[Message] = set(failures())
    for _, _, message, _, _ in found:
        messages.add(message if isinstance(message, str) else (message[0], message[1]))
    return messages


def failures() -> Iterator[str]:
    """What failures say: the sentence on one line."""
    for failure in _below(Failure):
        if failure.__module__.startswith(("services.registry", "shared.errors", "shared.phone", "shared.web")):
            yield " ".join((failure.__doc__ or "").split())


def _below(kind: type[Failure]) -> Iterable[type[Failure]]:
    yield kind
    for sub in kind.__subclasses__():
        yield from _below(sub)
