"""`gaze-insight calibrate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter
from cyclopts.validators import Number

from gaze_insight.cli.console import count_of, load_plugins, print_json, say, show_progress
from gaze_insight.cli.options import Device, Json, Plugins, Quiet, Seed

__all__ = ["calibrate"]

_Share = Annotated[float, Parameter(validator=Number(gt=0, lt=1))]
_Which = Literal["train", "val", "test", "all"]


def calibrate(
    run: Path,
    cohort: Path | None = None,
    /,
    *,
    split: _Which | None = None,
    alpha: _Share = 0.1,
    beta: Annotated[float, Parameter(validator=Number(gte=0, lt=1))] = 0.1,
    coverage: _Share = 0.8,
    keep: Annotated[float, Parameter(validator=Number(gt=0, lte=1))] = 0.8,
    least_dice: Annotated[float | None, Parameter(validator=Number(gte=0, lte=1))] = None,
    check: Literal["val", "test", "all"] | None = None,
    seed: Seed = 0,
    plugins: Plugins = (),
    device: Device = "auto",
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Fit what can be promised of a run's predictions: expected Dice, safe masks, when to ask a human.

    Args:
        run: The run's folder.
        cohort: Another cohort with masks to fit on; by default the run's own.
        split: Which cases to fit on; by default the validation split, and all cases of another cohort.
        alpha: Risk: mean share of a lesion that a safe mask may miss, and share of cases not contained.
        beta: Share of a lesion that may lie outside for it to count as contained.
        coverage: Share of cases inside the interval of the expected Dice.
        keep: Share of cases that is used without a human, the surest first.
        least_dice: Expected Dice below which a human is asked; instead of --keep.
        check: Then measure on this split of the run's own cohort whether the promises hold; writes
            uncertainty.html.
        seed: Seed of the cross-fit.
    """
    from gaze_insight.cohort.cohort import Cohort
    from gaze_insight.evaluation.uncertainty import UncertaintySettings
    from gaze_insight.workflow.calibrating import calibrate as fit
    from gaze_insight.workflow.calibrating import check_uncertainty
    from gaze_insight.workflow.uncertainty_page import uncertainty_page

    load_plugins(plugins)
    settings = UncertaintySettings(
        alpha=alpha, beta=beta, coverage=coverage, keep_frac=keep, least_dice=least_dice, seed=seed
    )
    other = None if cohort is None else Cohort.open(cohort)
    chosen = split or ("val" if cohort is None else "all")
    with show_progress(quiet=quiet) as progress:
        fitted = fit(
            run,
            other,
            split=None if chosen == "all" else chosen,
            settings=settings,
            device=device,
            progress=progress,
        )
        facts, page = None, None
        if check is not None:
            which = None if check == "all" else check
            facts = check_uncertainty(run, split=which, device=device, progress=progress)
            page = uncertainty_page(run, split=which, device=device)
    if json:
        print_json({"fitted": fitted.model_dump(mode="json", exclude={"images"}), "check": facts})
        return
    _tell_fit(fitted.model_dump(mode="json"))
    if facts is not None:
        _tell_check(facts)
        say(f"page: {page}")


def _tell_fit(fitted: dict[str, Any]) -> None:
    from gaze_insight.inference.safe_mask import GrowingMask, level_words

    for head, one in fitted["heads"].items():
        say(f"{head}: fitted on {count_of(one['cases'], 'case')}, {fitted['split']} of {fitted['cohort']}")
        say(f"  temperature {one['temperature']:.3f}")
        what = "expected Dice" if one["dice"] is not None else "mean probability inside the mask"
        say(f"  ask a human where nothing is predicted or the {what} is below {one['least']:.2f}")
        for rule in (one["missed"], one["contains"]):
            growing = GrowingMask.model_validate(one["growing"])
            say(f"  {_promise(rule)}: {level_words(rule['level'], one['threshold'], growing)}")
        for note in one["notes"]:
            say(f"  note: {note}")


def _promise(rule: dict[str, Any]) -> str:
    if rule["promise"] == "missed":
        return f"misses {100 * rule['alpha']:g} % of a lesion at most, on average"
    inside, cases = 100 * (1 - rule["beta"]), 100 * (1 - rule["alpha"])
    return f"holds {inside:g} % of the lesion in {cases:g} % of cases or more"


def _tell_check(facts: dict[str, Any]) -> None:
    say(f"checked on {count_of(facts['n'], 'case')}, {facts['split']} of {facts['cohort']}")
    for head, one in facts["heads"].items():
        image, outline = one["pixels"]["image"], one["pixels"]["outline"]
        say(f"{head}:")
        say(f"  ECE {image['before']['ece']:.4f}, with temperature {image['after']['ece']:.4f}")
        if "before" in outline:
            say(f"  at the outline {outline['before']['ece']:.4f}, {outline['after']['ece']:.4f}")
        dice = one["expected_dice"]
        if dice is not None:
            held = _interval(dice["coverage"]["share"], dice["coverage"]["ci95"])
            true = one["dice"]["mean"]
            say(f"  expected Dice {dice['mean']:.3f}, true {true:.3f}, off by {dice['mae']:.3f} on average")
            say(f"  true Dice inside its interval: {held} (asked {dice['coverage_asked']:g})")
        for name, what in (("missed", "lesion missed"), ("contains", "lesion not contained")):
            rule = one[name]
            price = "–" if rule["area_ratio_median"] is None else f"{rule['area_ratio_median']:.2f}"
            say(
                f"  {what}: {_interval(rule['risk'], rule['ci95'])} (asked at most "
                f"{rule['risk_asked']:g}; the "
                f"prediction alone {rule['risk_of_prediction']:.3f}), {price} times its area"
            )
        kept = one["selective"]
        say(
            f"  Dice of the surest {100 * kept['keep_frac']:g} %: {kept['dice_kept']:.3f} instead of "
            f"{kept['dice_all']:.3f}; AURC {kept['aurc']:.4f} (oracle {kept['oracle']:.4f}, chance "
            f"{kept['random']:.4f})"
        )
    for note in facts["notes"]:
        say(f"note: {note}")


def _interval(value: float, ends: list[float | None]) -> str:
    known = [end for end in ends if end is not None]
    return f"{value:.3f} [{known[0]:.3f}, {known[1]:.3f}]" if len(known) == 2 else f"{value:.3f}"
