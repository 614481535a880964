"""What a request that fails is answered: RFC 9457 problem details."""

from collections.abc import Mapping
from http import HTTPStatus

import orjson
import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from shared.errors import Failure

log = structlog.get_logger(__name__)


class Crashed(Failure):
    """Something went wrong here. It was noted; please try again later."""

    code = "crashed"
    alarm = True


def answer_problems(web: FastAPI) -> None:
    """Have `web` answer what fails with problem details."""
    web.add_exception_handler(Failure, _failure)
    web.add_exception_handler(RequestValidationError, _invalid)
    web.add_exception_handler(HTTPException, _http_exception)


def json_response(body: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """`body` as JSON."""
    return Response(orjson.dumps(body), status, dict(headers or {}), "application/json")


def problem(failure: Failure, **extra: object) -> Response:
    """RFC 9457 problem details of `failure`: code, what happened, which field."""
    body: dict[str, object] = {
        "type": f"urn:boothline:problem:{failure.code}",
        "title": HTTPStatus(failure.status).phrase,
        "status": failure.status,
        "detail": failure.message,
        "code": failure.code,
        **{name: value for name, value in failure.details.items() if name not in {"type", "title", "status", "detail"}},
        **extra,
    }
    if failure.field:
        body["field"] = failure.field
    headers = {"cache-control": "no-store"}
    if failure.retry_after is not None:
        headers["retry-after"] = str(max(1, round(failure.retry_after)))
    return Response(orjson.dumps(body, default=str), failure.status, headers, "application/problem+json")


async def _failure(_: Request, error: Exception) -> Response:
    if not isinstance(error, Failure):
        raise error
    if error.status >= 500:
        log.warning("request failed", error_code=error.code)
    return problem(error)


async def _invalid(_: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise error
    fields = [
        {
            "field": ".".join(str(step) for step in item["loc"] if step != "body"),
            "code": item["type"],
            "detail": item["msg"],
        }
        for item in error.errors()
    ]
    body = {
        "type": "urn:boothline:problem:invalid",
        "title": HTTPStatus.UNPROCESSABLE_ENTITY.phrase,
        "status": 422,
        "detail": "Some fields are missing or not valid.",
        "code": "invalid",
        "errors": fields,
    }
    return Response(orjson.dumps(body), 422, {"cache-control": "no-store"}, "application/problem+json")


async def _http_exception(_: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    status = HTTPStatus(error.status_code)
    code = status.name.lower()
    body = {"type": f"urn:boothline:problem:{code}", "title": status.phrase, "status": status.value, "code": code}
    return Response(orjson.dumps(body), status.value, dict(error.headers or {}), "application/problem+json")
