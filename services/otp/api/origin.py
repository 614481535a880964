"""Requests that change something must come from our own page."""

from urllib.parse import urlsplit

from fastapi import Request

from shared.errors import Forbidden


class ForeignForm(Forbidden):
    """This form was not sent from our own page; open the link again."""

    code = "foreign_form"


def from_own_page(request: Request) -> None:
    """Let through what the browser marks as same-origin (or typed by the person), else what names our own host as
    Origin (portal.md P30), or as Referer: KaiOS 2.5 and other old Gecko send no Origin with a form. Raises ForeignForm.
    No cookie is used, so there is no token either."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        if site in {"same-origin", "none"}:
            return
        raise ForeignForm
    origin = request.headers.get("origin") or request.headers.get("referer")
    if origin is None or urlsplit(origin).netloc != request.headers.get("host"):
        raise ForeignForm
