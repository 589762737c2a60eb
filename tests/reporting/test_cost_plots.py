"""Pictures of costs: what is drawn is what the result says, in colours of the palette, and odd names are drawn."""

import matplotlib as mpl
import pandas as pd
import pytest
from matplotlib.figure import Figure

from crmvalue.costs import channel_payback, cost_breakdown, customer_profit, whale_curve
from crmvalue.data.transactions import prepare_transactions
from crmvalue.errors import InputError
from crmvalue.reporting.cost_plots import plot_cost_stack, plot_cost_tree, plot_payback, plot_whale_curve

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


def test_the_whale_curve_says_what_there_is_to_say_and_no_more():
    def said(margin, **changes):
        curve = whale_curve(customer_profit(ORDERS, LINES.assign(**changes), margin=margin))
        ax = plot_whale_curve(curve, axes(), currency="$")
        inside = all(ax.get_ylim()[0] <= text.xy[1] <= ax.get_ylim()[1] for text in ax.texts)
        ax.figure.canvas.draw()
        return [text.get_text() for text in ax.texts], inside

    # contributions 50, 10 and 5 at 50 %; direct costs 30, 5 and 22
    assert said(0.5) == (["best 67% of customers: $25.00", "$8.00", "the others take $17.00 away"], True)
    assert said(0.0) == (["no customer brings a profit", "−$57.00", "the others take $57.00 away"], True)
    assert said(1.0, amount=0.0) == (["best 100% of customers: $130.00"], True)


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
    assert [label.get_text() for label in ax.get_yticklabels()] == ["Marketing", "Service", "IT"]
    ax.figure.canvas.draw()


def test_a_breakdown_by_one_column_cannot_be_stacked():
    with pytest.raises(InputError, match=r"^costs: the breakdown is by \['category'\]\. Break it down by two"):
        plot_cost_stack(cost_breakdown(LINES), axes())


def test_as_many_channels_as_there_are_colours_are_drawn_and_the_others_are_one():
    lines = pd.DataFrame({"date": "2024-01-01", "category": "it", "channel": [f"c{n}" for n in range(9)]})
    found = cost_breakdown(lines.assign(amount=[float(n + 1) for n in range(9)]), by=["category", "channel"])
    ax = plot_cost_stack(found, axes())
    assert ax.get_legend_handles_labels()[1] == ["c8", "c7", "c6", "c5", "c4", "Others"]
    assert sum(bar.get_width() for bars in ax.containers for bar in bars) == pytest.approx(45.0)
    orders = pd.DataFrame({"customer_id": range(9), "date": "2024-01-05", "amount": 5.0, "channel": lines["channel"]})
    payback = channel_payback(orders, lines.assign(amount=1.0), margin=0.5, months=1, observation_end="2024-02-29")
    assert len(plot_payback(payback, axes()).get_legend_handles_labels()[1]) == 6


TREE = pd.DataFrame(
    {
        "date": ["2024-01-01", "2024-02-01", "2024-01-01", "2024-01-01", "2024-01-01"],
        "category": ["staff", "staff", "staff", "it", "it"],
        "subcategory": ["salaries", "salaries", "training", "cloud", "storage"],
        "amount": [300.0, 200.0, 100.0, 400.0, -50.0],  # there is no room to name the training
    }
)


def texts_of(ax):
    return [text.get_text() for text in ax.texts]


def areas_of(ax):
    return [patch.get_width() * patch.get_height() for patch in ax.patches]


def test_areas_of_the_cost_tree_are_amounts_and_labels_say_amounts_and_shares():
    ax = plot_cost_tree(cost_breakdown(TREE, by=["category", "subcategory"]), axes(), currency="$")
    assert texts_of(ax) == [
        "Staff $600.00 · 60%",
        "Salaries\n$500.00 · 50%",
        "IT $400.00 · 40%",
        "Cloud\n$400.00 · 40%",
    ]
    salaries, training, _ = areas_of(ax)
    assert salaries / training == pytest.approx(5.0, rel=0.05)  # but for the hair between them
    ax.figure.canvas.draw()


def test_credits_have_no_area_and_the_line_below_the_tree_says_so():
    ax = plot_cost_tree(cost_breakdown(TREE, by=["category", "subcategory"]), axes(), currency="$")
    said = " ".join(ax.get_xlabel().split())
    assert said == "Areas: costs of $1.00k. Not drawn: credits of −$50.00 (IT); with them $950.00."
    assert len(ax.patches) == 3


def test_periods_and_further_columns_are_added_up_in_the_cost_tree():
    plain = plot_cost_tree(cost_breakdown(TREE, by=["category", "subcategory"]), axes())
    split = plot_cost_tree(cost_breakdown(TREE, by=["category", "subcategory", "date"], period="month"), axes())
    assert texts_of(plain) == texts_of(split)
    assert areas_of(plain) == pytest.approx(areas_of(split))


def test_a_cost_tree_by_one_column_has_a_block_for_each_value():
    ax = plot_cost_tree(cost_breakdown(LINES.iloc[:3], by=["channel"]), axes())
    assert texts_of(ax) == ["web\n30.00 · 50%", "no channel\n25.00 · 42%", "tv\n5.00 · 8%"]


def test_blocks_too_small_for_a_name_are_named_below_the_tree():
    small = pd.DataFrame({"date": "2024-01-01", "category": ["staff", "it"], "amount": [1e6, 1.0]})
    ax = plot_cost_tree(cost_breakdown(small), axes())
    assert "Too small for a name: IT 1.00." in ax.get_xlabel()
    assert len(ax.patches) == 2


def test_a_ledger_of_credits_has_no_tree():
    with pytest.raises(InputError, match=r"^costs: no amount is above 0, so there is no area"):
        plot_cost_tree(cost_breakdown(LINES.iloc[3:]), axes())
    with pytest.raises(InputError, match=r"^costs: the breakdown is by no column\. Break it down by one or two\."):
        plot_cost_tree(cost_breakdown(LINES, by=[]), axes())
