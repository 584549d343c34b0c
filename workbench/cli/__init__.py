"""The command line. Each command imports only what it needs, so that --help responds at once.

Exit codes: 0 success; 1 a contestant failed or computed something else; 2 invalid usage, nothing was written;
3 nothing failed, but something requested is not installed or not possible here; 4 everything was measured and
written, but a plot failed; 5 everything measured was shown, but not all of it could be written or printed;
130 interrupted.
"""

from __future__ import annotations

import errno
import importlib.util
import logging
import os
import signal
import sys

import typer

if importlib.util.find_spec("fcntl") is None:
    print("workbench: this Python has no file locks (fcntl): use Linux, macOS, or WSL 2 on Windows", file=sys.stderr)
    sys.exit(2)

# Each module registers its commands; --help lists them in this order.
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
from workbench.cli.options import app, error_text
from workbench.cli.terminal import (
    CannotPrintError,
    InterruptedEarlyError,
    end_quietly_on_broken_pipe,
    forget_impossible_widths,
    lost_output,
    open_closed_streams,
    replace_what_cannot_be_encoded,
    say,
    write_to_stderr,
)
from workbench.errors import EXIT_INTERRUPTED, EXIT_UNWRITTEN, EXIT_USAGE, WorkbenchError

__all__ = ["app", "main"]

MEASURING = ("run", "matrix", "selftest", "regress", "versions")


def main() -> None:
    """Run the command line; an error that the user can fix is one line on stderr and exit code 2."""
    open_closed_streams()
    if hasattr(signal, "SIGCHLD") and signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # or else nobody learns how a worker ended
    replace_what_cannot_be_encoded()
    forget_impossible_widths()
    os.environ.update(MPLBACKEND="agg")  # figures are files here, whatever opens a user's windows
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # of its caches and fonts, which it manages without
    if sys.argv[1:2] not in [[name] for name in MEASURING] or "--help" in sys.argv:
        end_quietly_on_broken_pipe()
    try:
        code = app(standalone_mode=False)
    except Exception as error:
        if hasattr(error, "format_message") and hasattr(error, "exit_code"):  # click's usage errors
            if type(error).__name__ == "NoArgsIsHelpError":
                write_to_stderr(error.format_message() + "\n")
            else:
                say(f"workbench: {error.format_message()} ({_hint(error)})")
            sys.exit(EXIT_USAGE)
        if (ending := _ending(error)) is None:
            raise
        text, code = ending
        if isinstance(error, OSError) and (reason := lost_output() or _unprinted(error)) is not None:
            text, code = f"cannot print: {reason}", EXIT_UNWRITTEN
        say(f"workbench: {text}")
    except KeyboardInterrupt:
        say("workbench: interrupted")
        code = EXIT_INTERRUPTED
    if (reason := lost_output()) is not None:
        say(f"workbench: cannot print: {reason}")
        code = EXIT_UNWRITTEN
    sys.exit(code if isinstance(code, int) else 0)


def _unprinted(error: OSError) -> str | None:
    """Why a page longer than a buffer, such as that of help, could not be printed; None for errors of a file."""
    lost = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EPIPE) and error.filename is None
    return error.strerror if lost else None


def _ending(error: Exception) -> tuple[str, int] | None:
    """What is said of an error that a user can do something about, and the exit code; None of any other."""
    match error:
        case WorkbenchError():
            return error_text(error), EXIT_USAGE
        case InterruptedEarlyError() | typer.Abort():
            return "interrupted", EXIT_INTERRUPTED
        case CannotPrintError():
            return f"cannot print: {error}", EXIT_UNWRITTEN
        case OSError():  # a name that is too long, no folder for temporary files, no more descriptors
            where = f": {error.filename}" if isinstance(error.filename, str) else ""
            return f"{error.strerror or error}{where}", EXIT_USAGE
        case MemoryError():
            return "out of memory", EXIT_USAGE
        case ImportError():  # for lack of memory, too: a library that cannot be mapped
            return f"a package cannot be loaded: {error}", EXIT_USAGE
    return None


def _hint(error: Exception) -> str:
    """What to do about one of click's usage errors."""
    command = getattr(getattr(error, "ctx", None), "command", None)
    flags = {flag for entry in getattr(command, "params", ()) for flag in entry.opts}
    if getattr(error, "option_name", None) in ("-o", "--output") and "--results" in flags:
        return "the folder of runs to read is given with --results or -r"
    name = getattr(command, "name", None)
    return f"see `workbench {name} --help`" if sys.argv[1:2] == [name] else "see `workbench --help`"
