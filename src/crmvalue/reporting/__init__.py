"""What managers read: an analysis, its contents in words, plots, one HTML page, and tables as files."""

from crmvalue.reporting.analysis import Analysis, analyse_customers
from crmvalue.reporting.contents import report_contents
from crmvalue.reporting.html import render_html
from crmvalue.reporting.parts import ReportContents
from crmvalue.reporting.results import Missing, ReportSettings
from crmvalue.reporting.tables import parquet_bytes, spreadsheet_csv

__all__ = [
    "Analysis",
    "Missing",
    "ReportContents",
    "ReportSettings",
    "analyse_customers",
    "parquet_bytes",
    "render_html",
    "report_contents",
    "spreadsheet_csv",
]
