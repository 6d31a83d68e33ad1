"""The page of one radiograph: one file, every sentence with its place, and nothing that is not shown."""

from __future__ import annotations

import base64
import re

import cv2
import numpy as np
import pytest

from gaze_insight.chest.report import compose_report
from gaze_insight.chest.sentences import certainty_of
from gaze_insight.insight.radiograph_layers import (
    Outline,
    attention_layer,
    outlines_of,
    overlay_picture,
    plain_picture,
)
from gaze_insight.insight.radiograph_page import (
    FindingBar,
    ListedRadiograph,
    RadiographContent,
    write_radiograph,
    write_radiograph_list,
)
from gaze_insight.types import Size

IMAGE = np.random.default_rng(0).integers(0, 256, (120, 100, 3), dtype=np.uint8)


def spot(x: float, y: float) -> np.ndarray:
    at = (np.arange(20) + 0.5) / 20
    return np.exp(-((at[None] - x) ** 2 + (at[:, None] - y) ** 2) / 0.01)


def make(tmp_path, values, attention=None, **more) -> str:
    limits = dict.fromkeys(values, 0.4)
    report = compose_report(values, limits, class_attention=attention or {})
    bars = [FindingBar(name, p, 0.4, certainty_of(p, 0.4)) for name, p in values.items()]
    content = RadiographContent("a<b>.png", IMAGE, report, bars, attention or {}, **more)
    write_radiograph(content, tmp_path / "a.html")
    return (tmp_path / "a.html").read_text(encoding="utf-8")


def test_each_called_sentence_has_its_layer_and_its_grounds(tmp_path):
    values = {"Pleural Effusion": 0.9, "Atelectasis": 0.6, "Pneumothorax": 0.01, "Edema": 0.3}
    page = make(tmp_path, values, {"Pleural Effusion": spot(0.85, 0.78)}, notes=["Beware."])
    assert "There is a left pleural effusion" in page
    assert "shown by attention" in page
    assert "place not shown" in page
    assert "usual place: lower lung zone" in page
    layers = set(re.findall(r'<div class="layer (f\d+)', page))
    assert layers == set(re.findall(r'<label class="say \w+ place (f\d+)"', page))
    assert len(layers) == 2
    first = re.search(r'id="(f\d+)"[^>]*checked', page).group(1)
    effusion = re.search(r'place (f\d+)"[^>]*>\s*There is a left pleural effusion', page).group(1)
    assert first == effusion
    assert "nothing is said of: Edema" in page
    assert "Beware." in page
    assert "a&lt;b&gt;.png" in page
    assert "<script" not in page
    assert not re.search(r"(src|href)=\"(?!data:|#)", page)


def test_what_is_only_usual_is_dashed_and_not_called_seen(tmp_path):
    page = make(tmp_path, {"Pneumonia": 0.9})
    assert 'class="layer f1 unsure"' in page
    assert "The image shows no place" in page
    assert "left" not in re.search(r'<label class="say[^>]*>\s*(.*)', page).group(1)


def test_without_findings_the_whole_attention_is_shown(tmp_path):
    page = make(tmp_path, {"Pneumonia": 0.01}, overall=spot(0.5, 0.5), calibrated=False)
    assert "Nothing is called. This is where the network attended overall." in page
    assert "Not calibrated" in page
    assert "Called</h4>" not in page


def test_bars_stand_by_probability_in_their_groups(tmp_path):
    values = {"Edema": 0.5, "Pneumonia": 0.9, "Fracture": 0.3, "Pneumothorax": 0.02, "No Finding": 0.1}
    page = make(tmp_path, values)
    assert re.findall(r"<h4>([^<]+)</h4>", page) == [
        "Called", "Left open", "Clearly below the threshold", "A normal image"
    ]  # fmt: skip
    shown = re.findall(r'aria-label="([\w ]+): probability ([\d.]+), called from 0.40"', page)
    assert shown == [
        ("Pneumonia", "0.90"), ("Edema", "0.50"), ("Fracture", "0.30"), ("Pneumothorax", "0.02"),
        ("No Finding", "0.10"),
    ]  # fmt: skip


def test_an_empty_report_still_makes_a_page(tmp_path):
    assert "The run looks for no finding" in make(tmp_path, {})


def test_the_layer_is_clear_where_there_is_no_attention():
    uri = attention_layer(spot(0.8, 0.8), Size(120, 100))
    data = np.frombuffer(base64.b64decode(uri.split(",")[1]), np.uint8)
    layer = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
    assert layer.shape == (256, 213, 4)
    assert layer[10, 10, 3] == 0
    assert layer[205, 170, 3] > 100
    assert attention_layer(np.zeros((3, 3)), Size(4, 4)) == ""


def test_the_overlay_marks_sides_and_regions():
    outline = Outline("left lung", 54.0, 8.0, 36.0, 74.0)
    plain, drawn = overlay_picture(IMAGE, None), overlay_picture(IMAGE, spot(0.8, 0.8), [outline])
    assert plain.shape == drawn.shape == (1024, 853, 3)
    assert (drawn[500, 460:463] == (110, 231, 255)).all(axis=1).any()
    assert plain_picture(IMAGE).startswith("data:image/jpeg")
    assert outlines_of([]) == ()


def test_the_list_puts_the_surest_first_and_names_what_failed(tmp_path):
    rows = [
        ListedRadiograph("z.png", "", "not an image"),
        ListedRadiograph("b.png", "b.html", "Normal.", {}),
        ListedRadiograph("a b.png", "a b.html", "Edema.", {"Edema": 0.7}, 2),
    ]
    write_radiograph_list(rows, tmp_path / "index.html", run="runs/a")
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert [page.index(name) for name in ("a b.png", "b.png", "z.png")] == sorted(
        page.index(name) for name in ("a b.png", "b.png", "z.png")
    )
    assert 'href="a%20b.html"' in page
    assert "1 image could not be read" in page
    assert "3 images read by runs/a; findings are called on 1" in page


@pytest.mark.parametrize("side", [8, 3000])
def test_any_size_of_image_makes_a_page(tmp_path, side):
    report = compose_report({"Edema": 0.9}, {"Edema": 0.5})
    image = np.zeros((side, side // 2, 3), np.uint8)
    write_radiograph(RadiographContent("a", image, report), tmp_path / "a.html")
    assert (tmp_path / "a.html").stat().st_size < 200_000
