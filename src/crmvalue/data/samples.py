"""Example data that ship with the library: real purchases of a CD shop, and a made-up cost ledger to go with them."""

from __future__ import annotations

from importlib.resources import as_file, files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

FILES = files("crmvalue") / "data" / "files"


def load_cdnow() -> pd.DataFrame:
    """Return the CDNOW master data: every purchase of one cohort of an online CD shop, 1997-01-01 to 1998-06-30.

    Returns
    -------
    pandas.DataFrame
        69,659 rows, one a purchase, of 23,570 customers: `customer_id` (text, five digits), `date`, `cds` (number of
        CDs), `amount` (US dollars). Several purchases on a day are possible, 255 rows repeat an earlier one exactly,
        and 80 purchases have amount 0. Everybody's first purchase lies in January to March 1997.

    Notes
    -----
    As shipped with the Python package lifetimes 0.11.3 (MIT licence, Copyright 2015 Cameron Davidson-Pilon).

    References
    ----------
    .. [1] Fader, P. S. & Hardie, B. G. S. (2001) "Forecasting repeat sales at CDNOW: a case study", Interfaces 31(3).
       https://doi.org/10.1287/inte.31.3s.94.9683

    Examples
    --------
    >>> load_cdnow().head(3)
      customer_id       date  cds  amount
    0       00001 1997-01-01    1   11.77
    1       00002 1997-01-12    1   12.00
    2       00002 1997-01-12    5   77.00
    """
    return read_sample("cdnow_master.csv.gz", {"customer_id": "str", "cds": "int64", "amount": "float64"})


def demo_ledger() -> pd.DataFrame:
    """Return a cost ledger that is made up: what customer care could have cost a shop of the size of CDNOW's sample.

    Returns
    -------
    pandas.DataFrame
        426 rows, one a cost line: `date` (month ends, 1997-01-31 to 1998-06-30), `category` (staff, it, marketing,
        service, data, process, time, opportunity), `stage` (acquisition, retention, loss), `subcategory`, `amount`
        (US dollars; 583,539.18 in all).

    Notes
    -----
    No firm ever had these costs. They are there to show what the library does with a ledger; draw no conclusion on
    CDNOW from them.

    Examples
    --------
    >>> ledger = demo_ledger()
    >>> round(float(ledger["amount"].sum()), 2)
    583539.18
    >>> ledger.head(2)
            date category        stage subcategory  amount
    0 1997-01-31    staff  acquisition    salaries  5000.0
    1 1997-01-31    staff    retention    salaries  5600.0
    """
    text = {"category": "str", "stage": "str", "subcategory": "str"}
    return read_sample("demo_ledger.csv", {**text, "amount": "float64"})


def read_sample(name: str, types: dict[str, str]) -> pd.DataFrame:
    """Read one of the files in data/files; the column `date` holds ISO dates."""
    import pandas as pd

    with as_file(FILES / name) as path:
        return pd.read_csv(path, dtype=types, parse_dates=["date"], date_format="%Y-%m-%d")
