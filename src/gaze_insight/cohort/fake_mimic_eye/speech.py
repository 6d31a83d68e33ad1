"""What readers say and reports state: invented sentences, chosen by what is true of the image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import numpy as np
import yaml

from gaze_insight.cohort.fake_mimic_eye.radiograph import FracBox, Radiograph, SeenFinding

__all__ = ["Statement", "findings_of", "report_text", "state", "vocabulary", "words_of"]

_RULED_OUT = ("Pleural Effusion", "Pneumothorax", "Consolidation", "Cardiomegaly", "Edema", "Pneumonia")


@dataclass(frozen=True)
class Statement:
    """One sentence, what it says, and where its reader looks meanwhile.

    Args:
        text: The sentence, with its full stop.
        finding: What it is about; None for general remarks.
        value: 1 present, 0 absent, -1 uncertain; 0 for general remarks.
        aims: Boxes looked at while it is said, in image fractions.

    Example:
        >>> Statement("No pneumothorax.", "Pneumothorax", 0, ()).value
        0
    """

    text: str
    finding: str | None
    value: int
    aims: tuple[FracBox, ...]


@cache
def vocabulary() -> dict[str, Any]:
    """Read the invented sentences.

    Returns:
        The content of ``sentences.yaml``.

    Example:
        >>> vocabulary()["findings"]["Edema"]["impression"]
        'Pulmonary edema.'
    """
    text = resources.files(__package__).joinpath("sentences.yaml").read_text("utf-8")
    return dict(yaml.safe_load(text))


def state(
    rng: np.random.Generator,
    radiograph: Radiograph,
    findings: Sequence[SeenFinding],
    pneumonia: int | None,
    ruled_out: int,
) -> tuple[Statement, ...]:
    """Put a reading into sentences: what is there, then some of what is not.

    Args:
        rng: Source of all randomness.
        radiograph: The image, for its regions.
        findings: What the reader saw; a certainty of 3 or less makes a sentence uncertain.
        pneumonia: Whether consolidation is put down to pneumonia: 1, -1 (perhaps) or None (not said).
        ruled_out: How many absent findings are named.

    Returns:
        The sentences in order; at least one.

    Example:
        >>> blank = Radiograph(np.zeros((4, 4), np.uint8), (), (), {}, False)
        >>> state(np.random.default_rng(0), blank, (), None, 0)[0].finding is None
        True
    """
    said: list[Statement] = []
    for finding in (findings[i] for i in rng.permutation(len(findings))):
        doubtful = finding.certainty <= 3
        kind = "possible" if doubtful else "certain"
        text = _chosen(rng, vocabulary()["findings"][finding.name][kind]).format(**_place(finding))
        value = -1 if doubtful and finding.name != "Support Devices" else 1
        said.append(Statement(text, finding.name, value, finding.boxes))
        if finding.name == "Consolidation" and pneumonia is not None:
            text = vocabulary()["findings"]["Pneumonia"]["certain" if pneumonia > 0 else "possible"][0]
            said.append(Statement(text, "Pneumonia", pneumonia, finding.boxes))
    if not findings:
        lungs = tuple(
            radiograph.regions.get(f"{side} lung", (0.1, 0.1, 0.9, 0.8)) for side in ("right", "left")
        )
        said.append(Statement(_chosen(rng, vocabulary()["normal"]), None, 0, lungs))
    present = {one.finding for one in said}
    if "Consolidation" in present:
        present.add("Pneumonia")
    absent = [name for name in _RULED_OUT if name not in present]
    for index in rng.permutation(len(absent))[:ruled_out]:
        entry = vocabulary()["findings"][absent[index]]
        looked = tuple(radiograph.regions[name] for name in entry["look"])
        said.append(Statement(_chosen(rng, entry["absent"]), absent[index], 0, looked))
    return tuple(said)


def findings_of(statements: Sequence[Statement]) -> dict[str, int]:
    """Label a text by its sentences as a perfect labeler would; what is not named is left out.

    Args:
        statements: What was said.

    Returns:
        Labels, with ``No Finding`` 1 where nothing but devices is present or uncertain.

    Example:
        >>> findings_of([Statement("No edema.", "Edema", 0, ())])
        {'Edema': 0, 'No Finding': 1}
    """
    labels = {one.finding: one.value for one in statements if one.finding is not None}
    if not any(value != 0 and name != "Support Devices" for name, value in labels.items()):
        labels["No Finding"] = 1
    return labels


def words_of(text: str) -> list[str]:
    """Split a text as REFLACX does: full stops and commas are words of their own.

    Args:
        text: Sentences.

    Returns:
        The words; joined by blanks they are the text with a blank before each full stop and comma.

    Example:
        >>> words_of("no edema, no effusion.")
        ['no', 'edema', ',', 'no', 'effusion', '.']
    """
    return text.replace(".", " .").replace(",", " ,").split()


def report_text(rng: np.random.Generator, statements: Sequence[Statement], bedside: bool) -> str:
    """Write the radiology report of a study: examination, indication, findings, impression.

    Args:
        rng: Source of all randomness.
        statements: What is stated.
        bedside: Whether the image was taken at the bedside.

    Returns:
        The text, ending in a line break.

    Example:
        >>> "No pneumothorax." in report_text(
        ...     np.random.default_rng(0), [Statement("No pneumothorax.", "Pneumothorax", 0, ())], False
        ... )
        True
    """
    entries = vocabulary()["findings"]
    positive = [one for one in statements if one.finding is not None and one.value == 1]
    summary = " ".join(entries[one.finding]["impression"] for one in positive)
    view = "portable AP" if bedside else "PA"
    lines = [
        " " * 33 + "FINAL REPORT",
        f" EXAMINATION:  Chest radiograph, {view}",
        "",
        f" INDICATION:  {_chosen(rng, vocabulary()['indications'])}",
        "",
        " FINDINGS:",
        "",
        " " + " ".join(one.text for one in statements),
        "",
        " IMPRESSION:",
        "",
        f" {summary or _doubt(statements)}",
    ]
    return "\n".join(lines) + "\n"


def _doubt(statements: Sequence[Statement]) -> str:
    doubtful = [one.text for one in statements if one.value < 0]
    return " ".join(doubtful) or str(vocabulary()["impression_normal"])


def _place(finding: SeenFinding) -> dict[str, str]:
    places = vocabulary()["places"]
    where = places[finding.place].format(side=finding.side) if finding.place in places else None
    device = vocabulary()["devices"].get(finding.place, "")
    return {
        "side": "bilateral" if finding.side == "both" else finding.side,
        "where": where or f"{finding.side} {finding.place}".strip(),
        "device": device,
    }


def _chosen(rng: np.random.Generator, options: Sequence[str]) -> str:
    return str(options[int(rng.integers(len(options)))])
