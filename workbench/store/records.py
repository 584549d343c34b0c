"""How a run is rebuilt from its events, and how events are encoded. Pure functions.

Events, in order of appearance::

    begin     settings, machine, versions, content hash, and who the contestants are
    problem   hash and numbers of the problem, tolerance
    launch    one contestant's finished launch, and its proof
    rounds    the rounds of a launch, without flags: which were disturbed is computed from all of them
    sweep     one contestant's size sweep
    outcome   how one contestant ended; an interrupted one may continue when the run is resumed
    end       when the session ended, and whether it was interrupted; absent when the harness died
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TypeVar

from workbench.errors import WorkbenchError
from workbench.model.contestant import check_id
from workbench.model.events import (
    NAMES,
    Begun,
    ContestantEnded,
    Ended,
    Event,
    LaunchMeasured,
    ProblemMade,
    RoundsMeasured,
    SweepMeasured,
)
from workbench.model.outcomes import Outcome
from workbench.model.proof import Proof
from workbench.model.records import ContestantRecord, Entrant, Launch, RunRecord, SessionFacts, Settings
from workbench.statistics.disturbance import flagged
from workbench.store import upgrade
from workbench.store.codec import DamageError, Json, decoded, plain, scrubbed

E = TypeVar("E", bound=Event)
_NAMES_OF = {type_: name for name, type_ in NAMES.items()}


class NothingMeasuredError(WorkbenchError):
    """A run was cut off so early that there is nothing of it to show."""


def named(event: Event) -> Json:
    """An event as the log stores it: its name and its format, then its fields."""
    return {"event": _NAMES_OF[type(event)], "format": upgrade.FORMAT, **plain(event)}


def typed(lines: Sequence[Json]) -> list[Event]:
    """The events of a log of any format; unknown events are ignored.

    Raises:
        DamageError: when an intact line is not a valid event.
    """
    if not any(line.get("event") == "begin" for line in lines):
        return []
    recognised = [(NAMES[line.get("event")], line) for line in lines if line.get("event") in NAMES]
    upgraded = upgrade.events([line for _, line in recognised])
    return [decoded(type_, scrubbed(event)) for (type_, _), event in zip(recognised, upgraded, strict=True)]


def fold(events: Sequence[Event]) -> RunRecord:
    """A run from its events.

    Raises:
        NothingMeasuredError: when they end before the problem.
        WorkbenchError: when they contain an invalid contestant id.
    """
    begun, problem = _first(events, Begun), _first(events, ProblemMade)
    if begun is None or problem is None:
        raise NothingMeasuredError("its log ends before its problem was made")
    ids = [entrant.id for entrant in begun.contestants]
    for name in ids:
        check_id(name)
    if len({*ids}) < max(len(ids), 1):
        raise WorkbenchError("its log lists a contestant twice, or none")
    ended = _all(events, Ended)
    return RunRecord(
        **{field.name: getattr(begun, field.name) for field in dataclasses.fields(SessionFacts)},
        problem=problem.problem,
        tolerance=problem.tolerance,
        finished=ended[-1].finished if ended else None,
        interrupted=ended[-1].interrupted if ended else True,
        cut_short=ended[-1].cut_short if ended else "",
        rounds=flagged([entry for event in _all(events, RoundsMeasured) for entry in event.rounds]),
        contestants=[_contestant(entrant, events) for entrant in begun.contestants],
    )


def _contestant(entrant: Entrant, events: Sequence[Event]) -> ContestantRecord:
    launches = [event for event in _all(events, LaunchMeasured) if event.contestant == entrant.id]
    endings = [event for event in _all(events, ContestantEnded) if event.contestant == entrant.id]
    sweeps = [event for event in _all(events, SweepMeasured) if event.contestant == entrant.id]
    outcome, reason = _outcome(launches, endings)
    mine = [
        event
        for event in events
        if isinstance(event, LaunchMeasured | ContestantEnded) and event.contestant == entrant.id
    ]
    proofs = [
        event.proof for event in mine if event.proof
    ]  # the last one counts: a run that was resumed has later launches
    return ContestantRecord(
        **{field.name: getattr(entrant, field.name) for field in dataclasses.fields(entrant)},
        outcome=outcome,
        reason=reason,
        proof=proofs[-1] if proofs else None,
        launches=list({event.launch.number: event.launch for event in launches}.values()),
        sweep=[point for event in sweeps for point in event.points],
    )


def _outcome(launches: Sequence[LaunchMeasured], endings: Sequence[ContestantEnded]) -> tuple[Outcome, str]:
    """How a contestant ended: an interruption counts only where nothing was measured."""
    final = [event for event in endings if event.outcome is not Outcome.INTERRUPTED]
    if final:
        return final[-1].outcome, final[-1].reason
    if launches:
        return Outcome.OK, ""
    if endings:
        return endings[-1].outcome, endings[-1].reason
    return Outcome.INTERRUPTED, "the session ended before it was measured"


def _all(events: Sequence[Event], type_: type[E]) -> list[E]:
    return [event for event in events if isinstance(event, type_)]


def _first(events: Sequence[Event], type_: type[E]) -> E | None:
    return next(iter(_all(events, type_)), None)


def proof_after(events: Sequence[Event], contestant: str, launches: Sequence[Launch]) -> Proof | None:
    """A contestant's proof as it was after the last of some launches; None without any."""
    numbers = {launch.number for launch in launches}
    measured = [event for event in _all(events, LaunchMeasured) if event.contestant == contestant]
    return next((event.proof for event in reversed(measured) if event.launch.number in numbers), None)


def finished_launches(record: ContestantRecord, settings: Settings) -> list[Launch]:
    """The launches of an interrupted session that need not be repeated.

    One that was cut short is repeated, and so is one without the losses alone that were asked for, and the first one
    if the sweep that follows it is missing.
    """
    swept = settings.sweep is None or bool(record.sweep)
    return [
        launch
        for launch in record.launches
        if (launch.number or swept)
        and (launch.evaluated or not settings.evaluate)
        and all(len(blocks.rounds) >= settings.rounds for blocks in launch.blocks.values())
    ]


# Run folders: run.json and samples.json


def facts_of(record: RunRecord) -> Json:
    """The content of run.json: everything except what the contestants did."""
    names = [contestant.id for contestant in record.contestants]
    return {"format": upgrade.FORMAT, **plain(record), "contestants": names}


def samples_of(contestant: ContestantRecord) -> Json:
    """The content of samples.json; with a format of its own, so that no half-written run mixes two formats."""
    return {"format": upgrade.FORMAT, **plain(contestant)}


def contestant_from(value: Json, format_: int) -> ContestantRecord:
    """A contestant from its samples.json, whose format is that of its run unless it says otherwise.

    Raises:
        DamageError: when it is not valid.
        WorkbenchError: when its id is not valid, and so could escape the run's folder.
    """
    own = upgrade.format_of({"format": format_, **value}) if isinstance(value, dict) else format_
    record = decoded(ContestantRecord, upgrade.contestant(value, own))
    check_id(record.id)
    return record


def run_from(value: Json, contestants: Sequence[ContestantRecord], format_: int) -> RunRecord:
    """A run from its run.json and its contestants.

    Raises:
        DamageError: when it is not valid.
    """
    facts = upgrade.facts(value, format_)
    if not isinstance(facts, dict):
        raise DamageError("not a JSON object")
    return dataclasses.replace(decoded(RunRecord, {**facts, "contestants": []}), contestants=list(contestants))
