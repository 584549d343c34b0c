"""What a session writes down as events, and how a run is read back from them. Pure functions on plain values.

Events, in order of appearance::

    begin     settings, machine, versions, content hash, and who the contestants are
    problem   hash and numbers of the problem, tolerance
    launch    one contestant's finished launch, and its proof
    rounds    the rounds of a launch, without flags: whether one was disturbed is worked out over all of them
    sweep     one contestant's sizes
    outcome   how one contestant ended; an interrupted one may go on when the run is resumed
    end       when, and whether it was interrupted; absent when the harness died
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from workbench.errors import WorkbenchError, one_line
from workbench.host import noise
from workbench.model.contestant import Contestant, LaunchRecord, RoundRecord, Settings, SweepPoint, check_id
from workbench.model.device import Device
from workbench.model.outcomes import Outcome
from workbench.model.proof import Proof

Plain = dict[str, Any]
_NUMBERS = {float, int, bool, type(None)}


def contestant_facts(contestant: Contestant) -> Plain:
    """Who a contestant is."""
    frontend = contestant.frontend
    return {
        "frontend": contestant.id,
        "mode": frontend.id,
        "title": frontend.title,
        "framework": frontend.framework,
        "folder": frontend.folder,
        "color": frontend.color,
        "compiles": frontend.compiles,
        "interpreter": contestant.interpreter,
        "environment": dict(contestant.environment),
        "threads": contestant.threads,
        "device": contestant.device and str(contestant.device),
        "slowdown": contestant.slowdown,
        "group": contestant.group,
        "source": contestant.source,
        "log": f"contestants/{contestant.id}/log.txt",
    }


def proof_facts(proof: Proof | None) -> Plain | None:
    """A proof as plain values."""
    if proof is None:
        return None
    return {
        "passed": proof.passed,
        "tolerance": proof.tolerance,
        "max_relative_error": proof.max_relative_error,
        "checks": [dataclasses.asdict(check) for check in proof.checks],
    }


def settings_facts(settings: Settings) -> Plain:
    """Settings as plain values."""
    return {**dataclasses.asdict(settings), "device": str(settings.device)}


def settings_from(facts: Mapping[str, Any]) -> Settings:
    """Settings from plain values.

    Raises:
        WorkbenchError: when they are none.
    """
    with _making_sense():
        return _settings_from(facts)


def _settings_from(facts: Mapping[str, Any]) -> Settings:
    kind, _, index = facts["device"].partition(":")
    lists = {name: tuple(facts[name]) for name in ("cpus", "harness_cpus")}
    return Settings(**{**facts, **lists, "device": Device(kind, int(index or 0))})


def fold(events: Sequence[Mapping[str, Any]]) -> tuple[Plain, list[Plain]]:
    """A run's facts (as in run.json) and its contestants' records (as in samples.json), from its events.

    Raises:
        WorkbenchError: when the log does not reach as far as its problem, or is none of ours.
    """
    of_kind = _by_kind(events)
    if not of_kind["begin"] or not of_kind["problem"]:
        raise WorkbenchError("the log holds no beginning or no problem; nothing was measured")
    with _making_sense():
        return _fold(of_kind)


@contextlib.contextmanager
def _making_sense() -> Iterator[None]:
    """A log whose lines are whole and yet say what no workbench says is one sentence."""
    try:
        yield
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise WorkbenchError(f"the log makes no sense: {one_line(f'{type(error).__name__}: {error}')}") from error


def _fold(of_kind: Mapping[str, Sequence[Mapping[str, Any]]]) -> tuple[Plain, list[Plain]]:
    begin, end = _facts(of_kind["begin"][0]), (of_kind["end"] or [{}])[-1]
    rounds = [dict(entry) for event in of_kind["rounds"] for entry in event["rounds"]]
    flag_rounds(rounds)
    info = {
        **{name: value for name, value in begin.items() if name != "contestants"},
        **_facts(of_kind["problem"][0]),
        "finished": end.get("finished"),
        "interrupted": end.get("interrupted", True),
        "rounds": rounds,
    }
    return scrubbed(info), [checked(scrubbed(_contestant(facts, of_kind))) for facts in begin["contestants"]]


def scrubbed(value: Any) -> Any:
    """A value from outside, each text in it one line without control characters."""
    if type(value) in _NUMBERS:
        return value
    if isinstance(value, str):
        return one_line(value)
    if isinstance(value, dict):
        return {one_line(str(name)): scrubbed(part) for name, part in value.items()}
    return [scrubbed(part) for part in value] if isinstance(value, list) else value


def checked(record: Plain) -> Plain:
    """A contestant's record, if its names are harmless; its log is where logs are, whatever the record says.

    Raises:
        WorkbenchError: when its id could leave the run's folder, or its outcome is none.
    """
    check_id(record["frontend"])
    if record["outcome"] not in list(Outcome):
        raise WorkbenchError(f"{record['outcome']!r} is no outcome")
    return {**record, "log": f"contestants/{record['frontend']}/log.txt"}


def _by_kind(events: Iterable[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    kinds: dict[str, list[Mapping[str, Any]]] = {
        name: [] for name in ("begin", "problem", "launch", "rounds", "sweep", "outcome", "end")
    }
    for event in events:
        kinds.setdefault(event["event"], []).append(event)
    return kinds


def _facts(event: Mapping[str, Any]) -> Plain:
    return {name: value for name, value in event.items() if name != "event"}


def _contestant(facts: Mapping[str, Any], of_kind: Mapping[str, Sequence[Mapping[str, Any]]]) -> Plain:
    def mine(kind: str) -> list[Mapping[str, Any]]:
        return [event for event in of_kind[kind] if event["contestant"] == facts["frontend"]]

    launches, outcomes, sweeps = mine("launch"), mine("outcome"), mine("sweep")
    ended: Mapping[str, Any] = {"outcome": "ok", "reason": ""}
    final = [event for event in outcomes if event["outcome"] != Outcome.INTERRUPTED]
    if final:
        ended = final[-1]
    elif not launches:
        unmeasured = {"outcome": "interrupted", "reason": "the session ended before it was measured"}
        ended = outcomes[-1] if outcomes else unmeasured
    proofs = [event["proof"] for event in [*launches, *outcomes] if event["proof"] is not None]
    return {
        **facts,
        "outcome": ended["outcome"],
        "reason": ended["reason"],
        "proof": proofs[-1] if proofs else None,
        "launches": list({event["record"]["launch"]: event["record"] for event in launches}.values()),
        "sweep": [point for event in sweeps for point in event["points"]],
    }


def flag_rounds(rounds: Sequence[Plain]) -> None:
    """Give every round its flags, by covariates alone; nothing here looks at a contestant's time."""
    if not rounds:
        return
    canaries = sorted(entry["canary_s"] for entry in rounds)
    median = canaries[len(canaries) // 2]
    for entry in rounds:
        covariates = {**entry["covariates"], "throttled": tuple(entry["covariates"]["throttled"])}
        found = noise.flag(noise.Covariates(**covariates), entry["canary_s"] * 1e9, median * 1e9)
        entry["flags"] = list(found)


def restore(contestant: Contestant, record: Mapping[str, Any], settings: Settings) -> None:
    """Give a contestant back the launches that an interrupted session had finished.

    A launch that was cut short is made again, and so is the first one where the sweep that follows it is missing.

    Raises:
        WorkbenchError: when they are none.
    """
    with _making_sense():
        contestant.sweep = [SweepPoint(**point) for point in record["sweep"]]
        swept = settings.sweep is None or contestant.sweep
        launches = [LaunchRecord(**launch) for launch in record["launches"]]
        contestant.launches = [
            launch for launch in launches if len(launch.rounds) >= settings.rounds and (launch.launch or swept)
        ]


def restore_rounds(info: Mapping[str, Any]) -> list[RoundRecord]:
    """The rounds of an interrupted session."""
    with _making_sense():
        return [RoundRecord(**{**entry, "flags": tuple(entry["flags"])}) for entry in info["rounds"]]
