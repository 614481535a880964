"""A collector of spans, as small as can be: OTLP over HTTP, everything kept in memory."""

import gzip
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue


@dataclass(frozen=True)
class Recorded:
    """A span as it arrived."""

    service: str
    name: str
    trace: str
    id: str
    parent: str
    """Empty: a root."""
    links: tuple[tuple[str, str], ...]
    """Trace and span."""
    attributes: dict[str, str]
    failed: bool
    text: str
    """Every text in it, of the resource too."""


class Collector:
    """Listens on a free port of loopback while the block lasts."""

    def __init__(self) -> None:
        self.spans: list[Recorded] = []
        """All that came so far."""
        self.headers: list[dict[str, str]] = []
        spans, headers = self.spans, self.headers

        class Take(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                plain = gzip.decompress(body) if self.headers["content-encoding"] == "gzip" else body
                # Before the spans: who sees those looks at the headers of their request.
                headers.append({name.lower(): value for name, value in self.headers.items()} | {"path": self.path})
                spans.extend(_spans(ExportTraceServiceRequest.FromString(plain)))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Take)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def ancestry(span: Recorded, spans: list[Recorded]) -> list[str]:
    """Names from `span` up to its root, or to a parent that was not recorded here."""
    by_id = {(each.trace, each.id): each for each in spans}
    names, at = [span.name], span
    while at.parent and (at.trace, at.parent) in by_id:
        at = by_id[at.trace, at.parent]
        names.append(at.name)
    return names


def _spans(request: ExportTraceServiceRequest) -> Iterator[Recorded]:
    for resource in request.resource_spans:
        said = _values(resource.resource.attributes)
        for scope in resource.scope_spans:
            for span in scope.spans:
                events = [f"{event.name} {_values(event.attributes)}" for event in span.events]
                links = [_values(link.attributes) for link in span.links]
                yield Recorded(
                    service=said["service.name"],
                    name=span.name,
                    trace=span.trace_id.hex(),
                    id=span.span_id.hex(),
                    parent=span.parent_span_id.hex(),
                    links=tuple((link.trace_id.hex(), link.span_id.hex()) for link in span.links),
                    attributes=_values(span.attributes),
                    failed=span.status.code == span.status.STATUS_CODE_ERROR,
                    text=f"{said} {span.name} {_values(span.attributes)} {events} {links} {span.status.message} "
                    f"{span.trace_state}",
                )


def _values(attributes: object) -> dict[str, str]:
    found: dict[str, str] = {}
    for each in attributes:  # type: ignore[attr-defined] # a repeated field, which the stubs leave unnamed
        assert isinstance(each, KeyValue)
        kind = each.value.WhichOneof("value")
        found[each.key] = str(getattr(each.value, kind)) if kind else ""
    return found
