"""From the account of an import to what a reader should know, in plain words and with a severity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from gaze_insight.cohort.import_report import ImportReport, SizeMismatch
from gaze_insight.gaze.readers.left_out import REASONS, count_words
from gaze_insight.types import Size

__all__ = ["Finding", "Severity", "findings_from_import"]

Severity = Literal["error", "warning", "ok"]

_NO_GAZE = "image(s) without gaze"
_NO_OUTLINE = "image(s) without an expert's outline"
_SIZES = "image(s) whose sizes disagree"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at, and how it stands.

    Args:
        severity: "error" (cannot be used as it is), "warning" (usable, but know it), "ok" (checked and fine).
        title: The finding in a few words, with its count.
        meaning: What it means for the work, and what to do, in a sentence.
        items: The ids or files concerned; long lists are folded.

    Example:
        >>> Finding("ok", "All 3 images have gaze").meaning
        ''
    """

    severity: Severity
    title: str
    meaning: str = ""
    items: Sequence[str] = ()


def findings_from_import(report: ImportReport, *, radiographs: bool = False) -> list[Finding]:
    """Say in plain words what an import found; what is fine is said too.

    Args:
        report: The account of the import.
        radiographs: Whether the cases are chest radiographs: labels are learned, so that no outline is
            needed, images without gaze teach too, and pictures may have been resized.

    Returns:
        One finding for each thing that was checked, in the order of checking.

    Example:
        >>> [finding.severity for finding in findings_from_import(ImportReport(joined=("a",)))][:1]
        ['ok']
    """
    checks: list[_Check] = [
        (
            "error",
            [f"{path}: {message}" for path, message in report.bad_files],
            "file(s) could not be used",
            "They are damaged or of an unknown kind. Replace them, or go on without their cases.",
            "Every file could be read",
        ),
        (
            "warning",
            [f"{case}: {reason}" for case, reason in report.excluded],
            "image(s) not in the cohort",
            "Each for the reason given.",
            "",
        ),
        (
            "warning",
            report.images_without_gaze,
            _NO_GAZE,
            "No fixation on them is known: they cannot teach, but they can be tested on.",
            "Every image has gaze",
        ),
        (
            "error",
            () if report.joined else report.gaze_files,
            "gaze file(s) without a fixation on any image",
            "Check format, frame and unit of time, and how fixations are detected (events).",
            "",
        ),
        (
            "warning",
            report.gaze_without_image,
            "id(s) in the gaze files without an image",
            "Their gaze is not used. If there are many, images have other names there.",
            "All gaze belongs to an image",
        ),
        (
            "warning",
            report.images_without_mask,
            _NO_OUTLINE,
            "Training from gaze needs none; scoring does.",
            "Every image has an expert's outline",
        ),
        ("warning", report.masks_without_image, "outline(s) without an image", "They are not used.", ""),
        (
            "warning",
            report.empty_masks,
            "empty outline(s)",
            "The expert marked no lesion. Scores for them follow the empty-mask rule.",
            "",
        ),
        (
            "error",
            [_mismatch(entry) for entry in report.sizes_disagree],
            _SIZES,
            "Gaze or outline may belong to another version of the image: check which files are joined.",
            "All sizes agree",
        ),
        (
            "warning",
            report.problems,
            "problem(s) in the gaze files",
            "What cannot be read was left out; the rest is used as it stands.",
            "",
        ),
        (
            "warning",
            report.unknown_split_ids,
            "id(s) of the split files not in the cohort",
            "The splits are smaller than their files say.",
            "",
        ),
        ("warning", report.unsplit, "case(s) in no split", "They are not used for anything.", ""),
        (
            "warning",
            report.ignored_files,
            "other file(s) beside the images, ignored",
            "They are no images.",
            "",
        ),
    ]
    if radiographs:
        checks = [_of_radiographs(check) for check in checks if check[2] != _NO_OUTLINE]
    findings = [_finding(*check) for check in checks]
    findings += _left_out(report)
    return [finding for finding in findings if finding.title]


_Check = tuple[Severity, Sequence[str], str, str, str]


def _of_radiographs(check: _Check) -> _Check:
    """The same check in the words that hold for radiographs."""
    _, items, title, _, fine = check
    if title == _NO_GAZE:
        return "warning", items, title, "They teach by their labels alone.", fine
    if title == _SIZES:
        meaning = "Gaze and boxes are fractions of the original image: resized pictures fit, cut ones do not."
        return "warning", items, "picture(s) of another size than the original", meaning, fine
    return check


def _left_out(report: ImportReport) -> list[Finding]:
    """One finding a reason; bad rows are among the problems."""
    found = f", {report.fixations:,} fixations" if report.fixations else ""
    whole = f"The gaze files hold {report.rows:,} rows{found}."
    return [
        Finding(
            "ok",
            f"{count_words(reason, count)}: not used",
            f"{REASONS[reason].meaning} {whole}" if reason in REASONS else whole,
        )
        for reason, count in report.dropped.items()
        if count and reason != "bad_row"
    ]


def _finding(severity: Severity, items: Sequence[str], title: str, meaning: str, fine: str) -> Finding:
    if not items:
        return Finding("ok", fine)
    return Finding(
        severity,
        f"{len(items):,} {title.replace('(s)', '' if len(items) == 1 else 's')}",
        meaning,
        tuple(items),
    )


def _mismatch(entry: SizeMismatch) -> str:
    parts = (("image", entry.image), ("outline", entry.mask), ("gaze file", entry.table))
    return f"{entry.id}: " + ", ".join(f"{name} {_size(size)}" for name, size in parts if size is not None)


def _size(size: Size) -> str:
    return f"{size.width} × {size.height}"
