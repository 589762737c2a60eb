"""The page: one file, the same every time, harmless whatever the names, and readable by more than eyes."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from matplotlib.axes import Axes

from crmvalue.reporting.analysis import Analysis
from crmvalue.reporting.contents import report_contents
from crmvalue.reporting.drawing import PALETTE
from crmvalue.reporting.html import DARK, FIGURES, draw_svg, page_colours, render_html
from crmvalue.reporting.plots import plot_segment_values
from crmvalue.reporting.results import ValueBySegment

ATTACK = '<script>window.__pwned=1</script>"><img src=x onerror=window.__pwned=1> $x^2$ --> & 中文'
VOID = {"meta", "link", "img", "br", "hr"}


class Page(HTMLParser):
    """Collects the tags of a page and checks that each is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def page(analysis: Analysis) -> str:
    return render_html(report_contents(analysis))


@pytest.fixture(scope="module")
def parsed(page: str) -> Page:
    reader = Page()
    reader.feed(page)
    return reader


def attributes(parsed: Page, tag: str) -> list[dict[str, str | None]]:
    return [attrs for name, attrs in parsed.tags if name == tag]


def test_the_page_is_well_formed_and_small(page: str, parsed: Page) -> None:
    assert parsed.open == []
    assert len(page.encode()) < 1_000_000


def test_the_same_analysis_gives_the_same_bytes(page: str, analysis: Analysis) -> None:
    assert render_html(report_contents(analysis)) == page


def test_nothing_is_loaded_from_anywhere(page: str, parsed: Page) -> None:
    for tag in ("script", "iframe", "object", "embed", "img", "image", "form", "base"):
        assert not attributes(parsed, tag)
    for _, attrs in parsed.tags:
        for name in ("src", "href", "xlink:href", "action", "srcset"):
            assert (attrs.get(name) or "#").startswith(("#", "data:,"))
        assert not [name for name in attrs if name.startswith("on")]
    assert not re.search(r"@import|url\((?!#)", page)


def test_a_title_with_a_script_is_shown_and_not_run(page: str) -> None:
    assert "&lt;script&gt;window.__pwned=1" in page
    assert "<script" not in page


def test_ids_are_unique_and_each_reference_finds_one(page: str, parsed: Page) -> None:
    ids = [attrs["id"] for _, attrs in parsed.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'(?:href="#|url\(#)([^")]+)', page)) <= set(ids)


def test_each_picture_says_what_it_shows(parsed: Page) -> None:
    pictures = attributes(parsed, "svg")
    assert len(pictures) == 2 * len(FIGURES)
    assert all(attrs["role"] == "img" and attrs["aria-label"] for attrs in pictures)


def test_each_table_has_a_caption_and_headers_with_a_scope(parsed: Page) -> None:
    assert len(attributes(parsed, "caption")) == len(attributes(parsed, "table")) > len(FIGURES)
    assert all(attrs.get("scope") in ("col", "row") for attrs in attributes(parsed, "th"))
    assert len(attributes(parsed, "figcaption")) == len(attributes(parsed, "figure"))


def test_the_page_names_its_language_and_a_dark_dress(page: str, parsed: Page) -> None:
    assert attributes(parsed, "html") == [{"lang": "en"}]
    assert "prefers-color-scheme: dark" in page
    assert "@media print" in page


def test_pictures_use_no_colour_outside_the_palette(page: str) -> None:
    drawn = re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL)
    assert not re.findall(r"(?:fill|stroke|color): ?#[0-9a-f]{3,6}", drawn)
    used = set(re.findall(r"var\(--([a-z0-9]+)\)", page))
    assert used <= set(page_colours())


def luminance(colour: str) -> float:
    """Relative luminance by WCAG 2.2."""
    parts = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("dress", [0, 1], ids=["light", "dark"])
def test_texts_and_bars_stand_out_from_their_ground(dress: int) -> None:
    colour = {name: pair[dress] for name, pair in page_colours().items()}
    for ground in ("page", "card"):  # WCAG: 4.5 for text, 3 for pictures
        assert min(contrast(colour[name], colour[ground]) for name in ("ink", "muted", "link")) >= 4.5
    bars = ("blue", "orange", "green", "sand", "stone")
    assert min(contrast(colour[name], colour["card"]) for name in bars) >= 3
    assert min(contrast(colour["ink"], colour[f"heat{level}"]) for level in range(1, 5)) >= 4.5
    assert min(contrast(colour["onheat"], colour[f"heat{level}"]) for level in (5, 6)) >= 4.5


def test_every_colour_of_the_palette_has_a_dark_one() -> None:
    assert set(DARK) == set(PALETTE)


def test_names_of_segments_come_out_harmless_in_pictures() -> None:
    one = np.ones(1)
    segments = ValueBySegment(
        segment=np.array([ATTACK], dtype=object), customers=one.astype(int), value=one, purchases=one
    )
    svg = draw_svg(lambda ax: plot_segment_values(segments, ax), (700, 100), label=ATTACK, key="attack")
    reader = Page()
    reader.feed(svg)
    assert reader.open == []
    assert not [tag for tag, _ in reader.tags if tag in ("script", "img")]
    assert reader.tags[0][1]["aria-label"] == ATTACK
    assert "$x^2$" in svg
    assert "中文" in svg


def test_drawing_leaves_the_settings_of_matplotlib_alone() -> None:
    import matplotlib as mpl

    def nothing(ax: Axes) -> Axes:
        return ax

    before = dict(mpl.rcParams)
    draw_svg(nothing, (100, 100), label="", key="none")
    assert dict(mpl.rcParams) == before


def test_notices_stand_at_the_top(analysis: Analysis) -> None:
    contents = replace(report_contents(analysis), notices=("This ledger is made up.",))
    page = render_html(contents)
    assert page.index("This ledger is made up.") < page.index("<main>")


def test_the_reporting_tools_load_only_when_a_report_is_made() -> None:
    code = (
        "import sys, crmvalue.cli, crmvalue.reporting.analysis, crmvalue.reporting.contents, crmvalue.reporting.html, "
        "crmvalue.reporting.tables; print([m for m in ('pandas', 'matplotlib', 'jinja2', 'pyarrow', 'typer', 'rich') "
        "if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
