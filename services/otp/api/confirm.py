"""The confirm page: who asks for what, the code, acceptance, refusal. No cookie, no script needed, GET never acts."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

import structlog
from fastapi import APIRouter, Depends, Form, Query
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from services.otp.api.origin import from_own_page
from services.otp.api.pages import HEADERS, Pages, Problem
from services.otp.domain.challenge import Answer, Glimpse
from services.otp.domain.codes import typed_code
from services.otp.domain.page import step
from services.otp.domain.policy import NOTICE_VERSION
from services.otp.service import Otp
from shared.clock import Clock
from shared.errors import Failure
from shared.events import Language
from shared.i18n import LANGUAGES

log = structlog.get_logger(__name__)

DEFAULT: Language = LANGUAGES[0]
"""Of pages that belong to no known challenge: all of them must be the same."""
_TYPED = 32
"""Characters kept of what was typed into the code field."""

Lang = Annotated[str, Query(alias="lang", max_length=8)]
RequestId = Annotated[str, Query(alias="r", max_length=64)]


@dataclass(frozen=True, slots=True)
class Answered:
    """What the form of a page brings. Everything has a default: a form without a field is answered, not refused."""

    request_id: Annotated[str, Form()] = ""
    lang: Annotated[str, Form()] = ""
    code: Annotated[str, Form()] = ""
    name_consent: Annotated[str, Form()] = ""
    notice: Annotated[str, Form()] = ""

    @property
    def request(self) -> str:
        """The id of the rendered form; a made-up one counts as none, so that it cannot fill the store."""
        try:
            return str(UUID(self.request_id))
        except ValueError:
            return ""


Answers = Annotated[Answered, Depends()]


@dataclass(frozen=True, slots=True)
class Confirm:
    """The pages' way to the use cases."""

    otp: Otp
    pages: Pages
    clock: Clock
    new_id: Callable[[], UUID]
    telegram_base: str | None

    async def answered(
        self, page: Awaitable[Response], handle: str, lang: str, form: Answered | None = None, act: str = ""
    ) -> Response:
        """The page, or in its place one that says that it did not work and can send the same form again."""
        try:
            return await page
        except Failure as failure:
            if failure.status < 500:
                raise
            log.warning("page failed", error_code=failure.code)
            headers = {"retry-after": str(max(1, round(failure.retry_after or 5)))}
            values = {"handle": handle, "form": form, "act": act, "query": ""}
            language = _language(lang, DEFAULT)
            return self.pages.render("failed", language, status=failure.status, headers=headers, **values)

    async def show(
        self, handle: str, lang: str, request: str = "", page: Literal["confirm", "refuse"] = "confirm"
    ) -> Response:
        """The page of this link: open, or what `request` led to, or the neutral one."""
        glimpse = await self.otp.view(handle, request, self.clock())
        if glimpse is None or not glimpse.page:
            return self.neutral(lang)
        if glimpse.answer is not None and glimpse.answer.final:
            return self.result(glimpse, glimpse.answer, lang, request)
        if not glimpse.is_open:
            return self.neutral(lang)
        return self.open(handle, glimpse, lang, page=page)

    def open(
        self,
        handle: str,
        glimpse: Glimpse,
        lang: str,
        *,
        page: Literal["confirm", "refuse"] = "confirm",
        problem: Problem | None = None,
        typed: str = "",
        consent: bool = False,
        status: int = 200,
        headers: dict[str, str] | None = None,
    ) -> HTMLResponse:
        """A page of a challenge that can be answered."""
        shown = self.otp.reveal(glimpse)
        now = self.clock()
        return self.pages.render(
            page,
            _language(lang, shown.language),
            status=status,
            headers=headers,
            handle=handle,
            seen=glimpse,
            shown=shown,
            step=step(glimpse, now),
            may_ask=glimpse.sends_left > 0 and glimpse.ask_at < glimpse.not_after,
            ask_later=glimpse.ask_at > now,
            problem=problem,
            typed=typed,
            consent=consent,
            notice=NOTICE_VERSION,
            request_id=str(self.new_id()),
            telegram=f"{self.telegram_base}?start={handle}" if self.telegram_base else None,
            query="",
        )

    def result(self, glimpse: Glimpse, answer: Answer, lang: str, request: str) -> HTMLResponse:
        """What the person has done: shown to the request that did it, and to nobody else."""
        shown = self.otp.reveal(glimpse)
        language = _language(lang, shown.language)
        return self.pages.render("result", language, shown=shown, result=answer.result, query=f"&r={request}")

    def neutral(self, lang: str) -> HTMLResponse:
        """One page for unknown, used, expired, foreign and locked links (otp.md rule 8)."""
        return self.pages.render("neutral", _language(lang, DEFAULT), status=404, query="")


def confirm_routes(confirm: Confirm) -> APIRouter:
    """The pages under `/c/{handle}`."""
    router = APIRouter(prefix="/c/{handle}", include_in_schema=False)
    own_page = [Depends(from_own_page)]

    @router.get("")
    async def read(handle: str, lang: Lang = "", request: RequestId = "") -> Response:
        return await confirm.answered(confirm.show(handle, lang, request), handle, lang)

    @router.get("/refuse")
    async def before_refusing(handle: str, lang: Lang = "") -> Response:
        return await confirm.answered(confirm.show(handle, lang, page="refuse"), handle, lang)

    @router.get("/notice")
    async def notice(handle: str, lang: Lang = "") -> Response:
        language = _language(lang, DEFAULT)
        return confirm.pages.render("notice", language, handle=handle, version=NOTICE_VERSION, query="")

    @router.post("", dependencies=own_page)
    async def accept(handle: str, form: Answers) -> Response:
        return await confirm.answered(_accept(confirm, handle, form), handle, form.lang, form)

    @router.post("/code", dependencies=own_page)
    async def send_code(handle: str, form: Answers) -> Response:
        return await confirm.answered(_send_code(confirm, handle, form), handle, form.lang, form, "/code")

    @router.post("/refuse", dependencies=own_page)
    async def refuse(handle: str, form: Answers) -> Response:
        return await confirm.answered(_refuse(confirm, handle, form), handle, form.lang, form, "/refuse")

    return router


async def _refuse(confirm: Confirm, handle: str, form: Answered) -> Response:
    request = _request_of(confirm, form)
    answer = await confirm.otp.refuse(handle, request, confirm.clock())
    return _see(handle, form.lang, request) if answer.final else confirm.neutral(form.lang)


async def _accept(confirm: Confirm, handle: str, form: Answered) -> Response:
    now = confirm.clock()
    code = typed_code(form.code[:_TYPED])
    if code is None:
        return await _again(confirm, handle, form, "six_digits", now)
    if form.notice != NOTICE_VERSION:
        return await _again(confirm, handle, form, "notice", now)
    request = _request_of(confirm, form)
    answer = await confirm.otp.verify(
        handle,
        request,
        code,
        language=_language(form.lang, DEFAULT),
        notice=NOTICE_VERSION,
        consent=form.name_consent == "yes",
        now=now,
    )
    if answer.final:
        return _see(handle, form.lang, request)
    if answer.result in {"wrong", "code_expired"}:
        return await _again(confirm, handle, form, answer.result, now)
    return confirm.neutral(form.lang)


async def _again(confirm: Confirm, handle: str, form: Answered, message: str, now: datetime) -> Response:
    glimpse = await confirm.otp.view(handle, "", now)
    if glimpse is None or not glimpse.is_open:
        return confirm.neutral(form.lang)
    problem = Problem("code" if glimpse.has_code else "ask", message)
    return confirm.open(
        handle, glimpse, form.lang, problem=problem, typed=form.code[:_TYPED],
        consent=form.name_consent == "yes", status=422,
    )  # fmt: skip


async def _send_code(confirm: Confirm, handle: str, form: Answered) -> Response:
    now = confirm.clock()
    answer = await confirm.otp.ask(handle, _request_of(confirm, form), now)
    if answer.result == "sent":
        return _see(handle, form.lang)
    if answer.result == "over":
        return confirm.neutral(form.lang)
    glimpse = await confirm.otp.view(handle, "", now)
    if glimpse is None or not glimpse.is_open:
        return confirm.neutral(form.lang)
    headers = {}
    if answer.at is not None:
        headers["retry-after"] = str(max(1, -int(-(answer.at - now).total_seconds() // 1)))
    problem = Problem("ask", "wait" if answer.at else "exhausted", answer.at)
    return confirm.open(handle, glimpse, form.lang, problem=problem, status=429, headers=headers)


def _request_of(confirm: Confirm, form: Answered) -> str:
    return form.request or str(confirm.new_id())


def _see(handle: str, lang: str, request: str = "") -> RedirectResponse:
    query = "&".join(
        part for part in (f"r={request}" if request else "", f"lang={lang}" if lang in LANGUAGES else "") if part
    )
    return RedirectResponse(f"/c/{handle}{'?' if query else ''}{query}", 303, headers=HEADERS)


def _language(lang: str, default: Language) -> Language:
    return next((each for each in LANGUAGES if each == lang), default)
