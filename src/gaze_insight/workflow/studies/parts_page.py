"""The page of `study parts`."""

from __future__ import annotations

from collections.abc import Sequence

from gaze_insight import __version__
from gaze_insight.insight.rendering import as_yaml, duration_words, fixed, share
from gaze_insight.insight.study_page import StudyContent, StudyNumber, StudyPictures, StudyTable
from gaze_insight.pseudomask.features import FEATURES
from gaze_insight.workflow.studies.pages import (
    count_facts,
    estimate_cell,
    estimate_text,
    interval_words,
    plain_settings,
    standing_warnings,
    stratum_title,
    today,
)
from gaze_insight.workflow.studies.parts import PartScores, PartsStudy
from gaze_insight.workflow.studies.parts_figures import parts_figures, way_title

__all__ = ["parts_page"]

_DRAWN = {
    "listed": "as the look-again list orders",
    "lowest": "lowest expected Dice first",
    "random": "at random",
    "worst": "truly worst first (needs the truth)",
}


def parts_page(study: PartsStudy, command: str = "", pictures: Sequence[StudyPictures] = ()) -> StudyContent:
    """Tell a study of parts, trust and quality.

    Args:
        study: What was found.
        command: The command that repeats it.
        pictures: From `part_pictures`.

    Returns:
        The page's content.
    """
    grey = " without colour" if study.settings.grey else ""
    return StudyContent(
        title=f"Parts of the pseudo-mask: {study.cohort}{grey}",
        lead="What is each part worth alone, what the vote, and can one tell a poor label without the truth?",
        verdict=_verdict(study),
        severity="ok" if _best_part(study).difference["all"].mean >= 0 else "warning",
        numbers=_numbers(study),
        warnings=[*standing_warnings(study.cases, study.simulated, study.failed), *_warnings(study)],
        figures=parts_figures(study),
        pictures_title="What it looks like: the lowest, the median and the highest Dice of the vote",
        pictures=pictures,
        tables=[_scores(study), _sizes(study), _trust(study), *_quality(study)],
        method=_method(study),
        facts=count_facts(study.cohort, study.cases, study.left_out, len(study.failed)),
        settings=as_yaml(plain_settings(study.settings, study.labels)),
        command=command,
        created=today(),
        version=__version__,
    )


def _best_part(study: PartsStudy) -> PartScores:
    parts = [part for part in study.parts if part.role in ("voter", "alone")]
    return max(parts, key=lambda part: part.dice["all"].mean)


def _verdict(study: PartsStudy) -> str:
    best, vote = _best_part(study), study.vote.dice["all"]
    words = (
        f"The vote reaches Dice {estimate_text(vote)}; the best part alone, {way_title(best.name)}, "
        f"{best.dice['all'].mean:.3f} (paired difference {_signed(best)}). "
        f"{share(study.trust.share.mean)} of the pixels are trusted, with "
        f"{share(study.trust.error.mean, 2)} of them wrong."
    )
    if study.quality is None:
        return f"{words} The recipe has one part only, so labels have no quality score."
    rho = study.quality.rho["all"]
    return f"{words} The expected Dice orders the labels with Spearman's rho {estimate_text(rho, 2)}."


def _signed(part: PartScores) -> str:
    one = part.difference["all"]
    if one.low != one.low:
        return f"{one.mean:+.3f}"
    return f"{one.mean:+.3f} [{one.low:+.3f}, {one.high:+.3f}]"


def _numbers(study: PartsStudy) -> list[StudyNumber]:
    vote, trust, quality = study.vote.dice, study.trust, study.quality
    numbers = [StudyNumber("Dice of the vote", f"{vote['all'].mean:.3f}", interval_words(vote["all"]))]
    for name in list(vote)[1:2]:
        remark = interval_words(vote[name])
        numbers.append(StudyNumber(f"Dice, lesion {name}", f"{vote[name].mean:.3f}", remark))
    numbers.append(
        StudyNumber(
            "Trusted pixels",
            share(trust.share.mean),
            f"{share(trust.error.mean, 2)} of them wrong [{100 * trust.error.low:.2f}, "
            f"{100 * trust.error.high:.2f}]",
        )
    )
    if quality is not None:
        rho = quality.rho["all"]
        numbers += [
            StudyNumber("Expected against true", f"ρ {rho.mean:.2f}", interval_words(rho, 2)),
            StudyNumber(
                "Calibration error",
                f"{quality.error:.3f}",
                f"{share(quality.coverage.mean, 0)} inside the interval, meant {share(quality.meant, 0)}",
            ),
            StudyNumber(
                f"Without the worst {share(quality.left_out, 0)}",
                f"{quality.kept.mean:.3f}",
                f"mean Dice, by expected Dice; {quality.kept_best:.3f} by the true one",
            ),
        ]
    return numbers


def _warnings(study: PartsStudy) -> list[str]:
    warnings = []
    if study.seen_in_fit and study.quality is not None:
        warnings.append(
            f"The calibration was fitted on images of this cohort, by its source on {study.seen_in_fit:,} of "
            f"the {study.cases:,} images studied or on images of their split: their quality scores look "
            "better than those of new images. Study a split that it has not seen (--split)."
        )
    if study.unscored and study.quality is not None:
        warnings.append(f"Without a quality score, as no gaze lies on the image: {study.unscored:,}.")
    return warnings


def _scores(study: PartsStudy) -> StudyTable:
    rows = [
        (
            f"{way_title(part.name)}\n{_role(part)}",
            *(estimate_cell(getattr(part, name)["all"]) for name in ("dice", "precision", "recall")),
            "–" if part.role == "vote" else _signed(part).replace(" [", "\n["),
        )
        for part in study.parts
    ]
    return StudyTable(
        "Each part, the vote, and the published recipe",
        "Means over images with 95 % bootstrap intervals; the difference is the vote's Dice minus this one's "
        "on the same images.",
        ("Labelled by", "Dice", "Precision", "Recall", "Vote minus this"),
        rows,
        [place for place, part in enumerate(study.parts) if part.role == "vote"],
    )


def _role(part: PartScores) -> str:
    return {
        "voter": "votes",
        "alone": "does not vote",
        "vote": "all that vote",
        "reference": "published recipe",
    }[part.role]


def _sizes(study: PartsStudy) -> StudyTable:
    strata = study.vote.dice
    rows = [
        (way_title(part.name), *(estimate_cell(part.dice[name]) for name in strata)) for part in study.parts
    ]
    return StudyTable(
        "Dice by size of the lesion",
        "Size: the share of the image that the true mask covers.",
        ("Labelled by", *(stratum_title(name, one.n) for name, one in strata.items())),
        rows,
        [place for place, part in enumerate(study.parts) if part.role == "vote"],
    )


def _trust(study: PartsStudy) -> StudyTable:
    trust = study.trust
    rows = [
        (
            "labelled in the sparse mask",
            share(trust.share.mean),
            f"{share(trust.error.mean, 2)}\n[{100 * trust.error.low:.2f}, {100 * trust.error.high:.2f}]",
        ),
        (
            "of these, foreground",
            share(trust.foreground_share.mean),
            f"{share(trust.foreground_error.mean, 2)}\n[{100 * trust.foreground_error.low:.2f}, "
            f"{100 * trust.foreground_error.high:.2f}]",
        ),
        *(
            (f"trust ≥ {level.least_trust:.2f}", share(level.share), share(level.error, 2))
            for level in trust.levels[::4]
        ),
    ]
    return StudyTable(
        "What the trust map is worth",
        "Share of an image's pixels, and share of these whose label is wrong; images weigh alike.",
        ("Pixels", "Share", "Wrong"),
        rows,
        (0,),
    )


def _quality(study: PartsStudy) -> list[StudyTable]:
    found, gain = study.quality, study.gain
    if found is None or gain is None:
        return []
    orders = [(stratum_title(name, one.n), estimate_cell(one, 2)) for name, one in found.rho.items()]
    ranked = sorted(found.features.items(), key=lambda pair: -abs(pair[1]))
    fifth = min(range(len(gain.counts)), key=lambda place: abs(gain.counts[place] - gain.counts[-1] / 5))
    drawn = [
        (
            _DRAWN[name],
            f"{curve[0]:.3f}",
            f"{curve[fifth]:.3f}",
            share(gain.share_of_best.get(name, {"random": 0.0, "worst": 1.0}.get(name)), 0),
        )
        for name, curve in gain.orders.items()
    ]
    return [
        StudyTable(
            "Does the expected Dice order the labels?",
            "Spearman's rank correlation of expected with true Dice, with its 95 % bootstrap interval.",
            ("Images", "Rho"),
            orders,
            (0,),
        ),
        StudyTable(
            "What drawing the worst masks brings",
            f"Mean Dice when {gain.counts[fifth]:,} of {gain.counts[-1]:,} labels become drawn masks, "
            f"{duration_words(gain.seconds[fifth])} at {gain.drawing_s:.1f} s a mask, in several orders; the "
            "last column is 0 at random and 100 % for the best order there is.",
            ("Order", "None drawn", "Drawn", "Of what is possible"),
            drawn,
        ),
        StudyTable(
            "What the expected Dice is told from",
            "Each feature's Spearman correlation with the true Dice, alone.",
            ("Feature", "Rho", "What it is"),
            [(name.replace("_", " "), fixed(rho, 2), FEATURES.get(name, "")) for name, rho in ranked],
        ),
    ]


def _method(study: PartsStudy) -> list[str]:
    paragraphs = [
        "Every mask is brought to the true mask's own size bilinearly and cut at "
        f"{study.labels.levels.comprehensive:g}, as evaluating does; the published recipe at both of its "
        "own levels, the lower for its comprehensive mask, the higher for its sparse one. Parts that vote "
        "have the vote's settings, the others their defaults; all start from the same gaze prior.",
        "A label's trust at a pixel is how sure the least sure part is of it. Pixels of the true mask's grid "
        "take the trust and the label of the nearest pixel of the label's grid.",
    ]
    if study.settings.grey:
        paragraphs.append("The images were turned to grey (ITU-R BT.601 luma) before anything else.")
    if study.quality is not None:
        paragraphs += [
            f"The expected Dice was calibrated on {study.quality.source}. The calibration error is the mean "
            "distance between expected and true Dice over ten equally filled bins of the expected one.",
            "Without second readings, what a new look would bring is not tested; drawn masks stand in for "
            "it, and count as perfect.",
        ]
    return paragraphs
