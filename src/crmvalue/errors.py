"""Every exception that crmvalue raises on purpose.

Each also is a builtin exception, so ``except ValueError`` keeps working for those who do not know this library.
"""


class CrmValueError(Exception):
    """Anything that crmvalue refuses or cannot do; catch this to catch them all."""


class InputError(CrmValueError, ValueError):
    """Data or an argument that no honest number can be computed from; says what, where and what to do."""


class ConvergenceError(CrmValueError, RuntimeError):
    """A fit that found no maximum; says how far it came."""


class MissingExtraError(CrmValueError, ImportError):
    """An optional dependency is missing; says what to install."""
