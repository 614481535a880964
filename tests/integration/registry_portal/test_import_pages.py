"""Imports on pages: what was not taken is grouped, shown, downloaded, corrected and uploaded again."""

import asyncio
import re
from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI

from services.registry.service.gate import RECORDER
from tests.integration.registry_portal.conftest import stranger
from tests.integration.registry_portal.world import World

HEADER = "unit,post,name_hi,name_en,phone,notice_version,notice_language\n"
GOOD = "155-2,president,,Sunita Devi,+91 55512 00001,2026-11,hi\n"
BAD = (
    "155-2,secretary,jkts'k dqekj,,9.87654E+09,2026-11,hi\nnowhere,president,,Ramesh Kumar,+91 55512 00002,2026-11,hi\n"
)


async def upload(client: httpx.AsyncClient, content: str | bytes, kind: str = "appointments") -> httpx.Response:
    """Sends the form with a file."""
    data = content.encode() if isinstance(content, str) else content
    return await client.post("/imports", data={"kind": kind, "preset": ""}, files={"file": ("list.csv", data)})


async def finished(client: httpx.AsyncClient, path: str) -> str:
    """The page of the import when it is over."""
    async with asyncio.timeout(60):
        while True:
            page = (await client.get(path)).text
            if "<progress" not in page:
                return page
            await asyncio.sleep(0.02)


async def test_rejected_rows_come_back_and_are_taken_once_corrected(client: httpx.AsyncClient, world: World) -> None:
    sent = await upload(client, HEADER + GOOD + BAD)
    assert sent.status_code == 303
    page = await finished(client, sent.headers["location"])
    assert "2 rows need your attention" in page
    assert "1 row: There is no unit …. Search for its code." in page
    assert "Row 3" in page
    assert "NAME_LEGACY_FONT" in page
    assert "jkts&#39;k dqekj" in page
    assert "PHONE_SCIENTIFIC" in page

    rejects = await client.get(f"{sent.headers['location']}/rejects.csv")
    assert rejects.content.startswith(b"\xef\xbb\xbf")
    text = rejects.content.decode("utf-8-sig")
    corrected = text.replace("jkts'k dqekj", "राजेश कुमार").replace("'jkts'k dqekj", "राजेश कुमार")
    corrected = corrected.replace("9.87654E+09", "+91 55512 00003").replace("nowhere", "155-4A")
    again = await upload(client, corrected)
    page = await finished(client, again.headers["location"])
    assert "Everything was imported" in page
    assert len(await world.rows("SELECT FROM appointment")) == 3


async def test_two_who_share_a_phone_and_a_post_are_both_recorded_once(client: httpx.AsyncClient, world: World) -> None:
    table = HEADER.replace("\n", ",shared_phone\n") + "".join(
        f"155-2,member,,{name},+91 55512 00001,2026-11,hi,yes\n" for name in ("Sunita Devi", "Ramesh Kumar")
    )
    for _ in range(2):
        assert "Everything was imported" in await finished(client, (await upload(client, table)).headers["location"])
        assert len(await world.rows("SELECT FROM appointment WHERE post = 'member'")) == 2


async def test_a_wrong_header_is_one_problem_of_the_file(client: httpx.AsyncClient) -> None:
    sent = await upload(client, "unit,post,mobile\n155-2,president,1\n")
    page = await finished(client, sent.headers["location"])
    assert "The file could not be read" in page
    assert "The columns are wrong. Missing: " in page
    assert "Upload your file again" in page
    listed = (await client.get("/imports")).text
    assert "Appointments – This did not work" in listed
    assert "district, ac_no, ac_name, part_no, booth_name" in listed


async def test_people_in_the_place_of_the_header_are_not_kept(client: httpx.AsyncClient, world: World) -> None:
    sent = await upload(client, GOOD)
    page = await finished(client, sent.headers["location"])
    assert "The columns are wrong. Missing: " in page
    kept = str(await world.rows("SELECT columns, problem_details FROM import_job"))
    assert "sunita" not in kept.lower()
    assert "55512" not in kept


async def test_a_row_with_one_problem_twice_counts_once(client: httpx.AsyncClient) -> None:
    sent = await upload(client, HEADER + ",,,Sunita Devi,+91 55512 00001,2026-11,hi\n")
    assert "1 row: This cell must not be empty." in await finished(client, sent.headers["location"])


async def test_units_are_imported_and_open_in_the_tree(client: httpx.AsyncClient) -> None:
    tree = "level,code,parent,number,name_hi,name_en\nbooth,155-9,ac-155,9,,New School\n"
    sent = await upload(client, tree, "units")
    assert "Everything was imported" in await finished(client, sent.headers["location"])
    assert (await client.get("/units/155-9")).status_code == 200
    assert "New School" in (await client.get("/coverage/ac-155")).text
    assert sent.headers["location"] in (await client.get("/imports")).text


@pytest.mark.parametrize(
    ("data", "files", "says"),
    [
        ({"kind": ""}, {"file": ("a.csv", b"x")}, "Choose what is in the file."),
        ({"kind": "units"}, {}, "Choose a file."),
        ({"kind": "units", "preset": "nowhere"}, {"file": ("a.csv", b"x")}, "There is no preset nowhere."),
    ],
)
async def test_a_form_without_what_it_needs_says_so(
    client: httpx.AsyncClient, data: dict[str, str], files: dict[str, tuple[str, bytes]], says: str
) -> None:
    response = await client.post("/imports", data=data, files=files or None)
    assert response.status_code == 422
    assert says in response.text
    assert "<title>Error: " in response.text


async def test_an_import_of_nobody_knows_whom_is_not_there(client: httpx.AsyncClient) -> None:
    for path in ("/imports/nonsense", "/imports/01900000-0000-7000-8000-000000000001"):
        assert (await client.get(path)).status_code == 404
        assert (await client.get(f"{path}/rejects.csv")).status_code == 404


async def test_who_has_a_part_of_the_organisation_sees_own_imports_alone(
    portal: FastAPI, world: World, client: httpx.AsyncClient
) -> None:
    """Rejected rows hold names and phones of any unit."""
    job = await world.add_import()
    other = f"/imports/{job}"
    assert "155" in (await client.get(f"{other}/rejects.csv")).text
    await world.rows(
        "UPDATE account SET unit_id = (SELECT id FROM unit WHERE code = 'mp-bhopal') WHERE name = $1 RETURNING id",
        RECORDER,
    )
    async with stranger(portal, language="en") as bhopal:
        await bhopal.post("/sign-in", data={"token": await world.sign_in_token(RECORDER)})
        for path in (other, f"{other}/rejects.csv", f"/live?import={job}&after=0-0"):
            assert (await bhopal.get(path)).status_code == 404, path
        assert other not in (await bhopal.get("/imports")).text
        own = (await upload(bhopal, f"{HEADER}\nnowhere,member,,Ram,+91 55512 00009,2026-11,hi\n")).headers["location"]
        assert "There is no unit nowhere" in await finished(bhopal, own)
        assert "55512 00009" in (await bhopal.get(f"{own}/rejects.csv")).text


async def test_a_stream_of_an_import_that_is_not_there_is_not_opened(client: httpx.AsyncClient) -> None:
    answer = await client.get("/live?import=01900000-0000-7000-8000-000000000001&after=0-0")
    assert answer.status_code == 404


async def test_importing_needs_its_permission(portal: FastAPI, world: World) -> None:
    read: list[bytes] = []

    async def sent() -> AsyncIterator[bytes]:
        read.append(b"x")
        yield b"x"

    await world.rows("UPDATE account SET permissions = '{read}' WHERE name = $1 RETURNING id", RECORDER)
    async with stranger(portal) as reader:
        await reader.post("/sign-in", data={"token": await world.sign_in_token(RECORDER)})
        assert (await reader.get("/imports")).status_code == 403
        assert (await reader.post("/imports", content=sent())).status_code == 403
        assert read == []
        assert (await reader.get("/units/155-1/record?post=member")).status_code == 403
        assert not re.search(r'href="[^"]*/record', (await reader.get("/units/155-1")).text)
