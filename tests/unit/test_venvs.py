"""Environments of their own: found again by what went in, never half-made, and their failures are one reason."""

from __future__ import annotations

import base64
import fcntl
import hashlib
import os
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import pytest

import workbench
from workbench.catalog import catalog
from workbench.catalog.roots import package_root
from workbench.errors import WorkbenchError
from workbench.host import venvs
from workbench.model.contestant import Contestant
from workbench.model.outcomes import Outcome

SPEC = venvs.Spec(("numpy==2.2.6",), ("pandas==3.1.1",))


def silent(text: str) -> None:
    pass


class Installer:
    """Stands in for pip: makes a folder with a python in it, or fails as often as it is told to."""

    def __init__(self, *failures: BaseException) -> None:
        self.failures = list(failures)
        self.made: list[venvs.Spec] = []

    def __call__(self, folder, spec, say) -> None:
        self.made.append(spec)
        (folder / "bin").mkdir(parents=True)
        if self.failures:
            raise self.failures.pop(0)
        (folder / "bin" / "python").symlink_to(sys.executable)


@pytest.fixture
def installer(monkeypatch):
    """Puts a stand-in in pip's place."""

    def put(*failures: BaseException) -> Installer:
        made = Installer(*failures)
        monkeypatch.setattr(venvs, "_install", made)
        return made

    return put


def folders(root):
    return sorted(path.name for path in root.iterdir() if path.is_dir())


@pytest.mark.parametrize(
    "other",
    [
        venvs.Spec(("numpy==2.2.5",), SPEC.constraints),
        venvs.Spec(SPEC.requirements, ("pandas==3.1.0",)),
        venvs.Spec(SPEC.requirements),
        venvs.Spec((*SPEC.requirements, "jax"), SPEC.constraints),
    ],
)
def test_the_key_changes_with_all_that_goes_in(other):
    assert other.key != SPEC.key
    assert venvs.Spec(SPEC.requirements, SPEC.constraints).key == SPEC.key


def test_the_key_changes_with_the_python_version(monkeypatch):
    before = SPEC.key
    monkeypatch.setattr("platform.python_version", lambda: "3.99.0")
    assert SPEC.key != before


def test_an_environment_is_built_once_and_then_found(installer, tmp_path):
    made = installer()
    first = venvs.build(SPEC, tmp_path, silent)
    assert venvs.build(SPEC, tmp_path, silent) == first
    assert len(made.made) == 1
    assert folders(tmp_path) == [SPEC.key]
    assert os.path.realpath(first.interpreter) == os.path.realpath(sys.executable)


@pytest.mark.parametrize("failure", [venvs.BuildFailedError("no"), KeyboardInterrupt(), SystemExit(1)])
def test_a_build_that_fails_or_is_interrupted_leaves_nothing_and_can_be_made_again(installer, tmp_path, failure):
    installer(failure)
    with pytest.raises(type(failure)):
        venvs.build(SPEC, tmp_path, silent)
    assert folders(tmp_path) == []
    assert venvs.build(SPEC, tmp_path, silent).constraints == SPEC.constraints


def test_what_a_killed_build_has_left_is_removed_and_never_taken_for_an_environment(installer, tmp_path):
    left = tmp_path / f"{venvs.BUILDING}{SPEC.key}-0123abcd"
    (left / "bin").mkdir(parents=True)
    (tmp_path / SPEC.key / "bin").mkdir(parents=True)  # without what says that it is whole
    made = installer()
    venvs.build(SPEC, tmp_path, silent)
    assert len(made.made) == 1
    assert folders(tmp_path) == [SPEC.key]


def test_an_environment_whose_python_is_gone_is_built_anew(installer, tmp_path):
    made = installer()
    found = venvs.build(SPEC, tmp_path, silent)
    Path(found.interpreter).unlink()
    Path(found.interpreter).symlink_to(tmp_path / "no-python")
    venvs.build(SPEC, tmp_path, silent)
    assert len(made.made) == 2


@pytest.mark.parametrize("about", ["", "[]", "{}", '{"packages": 3, "constraints": []}'])
def test_an_environment_that_is_damaged_is_built_anew(installer, tmp_path, about):
    made = installer()
    venvs.build(SPEC, tmp_path, silent)
    (tmp_path / SPEC.key / venvs.ABOUT).write_text(about)
    venvs.build(SPEC, tmp_path, silent)
    assert len(made.made) == 2


def test_two_sessions_that_want_the_same_environment_build_it_once(installer, tmp_path):
    made, told = installer(), []
    lock = os.open(tmp_path / f"{SPEC.key}.lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(lock, fcntl.LOCK_EX)
    waiting = threading.Event()

    def say(text: str) -> None:
        told.append(text)
        waiting.set()

    second = threading.Thread(target=venvs.build, args=(SPEC, tmp_path, say))
    second.start()
    assert waiting.wait(10)
    assert made.made == []
    os.close(lock)
    second.join(10)
    assert told[0] == "waiting for another session that is building it"
    assert len(made.made) == 1


def test_a_folder_that_cannot_be_written_is_one_reason(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(venvs.BuildFailedError, match=r"cannot build an environment in .*: "):
        venvs.build(SPEC, tmp_path / "file" / "below", silent)


CONFLICT = venvs.BuildFailedError("no", ["ERROR: ResolutionImpossible: for help visit ..."])


def test_where_the_tested_versions_rule_it_out_fewer_of_them_hold(installer, tmp_path):
    made, told = installer(CONFLICT), []
    stages = [("jaxlib==0.10.2", "pandas==3.1.1"), ("pandas==3.1.1",), ()]
    found = venvs.provide(["jax==0.9.2"], stages, told.append, tmp_path)
    assert found.constraints == ("pandas==3.1.1",)
    assert any("conflicts with the tested" in text for text in told)
    assert [spec.constraints for spec in made.made] == stages[:2]


def test_the_environment_with_fewer_constraints_is_found_again_without_trying_the_others(installer, tmp_path):
    made = installer(CONFLICT)
    for _ in range(2):
        venvs.provide(["jax==0.9.2"], [("jaxlib==0.10.2",), ()], silent, tmp_path)
    assert len(made.made) == 2


def test_what_is_no_conflict_is_not_tried_again(installer, tmp_path):
    made = installer(venvs.BuildFailedError("gone", ["ERROR: No matching distribution found for numpy==99"]))
    with pytest.raises(venvs.BuildFailedError, match="gone"):
        venvs.provide(["numpy==99"], [("pandas==3.1.1",), ()], silent, tmp_path)
    assert len(made.made) == 1


PIP_MISSING = """\
Looking in links: /somewhere
ERROR: Could not find a version that satisfies the requirement numpy==99 (from versions: 1.3.0, 1.4.1)
ERROR: No matching distribution found for numpy==99

[notice] A new release of pip is available: 23.2.1 -> 26.0
[notice] To update, run: pip install --upgrade pip
"""
PIP_CONFLICT = """\
ERROR: Cannot install jax==0.9.2 and jaxlib because these package versions have conflicting dependencies.

The conflict is caused by:
    jax 0.9.2 depends on jaxlib<=0.9.2 and >=0.9.2
    The user requested (constraint) jaxlib==0.10.2

To fix this you could try to:
1. loosen the range of package versions you've specified
ERROR: ResolutionImpossible: for help visit https://pip.example/topics/dependency-resolution
"""
UV_MISSING = """\
Using Python 3.11.7 environment at: venv
  × No solution found when resolving dependencies:
  ╰─▶ Because there is no version of numpy==99 and you require numpy==99, we can
      conclude that your requirements are unsatisfiable.
"""


@pytest.mark.parametrize(
    ("printed", "reason"),
    [
        (PIP_MISSING, "No matching distribution found for numpy==99"),
        (PIP_CONFLICT, "Cannot install jax==0.9.2 and jaxlib because these package versions have conflicting"),
        (UV_MISSING, "because there is no version of numpy==99 and you require numpy==99, we can conclude that your"),
        ("", "the installer failed without any output"),
        ("ERROR: 404 for https://me:secret@host/simple\x1b[31m", "404 for https://***@host/simple [31m"),
        ("Traceback\nOSError: [Errno 28] No space left on device\n", "OSError: [Errno 28] No space left on device"),
    ],
)
def test_the_reason_is_the_last_line_that_says_something(printed, reason):
    assert venvs.reason_of(printed.splitlines()).startswith(reason)


def test_a_conflict_is_told_from_what_is_not_there():
    assert venvs.BuildFailedError("", PIP_CONFLICT.splitlines()).conflict
    assert not venvs.BuildFailedError("", PIP_MISSING.splitlines()).conflict


def test_an_installer_is_heard_while_it_works_and_gets_none_of_our_own_paths(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/ours")
    monkeypatch.setenv("PIP_TARGET", "/elsewhere")
    told = []
    program = "import os; print('Collecting numpy'); print('noise'); print('PYTHONPATH' in os.environ)"
    venvs._run(
        [sys.executable, "-c", program + "; assert not {'PYTHONPATH', 'PIP_TARGET'} & set(os.environ)"], told.append
    )
    assert told == ["Collecting numpy"]


def test_an_installer_that_fails_is_its_last_words():
    with pytest.raises(venvs.BuildFailedError, match=r"^no room$"):
        venvs._run([sys.executable, "-c", "import sys; print('ERROR: no room'); sys.exit(1)"], silent)


@pytest.mark.parametrize(("uv", "program"), [("/opt/uv", "/opt/uv"), (None, "python")])
def test_uv_builds_where_there_is_one_else_pip(monkeypatch, tmp_path, uv, program):
    ran: list[list[str]] = []
    monkeypatch.setattr("shutil.which", lambda _: uv)
    monkeypatch.setattr(venvs, "_run", lambda command, _: ran.append([str(part) for part in command]))
    venvs._install(tmp_path, SPEC, silent)
    assert len(ran) == 2
    assert ran[1][0].endswith(program)
    assert ran[1][-2:] == ["--", "numpy==2.2.6"]
    assert (tmp_path / "constraints.txt").read_text() == "pandas==3.1.1\n"
    assert ran[1][ran[1].index("--constraint") + 1] == str(tmp_path / "constraints.txt")


def test_uv_is_told_what_pip_is_told(monkeypatch):
    monkeypatch.setenv("PIP_FIND_LINKS", "/a /b")
    monkeypatch.delenv("UV_FIND_LINKS", raising=False)
    assert venvs._installers_environment()["UV_FIND_LINKS"] == "/a,/b"


def wheel(folder):
    """A wheel of one module, made by hand."""
    path = folder / "planted_part-1.5-py3-none-any.whl"
    files = {
        "planted_part.py": "VALUE = 42\n",
        "planted_part-1.5.dist-info/METADATA": "Metadata-Version: 2.1\nName: planted-part\nVersion: 1.5\n",
        "planted_part-1.5.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "planted_part-1.5.dist-info/RECORD"
    lines = []
    for name, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        lines.append(f"{name},sha256={digest},{len(text)}")
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in {**files, record: "\n".join([*lines, f"{record},,"]) + "\n"}.items():
            archive.writestr(name, text)
    return path


def test_a_real_environment_works_in_its_place_and_knows_what_is_in_it(tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    spec = venvs.Spec((str(wheel(tmp_path)),))
    found = venvs.build(spec, tmp_path / "environments", silent)
    assert found.packages["planted-part"] == "1.5"
    printed = subprocess.run(
        [found.interpreter, "-c", "import planted_part; print(planted_part.VALUE)"], capture_output=True, text=True
    )
    assert printed.stdout == "42\n"
    assert folders(tmp_path / "environments") == [spec.key]


def test_a_requirement_is_known_by_its_normalised_name():
    assert venvs.name_of("Jax_CUDA.plugin[x]==1.0") == "jax-cuda-plugin"
    assert venvs.without(["ml_dtypes==0.6.0", "numpy==2.4.6"], ["ML-dtypes<1"]) == ("numpy==2.4.6",)
    with pytest.raises(WorkbenchError, match="is not a valid requirement"):
        venvs.name_of("--index-url")


def test_the_tested_versions_are_those_of_the_checkout():
    if not (package_root().parent / "constraints.txt").is_file():
        pytest.skip("no checkout around the installed package")
    assert "numpy" in {venvs.name_of(line) for line in venvs.tested_versions()}


@pytest.fixture
def apart(content):
    """Content with a frontend that cannot live with ours."""
    content.plant("apart", content.changed(), packages=("no_such_package",))
    file = content.root / "frontends" / "apart" / "frontend.toml"
    file.write_text('requirements = ["no-such-package==1.0", "numpy<2"]\n' + file.read_text())
    return content.root


def contestant(root) -> Contestant:
    return Contestant("apart", catalog(root).frontends["apart"], catalog(root).roots, package_root())


def test_a_frontend_may_name_requirements_of_its_own(apart):
    found = catalog(apart).frontends
    assert found["apart"].requirements == ("no-such-package==1.0", "numpy<2")
    assert found["numpy_manual"].requirements == ()
    assert "build_environments" in found["apart"].install


def test_requirements_that_are_no_list_of_texts_are_refused(apart):
    file = apart / "frontends" / "apart" / "frontend.toml"
    file.write_text(file.read_text().replace('"numpy<2"', "2"))
    with pytest.raises(WorkbenchError, match="'requirements' must be a list of strings"):
        _ = catalog(apart).frontends


def test_such_a_frontend_is_unavailable_and_names_the_remedy_unless_building_is_asked_for(apart, monkeypatch):
    monkeypatch.setattr(venvs, "provide", lambda *_: pytest.fail("nothing may be built"))
    one = contestant(apart)
    venvs.settle([one], build=False)
    assert one.outcome is Outcome.UNAVAILABLE
    assert one.reason == (
        "needs a separate environment (no-such-package==1.0, numpy<2), built on request (build_environments)"
    )


def test_such_a_frontend_gets_its_own_interpreter_when_building_is_asked_for(apart, monkeypatch):
    asked = []

    def provide(requirements, constraints, say, root):
        asked.append((requirements, constraints))
        return venvs.Environment("/its/own/python", {}, ())

    monkeypatch.setattr(venvs, "provide", provide)
    one = contestant(apart)
    venvs.settle([one], build=True)
    assert (one.outcome, one.interpreter) == (Outcome.OK, "/its/own/python")
    assert one.environment["PYTHONPATH"] == ""
    assert asked[0][0][:2] == ["no-such-package==1.0", "numpy<2"]
    assert "numpy" not in {venvs.name_of(line) for line in asked[0][1][0]}


def test_one_that_can_be_imported_here_needs_none(apart):
    file = apart / "frontends" / "apart" / "frontend.toml"
    file.write_text(file.read_text().replace("'no_such_package'", "'numpy'"))
    assert not venvs.needs_own(catalog(apart).frontends["apart"])


def test_an_environment_that_cannot_be_built_is_that_rows_reason(apart, monkeypatch):
    def provide(*_):
        raise venvs.BuildFailedError("No matching distribution found for no-such-package==1.0")

    monkeypatch.setattr(venvs, "provide", provide)
    one = contestant(apart)
    venvs.settle([one], build=True)
    assert one.outcome is Outcome.UNAVAILABLE
    assert one.reason == "cannot be installed: No matching distribution found for no-such-package==1.0"


def test_a_run_shows_the_row_with_its_reason_and_measures_the_others(apart, tmp_path, quick):
    run = workbench.run("linreg", "apart,numpy", steps=3, content=apart, output=tmp_path, **quick)
    outcomes = dict(zip(run.table["frontend"], run.table["outcome"], strict=True))
    assert outcomes == {"apart": "unavailable", "numpy_manual": "ok"}
    reasons = {row.id: row.reason for row in workbench.load(run.path).rows}
    assert "build_environments" in reasons["apart"]
