from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from cohort_making import disc, picture
from PIL import Image

from gaze_insight.cohort.case import Case
from gaze_insight.cohort.images import image_size, read_image, read_mask, write_mask, write_png
from gaze_insight.errors import DataError
from gaze_insight.types import Size


def saved(path: Path, pixels: np.ndarray, mode: str | None = None, **options: object) -> Path:
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(path, **options)
    return path


def test_png_round_trip_is_lossless(tmp_path: Path):
    pixels = picture(0)
    write_png(tmp_path / "a.png", pixels)
    assert np.array_equal(read_image(tmp_path / "a.png"), pixels)
    assert image_size(tmp_path / "a.png") == Size(24, 32)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK"])
def test_every_mode_becomes_three_channels(tmp_path: Path, mode: str):
    path = tmp_path / "a.tif"
    saved(path, picture(1), mode)
    read = read_image(path)
    assert read.shape == (24, 32, 3)
    assert read.dtype == np.uint8
    if mode in ("L", "LA"):
        assert np.array_equal(read[..., 0], np.asarray(Image.fromarray(picture(1)).convert("L")))


def test_sixteen_bit_grey_is_scaled_from_its_own_range(tmp_path: Path):
    levels = np.array([[1000, 2000], [1500, 1000]], dtype=np.uint16)
    saved(tmp_path / "a.png", levels)
    assert read_image(tmp_path / "a.png")[..., 1].tolist() == [[0, 255], [128, 0]]


def test_float_image_with_nan_is_refused(tmp_path: Path):
    saved(tmp_path / "a.tif", np.array([[0.0, np.nan]], dtype=np.float32))
    with pytest.raises(DataError, match="NaN"):
        read_image(tmp_path / "a.tif")


def test_exif_orientation_is_not_applied(tmp_path: Path):
    exif = Image.Exif()
    exif[0x0112] = 6
    saved(tmp_path / "a.jpg", picture(2), exif=exif)
    assert read_image(tmp_path / "a.jpg").shape == (24, 32, 3)
    assert image_size(tmp_path / "a.jpg") == Size(24, 32)


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "found nothing"), (b"", "0 bytes"), (b"not an image at all", "not an image")],
)
def test_a_file_that_is_no_image_is_named(tmp_path: Path, content: bytes | None, words: str):
    path = tmp_path / "broken.png"
    if content is not None:
        path.write_bytes(content)
    for read in (read_image, read_mask, image_size):
        with pytest.raises(DataError, match=words) as caught:
            read(path)
        assert caught.value.path == path
        assert caught.value.remedy


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp"])
def test_a_truncated_image_is_named(tmp_path: Path, suffix: str):
    path = saved(tmp_path / f"a{suffix}", picture(3, 64, 64))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DataError, match="cannot be decoded") as caught:
        read_image(path)
    assert caught.value.path == path


def test_a_folder_and_a_stack_of_pages_are_refused(tmp_path: Path):
    with pytest.raises(DataError, match="found a folder"):
        read_image(tmp_path)
    first, second = (Image.fromarray(picture(seed)) for seed in (0, 1))
    first.save(tmp_path / "stack.tif", save_all=True, append_images=[second])
    with pytest.raises(DataError, match="2 pages"):
        read_image(tmp_path / "stack.tif")


@pytest.mark.parametrize(
    ("values", "mode"),
    [((0, 255), None), ((0, 1), None), ((0, 128), None), ((0, 65535), "16"), ((0, 1), "P"), ((0, 255), "1")],
)
def test_a_mask_is_read_whatever_its_labels(tmp_path: Path, values: tuple[int, int], mode: str | None):
    truth = disc()
    path = tmp_path / "m.png"
    labels = np.where(truth, values[1], values[0])
    if mode == "P":
        image = Image.fromarray(labels.astype(np.uint8), mode=None).convert("P")
        image.putdata(labels.ravel().tolist())
        image.putpalette([0, 0, 0, 128, 0, 0])
        image.save(path)
    elif mode == "16":
        Image.fromarray(labels.astype(np.uint16)).save(path)
    else:
        saved(path, labels.astype(np.uint8), mode)
    assert np.array_equal(read_mask(path), truth)


def test_a_lossy_mask_is_cut_at_the_threshold(tmp_path: Path):
    truth = disc()
    saved(tmp_path / "m.jpg", np.where(truth, 255, 0).astype(np.uint8), quality=95)
    assert np.array_equal(read_mask(tmp_path / "m.jpg"), truth)


def test_labels_that_would_all_become_background_are_refused(tmp_path: Path):
    saved(tmp_path / "m.png", np.where(disc(), 2, 0).astype(np.uint8))
    with pytest.raises(DataError, match="largest value 2"):
        read_mask(tmp_path / "m.png")
    assert np.array_equal(read_mask(tmp_path / "m.png", threshold=1), disc())


def test_an_empty_mask_is_all_background(tmp_path: Path):
    write_mask(tmp_path / "m.png", np.zeros((3, 4), bool))
    assert read_mask(tmp_path / "m.png").sum() == 0


@pytest.mark.parametrize("shape", [(0, 3), (3,), (2, 2, 4)])
def test_arrays_that_are_no_picture_are_not_written(tmp_path: Path, shape: tuple[int, ...]):
    with pytest.raises(DataError, match="expected uint8 or uint16 pixels"):
        write_png(tmp_path / "a.png", np.zeros(shape, np.uint8))
    assert list(tmp_path.iterdir()) == []


def test_sixteen_bits_are_written_and_read_losslessly(tmp_path: Path):
    values = np.arange(0, 60_000, 5_000, dtype=np.uint16).reshape(3, 4)
    write_png(tmp_path / "a.png", values)
    with Image.open(tmp_path / "a.png") as stored:
        assert np.array_equal(np.asarray(stored).astype(np.uint16), values)
    with pytest.raises(DataError, match="uint8 of shape"):
        write_png(tmp_path / "b.png", np.zeros((2, 2, 3), np.uint16))


def test_a_case_refuses_a_mask_of_another_size(tmp_path: Path):
    write_mask(tmp_path / "m.png", disc(10, 12, 3))
    case = Case("a", tmp_path / "a.png", tmp_path / "m.png", image_size=Size(24, 32))
    with pytest.raises(DataError, match=r"12 x 10 px .* 32 x 24 px"):
        case.read_mask()
