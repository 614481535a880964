"""`python alive.py PORT`: exit code 0 when the service on this port of the container says that it is alive."""

import sys
from http.client import HTTPConnection, HTTPException

SECONDS = 4


def alive(port: int) -> bool:
    """Whether GET /health on loopback is answered with 200 in time."""
    connection = HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(0 if alive(int(sys.argv[1])) else 1)
