"""Every promise of the runner has tests that carry its number, in every place where it has to be shown."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).parents[2]
TABLE = TESTS.parent / "docs" / "invariants.md"
PLACES = ("memory", "broker", "Apache", "proxy")
NUMBERS = range(1, 26)
ELSEWHERE = {
    4: {"Apache", "proxy"},
    10: {"proxy"},
    19: {"Apache"},
    21: {"Apache", "proxy"},
    22: {"Apache", "proxy"},
    24: {"Apache"},
}
"""What memory and the embedded broker cannot show."""

_NAME = re.compile(r"test_invariant_(\d\d(?:_and_\d\d)*)_\w{10,}")
_ROW = re.compile(r"\| (\d+) \| (.+) \|" + r" (x?) ?\|" * len(PLACES))


def _tests() -> Iterator[tuple[Path, ast.FunctionDef | ast.AsyncFunctionDef, bool]]:
    """Every test that names an invariant, and whether it is for Apache Kafka only."""
    for path in sorted(TESTS.rglob("test_*.py")):
        text = path.read_text(encoding="utf-8")
        tree = ast.parse(text if "def test_invariant_" in text else "")
        whole = any(isinstance(node, ast.Assign) and "mark.kafka" in ast.unparse(node) for node in tree.body)
        for node in tree.body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_invariant_"):
                yield path, node, whole or any("mark.kafka" in ast.unparse(mark) for mark in node.decorator_list)


def _places(path: Path, apache: bool) -> set[str]:
    parts = path.relative_to(TESTS).parts
    found = {"unit": {"memory"}, "contract": {"memory", "broker"}}.get(parts[0], {"broker"})
    if apache:
        found = {"Apache"}
    if path.name == "test_proxy.py":
        found = {"Apache", "proxy"} if apache else {"broker", "proxy"}
    return found


def _shown() -> dict[int, set[str]]:
    shown: dict[int, set[str]] = defaultdict(set)
    for path, test, apache in _tests():
        named = _NAME.fullmatch(test.name)
        assert named, f"{test.name} names no invariant, or no fact"
        for number in named[1].split("_and_"):
            shown[int(number)] |= _places(path, apache)
    return shown


def test_every_invariant_has_tests_that_carry_its_number() -> None:
    shown = _shown()
    assert sorted(shown) == list(NUMBERS)
    assert {n: ELSEWHERE[n] - shown[n] for n in ELSEWHERE if ELSEWHERE[n] - shown[n]} == {}


def test_no_test_of_an_invariant_is_empty() -> None:
    for _, test, _ in _tests():
        checks = [node for node in ast.walk(test) if isinstance(node, ast.Assert | ast.Await | ast.With)]
        calls = [node for node in ast.walk(test) if isinstance(node, ast.Call)]
        assert checks or calls, test.name


def test_the_table_says_where_each_is_shown() -> None:
    rows = [row for line in TABLE.read_text(encoding="utf-8").splitlines() if (row := _ROW.fullmatch(line))]
    written = {
        int(row[1]): {place for place, mark in zip(PLACES, row.groups()[2:], strict=True) if mark} for row in rows
    }
    assert written == _shown()
