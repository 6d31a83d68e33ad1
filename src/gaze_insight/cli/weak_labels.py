"""`gaze-insight weak-labels`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from gaze_insight.cli.console import count_of, print_json, say, show_progress
from gaze_insight.cli.dotted_settings import settings_from
from gaze_insight.cli.options import Json, OnBad, Quiet

if TYPE_CHECKING:
    from gaze_insight.gaze.weak_labels import WeakLabelSettings

__all__ = ["compose_weak_labels", "weak_labels"]

_NAMES = {
    "labelled": "pixels with a label",
    "foreground_on_lesion": "foreground on the lesion",
    "background_off_lesion": "background off the lesion",
    "lesion_inside": "lesion inside the boxes",
    "box_iou": "overlap (IoU) with the lesion's box",
}


def weak_labels(
    cohort: Path,
    /,
    *,
    kind: Literal["points", "box", "scribble"],
    out: Annotated[Path, Parameter(name=("--out", "-o"))],
    split: Literal["train", "val", "test"] | None = None,
    overrides: Annotated[
        tuple[str, ...],
        Parameter(
            name="--set",
            show_default=False,
            help="One setting of this kind of label, such as margin_frac=0.05; may be given several times.",
        ),
    ] = (),
    score: Annotated[bool, Parameter(show_default=False)] = False,
    on_bad: OnBad = "raise",
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write points, boxes or scribbles made from gaze: label maps (0, 1, 255) and annotations.json in pixels.

    All kinds come from the same looking and cost the same seconds, so that methods which learn from points,
    boxes or scribbles can be compared fairly. To train on them here: `train --set method.kind=unet --set
    method.target=box`.

    Args:
        cohort: The cohort's folder.
        kind: What to make of the gaze.
        out: Folder for the labels.
        split: Only the cases of one split.
        score: Compare the labels with the true masks where there are any.
    """
    from dataclasses import asdict

    from gaze_insight.cli.lesions_only import open_for_lesions
    from gaze_insight.workflow.weak_labels import export_weak_labels

    settings, opened = compose_weak_labels(kind, overrides), open_for_lesions(cohort, "weak-labels")
    with show_progress(quiet=quiet) as progress:
        done = export_weak_labels(
            opened,
            kind,
            out,
            settings,
            cases=None if split is None else opened.subset(split),
            score=score,
            on_bad=on_bad,
            progress=progress,
        )
    if json:
        print_json(asdict(done))
        return
    cases = count_of(len(done.written), "case")
    say(f"{cases} from {done.fixations} fixations and {done.hours:.2f} h of looking")
    unused = ", ".join(f"{count} {reason}" for reason, count in done.fixations_left_out.items() if count)
    if unused:
        say(f"fixations that do not count: {unused}")
    for name, found in done.scores.items():
        cases = count_of(int(found["n"]), "case")
        say(f"{_NAMES.get(name, name)}: {100 * found['mean']:.1f} % (mean of {cases} with masks)")
    if score and not done.scores:
        say("no case has a true mask: nothing to compare with")
    if done.left_out:
        say(f"without label: {len(done.left_out)}")
        for id, reason in list(done.left_out.items())[:3]:
            say(f"  {id}: {reason}")
    say(f"label maps and annotations.json: {out}")


def compose_weak_labels(kind: str, overrides: tuple[str, ...]) -> WeakLabelSettings:
    """Compose the settings of one kind of label: defaults < single settings.

    Args:
        kind: ``points``, ``box`` or ``scribble``.
        overrides: ``dotted.key=value`` of that kind's settings, with the value in YAML.

    Returns:
        The settings; those of the other kinds are the defaults.

    Raises:
        SettingsError: A key or value that cannot be used; the nearest key is named.

    Example:
        >>> compose_weak_labels("box", ("gaze.mad_factor=null",)).box.gaze.mad_factor is None
        True
    """
    from gaze_insight.gaze.weak_labels import WeakLabelSettings

    own = type(getattr(WeakLabelSettings(), kind))
    return WeakLabelSettings(**{kind: settings_from(own, overrides, "--set")})
