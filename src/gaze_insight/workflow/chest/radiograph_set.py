"""The radiographs of a split in the network's square: images, labels, gaze, boxes, text and sequences."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gaze_insight.atomic import replace_atomic
from gaze_insight.chest.findings import findings_named
from gaze_insight.chest.labels import label_matrix
from gaze_insight.cohort.artefacts import KeyPart
from gaze_insight.cohort.case import Case
from gaze_insight.cohort.cohort import Cohort
from gaze_insight.cohort.images import image_size
from gaze_insight.config.chest_config import ChestConfig, ChestTextSettings
from gaze_insight.errors import DataError
from gaze_insight.gaze.fixations import Fixations
from gaze_insight.training.letterbox import Letterbox
from gaze_insight.training.radiographs import BoxRows, RadiographSet
from gaze_insight.types import FloatArray, Progress, Size, silent
from gaze_insight.workflow.chest.looking import fixation_row, gaze_map, looks_used, trust_of
from gaze_insight.workflow.chest.vocabulary import PADDING, Vocabulary, words_of

__all__ = ["SetSources", "build_radiograph_set", "size_of", "text_of"]

_KIND, _VERSION = "radiographs", 1


@dataclass(frozen=True)
class SetSources:
    """Where the parts of a set come from besides its cases.

    Attributes:
        findings: The findings, in order.
        vocabulary: The known words.
        gaze: Case id to the case whose gaze it gets, where gaze is shuffled.
        text: Case id to the case whose text it gets, where texts are shuffled.
    """

    findings: tuple[str, ...]
    vocabulary: Vocabulary
    gaze: Mapping[str, Case] = field(default_factory=dict)
    text: Mapping[str, Case] = field(default_factory=dict)


def text_of(case: Case, settings: ChestTextSettings, readers: str = "all") -> str | None:
    """Give the text that goes with a radiograph.

    Args:
        case: The case.
        settings: Which text.
        readers: Of transcripts: ``first``, or ``all`` one after another.

    Returns:
        The text; None where there is none.

    Example:
        >>> from pathlib import Path
        >>> from gaze_insight.cohort.chest_facts import ChestFacts
        >>> case = Case("a", Path("a.png"), chest=ChestFacts(report="Clear lungs."))
        >>> text_of(case, ChestTextSettings(source="report")), text_of(case, ChestTextSettings())
        ('Clear lungs.', None)
    """
    if case.chest is None or settings.source == "none":
        return None
    if settings.source == "report":
        return case.chest.report or None
    said = []
    for reading in case.chest.readings:
        spoken = reading.transcript or " ".join(word.text for word in reading.words)
        if spoken.strip():
            said.append(spoken)
    return " ".join(said if readers == "all" else said[:1]) or None


def build_radiograph_set(
    cohort: Cohort,
    cases: Sequence[Case],
    sources: SetSources,
    config: ChestConfig,
    *,
    progress: Progress = silent,
) -> tuple[RadiographSet, dict[str, int]]:
    """Bring radiographs into the network's square; images and gaze maps are made once and mapped into memory.

    Args:
        cohort: The cohort.
        cases: The cases.
        sources: Findings, vocabulary, and whose gaze and text each case gets.
        config: The configuration.
        progress: Receives progress in cases.

    Returns:
        The set, and counts of what is in it and what was cut off.

    Raises:
        DataError: There is no case, or an image cannot be read.
    """
    if not cases:
        raise DataError("expected at least one radiograph, found none", path=cohort.folder)
    gaze = config.gaze
    places = [Letterbox(size_of(case), config.training.input_size_px) for case in cases]
    donors = [sources.gaze.get(case.id, case) for case in cases]
    looks = [looks_used(donor, gaze) for donor in donors]
    rows = [fixation_row(one, place, gaze.longest_sequence) for one, place in zip(looks, places, strict=True)]
    words, words_cut = _texts(cases, sources, config)
    boxes, nameless = _boxes(cases, places, sources.findings, config.labels.certainty_threshold)
    data = RadiographSet(
        ids=tuple(case.id for case in cases),
        images=_images(cohort, cases, places, progress),
        labels=label_matrix(cases, config.labels, sources.findings).values,
        gaze=_gaze_maps(cohort, donors, places, config, progress),
        trust=np.array([trust_of(one) for one in looks], np.float32),
        boxes=boxes,
        text=words,
        sequence=np.stack([row.values for row in rows]),
        sequence_mask=np.stack([row.valid for row in rows]),
        frames=np.array([place.frame for place in places], np.float32),
    )
    return data, {
        "cases": len(cases),
        "with_gaze": sum(bool(one) for one in looks),
        "readings": sum(map(len, looks)),
        "with_text": int((words != PADDING).any(axis=1).sum()),
        "with_boxes": len(np.unique(boxes.case)),
        "boxes": len(boxes),
        "boxes_of_other_findings": nameless,
        "fixations_cut": sum(row.cut for row in rows),
        "words_cut": words_cut,
    }


def size_of(case: Case) -> Size:
    """Give the size of a case's image, from its file where the cohort does not know it.

    Args:
        case: The case.

    Returns:
        Height and width in pixels.

    Raises:
        DataError: The image cannot be read.

    Example:
        >>> from pathlib import Path
        >>> size_of(Case("a", Path("a.png"), image_size=Size(3, 4)))
        Size(height=3, width=4)
    """
    return case.image_size or image_size(case.image_path)


def _images(
    cohort: Cohort, cases: Sequence[Case], places: Sequence[Letterbox], progress: Progress
) -> NDArray[np.uint8]:
    side = places[0].side_px
    key = cohort.derived.key(
        _KIND, _VERSION, "image", side, *(cohort.derived.file_hash(case.image_path) for case in cases)
    )
    stored: NDArray[np.uint8] = _plane(
        cohort,
        key,
        (len(cases), side, side),
        "|u1",
        lambda index: places[index].fit(cases[index].read_image()),
        lambda done: progress("preparing radiographs", done, len(cases)),
    )
    return stored


def _gaze_maps(
    cohort: Cohort,
    donors: Sequence[Case],
    places: Sequence[Letterbox],
    config: ChestConfig,
    progress: Progress,
) -> NDArray[np.float32]:
    gaze = config.gaze
    recipe = gaze.model_dump(include={"use", "readers", "sigma_deg", "sigma_frac", "map_px"})
    content: list[KeyPart] = [repr(recipe)]
    for donor, place in zip(donors, places, strict=True):
        content.append(repr((tuple(place.image), place.frame, tuple(size_of(donor)))))
        for look in looks_used(donor, gaze):
            content += [repr(look.degree_frac), np.array((look.fixations or Fixations.empty()).to_rows())]

    def draw(index: int) -> FloatArray:
        donor = donors[index]
        return gaze_map(looks_used(donor, gaze), size_of(donor), places[index], gaze)

    key = cohort.derived.key(_KIND, _VERSION, "gaze", *content)
    shape = (len(donors), gaze.map_px, gaze.map_px)
    stored: NDArray[np.float32] = _plane(
        cohort, key, shape, "<f4", draw, lambda done: progress("drawing gaze", done, len(donors))
    )
    return stored


def _plane(
    cohort: Cohort,
    key: str,
    shape: tuple[int, ...],
    kind: str,
    make: Callable[[int], NDArray[Any]],
    tell: Callable[[int], None],
) -> NDArray[Any]:
    """Map an array that is stored under its key into memory; make it row by row where it is not there."""
    path = cohort.derived.path(_KIND, key, ".npy")
    if not path.exists():
        header = {"descr": kind, "fortran_order": False, "shape": shape}
        with replace_atomic(path) as temporary, temporary.open("wb") as stream:
            np.lib.format.write_array_header_1_0(stream, header)
            for index in range(shape[0]):
                stream.write(np.ascontiguousarray(make(index)).astype(kind).tobytes())
                tell(index + 1)
    stored: NDArray[Any] = np.load(path, mmap_mode="r")
    return stored


def _texts(cases: Sequence[Case], sources: SetSources, config: ChestConfig) -> tuple[NDArray[np.int64], int]:
    length, rows, cut = config.text.longest_words, [], 0
    for case in cases:
        text = text_of(sources.text.get(case.id, case), config.text, config.gaze.readers)
        rows.append(sources.vocabulary.encode(text, length))
        cut += max(0, len(words_of(text or "")) - length)
    return np.stack(rows), cut


def _boxes(
    cases: Sequence[Case], places: Sequence[Letterbox], findings: Sequence[str], certain: int
) -> tuple[BoxRows, int]:
    """Boxes of the findings, and the number of boxes of findings that are not learned or too uncertain."""
    rows: list[tuple[int, int, bool]] = []
    corners: list[NDArray[np.float64]] = []
    others = 0
    for index, (case, place) in enumerate(zip(cases, places, strict=True)):
        for box in case.chest.boxes if case.chest is not None else ():
            if box.kind != "finding":
                continue
            named = [name for name in findings_named(box.name) if name in findings]
            if not named or (box.certainty is not None and box.certainty < certain):
                others += 1
                continue
            edges = place.place(np.array([(box.x0, box.y0), (box.x1, box.y1)])).reshape(4)
            rows += [(index, findings.index(name), box.shape == "ellipse") for name in named]
            corners += [edges] * len(named)
    if not rows:
        return BoxRows.none(), others
    table = np.array(rows, np.int64)
    placed = np.stack(corners).astype(np.float32)
    return BoxRows(table[:, 0], table[:, 1], placed, table[:, 2].astype(bool)), others
