from __future__ import annotations

import os
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from gaze_insight.cohort.artefacts import ArtefactStore
from gaze_insight.errors import DataError, SettingsError
from gaze_insight.types import Settings


class Dials(Settings):
    sigma_frac: float = Field(0.1)


def test_the_key_follows_every_part(tmp_path: Path):
    store = ArtefactStore(tmp_path)
    file = tmp_path / "a.txt"
    file.write_text("one")
    parts = {
        "version": store.key("k", 2, "a"),
        "kind": store.key("j", 1, "a"),
        "text": store.key("k", 1, "a"),
        "bytes": store.key("k", 1, b"a"),
        "two": store.key("k", 1, "a", "b"),
        "joined": store.key("k", 1, "ab"),
        "settings": store.key("k", 1, Dials()),
        "other settings": store.key("k", 1, Dials(sigma_frac=0.2)),
        "array": store.key("k", 1, np.zeros(4)),
        "its shape": store.key("k", 1, np.zeros((2, 2))),
        "its type": store.key("k", 1, np.zeros(4, np.float32)),
        "file": store.key("k", 1, file),
        "path as text": store.key("k", 1, str(file)),
        "int": store.key("k", 1, 1),
        "float": store.key("k", 1, 1.0),
        "nothing": store.key("k", 1, None),
    }
    assert len(set(parts.values())) == len(parts)
    assert store.key("k", 1, "a") == parts["text"]


def test_a_path_stands_for_its_content_not_its_name(tmp_path: Path):
    store = ArtefactStore(tmp_path / "store")
    for name in ("a", "b"):
        (tmp_path / name).write_text("same")
    before = store.key("k", 1, tmp_path / "a")
    assert before == store.key("k", 1, tmp_path / "b")
    (tmp_path / "a").write_text("diff")  # equal size, and equal time below
    assert store.key("k", 1, tmp_path / "a") != before


def test_an_unchanged_file_is_not_read_again_by_the_next_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    file = tmp_path / "a.bin"
    file.write_bytes(b"x" * 100)
    an_hour_ago = time.time() - 3600
    os.utime(file, (an_hour_ago, an_hour_ago))
    first = ArtefactStore(tmp_path / "store").file_hash(file)
    fresh = ArtefactStore(tmp_path / "store")
    monkeypatch.setattr("hashlib.file_digest", lambda *_: pytest.fail("the file was read again"))
    assert fresh.file_hash(file) == first


def test_a_file_changed_with_equal_size_is_read_again(tmp_path: Path):
    file = tmp_path / "a.bin"
    store = ArtefactStore(tmp_path / "store")
    hashes = []
    for hours, content in ((2, b"one"), (1, b"two")):
        file.write_bytes(content)
        then = time.time() - 3600 * hours
        os.utime(file, (then, then))
        hashes.append(store.file_hash(file))
    assert hashes[0] != hashes[1]


def test_a_damaged_memo_is_harmless(tmp_path: Path):
    (tmp_path / "file_hashes.jsonl").write_text('["half\n[1]\n{"a": 2}\nnull\n')
    (tmp_path / "a.txt").write_text("one")
    assert len(ArtefactStore(tmp_path).file_hash(tmp_path / "a.txt")) == 64


@given(st.lists(st.text(max_size=4), max_size=4), st.lists(st.text(max_size=4), max_size=4))
def test_different_texts_have_different_keys(one: list[str], other: list[str]):
    store = ArtefactStore("unused")
    assert (store.key("k", 1, *one) == store.key("k", 1, *other)) == (one == other)


def test_arrays_come_back_bit_for_bit(tmp_path: Path):
    store = ArtefactStore(tmp_path)
    rng = np.random.default_rng(0)
    arrays = {
        "soft": rng.random((5, 7), dtype=np.float32),
        "mask": rng.random((5, 7)) > 0.5,
        "none": np.zeros((0, 3), np.int64),
        "one": np.array(3.5),
    }
    store.put_arrays("thing", "ab", **arrays)
    back = store.get_arrays("thing", "ab")
    assert back is not None
    assert back.keys() == arrays.keys()
    for name, array in arrays.items():
        assert back[name].dtype == array.dtype
        assert np.array_equal(back[name], array)


@pytest.mark.parametrize("cut", [0, 10, 200, -30])
def test_a_damaged_file_counts_as_absent_and_is_written_again(tmp_path: Path, cut: int):
    store = ArtefactStore(tmp_path)
    values = np.random.default_rng(0).random(200)
    store.put_arrays("thing", "ab", values=values)
    path = store.path("thing", "ab", ".npz")
    path.write_bytes(path.read_bytes()[:cut])
    assert store.get_arrays("thing", "ab") is None
    store.put_arrays("thing", "ab", values=values)
    assert np.array_equal(store.get_arrays("thing", "ab")["values"], values)


def test_flipped_bytes_count_as_absent(tmp_path: Path):
    store = ArtefactStore(tmp_path)
    store.put_arrays("thing", "ab", values=np.random.default_rng(0).random(200))
    path = store.path("thing", "ab", ".npz")
    content = bytearray(path.read_bytes())
    content[400] ^= 0xFF
    path.write_bytes(content)
    assert store.get_arrays("thing", "ab") is None


def test_records_round_trip_and_damage_is_absence(tmp_path: Path):
    store = ArtefactStore(tmp_path)
    store.put_json("words", "ab", {"é": [1, None, "x"]})
    assert store.get_json("words", "ab") == {"é": [1, None, "x"]}
    store.path("words", "ab", ".json").write_text('{"é": [1')
    assert store.get_json("words", "ab") is None


def test_what_cannot_be_stored_is_refused(tmp_path: Path):
    store = ArtefactStore(tmp_path)
    with pytest.raises(DataError, match="Python objects"):
        store.put_arrays("thing", "ab", bad=np.array([object()]))
    with pytest.raises(SettingsError, match="kind"):
        store.put_json("../outside", "ab", {})
    with pytest.raises(DataError, match="cannot read"):
        store.key("thing", 1, tmp_path / "nowhere")


def _write_often(folder: str, seed: int) -> int:
    store = ArtefactStore(folder)
    torn = 0
    for _ in range(40):
        store.put_arrays("thing", "same", values=np.full(5000, 7.0), seed=np.array(7))
        back = store.get_arrays("thing", "same")
        torn += back is None or not np.all(back["values"] == 7.0)
    return torn


def test_two_processes_never_see_a_torn_file(tmp_path: Path):
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        assert list(pool.map(_write_often, [str(tmp_path)] * 2, [0, 1])) == [0, 0]
    assert [path.name for path in (tmp_path / "thing").iterdir()] == ["same.npz"]
