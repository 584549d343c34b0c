"""Framework comparison workbench: the same training task in many frameworks, each proven correct while it is timed.

>>> import workbench
>>> session = workbench.run("linreg", frameworks="all")   # doctest: +SKIP
>>> session.table, session.losses                          # doctest: +SKIP

Importing this package imports no framework, and loads the rest of workbench only when it is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from workbench.version import __version__

if TYPE_CHECKING:
    from workbench.api import (
        Gate,
        History,
        Matrix,
        NotWrittenError,
        PlotFailedError,
        Run,
        VersionsReport,
        compare,
        history,
        load,
        matrix,
        regress,
        results_of,
        run,
        source,
        versions,
    )
    from workbench.catalog.roots import copy_content
    from workbench.errors import WorkbenchError
    from workbench.show.report import write_report, write_site

__all__ = [
    "Gate",
    "History",
    "Matrix",
    "NotWrittenError",
    "PlotFailedError",
    "Run",
    "VersionsReport",
    "WorkbenchError",
    "__version__",
    "compare",
    "copy_content",
    "history",
    "load",
    "matrix",
    "regress",
    "results_of",
    "run",
    "source",
    "versions",
    "write_report",
    "write_site",
]

_HOMES = dict.fromkeys(("Run", "load", "results_of", "run", "source"), "workbench.api")
_HOMES |= dict.fromkeys(("NotWrittenError", "PlotFailedError"), "workbench.api")
_HOMES |= dict.fromkeys(("Gate", "compare", "regress", "History", "history"), "workbench.api")
_HOMES |= dict.fromkeys(("VersionsReport", "versions", "Matrix", "matrix"), "workbench.api")
_HOMES |= {"WorkbenchError": "workbench.errors"}
_HOMES |= dict.fromkeys(("write_report", "write_site"), "workbench.show.report")
_HOMES |= {"copy_content": "workbench.catalog.roots"}


def __getattr__(name: str) -> object:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'workbench' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})
