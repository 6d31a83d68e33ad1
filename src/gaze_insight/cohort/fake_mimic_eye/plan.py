"""Made-up patients and studies: ids, dates, splits, what is wrong, who reads what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gaze_insight.cohort.fake_mimic_eye.anatomy import draw_build
from gaze_insight.cohort.fake_mimic_eye.radiograph import Radiograph, choose_findings, draw_radiograph
from gaze_insight.cohort.fake_mimic_eye.settings import FakeTreeSettings
from gaze_insight.cohort.fake_mimic_eye.speech import Statement, findings_of, state
from gaze_insight.types import Size

__all__ = ["Patient", "Study", "make_patient"]

_FIRST_SUBJECT = 90_000_000
_SUBJECT_STEP = 109
_READERS = 5


@dataclass(frozen=True, eq=False)
class Study:
    """One study with one frontal radiograph.

    Args:
        study_id: Eight digits.
        dicom_id: Five groups of eight hexadecimal digits, 44 characters.
        lateral_id: The same for an extra lateral image; None where there is none.
        date: yyyymmdd, in a century to come.
        time: hhmmss.
        radiograph: The picture and its truth.
        pneumonia: Whether consolidation is put down to pneumonia: 1, -1 or None.
        report: What the report states.
        labels: CheXpert's labels: 1, 0, -1; what is not named is blank.
        readers: Numbers of the REFLACX readers, 1 to 5; empty where REFLACX lacks the image.
        phase: Phase of REFLACX, 1 to 3.
        in_eye_gaze: Whether EyeGaze has the image.
        stay_id: Stay in the emergency department; None for about half of the studies.

    Example:
        >>> make_patient(FakeTreeSettings(), 0).studies[0].study_id >= 90_000_000
        True
    """

    study_id: int
    dicom_id: str
    lateral_id: str | None
    date: int
    time: str
    radiograph: Radiograph
    pneumonia: int | None
    report: tuple[Statement, ...]
    labels: dict[str, int]
    readers: tuple[int, ...]
    phase: int
    in_eye_gaze: bool
    stay_id: int | None


@dataclass(frozen=True, eq=False)
class Patient:
    """One made-up patient.

    Args:
        subject_id: Eight digits, the first a 9, which no real data set uses.
        split: The published split: train, validate or test.
        gender: F or M.
        age: Age in years.
        studies: At least one.
        hospital: Whether there are clinical tables of the patient.

    Example:
        >>> str(make_patient(FakeTreeSettings(), 3).subject_id)[0]
        '9'
    """

    subject_id: int
    split: str
    gender: str
    age: int
    studies: tuple[Study, ...]
    hospital: bool


def make_patient(settings: FakeTreeSettings, index: int) -> Patient:
    """Make up one patient with pictures; it depends on the settings and its index only.

    The first six patients are chosen so that each trap of the layout is there from six patients on: one of
    each source, one in both, one image read by five readers of phase 1, one of phase 2, a lateral.

    Args:
        settings: What the tree holds.
        index: Number of the patient, from 0.

    Returns:
        The patient.

    Example:
        >>> make_patient(FakeTreeSettings(), 0).subject_id == make_patient(FakeTreeSettings(), 0).subject_id
        True
    """
    rng = np.random.default_rng([settings.seed, index])
    subject = _FIRST_SUBJECT + _SUBJECT_STEP * index + int(rng.integers(_SUBJECT_STEP))
    split = str(rng.choice(["train", "validate", "test"], p=settings.split_shares))
    chance = float(rng.random())
    both = index == 2 or chance < settings.both_sources_share
    eye_gaze = both or index == 1 or chance < settings.both_sources_share + settings.eye_gaze_share
    reflacx = (both or not eye_gaze or index in (0, 3)) and index != 1
    build = draw_build(rng)
    count = 2 if index == 2 or rng.random() < settings.second_study_share else 1
    confounding = settings.confounding
    if split == "test" and settings.test_confounding is not None:
        confounding = settings.test_confounding
    studies = []
    for number in range(count):
        size = Size(*settings.image_size_px[int(rng.integers(len(settings.image_size_px)))])
        names = choose_findings(rng, settings)
        radiograph = draw_radiograph(rng, size, build, names, settings, confounding)
        here = (reflacx and (number == 0 or not both), eye_gaze and (number == count - 1 or not both))
        studies.append(_study(rng, settings, index, number, radiograph, here))
    return Patient(
        subject,
        split,
        str(rng.choice(["F", "M"])),
        int(rng.integers(20, 90)),
        tuple(studies),
        index < 2 or bool(rng.random() >= settings.missing_folder_share),
    )


def _study(
    rng: np.random.Generator,
    settings: FakeTreeSettings,
    index: int,
    number: int,
    radiograph: Radiograph,
    sources: tuple[bool, bool],
) -> Study:
    consolidated = any(one.name == "Consolidation" for one in radiograph.findings)
    pneumonia = [None, 1, -1][int(rng.choice(3, p=[0.45, 0.47, 0.08]))] if consolidated else None
    report = state(rng, radiograph, radiograph.findings, pneumonia, int(rng.integers(2, 4)))
    first = number == 0
    five = (first and index in (0, 3)) or rng.random() < settings.five_readers_share
    phase = (1 if index == 0 else 2 if index == 3 else int(rng.integers(1, 3))) if five else 3
    readers = tuple(range(1, _READERS + 1)) if five else (int(rng.integers(1, _READERS + 1)),)
    lateral = (first and index == 0) or rng.random() < settings.lateral_share
    return Study(
        study_id=_FIRST_SUBJECT + 1000 * index + 500 * number + int(rng.integers(500)),
        dicom_id=_dicom_id(rng),
        lateral_id=_dicom_id(rng) if lateral else None,
        date=21_000_101
        + 10_000 * int(rng.integers(0, 90))
        + 100 * int(rng.integers(12))
        + int(rng.integers(28)),
        time=f"{int(rng.integers(24)):02d}{int(rng.integers(60)):02d}{int(rng.integers(60)):02d}",
        radiograph=radiograph,
        pneumonia=pneumonia,
        report=report,
        labels=_labels(rng, settings, report),
        readers=readers if sources[0] else (),
        phase=phase,
        in_eye_gaze=sources[1],
        stay_id=30_000_000 + 100 * index + number if rng.random() < 0.44 else None,
    )


def _labels(
    rng: np.random.Generator, settings: FakeTreeSettings, report: Sequence[Statement]
) -> dict[str, int]:
    """Label the report; now and then lose or doubt one label, as labelers do."""
    labels = findings_of(report)
    if rng.random() < settings.label_noise:
        name = sorted(labels)[int(rng.integers(len(labels)))]
        if rng.random() < 0.5:
            labels[name] = -1
        else:
            del labels[name]
    return labels


def _dicom_id(rng: np.random.Generator) -> str:
    return "-".join(f"{int(group):08x}" for group in rng.integers(0, 2**32, 5))
