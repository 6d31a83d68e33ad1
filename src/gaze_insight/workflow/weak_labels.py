"""`weak-labels`: one reading of gaze as points, boxes or scribbles, as files for any other tool."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from gaze_insight import __version__
from gaze_insight.atomic import write_text_atomic
from gaze_insight.cohort.artefacts import ArtefactStore
from gaze_insight.cohort.case import Case
from gaze_insight.cohort.cohort import Cohort
from gaze_insight.cohort.images import image_size, write_png
from gaze_insight.cohort.manifest import MANIFEST
from gaze_insight.errors import DataError, SettingsError
from gaze_insight.evaluation.weak_label_scores import score_weak_label
from gaze_insight.gaze.annotation_time import annotation_time
from gaze_insight.gaze.weak_labels import (
    BoxLabel,
    PointLabel,
    WeakKind,
    WeakLabel,
    WeakLabelSettings,
    make_weak_label,
)
from gaze_insight.types import BACKGROUND, FOREGROUND, IGNORE, Progress, Settings, Size, silent

__all__ = [
    "ANNOTATIONS",
    "WeakLabelReport",
    "export_weak_labels",
    "weak_label_key",
    "weak_label_of",
]

ANNOTATIONS = "annotations.json"
_KIND, _VERSION = "weak-label", 1
_MAPS = "label_maps"
_FRAME = "pixels of the image: row i, column j covers [j, j + 1) x [i, i + 1)"


@dataclass
class WeakLabelReport:
    """What was written.

    Attributes:
        kind: ``points``, ``box`` or ``scribble``.
        written: Ids whose label was written.
        left_out: Id to reason of the cases that have no label.
        fixations: Fixations on which the labels rest.
        fixations_left_out: Reason to number of fixations that did not count.
        hours: Time spent looking at the written cases.
        hours_source: What was added up, in words.
        scores: Measure to ``{"mean": value, "n": cases}``, against true masks; empty where not asked for.
    """

    kind: WeakKind
    written: list[str] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    fixations: int = 0
    fixations_left_out: dict[str, int] = field(default_factory=dict)
    hours: float = 0.0
    hours_source: str = ""
    scores: dict[str, dict[str, float]] = field(default_factory=dict)


def weak_label_of(case: Case, kind: WeakKind, settings: WeakLabelSettings | None = None) -> WeakLabel | None:
    """Make the weak label of a case from its gaze; the image's pixels are not read.

    Args:
        case: The case.
        kind: Which label.
        settings: How; None for the defaults.

    Returns:
        The label; None for a case without a fixation on the image.

    Raises:
        DataError: The image's size is not known and its file cannot be read.

    Example:
        >>> weak_label_of(Case(id="a", image_path=Path("a.png")), "box") is None
        True
    """
    if case.fixations is None or len(case.fixations) == 0:
        return None
    size = case.image_size or image_size(case.image_path)
    fixations = case.fixations.to_frame("image_unit", image_size=size)
    return make_weak_label(kind, fixations, size, settings) if fixations.inside.any() else None


def weak_label_key(
    store: ArtefactStore, case: Case, kind: WeakKind, settings: WeakLabelSettings | None = None
) -> str:
    """Make the key of a case's weak label, for what is made from it.

    Args:
        store: The cohort's cache.
        case: The case; without gaze it has a key all the same.
        kind: Which label.
        settings: How; None for the defaults. Only those of this kind count.

    Returns:
        A key that changes with the fixations, the image's size, the settings and the recipe's version.

    Raises:
        DataError: The image's size is not known and its file cannot be read.

    Example:
        >>> case = Case(id="a", image_path=Path("a.png"), image_size=Size(2, 2))
        >>> len(weak_label_key(ArtefactStore("unused"), case, "box"))
        64
    """
    rows = np.array([] if case.fixations is None else case.fixations.to_rows())
    frame = "" if case.fixations is None else case.fixations.frame
    size = case.image_size or image_size(case.image_path)
    own: Settings = getattr(settings or WeakLabelSettings(), kind)
    return store.key(_KIND, _VERSION, kind, rows, frame, repr(size), own)


def export_weak_labels(
    cohort: Cohort,
    kind: WeakKind,
    out: str | Path,
    settings: WeakLabelSettings | None = None,
    *,
    cases: Iterable[Case] | None = None,
    score: bool = False,
    on_bad: Literal["raise", "skip"] = "raise",
    progress: Progress = silent,
) -> WeakLabelReport:
    """Write the weak label of each case: a label map, and its geometry in pixels.

    ``label_maps/ID.png`` holds 0 for background, 1 for foreground and 255 for what is not known, at the
    image's size. ``annotations.json`` has the lists of COCO (images, categories, annotations): boxes as
    ``bbox`` = [left, top, width, height]; points as ``points`` with ``labels`` 1 or 0, the prompts that
    segment-anything models take; scribbles as ``strokes``. It also holds the settings, the seconds of
    looking, and what was left out.

    Args:
        cohort: The cohort.
        kind: ``points``, ``box`` or ``scribble``.
        out: Folder to write; it must not hold such an export already.
        settings: How; None for the defaults.
        cases: The cases; None for all.
        score: Compare the labels with the true masks of the cases that have one.
        on_bad: What a case whose image or mask cannot be read does: stop, or be skipped and listed.
        progress: Receives progress in cases.

    Returns:
        What was written.

    Raises:
        SettingsError: The folder holds an export or a cohort already.
        DataError: No case has gaze, a file cannot be written, or one cannot be read and `on_bad` is "raise".
    """
    settings, folder = settings or WeakLabelSettings(), Path(out)
    if (folder / MANIFEST).exists():
        raise SettingsError(f"{folder} is a cohort's folder", remedy="choose another folder")
    if (folder / ANNOTATIONS).exists():
        raise SettingsError(f"{folder} holds exported labels already", remedy="choose another folder")
    export, left_out = _Export(cohort, kind, folder, settings), {}
    chosen = list(cohort.cases.values() if cases is None else cases)
    for done, case in enumerate(chosen, start=1):
        try:
            if not export.add(case, score=score):
                left_out[case.id] = "no fixation on the image"
        except DataError as error:
            if on_bad == "raise":
                raise
            left_out[case.id] = str(error)
        progress("writing labels", done, len(chosen))
    if not export.images:
        reasons = ", ".join(sorted(set(left_out.values()))[:1])
        raise DataError(
            f"expected cases with gaze, found none among {len(chosen)}{reasons and f' ({reasons})'}",
            path=cohort.folder,
            remedy="see what is missing with: gaze-insight inspect",
        )
    return export.finish(left_out)


class _Export:
    """What has been written so far."""

    def __init__(self, cohort: Cohort, kind: WeakKind, folder: Path, settings: WeakLabelSettings) -> None:
        self.cohort, self.kind, self.folder, self.settings = cohort, kind, folder, settings
        self.images: list[dict[str, Any]] = []
        self.annotations: list[dict[str, Any]] = []
        self.unused: Counter[str] = Counter()
        self.scores: dict[str, list[float]] = {}

    def add(self, case: Case, *, score: bool) -> bool:
        """Write a case's label map and note its geometry; False for a case without gaze."""
        label = weak_label_of(case, self.kind, self.settings)
        if label is None:
            return False
        size = case.image_size or image_size(case.image_path)
        mask = case.read_mask() if score else None
        write_png(self.folder / _MAPS / f"{case.id}.png", label.rasterise(size), durable=False)
        for name, value in ({} if mask is None else score_weak_label(label, mask)).items():
            self.scores.setdefault(name, []).append(value)
        self.unused.update(label.left_out)
        self.images.append(_image(case, size, len(self.images) + 1))
        self.annotations += _annotations(label, size, len(self.images), len(self.annotations) + 1)
        return True

    def finish(self, left_out: dict[str, str]) -> WeakLabelReport:
        """Write the annotations and sum up."""
        written = [str(image["case"]) for image in self.images]
        found = {one: self.cohort.cases[one].fixations for one in written}
        looked = {one: fixations for one, fixations in found.items() if fixations is not None}
        spent = annotation_time(looked)
        report = WeakLabelReport(
            self.kind,
            written,
            left_out,
            fixations=sum(map(len, looked.values())) - self.unused.total(),
            fixations_left_out=dict(self.unused),
            hours=spent.hours,
            hours_source=spent.source,
            scores={
                name: {"mean": float(np.mean(values)), "n": len(values)}
                for name, values in self.scores.items()
            },
        )
        for image in self.images:
            image["looking_s"] = round(spent.per_case_s[image["case"]], 3)
        content = {
            "info": _info(self.cohort, report, self.settings),
            "images": self.images,
            "categories": [{"id": 1, "name": "lesion"}],
            "annotations": self.annotations,
        }
        text = json.dumps(content, ensure_ascii=False, indent=1)
        write_text_atomic(self.folder / ANNOTATIONS, text + "\n")
        return report


def _image(case: Case, size: Size, number: int) -> dict[str, Any]:
    return {
        "id": number,
        "case": case.id,
        "file_name": case.image_path.name,
        "width": size.width,
        "height": size.height,
        "label_map": f"{_MAPS}/{case.id}.png",
    }


def _annotations(label: WeakLabel, size: Size, image: int, number: int) -> list[dict[str, Any]]:
    """Put the geometry in pixels: one record a box, or one for all points or strokes of the image."""
    extent = np.array([size.width, size.height])
    if isinstance(label, BoxLabel):
        contents = []
        for low, high in zip(label.boxes[:, :2] * extent, label.boxes[:, 2:] * extent, strict=True):
            bbox = [*low, *(high - low)]
            contents.append({"bbox": _plain(bbox), "area": _plain(bbox[2] * bbox[3]), "iscrowd": 0})
    elif isinstance(label, PointLabel):
        points = np.concatenate([label.foreground, label.background]) * extent
        labels = [FOREGROUND] * len(label.foreground) + [BACKGROUND] * len(label.background)
        contents = [{"points": _plain(points), "labels": labels}]
    else:
        marked = [(FOREGROUND, line) for line in label.foreground]
        marked += [(BACKGROUND, line) for line in label.background]
        strokes = [{"label": value, "points": _plain(line * extent)} for value, line in marked]
        contents = [{"strokes": strokes, "width_px": _plain(label.width_frac * max(size))}]
    return [
        {"id": number + place, "image_id": image, "category_id": 1, **content}
        for place, content in enumerate(contents)
    ]


def _plain(values: Any) -> Any:
    return np.round(np.asarray(values, np.float64), 3).tolist()


def _info(cohort: Cohort, report: WeakLabelReport, settings: WeakLabelSettings) -> dict[str, Any]:
    return {
        "description": f"weak labels ({report.kind}) made from gaze by gaze-insight {__version__}",
        "cohort": cohort.name,
        "kind": report.kind,
        "frame": _FRAME,
        "label_map_values": {"background": BACKGROUND, "foreground": FOREGROUND, "unknown": IGNORE},
        "settings": settings.model_dump(mode="json")[report.kind],
        "annotation_time_h": report.hours,
        "annotation_time_source": report.hours_source,
        "fixations": report.fixations,
        "fixations_left_out": report.fixations_left_out,
        "left_out": report.left_out,
        "scores": report.scores,
    }
