"""What a session writes down as events, and how a run is read back from them. Pure functions on plain values.

Events, in order of appearance::

    begin     settings, machine, versions, content hash, and who the contestants are
    problem   hash and numbers of the problem, tolerance
    launch    one contestant's finished launch, and its proof
    rounds    the rounds of a launch, without flags: whether one was disturbed is worked out over all of them
    sweep     one contestant's sizes
    outcome   how one contestant ended
    end       when, and whether it was interrupted; absent when the harness died
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from workbench import noise
from workbench.contestant import Contestant, LaunchRecord, RoundRecord, Settings, SweepPoint
from workbench.environment import Device
from workbench.errors import WorkbenchError
from workbench.verify import Proof

Plain = dict[str, Any]


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
    """Settings from plain values."""
    kind, _, index = facts["device"].partition(":")
    lists = {name: tuple(facts[name]) for name in ("cpus", "harness_cpus")}
    return Settings(**{**facts, **lists, "device": Device(kind, int(index or 0))})


def fold(events: Sequence[Mapping[str, Any]]) -> tuple[Plain, list[Plain]]:
    """A run's facts (as in run.json) and its contestants' records (as in samples.json), from its events.

    Raises:
        WorkbenchError: when the log does not reach as far as its problem.
    """
    of_kind = _by_kind(events)
    if not of_kind["begin"] or not of_kind["problem"]:
        raise WorkbenchError("its log ends before the problem was made; nothing was measured")
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
    return info, [_contestant(facts, of_kind) for facts in begin["contestants"]]


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
    if outcomes:
        ended = outcomes[-1]
    elif not launches:
        ended = {"outcome": "interrupted", "reason": "the session ended before it was measured"}
    proofs = [event["proof"] for event in [*launches, *outcomes] if event["proof"] is not None]
    return {
        **facts,
        "outcome": ended["outcome"],
        "reason": ended["reason"],
        "proof": proofs[-1] if proofs else None,
        "launches": [event["record"] for event in launches],
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


def restore(contestant: Contestant, record: Mapping[str, Any]) -> None:
    """Give a contestant back the launches that an interrupted session had finished."""
    contestant.launches = [LaunchRecord(**launch) for launch in record["launches"]]
    contestant.sweep = [SweepPoint(**point) for point in record["sweep"]]


def restore_rounds(info: Mapping[str, Any]) -> list[RoundRecord]:
    """The rounds of an interrupted session."""
    return [RoundRecord(**{**entry, "flags": tuple(entry["flags"])}) for entry in info["rounds"]]
