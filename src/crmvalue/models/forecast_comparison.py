"""Names that have moved; for as long as the package imports them from here."""

from crmvalue.models.comparison import ModelComparison as ForecastComparison
from crmvalue.models.comparison import compare_models as compare_forecasts
from crmvalue.models.diagnostics import holdout_by_frequency
from crmvalue.models.rolling import RollingForecasts, rolling_forecasts

__all__ = ["ForecastComparison", "RollingForecasts", "compare_forecasts", "holdout_by_frequency", "rolling_forecasts"]
