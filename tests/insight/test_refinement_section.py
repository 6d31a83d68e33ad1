from __future__ import annotations

import base64

import cv2
import numpy as np

from gaze_insight.insight.pictures import COLOURS
from gaze_insight.insight.refinement_section import (
    RefinedPicture,
    RefinementSection,
    refinement_tiles,
    refinement_values,
)
from gaze_insight.insight.rendering import render_page
from gaze_insight.insight.report import ReportContent, write_report

from .factories import disc, looking, photo


def picture(
    id: str = "case", before: np.ndarray | None = None, after: np.ndarray | None = None
) -> RefinedPicture:
    vote = disc(radius=12).astype(np.float32) if before is None else before
    new = disc(radius=15).astype(np.float32) if after is None else after
    return RefinedPicture(id, "typical", photo(), looking(), vote, new, new, 0.45, 0.87, (0.8, 0.5))


def decoded(uri: str) -> np.ndarray:
    data = np.frombuffer(base64.b64decode(uri.partition(",")[2]), np.uint8)
    return cv2.cvtColor(cv2.imdecode(data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB).astype(int)


def nearest(pixel: np.ndarray, base: int) -> str:
    mixed = {name: base * 0.4 + 0.6 * np.array(COLOURS[name]) for name in ("both", "truth", "prediction")}
    return min(mixed, key=lambda name: np.abs(pixel - mixed[name]).sum())


def test_what_changed_is_told_by_colour_and_share():
    before, after = disc(column=34).astype(np.float32), disc(column=46).astype(np.float32)
    case = RefinedPicture(
        "a", "typical", np.full((60, 80, 3), 90, np.uint8), None, before, after, after, 0.45, 0.6, (0.8, 0.5)
    )
    tile = refinement_tiles(case)[-1]
    assert tile.text == f"{100 * np.mean(before != after):.1f} % of the pixels"
    shown = decoded(tile.uri)
    scale = shown.shape[0] / 60
    for column, expected in ((40, "both"), (22, "truth"), (58, "prediction")):
        assert nearest(shown[int(30 * scale), int(column * scale)], 90) == expected


def test_every_tile_has_words_for_those_who_cannot_see_it():
    for tile in refinement_tiles(picture("case-7")):
        assert tile.alt.startswith("case-7: ")
        assert tile.title
        assert tile.text


def test_the_report_shows_rounds_and_cases_and_leaves_the_part_out_without(tmp_path):
    row = {
        "round": 1, "cases": 700, "changed_cases": 690, "dice_of_vote_and_refined": 0.951,
        "changed_pixels_frac": 0.0123, "trust_before": 0.71, "trust_after": 0.62, "seconds": 754,
    }  # fmt: skip
    section = RefinementSection([row], 3, [picture("<odd> name")], missing=2)
    content = ReportContent("A run", {"method": "unet", "cohort": "demo"}, refinement=section)
    write_report(content, tmp_path / "with.html")
    page = (tmp_path / "with.html").read_text(encoding="utf-8")
    for words in (
        "cut in 3 parts",
        "0.951",
        "1.2 %",
        "0.71",
        "0.62",
        "12 min 34 s",
        "2 cases cannot be shown",
    ):
        assert words in page
    assert "&lt;odd&gt; name" in page
    assert "<odd>" not in page
    write_report(ReportContent("A run", {"method": "unet", "cohort": "demo"}), tmp_path / "without.html")
    assert "How the labels were refined" not in (tmp_path / "without.html").read_text(encoding="utf-8")


def test_a_section_without_pictures_shows_the_rounds_alone():
    values = refinement_values(RefinementSection([], 2))
    page = render_page("refinement.html.j2", {"refinement": values})
    assert "cut in 2 parts" in page
    assert "<figure>" not in page
