"""The picture of covariates shows every change with its interval, in the colours of the palette."""

from __future__ import annotations

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pytest

from crmvalue.errors import InputError
from crmvalue.models.covariate_effects import CovariateEffects
from crmvalue.reporting.covariate_plots import plot_covariate_effects
from crmvalue.reporting.drawing import PALETTE

EFFECTS = CovariateEffects(
    covariates=("channel", "age"),
    changes=("web → store", "+10"),
    purchases=np.array([[2.5, 2.0, 3.0], [-0.2, -0.6, 0.2]]),
    value=np.array([[25.0, 20.0, 30.0], [-2.0, -6.0, 2.0]]),
    purchases_before=np.array([3.0, 3.5]),
    value_before=np.array([30.0, 35.0]),
    horizon=52.0,
    time_unit="week",
    level=0.95,
    n_customers=100,
)


def test_each_change_is_a_row_with_its_interval():
    _, ax = plt.subplots()
    assert plot_covariate_effects(EFFECTS, ax) is ax
    assert [label.get_text() for label in ax.get_yticklabels()] == ["channel\nweb → store", "age\n+10"]
    bars = [line for line in ax.get_lines() if len(line.get_xdata()) == 2 and line.get_linewidth() == 3]
    assert [list(bar.get_xdata()) for bar in bars] == [[2.0, 3.0], [-0.6, 0.2]]
    assert [bar.get_color() for bar in bars] == [PALETTE["blue"], PALETTE["stone"]]  # the second may be nothing
    assert {text.get_text() for text in ax.texts} == {"+2.5", "−0.2"}
    assert ax.get_xlabel() == "Change in repeat purchases over 52 weeks"
    plt.close("all")


def test_value_is_drawn_if_asked_for():
    _, ax = plt.subplots()
    plot_covariate_effects(EFFECTS, ax, of="value")
    assert {text.get_text() for text in ax.texts} == {"+25", "−2"}
    with pytest.raises(InputError, match="of: got 'money'. Use one of 'purchases', 'value'"):
        plot_covariate_effects(EFFECTS, ax, of="money")
    plt.close("all")
