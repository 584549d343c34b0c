"""File locks: who holds one, who waits, who gives up. Two descriptors of one file are two holders to the kernel."""

from __future__ import annotations

import errno
import fcntl
import os
import threading

import pytest

from workbench.errors import WorkbenchError
from workbench.host import locks


def test_a_lock_is_taken_until_its_file_is_closed(tmp_path):
    file = tmp_path / "log"
    assert not locks.is_taken(file)
    descriptor, other = (os.open(file, os.O_RDWR | os.O_CREAT) for _ in range(2))
    try:
        assert not locks.is_taken(file)
        locks.take(descriptor)
        assert locks.is_taken(file)
        with pytest.raises(BlockingIOError):
            locks.take(other)
    finally:
        os.close(descriptor)
    assert not locks.is_taken(file)
    locks.take(other)
    os.close(other)


def test_who_finds_it_taken_says_so_and_waits(tmp_path):
    said, entered = threading.Event(), threading.Event()

    def second() -> None:
        with locks.exclusive(tmp_path / "a.lock", said.set):
            entered.set()

    with locks.exclusive(tmp_path / "a.lock", lambda: pytest.fail("nobody holds it")):
        thread = threading.Thread(target=second)
        thread.start()
        assert said.wait(10)
        assert not entered.is_set()
    thread.join(10)
    assert entered.is_set()


def test_who_finds_it_taken_may_give_up(tmp_path):
    class GaveUpError(Exception):
        pass

    def give_up() -> None:
        raise GaveUpError

    with locks.exclusive(tmp_path / "a.lock", lambda: None):
        with pytest.raises(GaveUpError), locks.exclusive(tmp_path / "a.lock", give_up):
            pytest.fail("it is taken")
        assert locks.is_taken(tmp_path / "a.lock")
    assert not locks.is_taken(tmp_path / "a.lock")


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_told_of_in_one_line_and_measured_on(tmp_path, monkeypatch, number):
    def flock(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)
    file, said = tmp_path / "host.lock", []
    with locks.measuring("refuse", said.append, file):
        assert not locks.is_taken(file), "nobody can know, so nobody says that it is"
    assert said == [f"{tmp_path} has no file locks: make sure that no other session measures on this host"]


def test_a_lock_that_fails_otherwise_is_told_in_one_line(tmp_path, monkeypatch):
    def flock(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(fcntl, "flock", flock)
    file = tmp_path / "host.lock"
    with pytest.raises(WorkbenchError) as raised, locks.measuring("wait", pytest.fail, file):
        pytest.fail("it is not taken")
    assert str(raised.value) == f"cannot acquire the host's lock {file}: {os.strerror(errno.EIO)}"
