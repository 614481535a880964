"""Who may send what: a request that changes something must come from our own pages."""

from collections.abc import Mapping

from shared.errors import Forbidden

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class ForeignForm(Forbidden):
    """This form came from another site and was not accepted. Open the page here and try again."""

    code = "foreign_form"


def check_origin(method: str, headers: Mapping[str, str], scheme: str, host: str) -> None:
    """Raise ForeignForm unless the request is safe or provably ours (portal.md P30): `Sec-Fetch-Site` says same-origin
    or none (typed in, bookmarked); a browser that does not send it must name our Origin. `headers` in lower case."""
    if method in _SAFE:
        return
    site = headers.get("sec-fetch-site")
    if site is not None:
        if site in {"same-origin", "none"}:
            return
        raise ForeignForm
    if headers.get("origin", "") != f"{scheme}://{host}":
        raise ForeignForm
