"""The contents of a report as one HTML string that needs nothing else: no network, no script, no other file."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable
from functools import partial
from html import escape
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, NamedTuple

from crmvalue.reporting import plots
from crmvalue.reporting.drawing import PALETTE
from crmvalue.reporting.extras import require_extra
from crmvalue.reporting.parts import Exhibit, ReportContents

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDE, NARROW = 880, 340  # width of the pictures for desktop and phone, in CSS pixels
PIXELS_PER_INCH = 72  # one SVG unit is one pixel
DARK = {
    "ink": "#e9edf2",
    "muted": "#a9b3bf",
    "line": "#343c46",
    "blue": "#5fb0f0",
    "stone": "#7f8b98",
    "orange": "#ff9a4d",
    "green": "#3fc49a",
    "sand": "#e3c04f",
    "heat1": "#1c2c3a",
    "heat2": "#1f435e",
    "heat3": "#20587f",
    "heat4": "#246d9c",
    "heat5": "#57a6de",
    "heat6": "#a9d8fb",
    "onheat": "#0b1016",
}
DECIMALS = re.compile(r"(\.\d\d)\d+")  # a hundredth of a pixel is enough
PAGE_COLOURS = {"page": ("#f6f7f9", "#11151a"), "card": ("#ffffff", "#1a2027"), "link": ("#005f99", "#7cc0f5")}
SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text: it can be read aloud, found and copied
    "svg.hashsalt": "crmvalue",  # the same picture gets the same ids
    "text.parse_math": False,  # a dollar sign is a dollar sign
    "axes.formatter.use_mathtext": False,
    "axes.unicode_minus": True,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # the measures come from it; the browser shows the font of the page
    "figure.constrained_layout.h_pad": 0.02,
    "figure.constrained_layout.w_pad": 0.02,
    "path.simplify": True,
}


class Figure(NamedTuple):
    """How a picture is drawn, and how high, in pixels: on desktop and phone, and more for each row of its table."""

    plot: Callable[..., Axes]
    height: int
    narrow_height: int
    row_height: int = 0
    is_money: bool = False  # the plot takes a currency


FIGURES = {
    "segments": Figure(plots.plot_segments, 45, 45, 38),
    "concentration": Figure(plots.plot_concentration, 380, 320),
    "segment-values": Figure(plots.plot_segment_values, 15, 15, 32, is_money=True),
    "churn": Figure(plots.plot_churn, 320, 290),
    "alive": Figure(plots.plot_alive, 320, 280),
    "retention": Figure(plots.plot_retention, 45, 75, 26),
    "costs": Figure(plots.plot_costs, 15, 15, 32, is_money=True),
    "monthly-costs": Figure(plots.plot_monthly_costs, 330, 300, is_money=True),
    "cash-flow": Figure(plots.plot_cash_flow, 340, 310, is_money=True),
    "holdout": Figure(plots.plot_holdout, 310, 280),
}
"""The picture of each exhibit that has one, by the key of the exhibit."""


class Drawings(NamedTuple):
    """One picture in two widths, as SVG text that is safe to put into a page."""

    wide: str
    narrow: str


def render_html(contents: ReportContents) -> str:
    """Return the report as one self-contained HTML page.

    Parameters
    ----------
    contents : ReportContents
        What the report says, from `report_contents`.

    Returns
    -------
    str
        HTML with the pictures as inline SVG, light and dark colours, a table behind each picture, and a style for
        print. The same contents give the same text.

    Raises
    ------
    MissingExtraError
        If matplotlib or jinja2 is not installed.

    Notes
    -----
    Every text is escaped: a customer segment named ``<script>`` is shown, not run. The page forbids scripts and
    requests by a content security policy.
    """
    require_extra("matplotlib", "jinja2")
    import jinja2

    exhibits = [exhibit for section in contents.sections for exhibit in section.exhibits]
    pictures = {e.key: draw(e, contents.currency) for e in exhibits if e.source is not None}
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("crmvalue.reporting"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    return environment.get_template("report.html.j2").render(
        contents=contents,
        pictures=pictures,
        colours=page_colours(),
        widths={"wide": WIDE, "narrow": NARROW},
        version=version("crmvalue"),
    )


def markup(svg: str) -> str:
    """Mark SVG made by `draw_svg` as safe: matplotlib escaped its texts when it drew them."""
    from markupsafe import Markup

    return Markup(svg)


def page_colours() -> dict[str, tuple[str, str]]:
    """Each colour of the page by name: light, dark."""
    return {**PAGE_COLOURS, **{name: (light, DARK[name]) for name, light in PALETTE.items()}}


def draw(exhibit: Exhibit, currency: str) -> Drawings:
    """Draw the picture of an exhibit for desktop and for phone."""
    figure, rows = FIGURES[exhibit.key], len(exhibit.table.rows)
    plot = partial(figure.plot, exhibit.source, **({"currency": currency} if figure.is_money else {}))
    sizes = {
        "wide": (WIDE, figure.height + rows * figure.row_height),
        "narrow": (NARROW, figure.narrow_height + rows * figure.row_height),
    }
    drawn = {name: draw_svg(plot, size, label=exhibit.alt, key=f"{exhibit.key}-{name}") for name, size in sizes.items()}
    return Drawings(**{name: markup(svg) for name, svg in drawn.items()})


def draw_svg(plot: Callable[[Axes], Axes], size: tuple[int, int], *, label: str, key: str) -> str:
    """Return what `plot` draws, as an SVG element of `size` pixels.

    `label` says in words what is to be seen; `key` makes the ids in the SVG unique in the page.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    buffer = io.StringIO()
    with mpl.rc_context(SETTINGS), warnings.catch_warnings():
        # the browser draws the letters: it matters not that DejaVu Sans, used to measure them, lacks some
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure = Figure(figsize=(size[0] / PIXELS_PER_INCH, size[1] / PIXELS_PER_INCH), layout="constrained")
        plot(figure.add_subplot())
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(buffer, format="svg", dpi=PIXELS_PER_INCH, transparent=True, metadata=nothing)
    return for_page(buffer.getvalue(), label=label, key=key)


def for_page(svg: str, *, label: str, key: str) -> str:
    """Turn a file that matplotlib wrote into an element of the page: own ids, the page's font and colours."""
    body = re.sub(r"<!--.*?-->\s*", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    body = re.sub(r"<metadata>.*?</metadata>\s*", "", body, flags=re.DOTALL)
    view_box = re.search(r'viewBox="[^"]*"', body)
    head = f'<svg {view_box.group() if view_box else ""} role="img" aria-label="{escape(label)}">'
    body = re.sub(r"<svg\b[^>]*>", lambda _: head, body, count=1)
    body = re.sub(r'(\sid="|href="#|url\(#)', rf"\g<1>{key}-", body)
    body = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>\s*", "", body, flags=re.DOTALL)  # the page has it once
    body = re.sub(r' (?:d|x|y|transform)="[^"]*"', lambda found: DECIMALS.sub(r"\1", found.group()), body)
    return re.sub(r'style="[^"]*"', lambda found: page_style(found.group()), body)


def page_style(style: str) -> str:
    """Replace the palette by the variables of the page, and leave the font's family to the page."""
    for name, colour in PALETTE.items():
        style = style.replace(colour, f"var(--{name})")
    style = re.sub(r"font: ([^;\"]*?)([\d.]+px) [^;\"]*", r"font-weight: \1; font-size: \2", style)  # older matplotlib
    return re.sub(r"font-family: [^;\"]*;? ?", "", style)
