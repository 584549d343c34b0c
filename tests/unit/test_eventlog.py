"""The log of a run: whatever breaks, every whole line stays readable."""

import math
import os
import random

import pytest

from workbench.model.events import SweepMeasured
from workbench.model.records import SweepPoint
from workbench.store import eventlog
from workbench.store.eventlog import EventLog


def numbered(event):
    return int(event["contestant"][1])


def written(folder, count=3):
    log = EventLog(folder)
    for number in range(count):
        log.append(SweepMeasured(f"c{number} ü\n\x1b[31m", []))
    log.close()
    return folder / eventlog.NAME


def test_events_come_back_in_order(tmp_path):
    written(tmp_path)
    events, damaged, _ = eventlog.read(tmp_path)
    assert [numbered(event) for event in events] == [0, 1, 2]
    assert damaged == 0


@pytest.mark.parametrize("cut", [1, 5, 40])
def test_a_truncated_log_loses_its_last_event_alone(tmp_path, cut):
    path = written(tmp_path)
    path.write_bytes(path.read_bytes()[:-cut])
    events, damaged, _ = eventlog.read(tmp_path)
    assert [numbered(event) for event in events] == ([0, 1] if cut > 1 else [0, 1, 2])
    assert damaged == (cut > 1)


def test_a_flipped_bit_costs_its_own_line(tmp_path):
    path = written(tmp_path)
    data = bytearray(path.read_bytes())
    second = data.index(b"\n") + 30
    data[second] ^= 1
    path.write_bytes(bytes(data))
    events, damaged, _ = eventlog.read(tmp_path)
    assert [numbered(event) for event in events] == [0, 2]
    assert damaged == 1


def test_a_torn_line_is_ended_before_the_log_goes_on(tmp_path):
    path = written(tmp_path)
    path.write_bytes(path.read_bytes()[:-7])
    log = EventLog(tmp_path)
    log.append(SweepMeasured("c9", []))
    log.close()
    events, damaged, _ = eventlog.read(tmp_path)
    assert [numbered(event) for event in events] == [0, 1, 9]
    assert damaged == 1


def test_garbage_is_no_event(tmp_path):
    path = tmp_path / eventlog.NAME
    path.write_bytes(random.Random(0).randbytes(5000) + b"\n" + b"00000000 {}\n" + eventlog.encode({"event": "x"}))
    events, damaged, _ = eventlog.read(tmp_path)
    assert [event["event"] for event in events] == ["x"]
    assert damaged >= 2


def test_numbers_that_are_none_are_refused(tmp_path):
    log = EventLog(tmp_path)
    with pytest.raises(ValueError, match="JSON"):
        log.append(SweepMeasured("c0", [SweepPoint(1, math.nan, 1.0)]))
    log.close()


def test_a_full_disk_is_an_error_and_the_log_stays_readable(tmp_path):
    log = EventLog(tmp_path)
    log.append(SweepMeasured("c0", []))
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, log._descriptor)
    os.close(full)
    with pytest.raises(OSError, match="space"):
        log.append(SweepMeasured("c1", []))
    assert [numbered(event) for event in eventlog.read(tmp_path).events] == [0]
