"""Importing lists of units: a made-up list with the traps of real ones."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from services.registry.domain.commands import UnitQuery
from services.registry.domain.failures import OtherPreset, UnknownPreset
from services.registry.service.importing import JobView, RejectedRow
from services.registry.store.uploads import spool
from tests.integration.registry.conftest import Registry

HEADER = "district,ac_no,ac_name,part_no,booth_name"


@dataclass
class Uploads:
    """Runs imports to their end."""

    registry: Registry

    async def units(self, text: str | bytes, preset: str | None = "in-mp-2014") -> JobView:
        data = text.encode() if isinstance(text, str) else text

        async def chunks() -> AsyncIterator[bytes]:
            for start in range(0, len(data), 100):
                yield data[start : start + 100]

        importing, principal = self.registry.service.importing, self.registry.principal
        async with spool(chunks()) as upload:
            running = await importing.begin(principal, "units", preset, upload)
            await importing.work(running)
        return await importing.show(principal, running.job.id)

    async def rejects(self, view: JobView) -> list[RejectedRow]:
        return [row async for row in self.registry.service.importing.rejects(view.job)]

    async def labels(self) -> dict[str, tuple[str | None, str | None, str | None]]:
        rows = await self.registry.rows("SELECT code, number, name_hi, name_en FROM unit")
        return {row["code"]: (row["number"], row["name_hi"], row["name_en"]) for row in rows}


@pytest.fixture
def uploads(registry: Registry) -> Uploads:
    return Uploads(registry)


def outcome(view: JobView) -> tuple[str, int, int, int]:
    return (view.job.state, view.job.counts.accepted, view.job.counts.unchanged, view.job.counts.rejected)


async def test_units_above_are_made_on_the_fly_and_hang_together(registry: Registry, uploads: Uploads) -> None:
    view = await uploads.units(f"{HEADER}\r\nSheopur,7,Sheopur,1,Khirakhiri\r\nSheopur,7,Sheopur,2,Dhodhar\r\n")
    assert outcome(view) == ("done", 2, 0, 0)
    above = await registry.rows(
        "SELECT a.code FROM unit u JOIN lineage l ON l.unit_id = u.id JOIN unit a ON a.id = l.above_id"
        " WHERE u.code = '7-2' ORDER BY l.distance"
    )
    assert [row["code"] for row in above] == ["7-2", "ac-7", "mp-sheopur", "mp"]
    parents = await registry.rows(
        "SELECT u.code, p.code AS parent FROM placement l JOIN unit u ON u.id = l.unit_id"
        " LEFT JOIN unit p ON p.id = l.parent_id WHERE u.code IN ('mp', 'mp-sheopur', 'ac-7', '7-1')"
    )
    assert {row["code"]: row["parent"] for row in parents} == {
        "mp": None, "mp-sheopur": "mp", "ac-7": "mp-sheopur", "7-1": "ac-7",
    }  # fmt: skip


async def test_the_same_list_again_changes_nothing(uploads: Uploads) -> None:
    text = f"{HEADER}\nSheopur,7,Sheopur,1,Khirakhiri\nSheopur,7,Sheopur,2,\n"
    await uploads.units(text)
    before = await uploads.labels()
    assert outcome(await uploads.units(text)) == ("done", 0, 2, 0)
    assert await uploads.labels() == before


async def test_a_corrected_name_is_taken_over(uploads: Uploads) -> None:
    await uploads.units(f"{HEADER}\nSheopur,7,Sheopur,1,Khirakiri\n")
    assert outcome(await uploads.units(f"{HEADER}\nSheopur,7,Sheopur,1,Khirakhiri\n")) == ("done", 1, 0, 0)
    assert (await uploads.labels())["7-1"] == ("1", None, "Khirakhiri")


async def test_booths_without_a_name_and_with_one_name_are_told_apart_by_number(
    registry: Registry, uploads: Uploads
) -> None:
    await uploads.units(f"{HEADER}\nSheopur,7,Sheopur,1,\nSheopur,7,Sheopur,2,Dhodhar\nSheopur,7,Sheopur,3,Dhodhar\n")
    labels = [
        (await registry.service.reading.unit(registry.principal, code)).unit.label for code in ("7-1", "7-2", "7-3")
    ]
    assert [label.en for label in labels] == ["Booth 1", "Booth 2, Dhodhar", "Booth 3, Dhodhar"]
    assert [label.hi for label in labels] == ["बूथ 1", None, None]


@pytest.mark.parametrize(
    ("line", "code", "label"),
    [
        ("Sheopur,7,Sheopur,001,A", "7-1", ("1", None, "A")),
        ("Sheopur,007,Sheopur,2-a,A", "7-2a", ("2A", None, "A")),
        ("Sheopur,7,Sheopur,3 A,A", "7-3a", ("3A", None, "A")),
        ('Sheopur,7,Sheopur,4,"Primary\nSchool\tDhodhar"', "7-4", ("4", None, "Primary School Dhodhar")),
        ("Sheopur,7,Sheopur,5,Sha\u200b Sha\u202e U U", "7-5", ("5", None, "Sha Sha U U")),
        ("Sheopur,7,Sheopur,6,'=SUM(A1)", "7-6", ("6", None, "=SUM(A1)")),
    ],
)
async def test_odd_spellings_become_plain_ones(
    uploads: Uploads, line: str, code: str, label: tuple[str | None, ...]
) -> None:
    assert outcome(await uploads.units(f"{HEADER}\n{line}\n")) == ("done", 1, 0, 0)
    assert (await uploads.labels())[code] == label


@pytest.mark.parametrize(
    ("line", "code", "field"),
    [
        ('Sheopur,7,Sheopur,"1\n1334",A', "number_malformed", "part_no"),
        ("Sheopur,199-Name,Sheopur,1,A", "number_malformed", "ac_no"),
        ("Sheopur,7,Sheopur,0,A", "number_malformed", "part_no"),
        ("Sheopur,7,Sheopur,,A", "cell_missing", "part_no"),
        (",7,Sheopur,1,A", "cell_missing", "district"),
        ("Sheopur,7,Sheopur,1", "row_width", None),
        ("Sheopur,7,Sheopur,1,A,B", "row_width", None),
        ("Sheopur,7,Sheopur,1,ढोढर", "name_wrong_script", "booth_name"),
        ("Sheopur,7,Sheopur,1," + "A" * 201, "name_too_long", "booth_name"),
    ],
)
async def test_a_wrong_row_is_rejected_with_its_number_column_and_code(
    uploads: Uploads, line: str, code: str, field: str | None
) -> None:
    view = await uploads.units(f"{HEADER}\nSheopur,7,Sheopur,99,Right\n\n{line}\nSheopur,7,Sheopur,98,Right\n")
    assert outcome(view) == ("done", 2, 0, 1)
    [row] = await uploads.rejects(view)
    assert (row.number, [(p.code, p.field) for p in row.problems]) == (4, [(code, field)])
    assert view.problems == {code: 1}


async def test_one_code_with_two_names_in_one_file_is_rejected_and_with_one_name_is_nothing_new(
    uploads: Uploads,
) -> None:
    view = await uploads.units(f"{HEADER}\nSheopur,7,S,1,A\nSheopur,7,S,01,A\nSheopur,7,S,1,B\n")
    assert outcome(view) == ("done", 1, 1, 1)
    assert [p.code for row in await uploads.rejects(view) for p in row.problems] == ["duplicate_unit"]


async def test_a_constituency_in_a_second_district_is_rejected_and_makes_nothing(uploads: Uploads) -> None:
    view = await uploads.units(f"{HEADER}\nSheopur,7,S,1,A\nMorena,7,S,2,B\n")
    assert outcome(view) == ("done", 1, 0, 1)
    labels = await uploads.labels()
    assert "7-2" not in labels
    assert "mp-morena" not in labels


async def test_another_spelling_of_a_unit_above_keeps_the_first(uploads: Uploads) -> None:
    await uploads.units(f"{HEADER}\nMandsaur,224,Mandsaur,1,A\nMandsaur,224,Mandsour,2,B\n")
    assert (await uploads.labels())["ac-224"] == ("224", None, "Mandsaur")


async def test_a_header_in_mid_file_and_empty_rows_say_nothing(uploads: Uploads) -> None:
    text = f"{HEADER}\nSheopur,7,S,1,A\n{HEADER.upper()}\n,,,,\n\nSheopur,7,S,2,B\n"
    assert outcome(await uploads.units(text)) == ("done", 2, 0, 0)


async def test_a_wrong_header_is_one_problem_of_the_file(uploads: Uploads) -> None:
    view = await uploads.units("district,ac,ac_name,part_no\nSheopur,7,S,1\n")
    assert outcome(view) == ("failed", 0, 0, 0)
    assert view.job.problem == "wrong_columns"
    assert view.job.problem_details == {
        "missing": "ac_no, booth_name", "found": "district, ac, ac_name, part_no",
    }  # fmt: skip


HINDI = f"{HEADER},booth_name_hi\nSheopur,7,Sheopur,1,Dhodhar,ढोढर\n"


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        (HINDI.encode("utf-8"), "utf-8"),
        (HINDI.encode("utf-8-sig"), "utf-8-sig"),
        (HINDI.replace(",", "\t").encode("utf-16"), "utf-16"),
        (HINDI.encode("utf-16-le"), "utf_16_le"),
        (HINDI.replace(",", ";").encode("utf-8"), "utf-8"),
    ],
)
async def test_every_encoding_of_excel_is_read(uploads: Uploads, data: bytes, encoding: str) -> None:
    view = await uploads.units(data)
    assert outcome(view) == ("done", 1, 0, 0)
    assert view.job.encoding == encoding
    assert (await uploads.labels())["7-1"] == ("1", "ढोढर", "Dhodhar")


async def test_windows_1252_is_read_as_such(uploads: Uploads) -> None:
    rows = "".join(f"Sheopur,7,Sheopur,{n},Café “Niño” Bhawan – {n}\n" for n in range(1, 40))
    view = await uploads.units((f"{HEADER}\n{rows}").encode("cp1252"))
    assert (view.job.encoding, outcome(view)) == ("cp1252", ("done", 39, 0, 0))
    assert (await uploads.labels())["7-5"] == ("5", None, "Café “Niño” Bhawan – 5")


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "empty_file"),
        (b"\n\n  \n", "empty_file"),
        (f"{HEADER}\n\n".encode(), "empty_file"),
        (b"PK\x03\x04" + bytes(100), "not_text"),
        (b"\xef\xbb\xbf" + f"{HEADER}\nSheopur,7,S,1,Caf\xe9\n".encode("latin-1"), "not_text"),
        (b"\xff\xfe\x00\xd8\x41\x00", "not_text"),
        (f'{HEADER}\nSheopur,7,S,1,"open\nSheopur,7,S,2,B\n'.encode(), "unreadable"),
        (f'{HEADER}\nSheopur,7,S,1,"open\n'.encode() + b"x,y\n" * 10_000, "unreadable"),
    ],
)
async def test_what_is_no_table_fails_as_a_whole(uploads: Uploads, data: bytes, problem: str) -> None:
    view = await uploads.units(data)
    assert (view.job.state, view.job.problem) == ("failed", problem)


async def test_a_tree_names_levels_codes_and_parents_itself(registry: Registry, uploads: Uploads) -> None:
    view = await uploads.units(
        "level,code,parent,number,name_hi,name_en\n"
        "state,ST,,,कल्पना,Kalpana\ndistrict,D01,ST,,,Rampur\nbooth,B1,D01,1,,\nbooth,B2,D09,2,,\nward,W,ST,,,X\n"
    )
    assert outcome(view) == ("done", 3, 0, 2)
    problems = [(row.number, row.problems[0].code) for row in await uploads.rejects(view)]
    assert problems == [(5, "unknown_unit"), (6, "unknown_level")]
    [booth] = await registry.service.reading.units(registry.principal, _query("B1"))
    assert booth.parent_code == "D01"


@pytest.mark.parametrize(
    ("line", "code", "field"),
    [
        ("state,a/b,,,,X", "code_malformed", "code"),
        ("state,..,,,,X", "code_malformed", "code"),
        ("state,a b?,,,,X", "code_malformed", "code"),
        ("state," + "c" * 3_000 + ",,,,X", "code_malformed", "code"),
        ("state,S2,,9876543210987,,X", "number_malformed", "number"),
        ("state,S2,," + "9a" * 20 + ",,X", "number_malformed", "number"),
    ],
)
async def test_a_row_that_cannot_be_kept_is_rejected_alone(uploads: Uploads, line: str, code: str, field: str) -> None:
    view = await uploads.units(f"level,code,parent,number,name_hi,name_en\n{line}\nstate,नगर-1,,,कल्पना,\n")
    assert outcome(view) == ("done", 1, 0, 1)
    [row] = await uploads.rejects(view)
    assert [(p.code, p.field) for p in row.problems] == [(code, field)]


def _query(code: str) -> UnitQuery:
    return UnitQuery(code=code)


async def test_reject_fix_upload_leaves_nothing(uploads: Uploads) -> None:
    view = await uploads.units(f"{HEADER}\nSheopur,7,S,1,A\nSheopur,x,S,2,=B\nSheopur,7,S,,C\n")
    rejected = await uploads.rejects(view)
    assert [list(row.cells) for row in rejected] == [["Sheopur", "x", "S", "2", "=B"], ["Sheopur", "7", "S", "", "C"]]
    fixed = f"{HEADER},_row,_code,_message\nSheopur,7,S,2,'=B,3,c,m\nSheopur,7,S,3,C,4,c,m\n"
    assert outcome(await uploads.units(fixed)) == ("done", 2, 0, 0)


async def test_a_preset_must_exist_and_fit(uploads: Uploads) -> None:
    with pytest.raises(UnknownPreset):
        await uploads.units(f"{HEADER}\n", preset="nowhere")
    with pytest.raises(OtherPreset):
        await uploads.units(f"{HEADER}\n", preset="cooperative")
