"""HTML markup of messages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.sandbox.domain.failures import BotApiRefusal
from services.sandbox.domain.markup import Entity, read_text


@pytest.mark.parametrize(
    ("source", "text", "entities"),
    [
        ("<b>Booth</b> 223", "Booth 223", [{"type": "bold", "offset": 0, "length": 5}]),
        ("📱 <i>x</i>", "📱 x", [{"type": "italic", "offset": 3, "length": 1}]),
        ("&lt;b&gt; &amp; &#2325;", "<b> & क", []),
        ("<a href='https://e.org/?a=1&amp;b=2'>x</a>", "x", [
            {"type": "text_link", "offset": 0, "length": 1, "url": "https://e.org/?a=1&b=2"}]),
        ("<b>a<i>b</i></b>", "ab", [
            {"type": "bold", "offset": 0, "length": 2}, {"type": "italic", "offset": 1, "length": 1}]),
        ("  <b> x </b> ", "x", [{"type": "bold", "offset": 0, "length": 1}]),
        ("<b></b>x", "x", []),
        ("/start abc", "/start abc", [{"type": "bot_command", "offset": 0, "length": 6}]),
    ],
)  # fmt: skip
def test_markup_becomes_text_and_entities(source: str, text: str, entities: list[Entity]) -> None:
    assert read_text(source, "HTML") == (text, entities)


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("<b>x", 'Can\'t find end tag corresponding to start tag "b"'),
        ("x</b>", "Unexpected end tag at byte offset 1"),
        ("क</b>", "Unexpected end tag at byte offset 3"),
        ("<b><i>x</b></i>", 'Unmatched end tag at byte offset 7, expected "</i>", found "</b>"'),
        ("<p>x</p>", 'Unsupported start tag "p" at byte offset 0'),
        ("1 < 2", "Unclosed start tag at byte offset 2"),
    ],
)
def test_wrong_markup_is_refused_in_the_servers_words(source: str, complaint: str) -> None:
    with pytest.raises(BotApiRefusal) as caught:
        read_text(source, "HTML")
    assert caught.value.description == f"Bad Request: can't parse entities: {complaint}"


def test_without_a_parse_mode_markup_is_text() -> None:
    assert read_text("<b>x", "") == ("<b>x", [])


def test_a_mode_that_the_sandbox_does_not_know_is_refused_loudly() -> None:
    with pytest.raises(BotApiRefusal, match="unsupported parse_mode"):
        read_text("*x*", "MarkdownV2")


@given(st.text(max_size=200))
def test_escaped_text_comes_through_unchanged_but_for_blanks_at_its_ends(text: str) -> None:
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    if text.strip():
        assert read_text(escaped, "HTML")[0] == text.strip()
    else:
        with pytest.raises(BotApiRefusal, match="message text is empty"):
            read_text(escaped, "HTML")


@given(st.text(alphabet="<>/bi a&;", max_size=60))
def test_any_markup_is_read_or_refused_and_never_crashes(source: str) -> None:
    try:
        text, entities = read_text(source, "HTML")
    except BotApiRefusal:
        return
    assert all(int(e["offset"]) + int(e["length"]) <= len(text) for e in entities)
