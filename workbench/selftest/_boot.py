"""Where the self-test's workers start: workbench's own worker, changed in what ``child`` says and in nothing else.

A job's ``package`` names the folder whose ``_boot.py`` is started; the self-test names its own. This one gives the
job the true package back, replaces the worker's class, and goes on with the true ``_boot.py``.
"""

import importlib.util
import json
import runpy
import sys
from pathlib import Path


def main() -> None:
    """Start the worker of one job."""
    home = Path(__file__).resolve().parents[1]
    file = Path(sys.argv[1])
    file.write_text(json.dumps({**json.loads(file.read_text()), "package": str(home)}))
    spec = importlib.util.spec_from_file_location(
        "workbench", home / "__init__.py", submodule_search_locations=[str(home)]
    )
    assert spec is not None
    assert spec.loader is not None
    sys.modules["workbench"] = package = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(package)

    from workbench.selftest import child

    child.install()
    runpy.run_path(str(home / "wire" / "_boot.py"))


main()
