"""The example data: equal to their source, and plausible where they are made up."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import numpy as np
import pandas as pd

from crmvalue.data.samples import demo_ledger, load_cdnow


def test_cdnow_equals_the_file_of_the_lifetimes_package_row_by_row(cdnow_folder: Path) -> None:
    lines = (cdnow_folder / "CDNOW_master.txt").read_text().splitlines()[1:]
    customers, dates, cds, amounts = zip(*(line.split() for line in lines), strict=True)
    sample = load_cdnow()
    assert list(sample.columns) == ["customer_id", "date", "cds", "amount"]
    assert sample["customer_id"].tolist() == list(customers)
    assert sample["date"].dt.strftime("%Y%m%d").tolist() == list(dates)
    assert sample["cds"].tolist() == [int(n) for n in cds]
    assert sample["amount"].tolist() == [float(a) for a in amounts]


def test_cdnow_has_the_published_number_of_customers_and_purchases() -> None:
    sample = load_cdnow()  # Fader & Hardie (2001): 23,570 people, first purchase in the first quarter of 1997
    assert len(sample) == 69_659
    assert sample["customer_id"].nunique() == 23_570
    assert sample.groupby("customer_id")["date"].min().max() <= pd.Timestamp("1997-03-31")


def test_the_demo_ledger_covers_the_eight_categories_in_each_year_of_the_sample() -> None:
    ledger = demo_ledger()
    categories = {"staff", "it", "marketing", "service", "data", "process", "time", "opportunity"}
    assert set(ledger["category"]) == categories
    assert ledger["date"].dt.strftime("%Y-%m").nunique() == 18
    assert (ledger["amount"] > 0).all()
    assert not ledger.isna().to_numpy().any()
    assert (np.round(ledger["amount"] * 100) == np.round(ledger["amount"] * 100, 6)).all()


def test_the_demo_ledger_says_that_it_is_made_up() -> None:
    assert "made up" in (demo_ledger.__doc__ or "")
    assert "made up" in (files("crmvalue") / "data" / "files" / "README.md").read_text()


def test_the_licence_of_the_cdnow_data_ships_beside_them() -> None:
    licence = (files("crmvalue") / "data" / "files" / "LICENSE.lifetimes.txt").read_text()
    assert "Cameron Davidson-Pilon" in licence
    assert "Permission is hereby granted" in licence
