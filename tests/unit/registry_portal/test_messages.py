"""Catalogues: nothing is missing, fuzzy or unused, placeholders agree, and no template holds a sentence of its own."""

import re
from collections.abc import Iterable
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po

from services.registry.api.portal.rendering import LOCALE, PAGES
from shared.i18n import LANGUAGES, load
from tests.unit.registry_portal.messages import extracted

DEVANAGARI = re.compile(r"[ऀ-ॿ]")
PLACEHOLDER = re.compile(r"%\(\w+\)s|\{\w*\}")
TEMPLATES = sorted(PAGES.rglob("*.html"))


def catalogue(language: str) -> Catalog:
    """As it stands in the repository."""
    with (LOCALE / language / "LC_MESSAGES" / "messages.po").open("rb") as file:
        return read_po(file, locale=language, abort_invalid=True)


def texts(value: str | Iterable[str] | None) -> list[str]:
    """One text, or all plural forms."""
    return [value or ""] if value is None or isinstance(value, str) else list(value)


def test_every_language_loads() -> None:
    assert set(load(LOCALE)) == set(LANGUAGES)


def test_hindi_has_every_message_and_no_other() -> None:
    known = {
        message.id if isinstance(message.id, str) else tuple(message.id)
        for message in catalogue("hi")
        if message.id and all(texts(message.string))
    }
    assert {str(message) for message in extracted() - known} == set()
    assert {str(message) for message in known - extracted()} == set()


@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_is_fuzzy(language: str) -> None:
    assert [message.id for message in catalogue(language) if message.id and message.fuzzy] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_placeholders_agree(language: str) -> None:
    wrong = [
        text
        for message in catalogue(language)
        if message.id
        for said, text in zip(texts(message.id), texts(message.string), strict=True)
        if set(PLACEHOLDER.findall(text)) != set(PLACEHOLDER.findall(said))
    ]
    assert wrong == []


def test_hindi_is_in_hindi() -> None:
    latin = [
        text
        for message in catalogue("hi")
        if message.id
        for text in texts(message.string)
        if not DEVANAGARI.search(PLACEHOLDER.sub("", text)) and re.search(r"[A-Za-z]{2}", PLACEHOLDER.sub("", text))
    ]
    assert latin == []


ALLOWED = {"Boothline"}


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_no_template_holds_a_sentence(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    visible = re.sub(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", "", source, flags=re.DOTALL)
    visible = re.sub(r"<code>.*?</code>|<[^>]*>|[\w-]+=\"[^\"]*\"", " ", visible, flags=re.DOTALL)
    words = [word for word in re.findall(r"[A-Za-z\u0900-\u097f]{2,}", visible) if word not in ALLOWED]
    attributes = re.findall(r'(?:aria-label|title|alt|placeholder)="([^"{]+)"', source)
    assert (words, attributes) == ([], [])


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_templates_stay_inside_the_policy(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    assert not re.search(r"\sstyle=|\son\w+=|javascript:|js:|hx-on|\|\s*safe|<style|<script(?! src=)", source)
