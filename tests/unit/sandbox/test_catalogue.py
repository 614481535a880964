"""Everything that the pages say exists in Hindi."""

import inspect
import re
from collections.abc import Iterator
from pathlib import Path

from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

import services.sandbox
from services.sandbox.domain import failures
from shared.errors import Failure
from shared.i18n import load

HERE = Path(services.sandbox.__file__).parent
PLACEHOLDER = re.compile(r"%\(\w+\)s|\{\w+\}")
OPTIONS = {"extensions": "jinja2.ext.i18n", "trim_blocks": "true", "lstrip_blocks": "true"}


def said() -> Iterator[str]:
    found = extract_from_dir(str(HERE / "pages"), method_map=[("**.html", "jinja2")], options_map={"**.html": OPTIONS})
    for _, _, message, _, _ in found:
        yield message if isinstance(message, str) else message[0]
    for _, failure in inspect.getmembers(failures, inspect.isclass):
        if issubclass(failure, Failure) and failure.__module__ == failures.__name__:
            yield (failure.__doc__ or "").strip()


def test_every_sentence_of_the_pages_and_failures_is_in_hindi_with_its_placeholders() -> None:
    with (HERE / "locale/hi/LC_MESSAGES/messages.po").open("rb") as file:
        hindi = read_po(file, locale="hi")
    wanted = set(said())
    assert len(wanted) > 100
    for sentence in wanted:
        message = hindi.get(sentence)
        assert message is not None, sentence
        assert not message.fuzzy, sentence
        strings = message.string if isinstance(message.string, (list, tuple)) else [message.string or ""]
        for string in map(str, strings):
            assert set(PLACEHOLDER.findall(string)) == set(PLACEHOLDER.findall(sentence)), sentence
            assert re.search(r"[\u0900-\u097f]", string) or sentence == "%(num)s SMS", sentence
    unused = {m.id[0] if isinstance(m.id, (list, tuple)) else m.id for m in hindi if m.id} - wanted
    assert not unused


def test_the_catalogues_load_with_the_right_plurals() -> None:
    hindi = load(HERE / "locale")["hi"]
    assert hindi.ngettext("%(num)s member", "%(num)s members", 0) == "%(num)s सदस्य"
    assert hindi.gettext("Phones") == "फ़ोन"
