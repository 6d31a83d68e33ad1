"""`gaze-insight inspect`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gaze_insight.cli.console import count_of, print_json, say
from gaze_insight.cli.options import Count, Json, Seed

__all__ = ["inspect"]

_MARK = {"error": "ERROR  ", "warning": "warning", "ok": "ok     "}


def inspect(
    cohort: Path, /, *, page: Path | None = None, pictures: Count = 6, seed: Seed = 0, json: Json = False
) -> None:
    """Say what of a cohort will be used and what is wrong with it, before any training.

    Args:
        cohort: The cohort's folder.
        page: The HTML page to write; by default inspect.html in the cohort's folder.
        pictures: How many cases the page shows.
        seed: Seed of the draw of those cases.
    """
    from gaze_insight.cohort.cohort import Cohort
    from gaze_insight.workflow.inspecting import inspect_cohort

    target = (
        (cohort.parent if cohort.suffix == ".yaml" else cohort) / "inspect.html" if page is None else page
    )
    found = inspect_cohort(Cohort.open(cohort), target, pictures=pictures, seed=seed)
    if json:
        print_json(found)
    else:
        _tell(found, target)


def _tell(found: dict[str, Any], page: Path) -> None:
    gaze = found["gaze"]
    chest = found["chest"]
    if chest is None:
        say(f"{found['cohort']}: {_counts(found)}")
        for row in found["splits"]:
            say(f"  {row['name']:<9} {_counts(row)}")
    else:
        _tell_chest(found["cohort"], chest)
    if gaze["fixations"]:
        quantiles, spent = gaze["duration_ms"], found["annotation_time_h"]
        spread = f"{gaze['per_image_min']} to {gaze['per_image_max']}"
        each = "an image" if chest is None else "a reading"
        say(f"  {gaze['fixations']} fixations, {gaze['per_image_mean']:.1f} {each} ({spread})")
        most = f"{quantiles[0.05]:.0f} to {quantiles[0.95]:.0f}"
        say(f"  duration median {quantiles[0.5]:.0f} ms ({most} for 90 %)")
        say(f"  off the image {100 * (found['off_image_share'] or 0):.1f} %")
        say(f"  annotation time {spent['gaze']:.2f} h ({spent['source']})")
    for finding in found["findings"]:
        say(f"  {_MARK[finding['severity']]} {finding['title']}")
        if finding["severity"] != "ok":
            say(f"          {finding['meaning']}")
            for item in list(finding["items"])[:3]:
                say(f"          - {item}")
    say(f"pictures and details: {page}")


def _tell_chest(name: str, chest: dict[str, Any]) -> None:
    say(
        f"{name}: {count_of(chest['cases'], 'case')}, {chest['labelled']} with labels, "
        f"{chest['with_gaze']} with gaze"
    )
    for row in chest["splits"]:
        has = ", ".join(f"{number} {what}" for what, number in row["has"].items() if number)
        size = f"{count_of(row['patients'], 'patient')}, {count_of(row['cases'], 'image')}"
        say(f"  {row['name']:<9} {size}: {has}")
    for row in chest["readings"]:
        off = row["dwell_off_image"]
        beside = "" if off is None else f", {100 * off:.1f} % of the dwell time off the image"
        looked = f"{count_of(row['readings'], 'reading')}, {row['looked']} with fixations"
        say(f"  {row['source']:<9} {looked}{beside}")
    for table in chest["labels"][:1]:
        say(f"  {'finding':<28} positive  negative  unknown   (U-Ignore; U-Ones and U-Zeros on the page)")
        for row in table["rows"]:
            positive, negative, unknown = row["policies"]["U-Ignore"]
            say(f"  {row['finding']:<28} {positive:>8}  {negative:>8}  {unknown:>7}")


def _counts(row: dict[str, Any]) -> str:
    return f"{count_of(row['cases'], 'case')}, {row['with_gaze']} with gaze, {row['with_mask']} with masks"
