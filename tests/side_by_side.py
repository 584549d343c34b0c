"""The same crash, hang, interrupt and kill in front of pyperf, asv, pytest-benchmark and workbench: what each keeps.

    python tests/side_by_side.py

Three benchmarks each, of which the middle one fails; or three good ones, and the tool is interrupted or killed while
the second is measured. What counts is how many of the good benchmarks the tool's own *files* hold afterwards. Nothing
is installed: a tool that is missing is named. Not collected by pytest; FAULTS.md carries the table that it prints.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).resolve().parent
DEADLINE_S = 90.0
TIMEOUT_S = 8
MIDDLE = {
    "crash": "import signal; os.kill(os.getpid(), signal.SIGSEGV)",
    "hang": "os.read(os.pipe()[0], 1)",
    "Ctrl-C": "Path(os.environ['MARK']).touch(); time.sleep(0.3)",
    "kill -9": "Path(os.environ['MARK']).touch(); time.sleep(0.3)",
}
SIGNALS = {"Ctrl-C": signal.SIGINT, "kill -9": signal.SIGKILL}


def work(body: str) -> str:
    """Three functions, the second with a body of its own."""
    return (
        "import os, time\nfrom pathlib import Path\n\n\ndef first():\n    sum(range(1000))\n\n\n"
        f"def second():\n    {body}\n\n\ndef third():\n    sum(range(1000))\n"
    )


def pyperf(folder: Path, fault: str) -> tuple[list[str], Callable[[], str]]:
    """One script with three benchmarks and `-o`, which is how pyperf's own documentation writes suites."""
    script = work(MIDDLE[fault]) + (
        "\n\nimport pyperf\nrunner = pyperf.Runner(processes=2, values=2, warmups=1, loops=1)\n"
        "for function in (first, second, third):\n    runner.bench_func(function.__name__, function)\n"
    )
    (folder / "bench.py").write_text(script)
    words = [sys.executable, "bench.py", "--inherit-environ=MARK", "-o", "out.json", "--timeout", str(TIMEOUT_S)]

    def kept() -> str:
        try:
            found = json.loads((folder / "out.json").read_text())["benchmarks"]
        except (OSError, ValueError):
            return ""
        return " ".join(entry.get("metadata", found[0].get("metadata", {})).get("name", "first") for entry in found)

    return words, kept


def pytest_benchmark(folder: Path, fault: str) -> tuple[list[str], Callable[[], str]]:
    """One test file; `--benchmark-json`. It has no timeout."""
    tests = "".join(
        f"\n\ndef test_{name}(benchmark):\n    benchmark({name})\n" for name in ("first", "second", "third")
    )
    (folder / "test_bench.py").write_text(work(MIDDLE[fault]) + tests)
    words = [sys.executable, "-m", "pytest", "-q", "--benchmark-json=out.json", "--benchmark-max-time=0.1", "."]

    def kept() -> str:
        try:
            found = json.loads((folder / "out.json").read_text())["benchmarks"]
        except (OSError, ValueError):
            return ""
        return " ".join(entry["name"].removeprefix("test_") for entry in found)

    return words, kept


def asv(folder: Path, fault: str) -> tuple[list[str], Callable[[], str]]:
    """A repository of one commit, measured in the Python that runs this."""
    methods = "".join(
        f"\n\ndef time_{name}():\n    {name}()\n\n\ntime_{name}.timeout = {TIMEOUT_S}\n" for name in NAMES
    )
    (folder / "benchmarks").mkdir()
    (folder / "benchmarks" / "__init__.py").touch()
    (folder / "benchmarks" / "bench.py").write_text(work(MIDDLE[fault]) + methods)
    config = {"version": 1, "project": "x", "repo": ".", "branches": ["HEAD"], "environment_type": "existing"}
    (folder / "asv.conf.json").write_text(json.dumps(config))
    author = ["-c", "user.name=x", "-c", "user.email=x@example.invalid"]
    for words in (["init", "-q"], ["add", "."], [*author, "commit", "-q", "-m", "x"]):
        subprocess.run(["git", *words], cwd=folder, check=True)
    tool = [sys.executable, "-m", "asv"]
    subprocess.run([*tool, "machine", "--yes"], cwd=folder, check=True, capture_output=True, env=home(folder))
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=folder, check=True, capture_output=True, text=True)
    here = ["--python=same", f"--set-commit-hash={commit.stdout.strip()}"]
    words = [*tool, "run", *here, "-a", "warmup_time=0", "-a", "rounds=1", "-a", "repeat=2"]

    def kept() -> str:
        found = [json.loads(path.read_text()) for path in (folder / "results").glob("*/*-*.json")]
        values = [(name, value[0]) for one in found for name, value in one.get("results", {}).items() if value]
        good = [name.rpartition("time_")[2] for name, value in values if value and value[0] is not None]
        return " ".join(good)

    return words, kept


def workbench(folder: Path, fault: str) -> tuple[list[str], Callable[[], str]]:
    """Three frontends, or, where the tool itself is hit, three launches of each: the second one is hit."""
    for name in ("tasks", "frontends/__init__.py", "frontends/numpy"):
        source, target = HERE.parent / name, folder / "content" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(source, target) if source.is_dir() else shutil.copy(source, target)
    numpy = folder / "content" / "frontends" / "numpy"
    body = MIDDLE[fault] if fault in ("crash", "hang") else "pass"
    if fault in SIGNALS:  # the mark is set when the second launch of the second contestant begins
        counter = str(folder / "counter")
        body = (
            f"made = Path({counter!r}); made.open('a').write('x')\n"
            "    len(made.read_text()) == 3 and Path(os.environ['MARK']).touch()\n    time.sleep(0.3)"
        )
    for name in NAMES:
        place = numpy.with_name(name)
        shutil.copytree(numpy, place)
        (place / "frontend.toml").write_text(
            f'title = "{name}"\nfamilies = ["x"]\npackages = ["numpy"]\ndevices = ["cpu"]\nextra = "x"\n'
            f'[modes.{name}]\ntitle = "{name}"\n'
        )
        if name == "second":
            linreg = (place / "linreg.py").read_text()
            linreg = linreg.replace(
                "import numpy as np\n", "import os, time\nfrom pathlib import Path\nimport numpy as np\n"
            )
            start = '    w = problem.init["w"].copy()\n'
            (place / "linreg.py").write_text(linreg.replace(start, f"    {body}\n{start}"))
    frameworks = ",".join(NAMES)
    options = ["--steps=3", "--rounds=1", "--launches=3", f"--timeout={TIMEOUT_S}", "-f", frameworks, "-o", "store"]
    words = [sys.executable, str(HERE.parent / "cli.py"), "run", "linreg", "--content", "content", *options]

    def kept() -> str:
        sys.path.insert(0, str(HERE.parent))
        from workbench.store import eventlog, records, results

        (run,) = (path for path in (folder / "store").iterdir() if (path / eventlog.NAME).is_file())
        contestants = records.fold(results.events_of(run)).contestants
        return " ".join(one.frontend for one in contestants if one.outcome == "ok" and one.launches)

    return words, kept


NAMES = ("first", "second", "third")
TOOLS = {"pyperf": pyperf, "asv": asv, "pytest-benchmark": pytest_benchmark, "workbench": workbench}


def home(folder: Path) -> dict[str, str]:
    """An environment in which a tool finds no settings of the user's."""
    return {**os.environ, "HOME": str(folder), "TMPDIR": str(folder), "MARK": str(folder / "mark")}


def trial(tool: str, fault: str) -> str:
    """What a tool keeps of one fault, in a few words."""
    folder = Path(tempfile.mkdtemp(prefix="side-by-side-"))
    try:
        words, kept = TOOLS[tool](folder, fault)
        process = subprocess.Popen(
            words, cwd=folder, env=home(folder), stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        ended = wait(process, SIGNALS.get(fault), folder / "mark")
        names = kept().split()
        good = [name for name in names if name != "second" or fault in SIGNALS]
        left = "nothing" if not good else f"{len(good)} of {3 if fault in SIGNALS else 2} ({', '.join(good)})"
        return f"{left}; {ended}"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def wait(process: subprocess.Popen[bytes], number: signal.Signals | None, mark: Path) -> str:
    """How a tool ends, signalled once the second benchmark runs; killed where it does not end at all."""
    deadline = time.monotonic() + DEADLINE_S
    while number is not None and not mark.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    if number == signal.SIGINT:
        os.killpg(process.pid, number)  # as a terminal does
    elif number is not None:
        process.send_signal(number)
    try:
        code = process.wait(max(1.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return f"hangs for ever (killed after {DEADLINE_S:.0f} s)"
    return f"exit code {code}" if code >= 0 else f"dies with {signal.Signals(-code).name}"


def main() -> None:
    """Print the table."""
    modules = {"pyperf": "pyperf", "asv": "asv", "pytest-benchmark": "pytest_benchmark", "workbench": "numpy"}
    there = [tool for tool, module in modules.items() if importlib.util.find_spec(module)]
    for tool in modules.keys() - set(there):
        sys.stdout.write(f"{tool} is missing: pip install {tool}\n")
    sys.stdout.write("| fault | " + " | ".join(there) + " |\n|---" + "|---" * len(there) + "|\n")
    for fault in MIDDLE:
        sys.stdout.write(f"| {fault} | " + " | ".join(trial(tool, fault) for tool in there) + " |\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
