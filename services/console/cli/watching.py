"""`boothline topics | lag | tail | dead`: what the topics hold and where they are stuck."""

from typing import Annotated, Any

import orjson
from cyclopts import App, Parameter

from services.console.cli import contract, making
from services.console.cli.client import Service, answer
from services.console.cli.output import Exit, Format, line, local, say, show

topics = App(name="topics", help="Every topic: records ever written, records per second now, dead letters.")
topics.command(contract.acls)
topics.command(making.apply)
topics.command(making.check)
dead = App(name="dead", help="Dead letters: records given up on, with the reason.")


@topics.default
async def topics_list(*, form: Annotated[Format, Parameter(name="--format")] = "table") -> int:
    """Every topic: records ever written, records per second now, dead letters."""
    rows = await Service.console().get("/v1/topics")
    show("topics", rows, ("topic", "partitions", "records", "per_second", "dead"), form, empty="There is no topic yet.")
    return Exit.FINE


async def lag(group: str | None = None, *, form: Annotated[Format, Parameter(name="--format")] = "table") -> int:
    """How far each group is behind, in records and in seconds. Exit code 3 if one is.

    Parameters
    ----------
    group
        Only this consumer group.
    """
    rows = await Service.console().get("/v1/lag", group=group)
    show("lag", rows, ("group", "topic", "records", "seconds"), form, empty="No group has committed anything yet.")
    return Exit.FOUND if any(row["records"] for row in rows) else Exit.FINE


async def tail(
    *,
    appointment: str | None = None,
    topic: str | None = None,
    form: Annotated[Format, Parameter(name="--format")] = "table",
) -> int:
    """Records as they are written, until Ctrl-C; sealed fields stay sealed.

    Parameters
    ----------
    appointment
        Only records about this appointment.
    topic
        Only this topic.
    """
    query = {name: value for name, value in (("appointment", appointment), ("topic", topic)) if value}
    say("Waiting for records. Ctrl-C ends it.")
    async with Service.console().session(endless=True) as session, session.get("/v1/tail", params=query) as response:
        if response.status >= 400:
            await answer(response)
        async for raw in response.content:
            if raw.strip():
                _tail_row(orjson.loads(raw), form)
    return Exit.FINE


def _tail_row(row: dict[str, Any], form: Format) -> None:
    if form == "json":
        line(row)
        return
    if "skipped" in row:
        say(f"({row['skipped']} records more than can be shown)")
        return
    facts = {name: value for name, value in row["fields"].items() if name in {"cycle", "reason", "via", "channel"}}
    words = " ".join(f"{name}={value}" for name, value in facts.items())
    at = row["at"] if form == "plain" else local(row["at"])
    print("\t".join((at, row["topic"], row["event"], row["key"], words)), flush=True)


@dead.command(name="list")
async def dead_list(*, form: Annotated[Format, Parameter(name="--format")] = "table") -> int:
    """Dead letters by topic, group and reason. Exit code 3 if there are any."""
    rows = await Service.console().get("/v1/dead")
    columns = ("topic", "group", "reason", "count", "oldest", "newest", "latest")
    show("dead", rows, columns, form, empty="There is no dead letter.")
    if rows and form == "table":
        say(f"Look at one: boothline dead show {rows[0]['latest']}")
    return Exit.FOUND if rows else Exit.FINE


@dead.command(name="show")
async def dead_show(place: str, *, form: Annotated[Format, Parameter(name="--format")] = "table") -> int:
    """One dead letter: why it was given up, where it came from, what to do.

    Parameters
    ----------
    place
        `<dead topic>/<partition>/<offset>`, as `boothline dead list` prints it.
    """
    letter = await Service.console().get(f"/v1/dead/{place}")
    flat = {**{k: v for k, v in letter.items() if k != "fields"}, **letter["fields"]}
    rows = [{"field": name, "value": value} for name, value in flat.items()]
    show("dead-letter", rows if form != "json" else [letter], ("field", "value"), form, empty="")
    return Exit.FINE
