"""`calibrate`: fit what can be promised of predictions, and check it on cases that nothing has seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gaze_insight.cohort.case import Case
from gaze_insight.cohort.cohort import Cohort
from gaze_insight.config.run_config import RunConfig
from gaze_insight.config.run_folder import RunFolder
from gaze_insight.errors import DataError, SettingsError
from gaze_insight.evaluation.uncertainty import (
    MeasuredCase,
    UncertaintySettings,
    fit_head,
    measure_case,
)
from gaze_insight.evaluation.uncertainty_check import check_head
from gaze_insight.inference.certainty import Uncertainty
from gaze_insight.inference.predictor import Predictor
from gaze_insight.inference.safe_mask import GrowingMask
from gaze_insight.types import FloatArray, Progress, Split, silent
from gaze_insight.workflow.assisting import ASSISTED, fusion_of, keep_looks, recording_of
from gaze_insight.workflow.evaluating import predict_cases
from gaze_insight.workflow.labelling import label, load_pseudo_mask
from gaze_insight.workflow.loading import load_predictor
from gaze_insight.workflow.uncertainty_file import (
    read_uncertainty,
    uncertainty_path,
    weights_hash,
    write_uncertainty,
)

__all__ = ["CHECK_FILE", "calibrate", "check_uncertainty", "fitting_cases"]

CHECK_FILE = "uncertainty_check.json"
"""What was measured, beside the scores of the same split."""


@dataclass(frozen=True)
class _Place:
    """A run, and the cohort and split that it is asked about."""

    folder: RunFolder
    config: RunConfig
    plan: dict[str, Any]
    cohort: Cohort
    own: Cohort | None
    split: Split | None

    @property
    def words(self) -> str:
        whole = "all cases" if self.split is None else f"split {self.split!r}"
        return f"{whole} of cohort {self.cohort.name!r}"

    @property
    def is_own(self) -> bool:
        return self.own is self.cohort


def _place(run: str | Path, cohort: Cohort | None, split: Split | None) -> _Place:
    folder = RunFolder(Path(run))
    config, plan = folder.config(), folder.plan()
    if "train_seconds" not in plan:
        raise DataError(
            "the run was stopped before its end",
            path=folder.path,
            remedy=f"finish it with: gaze-insight train --resume {folder.path}",
        )
    home = Path(plan["cohort_folder"])
    if cohort is None or cohort.folder.resolve() == home:
        own = Cohort.open(home)
        return _Place(folder, config, plan, own, own, split)
    own_cohort = Cohort.open(home) if home.is_dir() else None
    return _Place(folder, config, plan, cohort, own_cohort, split)


def _with_masks(place: _Place) -> list[Case]:
    cohort = place.cohort
    wanted = list(cohort.cases.values()) if place.split is None else cohort.subset(place.split)
    cases = [case for case in wanted if case.mask_path is not None]
    if not cases:
        raise DataError(
            f"expected cases with masks in {place.words}, found none among {len(wanted)} cases",
            path=cohort.folder,
            remedy="import the masks too, or name another cohort or split",
        )
    return cases


def _refuse(place: _Place, cases: Sequence[Case], hashes: set[str], what: str, remedy: str) -> None:
    found = [case.id for case in cases if place.cohort.derived.file_hash(case.image_path) in hashes]
    if found:
        raise DataError(
            f"{len(found)} of {len(cases)} images {what}, the first is {found[0]!r}",
            path=place.cohort.folder,
            remedy=remedy,
        )


def _trained_on(plan: dict[str, Any]) -> set[str]:
    """Images whose labels were learned from; those of the validation split come after them in the plan."""
    return set(plan["seen_images"][: plan["training_cases"]])


def fitting_cases(run: str | Path, cohort: Cohort | None = None, split: Split | None = "val") -> list[Case]:
    """List the cases that promises of a run may be fitted on.

    Args:
        run: The run's folder.
        cohort: Another cohort with masks; None for the run's own.
        split: Which split; None for all cases of another cohort.

    Returns:
        The cases with masks.

    Raises:
        SettingsError: The split is that of training or test, or all cases of the run's own cohort.
        DataError: The run is not finished, no case has a mask, or an image took part in training or is of
            the run's own test split.
    """
    return _fitting_cases(_place(run, cohort, split))


def _fitting_cases(place: _Place) -> list[Case]:
    if place.split in ("train", "test") or (place.split is None and place.is_own):
        raise SettingsError(
            f"promises are not fitted on {place.words}: what was learned from is known too well, and the "
            "test "
            "split must stay unseen",
            remedy="use --split val, or another cohort with masks",
        )
    cases = _with_masks(place)
    _refuse(
        place,
        cases,
        _trained_on(place.plan),
        "took part in the training of this run",
        "fit on images that it has not learned from",
    )
    if place.own is not None:
        held = place.own.subset("test")
        tested = {place.own.derived.file_hash(case.image_path) for case in held}
        _refuse(place, cases, tested, "are of the run's own test split", "keep the test split for the check")
    return cases


def _measure(
    predictor: Predictor, place: _Place, cases: Sequence[Case], growing: GrowingMask, progress: Progress
) -> dict[str, list[MeasuredCase]]:
    """Measure each head, and image and gaze together for cases with gaze."""
    found: dict[str, list[MeasuredCase]] = {}
    config, head = place.config, predictor.heads[0]
    with_gaze = [case for case in cases if case.fixations is not None]
    label(place.cohort, config.labels, cases=with_gaze, progress=progress)

    def measure(case: Case, output: str, prob: FloatArray) -> None:
        truth = case.read_mask()
        if truth is None:
            raise DataError(f"case {case.id!r} has no mask", path=place.cohort.folder)
        threshold, patient = config.prediction.threshold, case.patient
        one = measure_case(prob, truth, id=case.id, threshold=threshold, growing=growing, patient=patient)
        found.setdefault(output, []).append(one)

    with keep_looks() as looks:
        for done, prediction in enumerate(predict_cases(predictor, place.cohort, cases, config), start=1):
            case = prediction.case
            for output, prob in prediction.probabilities.items():
                measure(case, output, prob)
            pseudo = load_pseudo_mask(place.cohort, case, config.labels)
            if pseudo is not None:
                looks.add(case.id, prediction.probabilities[head], pseudo, recording_of(case))
            progress("measuring", done, len(cases))
        for id, _, fused in looks.fused(fusion_of(place.folder.path)):
            if fused.features:
                measure(place.cohort.cases[id], ASSISTED, fused.probability)
    return found


def calibrate(
    run: str | Path,
    cohort: Cohort | None = None,
    *,
    split: Split | None = "val",
    settings: UncertaintySettings | None = None,
    device: str = "auto",
    progress: Progress = silent,
) -> Uncertainty:
    """Fit temperature, expected Dice, safe masks and abstention, and write ``uncertainty.json`` into the run.

    Args:
        run: The run's folder.
        cohort: Another cohort with masks; None for the run's own.
        split: Which split; None for all cases of another cohort.
        settings: What is to be promised.
        device: Where to compute.
        progress: Receives progress in cases.

    Returns:
        What was fitted, for each output of the run.

    Raises:
        SettingsError: The split is that of training or test.
        DataError: The run is not finished, no case has a mask, or an image must not be fitted on.
    """
    settings = settings or UncertaintySettings()
    place = _place(run, cohort, split)
    cases = _fitting_cases(place)
    predictor = load_predictor(run, device=device)
    notes = _notes(place)
    measured = _measure(predictor, place, cases, settings.growing, progress)
    threshold = place.config.prediction.threshold
    fitted = Uncertainty(
        heads={
            head: fit_head(
                found,
                settings,
                threshold=threshold,
                source=f"{len(found)} cases, {place.words}",
                notes=notes,
            )
            for head, found in measured.items()
        },
        cohort=place.cohort.name,
        own_cohort=place.is_own,
        split=place.split or "all",
        weights=weights_hash(run),
        prediction=place.config.prediction.model_dump(mode="json"),
        images=tuple(place.cohort.derived.file_hash(case.image_path) for case in cases),
        settings=settings.model_dump(mode="json"),
    )
    write_uncertainty(run, fitted)
    return fitted


def _notes(place: _Place) -> list[str]:
    if place.is_own and place.split == "val" and place.config.training.selection == "validation":
        return [
            "the weights were chosen on the same validation cases, so that these look slightly better than "
            "new ones"
        ]
    return []


def check_uncertainty(
    run: str | Path,
    cohort: Cohort | None = None,
    *,
    split: Split | None = "test",
    resamples: int | None = None,
    device: str = "auto",
    progress: Progress = silent,
) -> dict[str, Any]:
    """Measure on other cases whether the promises hold, and write ``uncertainty_check.json``.

    Args:
        run: The run's folder.
        cohort: Another cohort with masks; None for the run's own.
        split: Which split; None for all cases of another cohort.
        resamples: Bootstrap resamples; None takes the run's setting.
        device: Where to compute.
        progress: Receives progress in cases.

    Returns:
        What was measured: ``heads`` (name to the facts of `check_head`), ``cohort``, ``split``, ``n``,
        ``fitted_on`` and ``notes``.

    Raises:
        DataError: Nothing was fitted yet, no case has a mask, or an image took part in training or fit.
    """
    place = _place(run, cohort, split)
    fitted = read_uncertainty(run)
    if fitted is None:
        raise DataError(
            "nothing was fitted yet",
            path=uncertainty_path(run),
            remedy=f"fit first: gaze-insight calibrate {run}",
        )
    cases = _with_masks(place)
    remedy = "check on cases that nothing was fitted on"
    _refuse(place, cases, _trained_on(place.plan), "took part in the training of this run", remedy)
    _refuse(place, cases, set(fitted.images), "took part in the fit", remedy)
    settings = UncertaintySettings.model_validate(fitted.settings)
    measured = _measure(load_predictor(run, device=device), place, cases, settings.growing, progress)
    known = {head: found for head, found in measured.items() if head in fitted.heads}
    chosen = resamples or place.config.evaluation.resamples
    seed = place.config.seed
    facts: dict[str, Any] = {
        "method": place.plan["method"],
        "cohort": place.cohort.name,
        "split": place.split or "all",
        "n": len(cases),
        "fitted_on": f"{next(iter(fitted.heads.values())).cases} cases, {fitted.split} of {fitted.cohort}",
        "notes": _check_notes(place, fitted, sorted(set(measured) - set(known))),
        "heads": {
            head: check_head(found, fitted.heads[head], bins=settings.bins, resamples=chosen, seed=seed)
            for head, found in known.items()
        },
    }
    target = place.folder.evaluation(None if place.is_own else place.cohort.name, place.split)
    place.folder.write_json(target / CHECK_FILE, facts)
    return facts


def _check_notes(place: _Place, fitted: Uncertainty, unknown: Sequence[str]) -> list[str]:
    notes = [f"{head}: {note}" for head, one in fitted.heads.items() for note in one.notes]
    notes += [f"{head}: nothing was fitted for this output" for head in unknown]
    if place.is_own != fitted.own_cohort or place.cohort.name != fitted.cohort:
        notes.append(
            "the cases are of another cohort than those of the fit; the promises hold for cases of one kind"
        )
    if place.is_own and place.split == "test" and place.config.evaluation.protocol == "paper":
        notes.append("the weights were chosen on this test split")
    return notes
