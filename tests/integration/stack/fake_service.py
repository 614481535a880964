"""A tiny service for the launcher's tests: `fake_service.py NAME`, settings by NAME_PORT, NAME_FAULT and so on."""

import http.server
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path


def main() -> int:
    """Serves /ready; NAME_FAULT=never-ready answers 503, =die exits before it serves, =port-taken
    fails once; "migrate" and "bootstrap" end, but the former not with NAME_FAULT=hold."""
    name, *rest = sys.argv[1:]
    read: Callable[[str], str] = lambda key: os.environ.get(f"{name.upper()}_{key}", "")  # noqa: E731, TID251
    print(f"{name} {rest} starts, sees {sorted(key for key in os.environ if key.isupper())}", flush=True)  # noqa: T201, TID251
    if rest == ["bootstrap"]:
        sys.stdout.flush()
        return 0
    if rest == ["migrate"] and read("FAULT") == "hold":
        Path("holds").touch()
        signal.pause()
    if rest == ["migrate"] or read("FAULT") == "die":
        print("the last words of this process", flush=True)  # noqa: T201
        return 3 if read("FAULT") else 0
    status = 503 if read("FAULT") == "never-ready" else 200

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps({"pid": os.getpid()}).encode())

    if read("FAULT") == "port-taken" and not Path("tried").exists():
        Path("tried").touch()
        return 69
    http.server.ThreadingHTTPServer(("127.0.0.1", int(read("PORT"))), Handler).serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
