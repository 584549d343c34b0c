"""Judging clocked blocks: the reference repeats them from the contestant's own state, once nothing is timed."""

from __future__ import annotations

import dataclasses
import statistics
from typing import TYPE_CHECKING

import numpy as np

from workbench.host import machine
from workbench.model.contestant import Contestant
from workbench.model.outcomes import Outcome, WorkerFailedError
from workbench.model.proof import Cause, Check
from workbench.model.records import Round
from workbench.model.stage import TRAIN
from workbench.session.reference import CACHES, Reference, Steps, last_feed, new_feed
from workbench.session.timed import WARM_SHARE, Timed
from workbench.session.training import read
from workbench.session.verify import Repeated, Rules, check_form, verify_block
from workbench.wire import exchange

if TYPE_CHECKING:
    from workbench.contract import Arrays

FASTEST = 2.0  # times the machine's own matrix product or copy that nobody can exceed
SEVERAL = 2  # blocks that exceed the rounding limit before that means anything
LARGEST = 1000.0  # times the largest parameter of the training that one may reach later
LONGEST_S = 6.0  # of repeating the blocks of a launch; at least one is repeated, however long it takes


def judge_blocks(timed: Timed, reference: Reference) -> set[int]:
    """Judge the drawn blocks of a launch and add what was found to the contestant's proof; their rounds.

    A block that exceeds the rounding limit may be an honest one, in which a ReLU flipped. So one block may; but neither
    all of several blocks of a launch, nor more than half of those of all launches so far. A block in which other steps
    were computed than those asked for is never honest.

    Raises:
        WorkerFailedError: *invalid*, with the check that failed.
    """
    contestant, rules = timed.contestant, reference.rules
    proof = contestant.proof
    assert proof is not None, "a contestant is proven in float64 before it is timed"
    judged: set[int] = set()
    proving, exceeding, checks, worst, spent_s = 0, 0, [], None, 0.0
    largest = float(np.max(np.abs(reference.trained().losses)))
    for evidence in timed.draw.sample(timed.drawn, len(timed.drawn)):  # nobody knows which comes first
        spent_s += reference.cost_s(evidence.steps)
        if judged and spent_s > LONGEST_S:
            break
        state, before = read(evidence.after), reference.before(evidence.steps)
        judged.add(evidence.round)
        if detail := _unusable(before, reference, rules):
            detail = f"the state before the block of round {evidence.round}: {detail}"
            checks.append(Check("check_block", False, None, detail, cause=Cause.WORK))
            continue
        right = reference.repeat(evidence.steps, "float64")
        own = reference.repeat(evidence.steps, "float32") if rules.dtype == "float32" else right
        steps = evidence.steps.all
        found = Repeated(evidence.losses, state)
        finding = verify_block(
            found, right, own, before, steps=steps, largest=largest, rules=rules, round_number=evidence.round
        )
        checks.append(finding.work)
        if finding.proves:
            proving += 1
            exceeding += not finding.rounding.passed
            if worst is None or (finding.rounding.difference or 0) >= (worst.difference or 0):
                worst = finding.rounding
    counted = dataclasses.replace(
        proof.with_checks(checks),
        judged=proof.judged + len(judged),
        proving=proof.proving + proving,
        exceeding=proof.exceeding + exceeding,
    )
    if worst is not None:
        throughout = exceeding == proving >= SEVERAL
        mostly = counted.exceeding >= SEVERAL and counted.exceeding * 2 > counted.proving
        refused = throughout or mostly
        counted = counted.with_checks([worst if refused else dataclasses.replace(worst, passed=True, detail="")])
    contestant.proof = counted
    if not counted.passed:
        raise WorkerFailedError(Outcome.INVALID, counted.reason)
    return judged


def provable_units(timed: Timed, reference: Reference) -> int:
    """The units of a block that could be judged: half as many, again and again, until its updates can be seen.

    Over many steps of a net, NumPy in float32 parts so far from float64 that what a block changes is within the limits.
    """
    training, units, rules = timed.training, timed.units, reference.rules
    rng = np.random.default_rng(timed.draw.getrandbits(64))
    files = [training.scratch / f"sizing-{name}.npz" for name in ("feed", "last")]
    largest = float(np.max(np.abs(reference.trained().losses)))
    if reference.stateless or rules.dtype != "float32" or timed.before is None:
        return units
    if _unusable(read(timed.before), reference, rules):
        return units  # and judging the blocks will say so
    while units > training.unit:
        warm, lead = training.whole(max(1, units // WARM_SHARE)), timed.lead
        steps = Steps(timed.before, training.step, files[0], warm, files[1], lead, units, [units - 1])
        if reference.cost_s(steps) > LONGEST_S:
            return units
        for file, feeding in zip(files, (new_feed, last_feed), strict=True):
            exchange.save_feed(file, *feeding(reference.problem, rng, steps.all))
        right, own = reference.repeat(steps, "float64"), reference.repeat(steps, "float32")
        before, count = reference.before(steps), steps.all
        if verify_block(own, right, own, before, steps=count, largest=largest, rules=rules, round_number=0).proves:
            return units
        units = training.whole(units // 2)
    return units


def _unusable(state: Arrays, reference: Reference, rules: Rules) -> str:
    """Why the reference cannot go on from a state; empty if it can.

    Parameters that are much larger than those of the training would hide in their rounding whatever happens to them.
    """
    if reference.stateless:
        return ""
    trained = reference.trained().result
    form = check_form(state, trained, rules.dtype)
    if detail := next((check.detail for check in form if not check.passed), ""):
        return detail
    usual = max(_largest_parameter(trained), _largest(reference.problem.init))
    found = _largest_parameter(state)
    if found > LARGEST * usual:
        return f"parameters reach {found:.2g}, and {usual:.2g} in the training: too large for a change to be seen"
    return ""


def _largest_parameter(state: Arrays) -> float:
    return _largest({name: array for name, array in state.items() if name.startswith("parameters/")})


def _largest(arrays: Arrays) -> float:
    return max((float(np.max(np.abs(array))) for array in arrays.values() if array.size), default=0.0)


def check_plausible(contestant: Contestant, reference: Reference, rounds: list[Round]) -> None:
    """Check that a contestant is not faster than this machine can be.

    Only on the CPU, where the machine's own matrix product and copy are measured.

    Raises:
        WorkerFailedError: *implausible*, with both rates.
    """
    launch = contestant.launches[-1]
    seconds = statistics.median(launch.of(TRAIN.name).seconds)
    problem = reference.problem
    best = max((entry.matrix_flops for entry in rounds if entry.matrix_flops), default=None)
    if best is not None and problem.flops / seconds > FASTEST * best:
        raise WorkerFailedError(
            Outcome.IMPLAUSIBLE,
            f"check_plausible: {problem.flops / seconds / 1e9:.3g} GFLOP/s, but this machine's best matrix product "
            f"reaches {best / 1e9:.3g}: not every step can have been computed",
        )
    cache = machine.last_level_cache()
    if cache and problem.bytes > CACHES * cache:
        rate = reference.copy_rate(CACHES * cache)
        if problem.bytes / seconds > FASTEST * rate:
            raise WorkerFailedError(
                Outcome.IMPLAUSIBLE,
                f"check_plausible: {problem.bytes / seconds / 1e9:.3g} GB/s, but this machine copies memory at "
                f"{rate / 1e9:.3g}: not every step can have been computed",
            )
