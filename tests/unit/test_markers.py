"""Text between two markers of a file."""

from __future__ import annotations

import errno
import os

import pytest

from workbench.errors import WorkbenchError
from workbench.show import markers

BEGIN, END = "<!-- begin -->", "<!-- end -->"


def test_splice_replaces_what_stands_between_the_markers(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    for text in ("new", "newer\nlines"):
        markers.splice(page, text, (BEGIN, END))
        assert page.read_text() == f"before\n{BEGIN}\n{text}\n{END}\nafter\n"


def test_splice_leaves_all_other_bytes_as_they_are(tmp_path):
    page = tmp_path / "page.md"
    page.write_bytes(f"a\rb\r\n{BEGIN}\r\nold\r\n{END}\r\nlast".encode())
    markers.splice(page, "new\nlines", (BEGIN, END))
    assert page.read_bytes() == f"a\rb\r\n{BEGIN}\r\nnew\r\nlines\r\n{END}\r\nlast".encode()


def test_a_full_disk_leaves_the_file_as_it_was(tmp_path, monkeypatch):
    page = tmp_path / "page.md"
    text = f"before\n{BEGIN}\nold\n{END}\nafter\n"
    page.write_text(text)

    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(WorkbenchError, match="which is unchanged: No space left"):
        markers.splice(page, "new", (BEGIN, END))
    assert page.read_text() == text
    assert [file.name for file in tmp_path.iterdir()] == ["page.md"]


@pytest.mark.parametrize("kind", ["fifo", "binary", "folder"])
def test_what_is_no_text_is_refused_at_once(tmp_path, kind):
    page = tmp_path / "page.md"
    if kind == "fifo":
        os.mkfifo(page)
    elif kind == "folder":
        page.mkdir()
    else:
        page.write_bytes(b"\xff" + BEGIN.encode())
    with pytest.raises(WorkbenchError, match=r"page\.md: (not a regular file|not UTF-8|it is a folder)"):
        markers.check(page, (BEGIN, END))


@pytest.mark.parametrize("text", ["nothing", BEGIN + "\n", END + "\n" + BEGIN + "\n", None])
def test_a_file_without_markers_is_one_clear_line(tmp_path, text):
    page = tmp_path / "page.md"
    if text is not None:
        page.write_text(text)
    for act in (lambda: markers.splice(page, "new", (BEGIN, END)), lambda: markers.check(page, (BEGIN, END))):
        with pytest.raises(WorkbenchError, match=r"page\.md") as caught:
            act()
        assert len(str(caught.value).splitlines()) == 1
    assert text is None or page.read_text() == text
