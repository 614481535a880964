"""Messages as HTML."""

import pytest

from services.sandbox.api.pages.rich import grouped, initial, linked, rich
from services.sandbox.domain.markup import read_text


def same(url: str) -> str:
    return url


@pytest.mark.parametrize(
    ("source", "html"),
    [
        ("<b>Booth</b> 223", "<b>Booth</b> 223"),
        ("📱 <b>a<i>b</i></b>", "📱 <b>a<em>b</em></b>"),
        ("&lt;script&gt;", "&lt;script&gt;"),
        ('<a href="https://e.org/?a=1&amp;b=2">x</a>', '<a href="https://e.org/?a=1&amp;b=2" rel="noopener">x</a>'),
        ('<a href="javascript:alert(1)">x</a>', "x"),
        ("see https://e.org/a.", 'see <a href="https://e.org/a" rel="noopener">https://e.org/a</a>.'),
    ],
)
def test_markup_becomes_safe_html(source: str, html: str) -> None:
    text, entities = read_text(source, "HTML")
    assert rich(text, list(entities), same) == html


def test_plain_text_is_escaped_and_linked() -> None:
    said = linked('<img src=x> https://e.org/c/aB-1_2\n@e.org #482107 "', same)
    assert said == (
        '&lt;img src=x&gt; <a href="https://e.org/c/aB-1_2" rel="noopener">https://e.org/c/aB-1_2</a>\n'
        "@e.org #482107 &#34;"
    )


@pytest.mark.parametrize(
    ("name", "first"), [("प्रद्युम्न", "प्र"), ("अनीता", "अ"), ("बूथ", "बू"), ("Sunita", "S"), ("", "?"), (" x", "x")]
)
def test_the_first_letter_of_a_name_is_a_whole_cluster(name: str, first: str) -> None:
    assert initial(name) == first


def test_an_indian_number_is_grouped_as_people_read_it() -> None:
    assert grouped("+915550000210") == "+91 55500 00210"
    assert grouped("+14155550123") == "+14155550123"
