"""What each customer is worth, as somebody else has worked it out: looked up by name, missing where it is not known."""

from __future__ import annotations

from dataclasses import is_dataclass

import numpy as np

from crmvalue._core import frames
from crmvalue._core.checks import require_rows
from crmvalue._core.columns import read_numbers
from crmvalue._core.types import AnyArray, Array, Frame
from crmvalue.costing.grouping import match, ranked


def worth_of(value: Frame, names: AnyArray) -> Array:
    """Value of each customer, NaN where it is not known; a customer who is there twice is an error.

    A result that holds its table as `frame`, such as that of `customer_value`, stands for the table.
    """
    table = value.frame if is_dataclass(value) and hasattr(value, "frame") else value
    rows = frames.open_frame(table, argument="value", needs=["customer_id", "value"])
    rows = read_numbers(rows.select("customer_id", "value"), "value", argument="value, column 'value'")
    found = frames.to_arrays(rows, ["customer_id", "value"])
    rank, _ = ranked(found["customer_id"])
    once = np.zeros(len(rank), dtype=bool)
    once[np.unique(rank, return_index=True)[1]] = True
    said, remedy = "value, column 'customer_id'", "Pass one row a customer."
    require_rows(once, said, "customer there again", remedy, labels=found["customer_id"], label="customer")
    place, worth = match(names, found["customer_id"]), np.append(found["value"].astype(float), np.nan)
    return worth[place]  # place -1, who is not there, is the one at the end
