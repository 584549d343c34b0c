"""Upgrades of older formats, one step per version: what an earlier workbench wrote becomes what this one would write.

History of the format. 1: the first. 2: typed records; a contestant's ``id`` and its ``frontend`` are two fields, blocks
are grouped by stage, the device is a kind and an index.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from workbench.store.codec import DamageError, Json

FORMAT = 2


def format_of(value: Json) -> int:
    """The format that a run's facts or a log's first event carry.

    Raises:
        DamageError: when they carry none.
    """
    number = value.get("format") if isinstance(value, dict) else None
    if type(number) is not int or number < 1:
        raise DamageError(f"{str(number)[:80]!r} is not a valid format number")
    return number


def events(logged: Sequence[Json]) -> list[Json]:
    """The events of a log in the current format.

    Every event carries its own format, because another version may have resumed the run; in format 1, the first did.
    """
    return [_upgraded(event, format_of({"format": 1, **event}), _EVENT_STEPS) for event in logged]


def facts(value: Json, format_: int) -> Json:
    """A run's facts (run.json) in the current format."""
    return _upgraded(value, format_, _FACTS_STEPS)


def contestant(value: Json, format_: int) -> Json:
    """A contestant's record (samples.json) in the current format."""
    return _upgraded(value, format_, _CONTESTANT_STEPS)


def _upgraded(value: Json, format_: int, steps: dict[int, Callable[[Json], Json]]) -> Json:
    try:
        for number in range(format_, FORMAT):
            value = steps[number](value)
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise DamageError(f"{type(error).__name__}: {error}") from None
    return value


# From 1 to 2


def _event_1(event: Json) -> Json:
    name = event["event"]
    if name == "begin":
        return {**_facts_1(event), "contestants": [_entrant_1(entrant) for entrant in event["contestants"]]}
    if name == "rounds":
        return {**event, "rounds": [_round_1(entry) for entry in event["rounds"]]}
    if name == "launch":
        return {**event, "launch": _launch_1(event["record"])}
    return event


def _facts_1(value: Json) -> Json:
    settings = {**value["settings"], "device": _device_1(value["settings"].get("device", "cpu"))}
    rounds = [_round_1(entry) for entry in value.get("rounds", [])]
    unknown = {"workbench": "", "command": [], "started": "", "machine": {}, "machine_key": ""}
    return {**unknown, **value, "format": 2, "settings": settings, "rounds": rounds}


def _contestant_1(value: Json) -> Json:
    return {**_entrant_1(value), "launches": [_launch_1(launch) for launch in value["launches"]]}


def _entrant_1(value: Json) -> Json:
    identifier = value["frontend"]
    group, _, side = identifier.rpartition("@") if value.get("source") else ("", "", "")
    device = value.get("device")
    return {
        "title": identifier,
        "framework": "",
        "folder": "",
        **value,
        "id": identifier,
        "frontend": value.get("mode", identifier),  # the earliest runs had one contestant per frontend
        "side": side if group else "",
        "device": None if device is None else _device_1(device),
    }


def _device_1(text: str) -> Json:
    kind, _, index = text.partition(":")
    return {"kind": kind, "index": int(index or 0)}


def _round_1(value: Json) -> Json:
    unknown = {"repeat": False, "canary_s": 0.0, "matrix_flops": None}
    covariates = {"span_ns": 0, **value.get("covariates", {})}
    return {**unknown, **value, "number": value["round"], "covariates": covariates}


def _launch_1(value: Json) -> Json:
    of_blocks = {
        "units": "block_steps",
        "wait_s": "wait_s",
        "trace_s": "trace",
        "seconds": "blocks",
        "rounds": "rounds",
        "energy_j": "energy_j",
        "cpu_per_wall": "cpu_per_wall",
    }
    names = {"number": "launch", "first_s": "first_step_s", "purpose": "stage"}
    observed = {name: knob for name, knob in value.get("observed", {}).items() if not isinstance(knob, dict)}
    return {
        **value,
        "observed": observed,
        **_renamed_1(value, names),
        "blocks": {"train": _renamed_1(value, of_blocks)},
    }


def _renamed_1(value: Json, names: dict[str, str]) -> Json:
    """The fields under their new names; those that early runs did not record yet take their defaults."""
    return {new: value[old] for new, old in names.items() if old in value}


_EVENT_STEPS: dict[int, Callable[[Json], Json]] = {1: _event_1}
_FACTS_STEPS: dict[int, Callable[[Json], Json]] = {1: _facts_1}
_CONTESTANT_STEPS: dict[int, Callable[[Json], Json]] = {1: _contestant_1}
