"""Trains several problems in one process, which imports the framework once: a program, run by test_every_pair.py.

    python train_all.py FOLDER MODE DTYPE STEPS PROBLEM...

Writes beside each problem's file the losses and the state at the end, or the text of what went wrong.
"""

from __future__ import annotations

import importlib
import sys
import traceback
from pathlib import Path

import numpy as np

from workbench.contract import Calls, Settings
from workbench.wire import exchange


def train(content, problem, steps):
    """The losses of some steps, or of as few as can be run if that is None, the state after them, and the next loss.

    The next loss is computed alone; None from content that does not offer it.
    """
    training = content.train(problem)
    ready = next(training)
    if not isinstance(ready, Calls):
        losses = [float(next(training)) for _ in range(steps or 1)]
        state = {name: array.copy() for name, array in ready.state().arrays().items()}
        return losses, state, ready.evaluate and float(ready.evaluate())
    if ready.steps is not None:
        calls = [ready.steps] * ((steps or 1) // ready.steps or 1)
    else:
        calls = [1, steps - 1] if steps else [1]
    losses = np.concatenate([training.send(count) for count in calls])
    return losses, ready.state().arrays(), ready.evaluate and float(ready.evaluate(1)[0])


def main(folder, mode, dtype, steps, *files):
    runtime = importlib.import_module(f"frontends.{folder}.runtime")
    runtime.configure(Settings(dtype=dtype))
    for file in map(Path, files):
        try:
            problem = exchange.load_problem(file, mode=mode)
            content = importlib.import_module(f"frontends.{folder}.{problem.task}")
            losses, state, evaluated = train(content, problem, None if file.stem.endswith("-plain") else int(steps))
            arrays = {
                "losses": np.asarray(losses, np.float64),
                **({} if evaluated is None else {"evaluated": np.asarray(evaluated)}),
                **{f"state/{name}": value for name, value in state.items()},
            }
            exchange.save_arrays(file.with_suffix(f".{mode}.npz"), arrays)
        except Exception:  # noqa: BLE001 - of one pair
            file.with_suffix(f".{mode}.txt").write_text(traceback.format_exc(), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
