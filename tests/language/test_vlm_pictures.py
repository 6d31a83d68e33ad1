"""Pictures that are sent: no metadata, the right size, and the gaze where it was."""

import base64
import io
import struct
from hashlib import sha256

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from gaze_insight.cohort.images import read_image
from gaze_insight.errors import DataError
from gaze_insight.gaze.fixations import Fixations
from gaze_insight.language.vlm.gaze_overlay import GazeCropSettings, crop_to_gaze, draw_gaze, gaze_box
from gaze_insight.language.vlm.pictures import PictureSettings, encode_picture, encode_pictures, fit_within
from gaze_insight.types import Size

SECRET = "Jane Q. Public 1950-01-01"


def noise(height=60, width=90, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def bytes_of(picture):
    head, data = picture.data_url.split(",", 1)
    assert head in ("data:image/jpeg;base64", "data:image/png;base64")
    return base64.b64decode(data, validate=True)


def jpeg_segments(content):
    at, found = 2, []
    while content[at + 1] != 0xDA:
        found.append(content[at + 1])
        at += 2 + struct.unpack(">H", content[at + 2 : at + 4])[0]
    return found


def png_chunks(content):
    at, found = 8, []
    while at < len(content):
        length, kind = struct.unpack(">I4s", content[at : at + 8])
        found.append(kind.decode())
        at += 12 + length
    return found


def write_with_metadata(path):
    image = Image.fromarray(noise())
    if path.suffix == ".png":
        info = PngInfo()
        info.add_text("PatientName", SECRET)
        image.save(path, pnginfo=info)
    else:
        exif = Image.Exif()
        exif[0x010E], exif[0x013B] = SECRET, SECRET
        image.save(path, exif=exif, comment=SECRET.encode(), quality=95)
    assert SECRET.encode() in path.read_bytes()


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
@pytest.mark.parametrize("form", ["jpeg", "png"])
def test_no_metadata_of_the_file_is_ever_in_what_is_sent(tmp_path, suffix, form):
    path = tmp_path / f"patient_public_jane{suffix}"
    write_with_metadata(path)
    looked = Fixations.from_rows([(0.4, 0.5, 300, 0)], annotator=SECRET)
    kinds = ("image", "gaze_overlay", "gaze_crop")
    for picture in encode_pictures(kinds, read_image(path), looked, PictureSettings(format=form)):
        content = bytes_of(picture)
        assert b"Jane" not in content
        assert b"public_jane" not in content
        assert b"Exif" not in content
        if form == "png":
            assert set(png_chunks(content)) == {"IHDR", "IDAT", "IEND"}
        else:
            # JFIF, quantisation and Huffman tables, the frame: no EXIF (E1), no other application, no comment
            assert set(jpeg_segments(content)) <= {0xE0, 0xDB, 0xC0, 0xC4}


def test_a_png_holds_the_very_pixels():
    image = noise()
    sent = encode_picture(image, PictureSettings(format="png"))
    content = bytes_of(sent)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(content))), image)
    assert sent.sha256 == sha256(content).hexdigest()
    assert (sent.size, sent.bytes) == (Size(60, 90), len(content))


def test_a_jpeg_keeps_its_colours_and_their_order():
    image = np.zeros((64, 64, 3), np.uint8)
    image[...] = (200, 90, 30)
    seen = np.asarray(Image.open(io.BytesIO(bytes_of(encode_picture(image)))))
    assert np.abs(seen.astype(int) - image).max() <= 3


def test_quality_changes_the_size_and_the_same_input_gives_the_same_bytes():
    image = noise(200, 300)
    low, high = (encode_picture(image, PictureSettings(quality=one)) for one in (30, 95))
    assert low.bytes < high.bytes
    assert encode_picture(image.copy(), PictureSettings(quality=30)) == low


def test_shrinking_averages_the_pixels_of_a_block():
    image = noise(40, 80)
    expected = image.reshape(10, 4, 20, 4, 3).mean(axis=(1, 3))
    assert np.abs(fit_within(image, 20) - expected).max() <= 0.51


@given(st.integers(1, 300), st.integers(1, 300), st.integers(1, 200))
@settings(max_examples=40, deadline=None)
def test_a_picture_fits_and_keeps_its_aspect(height, width, long_side):
    small = fit_within(np.zeros((height, width, 3), np.uint8), long_side)
    assert max(small.shape[:2]) == min(max(height, width), long_side)
    scale = max(small.shape[:2]) / max(height, width)
    assert abs(small.shape[0] - height * scale) <= 1
    assert abs(small.shape[1] - width * scale) <= 1
    assert min(small.shape[:2]) >= 1


@pytest.mark.parametrize(
    "image", [np.zeros(shape, np.uint8) for shape in ((4, 4), (0, 4, 3), (4, 4, 4))] + [np.zeros((4, 4, 3))]
)
def test_what_is_no_picture_is_refused(image):
    with pytest.raises(DataError, match=r"must be \(H, W, 3\) uint8"):
        encode_picture(image)


@pytest.mark.parametrize("kind", ["gaze_overlay", "gaze_crop"])
@pytest.mark.parametrize(
    ("looked", "match"),
    [(None, "no gaze is known"), (Fixations.empty(), "no fixation lies"),
     (Fixations.from_rows([(1.4, 0.5, 300, 0)]), "no fixation lies")],
)  # fmt: skip
def test_a_prompt_that_shows_gaze_needs_gaze_on_the_image(kind, looked, match):
    with pytest.raises(DataError, match=match) as caught:
        encode_pictures([kind], noise(), looked)
    assert "paper" in caught.value.remedy
    assert len(encode_pictures(["image"], noise(), looked)) == 1


def test_rings_stand_where_and_as_long_as_the_eye_rested():
    plain = np.full((600, 800, 3), 128, np.uint8)
    looked = Fixations.from_rows([(0.25, 0.5, 300, 0), (0.75, 0.5, 1200, 400)])
    drawn = draw_gaze(plain, looked)
    assert (plain == 128).all()
    rows, columns = np.nonzero((drawn == (0, 255, 255)).all(axis=2))
    for centre, duration in ((200, 300), (600, 1200)):
        near = np.abs(columns - centre) < 150
        away = np.hypot(columns[near] + 0.5 - centre, rows[near] + 0.5 - 300)
        assert away.mean() == pytest.approx(0.026 * 800 * np.sqrt(duration / 300), abs=1)
        assert np.ptp(away) < 5
        assert (drawn[300, centre] == 128).all()
    changed = (drawn != plain).any(axis=2).mean()
    assert 0 < changed < 0.02


def test_very_short_and_very_long_fixations_stay_visible_and_bounded():
    plain = np.zeros((1000, 1000, 3), np.uint8)
    for duration, radius in ((1, 10), (1e6, 70)):
        drawn = draw_gaze(plain, Fixations.from_rows([(0.5, 0.5, duration, 0)]))
        columns = np.nonzero((drawn == (0, 255, 255)).all(axis=2).any(axis=0))[0]
        assert np.ptp(columns) / 2 == pytest.approx(radius, abs=3)


def test_gaze_in_pixels_of_the_original_lands_on_its_resized_copy():
    rows = [(1500.0, 500.0, 400, 0)]
    looked = Fixations.from_rows(rows, "image_px")
    drawn = draw_gaze(np.zeros((100, 200, 3), np.uint8), looked, image_size=Size(1000, 2000))
    ringed = np.nonzero(drawn.any(axis=2))
    assert ringed[1].mean() + 0.5 == pytest.approx(150, abs=0.6)
    assert ringed[0].mean() + 0.5 == pytest.approx(50, abs=0.6)
    sent = encode_pictures(["gaze_overlay"], np.zeros((1000, 2000, 3), np.uint8), looked,
                           PictureSettings(long_side_px=200, format="png"))  # fmt: skip
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(bytes_of(sent[0])))), drawn)


def test_fixations_off_the_image_are_not_drawn():
    on = Fixations.from_rows([(0.5, 0.5, 300, 0)])
    off = Fixations.from_rows([(0.5, 0.5, 300, 0), (1.01, 0.5, 300, 400)])
    assert np.array_equal(draw_gaze(noise(), on), draw_gaze(noise(), off))


fixation = st.tuples(
    st.floats(-0.2, 1.2), st.floats(-0.2, 1.2), st.floats(20, 2000), st.floats(0, 60000)
)  # fmt: skip


@given(
    st.lists(fixation, min_size=1, max_size=12), st.integers(1, 400), st.integers(1, 400),
    st.floats(0.05, 1), st.floats(0, 0.3), st.floats(0.01, 1),
)  # fmt: skip
@settings(max_examples=50, deadline=None)
def test_the_box_lies_on_the_image_and_holds_the_looking_time(rows, height, width, share, margin, smallest):
    looked = Fixations.from_rows(rows)
    kept = GazeCropSettings(time_frac=share, margin_frac=margin, smallest_frac=smallest)
    if not looked.inside.any():
        with pytest.raises(DataError, match="no fixation lies"):
            gaze_box(looked, Size(height, width), kept)
        return
    box = gaze_box(looked, Size(height, width), kept)
    assert 0 <= box.top < box.bottom <= height
    assert 0 <= box.left < box.right <= width
    assert box.bottom - box.top >= smallest * height - 1e-6
    assert box.right - box.left >= smallest * width - 1e-6
    on = [row for row in rows if 0 <= row[0] <= 1 and 0 <= row[1] <= 1]
    total = sum(row[2] for row in on)
    for axis, side, low, high in ((0, width, box.left, box.right), (1, height, box.top, box.bottom)):
        held = sum(row[2] for row in on if low - 1e-6 <= row[axis] * side <= high + 1e-6)
        assert held >= share * total * (1 - 1e-9)


def test_a_glance_elsewhere_does_not_widen_the_crop():
    looked = [(0.3, 0.4, 1000, 0), (0.32, 0.42, 1000, 1000), (0.9, 0.9, 50, 2000)]
    box = gaze_box(Fixations.from_rows(looked), Size(100, 200), GazeCropSettings(margin_frac=0.05))
    assert box == (28, 37, 54, 87)
    image = noise(100, 200)
    cut = crop_to_gaze(image, Fixations.from_rows(looked), GazeCropSettings(margin_frac=0.05))
    assert np.array_equal(cut, image[28:54, 37:87])
    cut[...] = 0
    assert image[28:54, 37:87].any()


def test_the_crop_is_cut_from_the_image_before_it_is_shrunk():
    image = noise(1000, 1000)
    looked = Fixations.from_rows([(0.5, 0.5, 300, 0)])
    sent = encode_pictures(
        ["image", "gaze_crop"], image, looked, PictureSettings(long_side_px=250, format="png")
    )
    assert [picture.size for picture in sent] == [Size(250, 250), Size(250, 250)]
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(bytes_of(sent[1])))), image[375:625, 375:625])
