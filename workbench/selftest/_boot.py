"""Entry point of the self-test's workers: the regular worker, changed only as ``child`` describes.

A job's ``package`` names the folder whose ``_boot.py`` is started; the self-test names its own. This script restores
the real package in the job, replaces the worker class, and continues with the real ``_boot.py``.
"""

import importlib.util
import json
import runpy
import sys
from pathlib import Path


def main() -> None:
    """Start the worker for one job."""
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
