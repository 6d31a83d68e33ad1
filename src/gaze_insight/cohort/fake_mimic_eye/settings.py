"""What a fake MIMIC-Eye tree holds."""

from __future__ import annotations

from pydantic import Field, field_validator

from gaze_insight.types import Settings

__all__ = ["DRAWN_FINDINGS", "FakeTreeSettings"]

DRAWN_FINDINGS: dict[str, float] = {
    "Atelectasis": 0.22,
    "Cardiomegaly": 0.16,
    "Consolidation": 0.22,
    "Edema": 0.16,
    "Enlarged Cardiomediastinum": 0.04,
    "Fracture": 0.04,
    "Lung Lesion": 0.26,
    "Lung Opacity": 0.16,
    "Pleural Effusion": 0.24,
    "Pneumothorax": 0.22,
    "Support Devices": 0.22,
}
"""Finding, as CheXpert spells it, to its share among the images that are not normal."""


class FakeTreeSettings(Settings):
    """How many patients are made up, how hard their radiographs are to read, and how they are read.

    The distribution is the same for all patients, unless `test_confounding` says that those whose published
    split is ``test`` come from a hospital where the shortcut does not hold.

    Example:
        >>> FakeTreeSettings(patients=3).confounding
        0.0
    """

    patients: int = Field(60, ge=1, le=90_000, description="Patients; about 1.2 frontal radiographs each")
    seed: int = Field(0, ge=0, description="Seed of everything; an equal seed gives equal bytes")
    image_size_px: tuple[tuple[int, int], ...] = Field(
        ((320, 272), (288, 320), (304, 304)), min_length=1, description="Heights and widths, taken at random"
    )
    normal_share: float = Field(0.25, ge=0, le=1, description="Share of images without any finding")
    prevalence: dict[str, float] = Field(
        default_factory=lambda: dict(DRAWN_FINDINGS), description="Share of each finding among the others"
    )
    contrast: float = Field(
        1.4, gt=0, le=3, description="Contrast of findings, 1 for faint ones; look-alikes keep theirs"
    )
    lookalikes: float = Field(4.0, ge=0, description="Mean number of harmless things that resemble findings")
    confounding: float = Field(
        0.0, ge=0, le=1, description="How much likelier bedside views and wires are in the sick: 0 not at all"
    )
    test_confounding: float | None = Field(
        None, ge=0, le=1, description="The same for patients of the published test split; none: no other"
    )
    split_shares: tuple[float, float, float] = Field(
        (0.6, 0.15, 0.25), description="Shares of patients in the published splits train, validate and test"
    )
    second_study_share: float = Field(0.2, ge=0, le=1, description="Share of patients with a second study")
    both_sources_share: float = Field(0.1, ge=0, le=1, description="Share of patients read in both sources")
    eye_gaze_share: float = Field(0.3, ge=0, le=1, description="Share of patients read for EyeGaze alone")
    five_readers_share: float = Field(0.06, ge=0, le=1, description="Share of REFLACX images with 5 readers")
    discarded_share: float = Field(0.03, ge=0, le=1, description="Share of readings without eye tracking")
    lateral_share: float = Field(0.25, ge=0, le=1, description="Share of studies with an extra lateral jpg")
    missing_folder_share: float = Field(
        0.1, ge=0, le=1, description="Share of patients without Hosp, ICU, ED"
    )
    uncertain_share: float = Field(0.08, ge=0, le=1, description="Share of findings called possible")
    label_noise: float = Field(
        0.02, ge=0, le=1, description="Share of studies with one label lost or doubted"
    )
    dwell_on_findings: float = Field(
        1.5, gt=0, le=5, description="How long findings are looked at, in multiples of 2.2 s a sentence"
    )
    aim_sd_frac: float = Field(
        0.014, ge=0, description="Spread of a fixation about its aim, of the body's width"
    )
    samples_hz: int = Field(
        30, ge=5, le=1000, description="Raw gaze samples a second; trackers give 60 to 1000"
    )
    raw_gaze: bool = Field(True, description="Write raw gaze samples beside the fixations")

    @field_validator("image_size_px")
    @classmethod
    def _large_enough(cls, sizes: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int], ...]:
        if any(min(size) < 64 for size in sizes):
            raise ValueError("a radiograph must be 64 px or more on each side")
        return sizes

    @field_validator("split_shares")
    @classmethod
    def _whole(cls, shares: tuple[float, float, float]) -> tuple[float, float, float]:
        if min(shares) < 0 or abs(sum(shares) - 1) > 1e-6:
            raise ValueError("the shares of the splits must be 0 or more and add up to 1")
        return shares

    @field_validator("prevalence")
    @classmethod
    def _known(cls, shares: dict[str, float]) -> dict[str, float]:
        unknown = sorted(set(shares) - set(DRAWN_FINDINGS))
        if unknown:
            raise ValueError(f"cannot draw {', '.join(unknown)}; known: {', '.join(DRAWN_FINDINGS)}")
        if any(not 0 <= share <= 1 for share in shares.values()):
            raise ValueError("a share must be in [0, 1]")
        return shares
