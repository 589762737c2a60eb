"""The optional dependencies that reports need, and what to do when one is missing."""

from __future__ import annotations

import importlib

from crmvalue.errors import MissingExtraError


def require_extra(*modules: str) -> None:
    """Raise MissingExtraError unless these modules of the extra `report` can be imported."""
    for name in modules:
        try:
            importlib.import_module(name)
        except ImportError as error:
            raise MissingExtraError(
                f"{name}: is not installed, and reports need it. Run: pip install 'crmvalue[report]'"
            ) from error
