"""Boothline itself, as the launcher starts it."""

from shared.bus import ALL_TOPICS, BusUnavailable, Connection, delete_topics, ensure_topics
from stack.child import StartFailed
from stack.running import Options, Product
from stack.services import boothline


async def _make_topics(bootstrap: str, options: Options) -> None:
    """Makes the topics; another Kafka must hold none of them, because databases and keys are new at every start."""
    connection = Connection(bootstrap, "boothline-stack", ephemeral=options.kafka is None)
    try:
        if options.wipe_topics and options.kafka:
            await delete_topics(connection)
        made = await ensure_topics(connection)
    except BusUnavailable as error:
        raise StartFailed(f"no Kafka answers at {bootstrap}") from error
    if options.kafka and len(made) < len(ALL_TOPICS):
        raise StartFailed(
            f"{bootstrap} holds Boothline's topics of an earlier run. This start has new databases and keys and could "
            "not read them. Use an empty Kafka, or add KAFKA_WIPE=1 to delete these topics there."
        )


BOOTHLINE = Product(boothline, _make_topics)
