"""The look: contrast of the tokens in light and dark, and what Devanagari does not bear (portal.md P24, P33-P35)."""

import hashlib
import re
import tomllib
from collections.abc import Iterator

import pytest

from services.registry.api.portal.rendering import STATIC
from shared.assets import SHARED

COMMON = (SHARED / "boothline.css").read_text(encoding="utf-8")
OURS = (STATIC / "portal.css").read_text(encoding="utf-8")

TEXT = [
    ("ink", "paper"), ("ink", "surface"), ("ink", "sunk"), ("ink-2", "paper"), ("ink-2", "surface"),
    ("accent", "paper"), ("accent", "surface"), ("accent-ink", "accent"), ("bad", "surface"), ("bad", "paper"),
    *((state, ground) for state in ("ok", "sent", "wait", "bad", "off") for ground in (f"{state}-soft", "surface")),
]  # fmt: skip
GRAPHICS = [("edge", "surface"), ("edge", "paper"), ("ok", "sunk"), ("bad", "sunk"), ("focus-halo", "focus")]


def tokens(dark: bool) -> dict[str, str]:
    """Colours by name."""
    light, _, rest = COMMON.partition("@media (prefers-color-scheme:dark)")
    found = dict(re.findall(r"--([\w-]+):\s*(#[0-9a-f]{3,6})", light))
    return found | dict(re.findall(r"--([\w-]+):\s*(#[0-9a-f]{3,6})", rest)) if dark else found


def luminance(colour: str) -> float:
    """WCAG's relative luminance."""
    digits = colour[1:] if len(colour) == 7 else "".join(char * 2 for char in colour[1:])
    parts = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """WCAG's contrast ratio."""
    dim, bright = sorted((luminance(one), luminance(other)))
    return (bright + 0.05) / (dim + 0.05)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_every_pair_of_colours_can_be_read(dark: bool) -> None:
    colours = tokens(dark)
    weak = [pair for pair in TEXT if contrast(colours[pair[0]], colours[pair[1]]) < 4.5]
    faint = [pair for pair in GRAPHICS if contrast(colours[pair[0]], colours[pair[1]]) < 3]
    assert (weak, faint) == ([], [])


def rules(css: str) -> Iterator[tuple[str, str]]:
    """Selectors and declarations, media queries opened."""
    plain = re.sub(r"/\*.*?\*/", "", css, flags=re.DOTALL)
    plain = re.sub(r"@(?:media|keyframes)[^{]*\{", "", plain)
    yield from re.findall(r"([^{}]+)\{([^{}]*)\}", plain)


@pytest.mark.parametrize("css", [COMMON, OURS], ids=["common", "ours"])
def test_nothing_tears_the_head_line_of_devanagari(css: str) -> None:
    digits_only = {".code"}
    torn = [
        (selector.strip(), declared)
        for selector, declared in rules(css)
        if selector.strip() not in digits_only
        and re.search(r"letter-spacing:(?!normal)|text-transform:(?!none)|font-style:(?!normal)|justify;", declared)
        and "text-align:justify" not in declared.replace(" ", "")
    ]
    assert torn == []


@pytest.mark.parametrize("css", [COMMON, OURS], ids=["common", "ours"])
def test_nothing_is_taken_from_elsewhere(css: str) -> None:
    assert "@import" not in css
    assert "url(http" not in css
    assert "@font-face" not in css


def test_a_latin_font_comes_first_and_hindi_lines_are_high_enough() -> None:
    fonts = re.search(r"html\s*\{[^}]*font-family:([^;]+);", COMMON)
    assert fonts
    assert [name.strip(' "') for name in fonts[1].split(",")][:3] == ["Noto Sans", "Roboto", "Noto Sans Devanagari"]
    assert re.search(r":lang\(hi\)\s*\{[^}]*line-height:1\.65", COMMON)


def test_hidden_overflow_never_meets_low_lines() -> None:
    cut = [
        selector
        for selector, declared in rules(OURS)
        if (height := re.search(r"line-height:\s*([\d.]+)", declared)) and float(height[1]) < 1.5
    ]
    assert cut == []


def test_the_vendored_files_are_those_of_the_packages() -> None:
    folder = STATIC / "vendor"
    recorded = tomllib.loads((folder / "VENDOR.toml").read_text(encoding="utf-8"))["file"]
    assert {file["name"] for file in recorded} == {path.name for path in folder.glob("*.js")}
    for file in recorded:
        assert hashlib.sha256((folder / file["name"]).read_bytes()).hexdigest() == file["sha256"], file["name"]
