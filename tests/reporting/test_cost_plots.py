"""Pictures of costs: what is drawn is what the result says, in colours of the palette, and odd names are drawn."""

import matplotlib as mpl
import pandas as pd
import pytest
from matplotlib.figure import Figure

from crmvalue.costs import channel_payback, cost_breakdown, customer_profit, whale_curve
from crmvalue.data.transactions import prepare_transactions
from crmvalue.errors import InputError
from crmvalue.reporting.cost_plots import plot_cost_stack, plot_payback, plot_whale_curve

mpl.use("svg")

ORDERS = pd.DataFrame(
    {
        "customer_id": [1, 1, 2, 3],
        "date": ["2024-01-05", "2024-02-01", "2024-01-09", "2024-01-31"],
        "amount": [40.0, 60.0, 20.0, 10.0],
        "channel": ["web", "web", "$a$ <b>", None],
    }
)
LINES = pd.DataFrame(
    {
        "date": "2024-01-01",
        "category": ["marketing", "marketing", "service", "it"],
        "channel": ["web", "tv", None, "web"],
        "customer_id": [1, 2, 3, 3],
        "amount": [30.0, 5.0, 25.0, -3.0],
    }
)


def axes():
    return Figure(figsize=(8, 5)).add_subplot()


def test_the_whale_curve_ends_at_the_profit_of_all():
    curve = whale_curve(customer_profit(ORDERS, LINES, margin=0.5))
    ax = plot_whale_curve(curve, axes(), currency="$")
    x, y = ax.get_lines()[0].get_data()
    assert (x[0], y[0], x[-1], y[-1]) == (0.0, 0.0, 1.0, curve.total)
    assert y.max() == curve.peak
    ax.figure.canvas.draw()


def test_each_channel_that_won_customers_has_a_payback_curve_that_starts_below_its_cost():
    payback = channel_payback(prepare_transactions(ORDERS, keep=["channel"]), LINES, margin=0.5, months=3)
    ax = plot_payback(payback, axes())
    labels = ax.get_legend_handles_labels()[1]
    assert sorted(labels) == ["$a$ <b>", "no channel", "web"]
    curves = {line.get_label(): line.get_ydata() for line in ax.get_lines()}
    assert curves["web"][0] == 40.0 * 0.5 - 27.0
    ax.figure.canvas.draw()


def test_stacked_bars_add_up_to_the_breakdown():
    found = cost_breakdown(LINES, by=["category", "channel"])
    ax = plot_cost_stack(found, axes(), currency="€")
    widths = [bar.get_width() for bars in ax.containers for bar in bars]
    assert sum(widths) == pytest.approx(found.total)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["marketing", "service", "it"]
    ax.figure.canvas.draw()


def test_a_breakdown_by_one_column_cannot_be_stacked():
    with pytest.raises(InputError, match=r"^costs: the breakdown is by \['category'\]\. Break it down by two"):
        plot_cost_stack(cost_breakdown(LINES), axes())
