"""TensorBoard: a folder of event files, one run per frontend, with its losses, deviations and times.

Written without the package tensorboard, whose writer loads TensorFlow if it is installed. An event file is a sequence
of records, each a protocol buffer with two checksums; the few messages needed are encoded here.
"""

from __future__ import annotations

import datetime
import math
import struct
from functools import cache
from typing import TYPE_CHECKING

from workbench.model.contestant import check_id
from workbench.show import tables
from workbench.show.exports.frames import deviations, timed_launches

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from workbench.model.stage import Stage
    from workbench.store.results import StoredRun

LOSS = "loss"
DEVIATION = "deviation from the reference"
SUMMARY = "summary"


def warm_up_tag(stage: Stage) -> str:
    """The tag of the curve of a stage's first units."""
    return f"seconds per {stage.unit}/first {stage.units}"


def blocks_tag(stage: Stage) -> str:
    """The tag of the curve of a stage's blocks."""
    return f"seconds per {stage.unit}/blocks"


def write(run: StoredRun, target: Path) -> None:
    """Write a folder per frontend, and one for the reference, into a folder for ``tensorboard --logdir``."""
    started = datetime.datetime.fromisoformat(run.record.started).timestamp()
    for name, series in scalars(run).items():
        events = [_event(started, _text(SUMMARY, tables.markdown(run)))] if name == "reference" else []
        events += [
            _event(started, _scalar(tag, value), step) for tag, points in series.items() for step, value in points
        ]
        check_id(name)
        (target / name).mkdir()
        file = target / name / f"events.out.tfevents.{int(started):010}.workbench"
        file.write_bytes(b"".join(map(_record, [_event(started, _version()), *events])))


Points = list[tuple[int, float]]


def scalars(run: StoredRun) -> dict[str, dict[str, Points]]:
    """The points of each curve, by frontend: losses and deviations by step, seconds per unit by unit and by block."""
    curves: dict[str, dict[str, Points]] = {}
    for tag, frame in ((LOSS, run.losses), (DEVIATION, deviations(run))):
        for name, values in frame.items():
            curves.setdefault(str(name), {}).setdefault(tag, _points(values.items()))
    for stage in run.stages:
        for contestant, launch in timed_launches(run, stage.name):
            times = launch.of(stage.name)
            own_curves = curves.setdefault(contestant.id, {})
            if times.trace_s:
                own_curves.setdefault(warm_up_tag(stage), _points(enumerate(times.trace_s)))
            blocks = own_curves.setdefault(blocks_tag(stage), [])
            blocks += _points(enumerate(times.seconds, start=len(blocks)))
    return curves


def _points(values: Iterable[tuple[object, float]]) -> Points:
    return [(int(str(step)), float(value)) for step, value in values if not math.isnan(value)]


# Messages from tensorflow/core/util/event.proto and tensorflow/core/framework/{summary,tensor}.proto, by field number.


def _event(time: float, what: bytes, step: int = 0) -> bytes:
    return _double(1, time) + _integer(2, step) + what


def _version() -> bytes:
    return _bytes(3, b"brain.Event:2")


def _scalar(tag: str, value: float) -> bytes:
    return _bytes(5, _bytes(1, _bytes(1, tag.encode()) + _float(2, value)))


def _text(tag: str, text: str) -> bytes:
    plugin = _bytes(1, _bytes(1, b"text"))
    tensor = _integer(1, 7) + _bytes(2, b"") + _bytes(8, text.encode(errors="replace"))  # a scalar of type string
    return _bytes(5, _bytes(1, _bytes(1, tag.encode()) + _bytes(9, plugin) + _bytes(8, tensor)))


def _varint(number: int) -> bytes:
    groups = bytearray()
    while number > 0x7F:
        groups.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*groups, number])


def _integer(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _double(field: int, value: float) -> bytes:
    return _varint(field << 3 | 1) + struct.pack("<d", value)


def _bytes(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _float(field: int, value: float) -> bytes:
    try:
        return _varint(field << 3 | 5) + struct.pack("<f", value)
    except OverflowError:
        return _varint(field << 3 | 5) + struct.pack("<f", math.copysign(math.inf, value))


def _record(data: bytes) -> bytes:
    length = struct.pack("<Q", len(data))
    return length + _checksum(length) + data + _checksum(data)


def _checksum(data: bytes) -> bytes:
    """The CRC-32C, masked as in TFRecord files."""
    register, table = 0xFFFFFFFF, _crc_table()
    for byte in data:
        register = table[(register ^ byte) & 0xFF] ^ register >> 8
    crc = register ^ 0xFFFFFFFF
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


@cache
def _crc_table() -> tuple[int, ...]:
    def entry(byte: int) -> int:
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        return byte

    return tuple(entry(byte) for byte in range(256))
