"""The command line. Each command imports what it needs, so that help answers at once.

Exit codes: 0 all fine; 1 a contestant failed or computed something else; 2 asked for wrongly, nothing written;
3 nothing failed, but something that was asked for is not installed or not possible here; 4 all measured and
written, but a plot failed; 5 what was measured is shown, but could not all be written or printed; 130 interrupted.
"""

from __future__ import annotations

import sys

import typer

# Each module registers its commands, which help lists in this order.
from workbench.cli import running  # noqa: F401

# isort: split
from workbench.cli import looking  # noqa: F401

# isort: split
from workbench.cli import reading  # noqa: F401

# isort: split
from workbench.cli import exporting  # noqa: F401

# isort: split
from workbench.cli import sharing  # noqa: F401

# isort: split
from workbench.cli import gate  # noqa: F401

# isort: split
from workbench.cli import tracking  # noqa: F401

# isort: split
from workbench.cli.options import app, worded
from workbench.cli.terminal import (
    CannotPrintError,
    InterruptedEarlyError,
    end_quietly_when_nobody_reads,
    open_what_is_closed,
    say,
)
from workbench.errors import EXIT_INTERRUPTED, EXIT_UNWRITTEN, EXIT_USAGE, WorkbenchError

__all__ = ["app", "main"]

MEASURING = ("run", "selftest", "regress", "versions")


def main() -> None:
    """Run the command line; what a user can mend is one line on stderr and exit code 2."""
    open_what_is_closed()
    if sys.argv[1:2] not in [[name] for name in MEASURING] or "--help" in sys.argv:
        end_quietly_when_nobody_reads()
    try:
        code = app(standalone_mode=False)
    except WorkbenchError as error:
        say(f"workbench: {worded(error)}")
        sys.exit(EXIT_USAGE)
    except (InterruptedEarlyError, KeyboardInterrupt, typer.Abort):
        say("workbench: interrupted")
        sys.exit(EXIT_INTERRUPTED)
    except CannotPrintError as error:
        say(f"workbench: cannot print: {error}")
        sys.exit(EXIT_UNWRITTEN)
    except Exception as error:
        if hasattr(error, "format_message") and hasattr(error, "exit_code"):  # a usage error of click's
            say(f"workbench: {error.format_message()} ({_hint(error)})")
            sys.exit(EXIT_USAGE)
        raise
    sys.exit(code if isinstance(code, int) else 0)


def _hint(error: Exception) -> str:
    """What to do about a usage error of click's."""
    command = getattr(getattr(error, "ctx", None), "command", None)
    flags = {flag for entry in getattr(command, "params", ()) for flag in entry.opts}
    if getattr(error, "option_name", None) in ("-o", "--output") and "--results" in flags:
        return "the folder of runs to read is --results, or -r"
    return "`workbench --help`"
