"""The workbench from a clone: ``python cli.py run linreg`` is the installed ``workbench run linreg``."""

import sys

from workbench.cli import main

if __name__ == "__main__":
    sys.exit(main())
