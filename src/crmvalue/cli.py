"""The command line: read files, call the library, write files."""

# no `from __future__ import annotations`: typer reads the annotations of the commands, which are made inside a function
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from crmvalue.errors import CrmValueError, InputError
from crmvalue.reporting.extras import require_extra

if TYPE_CHECKING:
    import pandas as pd
    import typer
    from rich.console import Console

    from crmvalue.reporting.results import ReportSettings

DEMO_NOTICE = (
    "This is a demonstration. The orders are real: every purchase that 23,570 customers of the online CD shop CDNOW "
    "made from January 1997 to June 1998. The cost ledger is made up, and so is the margin of 30%: no firm ever had "
    "these costs, so the cost and return sections show what the report can do, not how CDNOW did."
)
PLAIN: Mapping[str, Any] = {"markup": False, "highlight": False, "soft_wrap": True}  # a path is printed as it is
MISSING_MARKS = ["", "NA", "N/A", "#N/A", "n/a", "NaN", "nan", "NULL", "null", "None", "<NA>"]
PARQUET_ENDINGS = (".parquet", ".pq")


def main() -> None:
    """Run the command line; an error of the library is one message and exit code 2."""
    try:
        build_app()()
    except CrmValueError as error:
        sys.stderr.write(f"crmvalue: {error}\n")
        raise SystemExit(2) from None


def build_app() -> "typer.Typer":
    """Return the commands."""
    require_extra("typer", "rich")
    import typer

    app = typer.Typer(
        help="What customers are worth, what caring for them costs, and whether it pays.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )

    def show_version(wanted: bool) -> None:
        if wanted:
            typer.echo(f"crmvalue {version('crmvalue')}")
            raise typer.Exit

    @app.callback()
    def about(
        version: Annotated[
            bool, typer.Option("--version", help="Show the version.", callback=show_version, is_eager=True)
        ] = False,
    ) -> None:
        """Say what customers are worth, what caring for them costs, and whether it pays."""

    add_report(app)
    add_demo(app)
    return app


def add_report(app: "typer.Typer") -> None:
    """Add the command `report`."""
    import typer

    from crmvalue.reporting.results import ReportSettings

    @app.command()
    def report(
        orders: Annotated[
            Path, typer.Argument(help="Orders, CSV or Parquet: one row a purchase.", exists=True, dir_okay=False)
        ],
        customer: Annotated[str, typer.Option(help="Column that names the customer.")],
        date: Annotated[str, typer.Option(help="Column with the day of purchase.")],
        amount: Annotated[str, typer.Option(help="Column with the amount paid; refunds are negative.")],
        output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the report and its tables.")],
        costs: Annotated[
            Path | None,
            typer.Option(help="Cost ledger, CSV or Parquet: date, category, amount.", exists=True, dir_okay=False),
        ] = None,
        order_id: Annotated[str | None, typer.Option(help="Column that names the order.")] = None,
        margin: Annotated[float, typer.Option(help="Share of the revenue that is kept after cost of goods.")] = 0.3,
        discount_rate: Annotated[float, typer.Option(help="Cost of capital a year, 0.1 for 10 %.")] = 0.1,
        inactive_after: Annotated[int, typer.Option(help="Days of silence after which a customer has left.")] = 180,
        observation_end: Annotated[
            str | None, typer.Option(help="Last day that counts; the last day there is.")
        ] = None,
        currency: Annotated[str, typer.Option(help="Sign or code of the currency, such as € or CHF.")] = "",
        title: Annotated[str, typer.Option(help="Title of the report.")] = "What our customers are worth",
        separator: Annotated[str, typer.Option(help="What separates the columns of a CSV file.")] = ",",
        date_format: Annotated[
            str | None, typer.Option(help="How dates in CSV files are written, such as %d/%m/%Y; ISO if not said.")
        ] = None,
    ) -> None:
        """Make a report of a table of orders and, if there is one, of a table of costs."""
        settings = ReportSettings(
            customer_id=customer,
            date=date,
            amount=amount,
            order_id=order_id,
            margin=margin,
            discount_rate=discount_rate,
            inactive_after=inactive_after,
            observation_end=observation_end,
            currency=currency,
            title=title,
        )
        texts = [customer] if order_id is None else [customer, order_id]
        table = read_table(orders, texts=texts, date=date, separator=separator, date_format=date_format)
        ledger = None
        if costs is not None:
            ledger = read_table(costs, texts=[], date="date", separator=separator, date_format=date_format)
        make_report(table, ledger, settings, output)


def add_demo(app: "typer.Typer") -> None:
    """Add the command `demo`."""
    import typer

    from crmvalue.reporting.results import ReportSettings

    @app.command()
    def demo(
        output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the report and its tables.")] = Path(
            "crmvalue-report"
        ),
    ) -> None:
        """Make the report on data that come along: real orders of a CD shop, and costs that are made up."""
        from crmvalue.data.samples import demo_ledger, load_cdnow

        settings = ReportSettings(
            margin=0.3, currency="$", title="CDNOW: what its customers are worth", notices=(DEMO_NOTICE,)
        )
        make_report(load_cdnow(), demo_ledger(), settings, output)


def make_report(
    orders: "pd.DataFrame", ledger: "pd.DataFrame | None", settings: "ReportSettings", output: Path
) -> None:
    """Analyse the orders, write the report and its tables, and say where they are."""
    from rich.console import Console

    from crmvalue.reporting.analysis import STEPS, analyse_customers
    from crmvalue.reporting.contents import report_contents
    from crmvalue.reporting.html import render_html

    require_extra("matplotlib", "jinja2", "pyarrow")
    console = Console()
    with named_steps(console, len(STEPS) + 2) as next_step:
        analysis = analyse_customers(orders, ledger, settings, next_step=next_step)
        next_step("Draw the report")
        page = render_html(report_contents(analysis))
        next_step("Write the files")
        written = write_files(page, analysis.tables(), output)
    for notice in settings.notices:
        console.print(notice, style="yellow", markup=False, highlight=False)
    console.print(f"Tables: {len(written) - 1} files in {output.resolve() / 'tables'}", **PLAIN)
    console.print(f"Report: {output.resolve() / 'report.html'}", style="bold", **PLAIN)


@contextmanager
def named_steps(console: "Console", steps: int) -> Iterator[Callable[[str], None]]:
    """Show a bar; the function that comes out moves it to the next step, whose name it takes."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=console) as progress:
        task = progress.add_task("Begin", total=steps, completed=-1)
        yield lambda name: progress.update(task, description=name, advance=1)
        progress.update(task, description="Done", completed=steps)


def read_table(path: Path, *, texts: list[str], date: str, separator: str, date_format: str | None) -> "pd.DataFrame":
    """Read a Parquet file as it is, or a CSV file with ids as text, so that 007 stays 007."""
    import pandas as pd

    try:
        if path.suffix.lower() in PARQUET_ENDINGS:
            require_extra("pyarrow")
            return pd.read_parquet(path)
        return read_csv(path, texts=texts, date=date, separator=separator, date_format=date_format)
    except UnicodeDecodeError:
        raise InputError(f"{path}: is not UTF-8 text. Save it as CSV with encoding UTF-8, or as Parquet.") from None
    except (ValueError, OSError) as error:  # pandas and pyarrow raise kinds of ValueError for what they cannot read
        raise InputError(f"{path}: cannot be read ({one_line(error)}). Pass a CSV or Parquet file.") from None


def read_csv(path: Path, *, texts: list[str], date: str, separator: str, date_format: str | None) -> "pd.DataFrame":
    """Read a CSV file; in columns of text only an empty cell is missing, so that a customer NA is a customer."""
    import pandas as pd

    names = pd.read_csv(path, sep=separator, encoding="utf-8-sig", nrows=0).columns
    table = pd.read_csv(
        path,
        sep=separator,
        encoding="utf-8-sig",
        dtype=dict.fromkeys([*texts, date], "str"),
        keep_default_na=False,
        na_values={name: [""] if name in texts else MISSING_MARKS for name in names},
        low_memory=False,
    )
    if date_format is not None and date in names:
        table[date] = pd.to_datetime(table[date], format=date_format, errors="coerce")
    return table


def write_files(page: str, tables: "Mapping[str, pd.DataFrame]", output: Path) -> list[Path]:
    """Write the report, and each table as CSV and Parquet; return the paths."""
    from crmvalue.reporting.tables import parquet_bytes, spreadsheet_csv

    files = {output / "report.html": page.encode()}
    for name, table in tables.items():
        files[output / "tables" / f"{name}.csv"] = spreadsheet_csv(table).encode()
        files[output / "tables" / f"{name}.parquet"] = parquet_bytes(table)
    try:
        (output / "tables").mkdir(parents=True, exist_ok=True)
        for path, content in files.items():
            path.write_bytes(content)
    except OSError as error:
        raise InputError(f"output: {output} cannot be written ({one_line(error)}). Pass another folder.") from None
    return list(files)


def one_line(error: Exception) -> str:
    """Return the first line of what an error says."""
    return (str(error).splitlines() or [type(error).__name__])[0]
