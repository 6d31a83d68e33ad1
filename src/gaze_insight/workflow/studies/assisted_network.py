"""Which network may predict which case of a study: one that did not learn from it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from gaze_insight.cohort.case import Case
from gaze_insight.cohort.cohort import Cohort
from gaze_insight.config.run_folder import RunFolder
from gaze_insight.errors import DataError
from gaze_insight.types import FloatArray, Progress, silent
from gaze_insight.workflow.evaluating import predict_cases
from gaze_insight.workflow.loading import load_predictor

__all__ = ["UnseenCases", "predict_unseen", "unseen_cases"]


@dataclass(frozen=True)
class UnseenCases:
    """Cases by the run that did not learn from them.

    Args:
        by_run: Folder of a run to its cases: the run itself, or a fold of its last round of refinement.
        left_out: Ids of the cases that every network at hand learned from.
    """

    by_run: dict[Path, tuple[Case, ...]]
    left_out: tuple[str, ...]

    @property
    def out_of_fold(self) -> int:
        """How many cases are predicted by a fold's network."""
        return sum(len(cases) for place, cases in self.by_run.items() if place.name.startswith("fold-"))


def unseen_cases(run: Path, cohort: Cohort, cases: Sequence[Case]) -> UnseenCases:
    """Find for each case a network that did not learn from it.

    Args:
        run: The run's folder; the networks of its rounds (``rounds/R/fold-K``) are used too, the last round
            first.
        cohort: The cases' cohort.
        cases: The cases.

    Returns:
        The cases by run.

    Raises:
        DataError: There is none for any case.
    """
    folds = sorted(run.glob("rounds/*/fold-*"), key=lambda path: (-int(path.parent.name), path.name))
    found: dict[Path, list[Case]] = {}
    waiting = list(cases)
    for place in [run, *folds]:
        folder = RunFolder(place)
        if not folder.weights.exists():
            continue
        plan = folder.plan()
        learned = set(plan["seen_images"][: plan["training_cases"]])
        hashes = {case.id: cohort.derived.file_hash(case.image_path) for case in waiting}
        own = [case for case in waiting if hashes[case.id] not in learned]
        if own:
            found[place] = own
        waiting = [case for case in waiting if hashes[case.id] in learned]
    if not found:
        raise DataError(
            f"the network learned from all of these {len(cases)} cases",
            path=run,
            remedy="choose another split, or train with refinement.rounds=1, whose folds predict cases that "
            "they did not learn from",
        )
    return UnseenCases({place: tuple(own) for place, own in found.items()}, tuple(c.id for c in waiting))


def predict_unseen(
    unseen: UnseenCases, cohort: Cohort, *, device: str = "auto", progress: Progress = silent
) -> Iterator[tuple[Case, FloatArray]]:
    """Predict each case by the network that did not learn from it.

    Args:
        unseen: From `unseen_cases`.
        cohort: The cases' cohort.
        device: Where to compute.
        progress: Receives progress in cases.

    Yields:
        Case and probability of the image alone, (H, W) float32.
    """
    total, done = sum(map(len, unseen.by_run.values())), 0
    for place, cases in unseen.by_run.items():
        config, predictor = RunFolder(place).config(), load_predictor(place, device=device)
        for prediction in predict_cases(predictor, cohort, cases, config):
            done += 1
            progress("predicting", done, total)
            yield prediction.case, prediction.probabilities[predictor.heads[0]]
