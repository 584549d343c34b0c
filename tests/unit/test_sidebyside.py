"""Code side by side: every content file falls apart into its parts, and what is shown is what stands in the files."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.catalog import catalog, figures
from workbench.errors import WorkbenchError
from workbench.show import sidebyside
from workbench.show.report.site import pages
from workbench.show.sidebyside import anatomy, metrics
from workbench.show.sidebyside.shown import MARK
from workbench.show.sidebyside.sources import trimmed

FOUND = catalog()
PAIRS = [
    (task, frontend.id)
    for task in FOUND.tasks
    for frontend in FOUND.frontends.values()
    if FOUND.hole(task, frontend) is None
]
ALWAYS = {"about", "imports", "data", "loss", "gradient", "loop", "result"}

CONTENT = '''"""A planted content file."""

import framework as fw

from workbench.contract import Problem, State, Training


def train(problem: Problem) -> Training:
    w = fw.variable(problem.init["w"])
    batches = problem.batches(fw.asarray)
    optimizer = fw.optim.SGD([w], problem.learning_rate)

    def state():
        moments = optimizer.carried
        return State(parameters={"w": w}, carried=moments)

    yield state

    # forward
    for x, y in batches:
        prediction = x @ w
        loss = fw.mean((prediction - y) ** 2)

        loss.backward()
        optimizer.step()
        yield loss
'''


def texts(numbers: list[int], source: str = CONTENT) -> list[str]:
    lines = source.splitlines()
    return [text for number in numbers if (text := lines[number - 1].strip())]


def source_of(task: str, frontend: str) -> str:
    folder = FOUND.frontends[frontend].folder
    return (FOUND.roots[0] / "frontends" / folder / f"{task}.py").read_text(encoding="utf-8")


@pytest.mark.parametrize(("task", "frontend"), PAIRS)
def test_every_pair_falls_apart_into_named_parts_without_losing_a_line(task, frontend):
    parts = sidebyside.parts(task, frontend)
    assert list(parts) == list(anatomy.PARTS)
    lines = dict(line for part in parts.values() for line in part)
    assert "\n".join(lines[number] for number in sorted(lines)) + "\n" == source_of(task, frontend)
    assert all([number for number, _ in part] == sorted(number for number, _ in part) for part in parts.values())


@pytest.mark.parametrize(("task", "frontend"), PAIRS)
def test_every_pair_has_every_part_that_its_task_asks_for(task, frontend):
    parts = sidebyside.parts(task, frontend)
    wanted = ALWAYS | ({"model", "update"} if "problem.init" in source_of(task, frontend) else set())
    assert {part for part, lines in parts.items() if any(text.strip() for _, text in lines)} >= wanted


@pytest.mark.parametrize(("task", "frontend"), PAIRS)
def test_the_frame_of_a_training_is_its_loop(task, frontend):
    parts = sidebyside.parts(task, frontend)
    said = {part: "\n".join(text for _, text in lines) for part, lines in parts.items()}
    yielding = {part for part, text in said.items() if re.search(r"^ +(\w+ = )?yield\b", text, re.MULTILINE)}
    assert "def train(problem: Problem)" in said["loop"]
    assert yielding == {"loop"}
    assert said["result"].count("State(") == source_of(task, frontend).count("State(") == 1
    assert "learning_rate" not in said["result"]
    assert "problem.batches" in said["data"]


def test_a_content_file_falls_apart_as_a_reader_would_have_it():
    parts = {part: texts(numbers) for part, numbers in anatomy.split(CONTENT).items()}
    assert parts == {
        "about": ['"""A planted content file."""'],
        "imports": ["import framework as fw", "from workbench.contract import Problem, State, Training"],
        "data": ["batches = problem.batches(fw.asarray)"],
        "model": ['w = fw.variable(problem.init["w"])'],
        "loss": ["prediction = x @ w", "loss = fw.mean((prediction - y) ** 2)"],
        "gradient": ["loss.backward()"],
        "update": ["optimizer = fw.optim.SGD([w], problem.learning_rate)", "optimizer.step()"],
        "loop": [
            "def train(problem: Problem) -> Training:",
            "yield state",
            "# forward",
            "for x, y in batches:",
            "yield loss",
        ],
        "result": [
            "def state():",
            "moments = optimizer.carried",
            'return State(parameters={"w": w}, carried=moments)',
        ],
        "whole": [],
    }


def test_the_state_is_read_under_any_name_and_by_a_style_of_many_steps_per_call_too():
    """And only where a training says so: a function that merely looks like it belongs to the forward pass."""
    source = CONTENT.replace("def state():", "def now():").replace("yield state", "steps = yield Calls(now, steps=50)")
    parts = anatomy.split(source)
    assert texts(parts["result"], source)[0] == "def now():"
    assert "steps = yield Calls(now, steps=50)" in texts(parts["loop"], source)
    unused = CONTENT.replace("yield state", "yield")
    assert anatomy.split(unused)["result"] == []


def test_an_array_that_is_changed_in_place_belongs_to_what_it_holds():
    source = CONTENT.replace("loss.backward()", "dloss_dw[0] -= 1")
    assert texts(anatomy.split(source)["gradient"], source) == ["dloss_dw[0] -= 1"]


def test_an_optimiser_of_ones_own_updates():
    source = CONTENT.replace("optimizer.step()", "w, moments = update(w, moments)")
    assert "w, moments = update(w, moments)" in texts(anatomy.split(source)["update"], source)


def test_a_line_that_does_two_things_stands_in_both_parts():
    source = CONTENT.replace("loss.backward()", "fw.SGD(problem.learning_rate).minimize(loss)")
    parts = anatomy.split(source)
    assert set(texts(parts["gradient"], source)) & set(texts(parts["update"], source)) == {
        "fw.SGD(problem.learning_rate).minimize(loss)"
    }


@pytest.mark.parametrize(
    "source",
    [
        "",
        "x = 1",
        "def train(problem):\n    pass",
        "def train(problem):\n    yield\n    return 1\n# end\n\n",
        "def train(problem):\n    try:\n        yield\n    except OSError:\n        raise\n    else:\n        x\n",
        "if True: x = 1; y = 2\nclass Net:\n    def forward(self): return 1\n",
        "x = '''a\x0cb\u2028c\n\n'''\n\n",
    ],
)
def test_what_looks_unlike_any_content_loses_no_line_either(source):
    parts = anatomy.split(source)
    kept = {number for numbers in parts.values() for number in numbers}
    written = {number for number, line in enumerate(anatomy.lines_of(source), 1) if line.strip()}
    assert written <= kept


def test_lines_of_code_leave_out_blanks_comments_and_docstrings():
    function = 'def f():\n    """Doc,\n    longer."""\n'
    source = '"""Doc."""\n\nx = 1  # a remark\n# another\ntext = """two\nlines"""\n\n\n' + function
    assert figures.code_lines(source) == {3, 5, 6, 9}


def test_names_are_resolved_through_every_kind_of_import():
    source = (
        "import framework as fw\nimport framework.numpy as fnp\nimport framework.deep.er\nfrom framework import nn\n"
        "from framework.optim import SGD as Descent\nimport other\n\n\n"
        "def f(loss):\n    fw.matmul(fnp.mean(nn.Linear(1)), framework.deep.er.call, Descent())\n"
        "    other.thing(loss.backward())\n"
    )
    assert figures.api_names(source, {"framework"}) == [
        "framework.deep.er.call",
        "framework.matmul",
        "framework.nn.Linear",
        "framework.numpy.mean",
        "framework.optim.SGD",
    ]


@pytest.mark.parametrize(("task", "frontend"), PAIRS)
def test_every_pair_uses_its_framework_under_full_names(task, frontend):
    source = sidebyside.compare(task, frontend).sources[0]
    assert {name.partition(".")[0] for name in source.api} <= set(FOUND.frontends[frontend].packages)
    assert not any(name.startswith(("tf.", "jnp.", "np.", "nn.")) for name in source.api)
    assert all(lines > 0 for lines in source.helpers.values())


def test_what_a_content_file_borrows_from_its_runtime_is_counted():
    runtime = '"""Doc."""\n\n\ndef put(x):\n    """Doc."""\n    # why\n    return x\n\n\nclass Log:\n    a = 1\n'
    runtime += "\n\nN = (\n    1\n)\n"
    found = metrics.helpers("from frontends.f.runtime import N, Log, put\n", "f", {"runtime": runtime})
    assert found == {"N": 3, "Log": 2, "put": 2}


def test_modes_of_one_folder_are_shown_once():
    comparison = sidebyside.compare("linreg", "all")
    shared = [source for source in comparison.sources if len(source.frontends) > 1]
    assert len(comparison.sources) == len({frontend.folder for frontend in FOUND.frontends.values()})
    assert {"pytorch_eager", "pytorch_compiled"} in [{mode.id for mode in source.frontends} for source in shared]


def test_lines_that_stand_in_every_file_are_not_marked_and_all_other_code_is():
    comparison = sidebyside.compare("linreg", ["numpy", "pytorch"])
    lines = [{line.strip() for line in source.lines} for source in comparison.sources]
    for source, marked in zip(comparison.sources, comparison.marked, strict=True):
        assert {
            number for number in source.code if source.lines[number - 1].strip() not in lines[0] & lines[1]
        } == marked
        assert "from workbench.contract import Problem, State, Training" not in {source.lines[n - 1] for n in marked}
    assert sidebyside.compare("linreg", "jax").marked == (frozenset(),)


def test_a_hole_is_told_with_its_reason():
    holes = [(task, mode) for task in FOUND.tasks for mode in FOUND.frontends.values() if FOUND.hole(task, mode)]
    for task, mode in holes:
        assert sidebyside.compare(task, [mode.id, "numpy"]).holes == {mode.id: FOUND.hole(task, mode)}
        with pytest.raises(WorkbenchError, match="no code to show"):
            sidebyside.compare(task, mode.id)


def test_a_file_that_is_no_python_is_one_sentence(content):
    (content.numpy / "linreg.py").write_text("def train(:\n")
    with pytest.raises(WorkbenchError, match=r"frontends/numpy/linreg.py, line 1: not valid Python"):
        sidebyside.compare("linreg", "numpy", catalog(content.root))


def test_a_file_that_cannot_be_read_costs_no_other_frontend_its_code(content):
    """Neither in the terminal nor on the site's page of the task."""
    content.plant("planted", "def train(:\n")
    found = catalog(content.root)
    comparison = sidebyside.compare("linreg", "all", found)
    assert [one.name for one in comparison.sources] == [one.name for one in sidebyside.compare("linreg").sources]
    said = "frontends/planted/linreg.py, line 1: not valid Python: invalid syntax"
    assert comparison.holes["planted"] == said
    page = pages(found, [])["tasks/linreg.html"]
    assert said in page
    assert "def train(problem" in re.sub("<[^>]*>", "", page)


def test_a_helper_that_is_no_python_is_named_and_not_who_imports_it(content):
    content.plant("planted", content.changed(("import numpy", "from frontends.planted.helping import a\nimport numpy")))
    (content.root / "frontends/planted/helping.py").write_text("x = 1\na = (\n")
    with pytest.raises(WorkbenchError, match=r"frontends/planted/helping.py, line 2: not valid Python: '\(' was never"):
        sidebyside.compare("linreg", "planted", catalog(content.root))


@pytest.mark.parametrize(
    "text",
    [
        "x = " + "1 + " * 3000 + "1",
        "import numpy\nx = numpy" + ".b" * 3000,
        "if x:\n    pass\n" + "elif x:\n    pass\n" * 3000,
        "-" * 100_000 + "1",
    ],
)
def test_what_is_nested_without_end_is_one_sentence(content, text):
    content.plant("planted", text)
    with pytest.raises(WorkbenchError, match=r"frontends/planted/linreg.py: nested too deeply to be read"):
        sidebyside.compare("linreg", "planted", catalog(content.root))


def trimmed_slowly(lines: list[str], numbers: list[int]) -> list[int]:
    """Run by run of consecutive numbers, without the blank ones at either end."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    kept = []
    for run in runs:
        written = [number for number in run if lines[number - 1].strip()]
        kept += [number for number in run if written and written[0] <= number <= written[-1]]
    return kept


@given(st.lists(st.sampled_from(["x", "", " "]), min_size=1), st.data())
def test_blank_lines_go_at_both_ends_of_each_run(lines, data):
    numbers = sorted(data.draw(st.sets(st.integers(1, len(lines)))))
    assert trimmed(lines, numbers) == trimmed_slowly(lines, numbers)


def test_the_work_grows_with_the_number_of_lines_and_not_with_its_square(monkeypatch):
    """Counted by looks at blocks, of which there was one per statement: 50,000 lines took minutes."""
    calls = []
    monkeypatch.setattr(
        anatomy, "_forward", lambda block, frame, before=anatomy._forward: calls.append(1) or before(block, frame)
    )
    anatomy.split("def train(problem):\n" + "    x = 1\n" * 1000 + "    for step in range(3):\n        yield x\n")
    assert len(calls) == 3


def without_colour(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


@pytest.mark.parametrize("width", [60, 80, 160, 240])
def test_the_terminal_shows_every_line_at_any_width(cli, width):
    done = cli("code", "linreg", "-f", "numpy,jax", COLUMNS=str(width))
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= width
    numbers = [int(number) for number in re.findall(rf"(?:^|  )\s*(\d+)[{MARK} ] ", done.stdout, re.MULTILINE)]
    for source in sidebyside.compare("linreg", "numpy,jax").sources:
        assert set(source.code) <= set(numbers)
    beside = any("def forward(x, y):" in line and "def predict" in line for line in lines)
    assert beside == (width >= 160)


def test_differences_are_marked_without_colour(cli):
    shown = cli("code", "linreg", "-f", "numpy,pytorch", COLUMNS="100").stdout
    assert f"3{MARK} import numpy as np" in shown
    assert "  from workbench.contract import" in shown
    assert f"{MARK} from workbench.contract import" not in shown


def test_colour_comes_on_a_terminal_and_changes_no_letter(cli):
    words = ("code", "linreg", "-f", "jax")
    plain, coloured = cli(*words).stdout, cli(*words, FORCE_COLOR="1", TERM="xterm").stdout
    assert "\x1b[" in coloured
    assert without_colour(coloured) == plain


def test_json_gives_the_parts(cli):
    found = json.loads(cli("code", "linreg", "-f", "numpy,torch", "--json").stdout)
    assert [file["file"] for file in found["files"]] == ["frontends/numpy/linreg.py", "frontends/pytorch/linreg.py"]
    torch = found["files"][1]
    assert torch["frontends"] == ["pytorch_eager", "pytorch_compiled"]
    assert "torch.nn.functional.mse_loss" in torch["api"]
    last = torch["parts"]["gradient"][-1]
    assert (last["text"], last["differs"]) == ("        loss.backward()", True)
    assert source_of("linreg", "pytorch_eager").splitlines()[last["line"] - 1] == last["text"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["linreq"], "did you mean linreg?"),
        (["linreg", "-f", "nunpy"], "did you mean numpy?"),
        (["linreg", "-f", ","], "choose frontends by id, family or all"),
    ],
)
def test_what_is_asked_for_wrongly_is_one_line(cli, words, said):
    done = cli("code", *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


class Reader(HTMLParser):
    """The code of each cell as a page shows it, and whether every tag is closed."""

    VOID = ("input", "br")

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.cells: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "pre":
            self.cells.append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "pre" in self.open:
            self.cells[-1] += data


@pytest.mark.parametrize("task", FOUND.tasks)
def test_the_page_shows_every_line_of_code(task):
    page = Reader(sidebyside.html(task))
    assert page.open == []
    shown = {line.strip() for cell in page.cells for line in cell.splitlines()}
    for source in sidebyside.compare(task).sources:
        assert {source.lines[number - 1].strip() for number in source.code} <= shown


def test_nothing_in_a_content_file_becomes_markup_or_drives_a_terminal(content):
    planted = content.changed(("yield loss", "yield loss  # <script>alert(1)</script> \x1b[31m & co"))
    (content.numpy / "linreg.py").write_text(planted)
    comparison = sidebyside.compare("linreg", "numpy", catalog(content.root))
    page = sidebyside.html("linreg", "numpy", catalog(content.root))
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "\x1b" not in rendered(comparison) + page


def rendered(comparison: sidebyside.Comparison) -> str:
    from rich.console import Console

    console = Console(width=100, record=True, quiet=True, force_terminal=False, color_system=None)
    with console.capture() as captured:
        console.print(*sidebyside.terminal(comparison, "Title \x1b]0;owned\x07"), sep="\n")
    return captured.get()


def test_the_style_touches_only_what_is_its_own():
    rules = re.sub(r"/\*.*?\*/", "", sidebyside.css(), flags=re.DOTALL)
    selectors = [part.strip() for rule in re.findall(r"([^{}]+)\{", rules) for part in rule.split(",")]
    assert all(selector.startswith((".sbs", "@media")) for selector in selectors if selector)
    columns = len({frontend.folder for frontend in FOUND.frontends.values()})
    assert all(f".sbs-{place}" in rules for place in range(columns))
