"""Plots in the notebooks are SVG whose colours follow the page, light or dark, as in the report."""

import io
import itertools
import logging

import matplotlib as mpl
from IPython import get_ipython
from matplotlib.figure import Figure

from crmvalue.reporting.drawing import PALETTE
from crmvalue.reporting.html import PIXELS_PER_INCH, SETTINGS, for_page

logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)  # it says when it builds its list of fonts
INK, MUTED = PALETTE["ink"], PALETTE["muted"]
mpl.rcParams.update(SETTINGS)
mpl.rcParams.update(
    {
        "figure.constrained_layout.use": True,
        "figure.figsize": (10, 4.5),
        "font.size": 11,
        "text.color": INK,
        "axes.labelcolor": MUTED,
        "axes.edgecolor": PALETTE["line"],
        "axes.facecolor": "none",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.prop_cycle": mpl.cycler(color=[PALETTE[name] for name in ("stone", "blue", "orange", "green", "sand")]),
        "xtick.color": PALETTE["line"],
        "ytick.color": PALETTE["line"],
        "xtick.labelcolor": MUTED,
        "ytick.labelcolor": MUTED,
        "legend.frameon": False,
    }
)
numbers = itertools.count(1)


def as_svg(figure: Figure) -> str:
    """Return the figure as an element of the page."""
    buffer = io.StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    figure.savefig(buffer, format="svg", dpi=PIXELS_PER_INCH, transparent=True, metadata=nothing)
    label = figure.get_label() or "Plot of the numbers in the tables around it"
    return f'<div class="plot">{for_page(buffer.getvalue(), label=label, key=f"plot{next(numbers)}")}</div>'


shell = get_ipython()
shell.run_line_magic("matplotlib", "inline")  # now, as it would take away the formatter that is set below
shell.display_formatter.formatters["image/png"].pop(Figure, None)
shell.display_formatter.formatters["text/html"].for_type(Figure, as_svg)
