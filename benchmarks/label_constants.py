"""How the constants of `label` were chosen, and how much each of them matters.

    python benchmarks/label_constants.py COHORT --out docs/results [--workers 2] [--cases 700]

Only the training split is looked at. Each constant is changed alone, a step to either side of the default.
The table shows the paired change of the mean Dice with a bootstrap interval. Nested selection says what
choosing costs: in each of five outer folds the best setting is chosen on the other four and scored on the
fold. With --fit-calibration the curve from features to expected Dice is fitted too.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from gaze_insight.cohort.case import Case
from gaze_insight.cohort.cohort import Cohort
from gaze_insight.evaluation.overlap import dice
from gaze_insight.evaluation.statistics import bootstrap_interval
from gaze_insight.gaze.fixations import Fixations
from gaze_insight.pseudomask.evidence import gather_evidence
from gaze_insight.pseudomask.expected_dice import fit_calibration
from gaze_insight.pseudomask.features import label_features
from gaze_insight.pseudomask.parts import PARTS, part_names
from gaze_insight.pseudomask.recipe import PseudoMaskSettings, vote
from gaze_insight.workflow.parallel import map_items

FOLDS = 5
STEPS: dict[str, tuple[Any, ...]] = {
    "prior.margin_frac": (0.01, 0.03),
    "prior.margin_per_radius": (0.0, 0.1),
    "prior.margin_of_one": (0.1, 0.25),
    "prior.softness_frac": (0.02, 0.045),
    "prior.heat_weight": (1.0, 4.0),
    "prior.heat_level": (0.3, 0.5),
    "prior.heatmap.sigma_frac": (0.07, 0.11),
    "prior.gaze.skip_first": (0, 2),
    "prior.gaze.mad_factor": (2.5, 4.0, None),
    "prior.gaze.least_heat": (0.15, 0.25),
    "prior.cluster_gap_frac": (0.15, None),
    "working_long_side_px": (128, 160, 256),
    "levels.comprehensive": (0.4, 0.5),
    "appearance.model.lightness_bins": (8, 16),
    "appearance.model.colour_bins": (8, 16),
    "appearance.model.texture_bins": (1, 4, 12),
    "appearance.model.texture_sigma_frac": (0.008, 0.02),
    "appearance.model.smoothing_bins": (0.5, 1.0),
    "appearance.model.floor": (0.01, 0.1),
    "appearance.model.most_logit": (2.0, 4.5),
    "appearance.model.weight": (0.7, 1.5),
    "appearance.model.prior_clip": (3.5, 8.0),
    "appearance.model.smooth_frac": (0.006, 0.02),
    "appearance.model.near_frac": (0.05, 0.2),
    "appearance.model.near_per_radius": (0.5, 2.0),
    "appearance.model.rounds": (2, 10),
    "appearance.weight": (0.5, 2.0),
    "grabcut.cut.sure_foreground": (1.5, 3.0),
    "grabcut.cut.core_share": (0.45, 0.75),
    "grabcut.cut.sure_background": (-2.0, -4.0),
    "grabcut.cut.iterations": (1, 4),
    "grabcut.cut.long_side_px": (112, 192),
    "grabcut.weight": (0.5, 2.0),
    "random_walk.walk.edge_rgb": (6.0, 16.0),
    "random_walk.walk.prior_weight": (0.01, 0.04),
    "random_walk.walk.prior_clip": (3.0, 8.0),
    "random_walk.walk.long_side_px": (72, 128),
    "random_walk.weight": (0.5, 2.0),
    "parts": ("without appearance", "without grabcut", "without random_walk", "with crf", "with prior"),
}


def changed(record: dict[str, Any], path: list[str], value: Any) -> dict[str, Any]:
    """Return a copy of nested settings with one value replaced."""
    if len(path) == 1:
        return record | {path[0]: value}
    return record | {path[0]: changed(record[path[0]], path[1:], value)}


def variant(name: str, value: Any) -> PseudoMaskSettings:
    """Return the defaults with one constant changed."""
    base = PseudoMaskSettings().model_dump()
    kinds = [part["kind"] for part in base["parts"]]
    head, *rest = name.split(".")
    if name == "parts":
        how, kind = value.split()
        parts = [part for part in base["parts"] if part["kind"] != kind]
        base["parts"] = [*parts, {"kind": kind}] if how == "with" else parts
    elif head in kinds:
        base["parts"] = [
            changed(part, rest, value) if part["kind"] == head else part for part in base["parts"]
        ]
    else:
        base = changed(base, [head, *rest], value)
    return PseudoMaskSettings.model_validate(base)


def variants() -> list[tuple[str, Any, PseudoMaskSettings]]:
    """List the default and all settings that differ from it in one constant."""
    every: list[tuple[str, Any, PseudoMaskSettings]] = [("default", "", PseudoMaskSettings())]
    return every + [(name, value, variant(name, value)) for name, values in STEPS.items() for value in values]


def score_case(folder: str, case: Case) -> dict[str, Any]:
    """Score one case under all variants; a part that a variant does not touch is made once."""
    image, truth = case.read_image(), case.read_mask()
    gaze = Fixations.empty() if case.fixations is None else case.fixations
    evidences: dict[str, Any] = {}
    made: dict[str, Any] = {}
    scores, features = [], {}
    for name, _, settings in variants():
        start = settings.prior.model_dump_json() + str(settings.working_long_side_px)
        if start not in evidences:
            evidences[start] = gather_evidence(image, gaze, settings.prior, settings.working_long_side_px)
        evidence = evidences[start]
        softs = []
        for part in settings.parts:
            own = part.model_copy(update={"weight": 1.0})
            key = start + own.model_dump_json()
            if key not in made:
                made[key] = PARTS[part.kind].make(evidence, own)
            softs.append(made[key])
        soft = vote(softs, [part.weight for part in settings.parts])
        if name == "default":
            features = label_features(
                dict(zip(part_names(settings.parts), softs, strict=True)), soft, evidence
            )
        fitted = cv2.resize(soft, (truth.shape[1], truth.shape[0]))
        scores.append(float(dice(fitted >= settings.levels.comprehensive, truth)))
    return {"id": case.id, "area": float(truth.mean()), "scores": scores, "features": features}


def nested(table: np.ndarray, seed: int = 0) -> tuple[np.ndarray, list[int]]:
    """Score each fold by the variant that is best on the others; return the scores and the choices."""
    fold = np.random.default_rng(seed).permutation(len(table)) % FOLDS
    scores, chosen = np.empty(len(table)), []
    for one in range(FOLDS):
        best = int(table[fold != one].mean(axis=0).argmax())
        chosen.append(best)
        scores[fold == one] = table[fold == one, best]
    return scores, chosen


def rows(table: np.ndarray, resamples: int = 2000) -> Iterator[str]:
    """Write the table of sensitivities as Markdown."""
    yield "| constant | default | changed to | Dice | change [95 % interval] |"
    yield "|---|---|---|---|---|"
    default = PseudoMaskSettings().model_dump()
    for index, (name, value, _) in enumerate(variants()):
        if name == "default":
            yield f"| (all) | | | {table[:, 0].mean():.4f} | |"
            continue
        change = table[:, index] - table[:, 0]
        low, high = bootstrap_interval(change, resamples=resamples)
        was = default_of(default, name)
        shown = f"{change.mean():+.4f} [{low:+.4f}, {high:+.4f}]"
        yield f"| `{name}` | {was} | {value} | {table[:, index].mean():.4f} | {shown} |"


def default_of(record: dict[str, Any], name: str) -> Any:
    """Look up a constant's default."""
    if name == "parts":
        return ", ".join(part["kind"] for part in record["parts"])
    head, *rest = name.split(".")
    of_kind = [part for part in record["parts"] if part["kind"] == head]
    value: Any = of_kind[0] if of_kind else record[head]
    for key in rest:
        value = value[key]
    return value


def main() -> None:
    """Run the search and write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("cohort", type=Path)
    parser.add_argument("--out", type=Path, default=Path("docs/results"))
    parser.add_argument("--workers", type=int, default=None)
    parser.add_argument("--cases", type=int, default=None, help="only so many, drawn at random")
    parser.add_argument("--fit-calibration", type=Path, default=None)
    options = parser.parse_args()
    cohort = Cohort.open(options.cohort)
    cases = [case for case in cohort.subset("train") if case.fixations is not None and case.mask_path]
    if options.cases is not None:
        order = np.random.default_rng(0).permutation(len(cases))[: options.cases]
        cases = [cases[index] for index in sorted(order)]
    work = partial(score_case, str(options.cohort))
    found: dict[str, dict[str, Any]] = {}
    with closing(map_items(work, cases, workers=options.workers)) as results:
        for case, result in results:
            if isinstance(result, Exception):
                raise result
            found[case.id] = result
            if len(found) % 20 == 0:
                print(f"{len(found)} of {len(cases)}", flush=True)
    ordered = [found[case.id] for case in cases]
    table = np.array([row["scores"] for row in ordered])
    unseen, chosen = nested(table)
    every = variants()
    lines = [
        "# The constants of `label`",
        "",
        f"`python benchmarks/label_constants.py COHORT`, {cohort.name}, {len(cases)} training cases.",
        "",
        f"Nested selection over {len(every)} settings, {FOLDS} outer folds: Dice {unseen.mean():.4f} on the",
        f"left-out cases, default {table[:, 0].mean():.4f}. Chosen in the folds: "
        + "; ".join(f"{every[index][0]} {every[index][1]}".strip() for index in chosen)
        + ".",
        "",
        *rows(table),
        "",
    ]
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "label_constants.md").write_text("\n".join(lines), encoding="utf-8")
    print("\n".join(lines))
    if options.fit_calibration is not None:
        fitted = fit_calibration(
            [row["features"] for row in ordered],
            table[:, 0],
            source=f"{len(cases)} training images of {cohort.name} with recorded gaze and true masks; "
            "benchmarks/label_constants.py --fit-calibration",
        )
        options.fit_calibration.write_text(
            json.dumps(fitted.model_dump(mode="json"), indent=1) + "\n", encoding="utf-8"
        )


if __name__ == "__main__":
    main()
