"""Example pictures of `study assisted`: where gaze helped most, typically, and where it hurt."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gaze_insight.cohort.case import Case
from gaze_insight.cohort.cohort import Cohort
from gaze_insight.config.run_folder import RunFolder
from gaze_insight.gaze.fixations import Fixations
from gaze_insight.insight.panels import Tile
from gaze_insight.insight.pictures import data_uri, gaze_tile, probability_tile
from gaze_insight.insight.study_page import StudyPictures
from gaze_insight.pseudomask.fusion import fuse
from gaze_insight.types import FloatArray
from gaze_insight.workflow.labelling import load_pseudo_mask
from gaze_insight.workflow.studies.assisted import AssistedStudy
from gaze_insight.workflow.studies.assisted_network import predict_unseen, unseen_cases

__all__ = ["assisted_pictures", "examples_of"]

_SIDE_PX = 300


def examples_of(gains: Sequence[float], count: int) -> list[int]:
    """Choose examples evenly from the largest gain to the largest loss.

    Args:
        gains: One a case.
        count: Examples wanted.

    Returns:
        Places in `gains`, each once, the largest gain first; all for fewer cases than wanted.

    Example:
        >>> examples_of([0.0, 0.3, -0.1, 0.1, 0.2], 3)
        [1, 3, 2]
    """
    order = np.argsort([-gain for gain in gains], kind="stable")
    if count <= 0 or not len(order):
        return []
    places = np.linspace(0, len(order) - 1, min(count, len(order))).round().astype(int)
    return [int(order[place]) for place in dict.fromkeys(places.tolist())]


def assisted_pictures(
    run: Path, cohort: Cohort, study: AssistedStudy, count: int = 3, *, device: str = "auto"
) -> list[StudyPictures]:
    """Show cases with gaze as recorded: the gaze, the image alone, the vote, and both.

    Args:
        run: The run.
        cohort: The study's cohort.
        study: What was found.
        count: Images, from the largest gain to the largest loss.
        device: Where to compute.

    Returns:
        One row of pictures an image; none where `count` is 0.
    """
    rows = [row for row in study.per_case if row["reading"] == "recorded"]
    chosen = [rows[place] for place in examples_of([r["assisted"] - r["image"] for r in rows], count)]
    if not chosen:
        return []
    cases = [cohort.cases[row["id"]] for row in chosen]
    unseen = unseen_cases(run, cohort, cases)
    networks = {case.id: prob for case, prob in predict_unseen(unseen, cohort, device=device)}
    return [_row(run, cohort, row, networks[row["id"]], study) for row in chosen]


def _row(
    run: Path, cohort: Cohort, row: dict[str, object], network: FloatArray, study: AssistedStudy
) -> StudyPictures:
    case: Case = cohort.cases[str(row["id"])]
    config = RunFolder(run).config()
    image, truth, vote = case.read_image(), case.read_mask(), load_pseudo_mask(cohort, case, config.labels)
    known = row["recording_agreement"]
    agreement = known if isinstance(known, float) else None
    together = fuse(network, vote, study.fusion, recording_agreement=agreement)
    threshold, level = config.prediction.threshold, config.labels.levels.comprehensive
    maps = [("Image alone", "image", network, threshold)]
    if vote is not None:
        maps.append(("Gaze alone", "gaze", vote.soft, level))
    maps.append(("Image and gaze", "assisted", together.probability, threshold))
    gaze = gaze_tile(image, case.fixations or Fixations.empty(), _SIDE_PX)
    tiles = [Tile("Gaze", "numbered in time", f"{case.id}: fixations on the image", data_uri(gaze))]
    for title, column, prob, cut in maps:
        picture = probability_tile(image, prob, truth, threshold=cut, long_side_px=_SIDE_PX)
        alt = f"{case.id}: {title.lower()}, with true outline"
        tiles.append(Tile(title, f"Dice {row[column]:.2f}", alt, data_uri(picture)))
    share = f"gaze counts {100 * together.gaze_share:.0f} %"
    return StudyPictures(f"{case.id}: true outline in yellow; {share}", tiles)
