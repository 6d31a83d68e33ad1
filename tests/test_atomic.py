from __future__ import annotations

import errno
from pathlib import Path

import pytest

from gaze_insight import atomic
from gaze_insight.atomic import replace_atomic, write_bytes_atomic, write_text_atomic
from gaze_insight.errors import DataError


def test_a_failed_write_leaves_the_old_file_and_no_temporary(tmp_path: Path):
    target = tmp_path / "a.txt"
    write_text_atomic(target, "old")

    def fail_half_way() -> None:
        with replace_atomic(target) as temporary:
            temporary.write_text("half")
            raise KeyError

    with pytest.raises(KeyError):
        fail_half_way()
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


@pytest.mark.parametrize(
    ("code", "words"),
    [(errno.ENOSPC, "disk is full"), (errno.EROFS, "read-only"), (errno.EACCES, "no permission")],
)
def test_a_disk_that_refuses_is_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, words: str
):
    target = tmp_path / "a.bin"
    write_bytes_atomic(target, b"old")

    def refuse(path: Path) -> None:
        raise OSError(code, "refused")

    monkeypatch.setattr(atomic, "_flush_to_disk", refuse)
    with pytest.raises(DataError, match=words) as caught:
        write_bytes_atomic(target, b"new")
    assert caught.value.path == target
    assert target.read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_file_in_the_place_of_a_folder_is_explained(tmp_path: Path):
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(DataError, match="cannot write the file"):
        write_text_atomic(tmp_path / "taken" / "a.txt", "text")


def test_the_file_has_ordinary_permissions(tmp_path: Path):
    write_text_atomic(tmp_path / "ours.txt", "text")
    (tmp_path / "plain.txt").write_text("text")
    assert (tmp_path / "ours.txt").stat().st_mode == (tmp_path / "plain.txt").stat().st_mode
