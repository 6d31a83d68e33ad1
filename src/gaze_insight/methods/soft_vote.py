"""A student that learns from the soft vote of the gaze."""

from __future__ import annotations

from copy import deepcopy
from typing import ClassVar, Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from gaze_insight.errors import SettingsError
from gaze_insight.losses.angular import angular_feature_consistency
from gaze_insight.losses.area_interval import area_interval_loss, described_area, sure_area
from gaze_insight.losses.confidence import confidence_weighted_consistency
from gaze_insight.losses.disagreement_masking import DarmSettings, disagreement_mask
from gaze_insight.losses.partial_cross_entropy import partial_cross_entropy
from gaze_insight.losses.projection import projection_loss
from gaze_insight.losses.ramp import gaussian_ramp
from gaze_insight.losses.soft_cross_entropy import soft_cross_entropy, soft_dice
from gaze_insight.losses.soft_labels import SoftLabels, hide_labels, read_labels
from gaze_insight.losses.teacher_consistency import pseudo_label_consistency
from gaze_insight.methods.averaging import follow
from gaze_insight.methods.protocol import AttributeWords, Batch, Method, Stage, Words
from gaze_insight.methods.strong_view import StrongView, StrongViewSettings, strong_view
from gaze_insight.methods.words import WordReader, WordSpace
from gaze_insight.networks.building import NetworkSettings, build_student, build_teacher
from gaze_insight.networks.fusion import FusionSettings
from gaze_insight.networks.output import SegmentationOutput
from gaze_insight.networks.student import Student
from gaze_insight.types import IGNORE, Settings, Size

__all__ = ["FgiParts", "SoftVote", "SoftVoteSettings"]


class FgiParts(Settings):
    """Parts of FGI that a teacher makes possible; they compare the two on the plain view.

    Example:
        >>> FgiParts(cwc_weight=1).on
        ('cwc_weight',)
    """

    cwc_weight: float = Field(0.0, ge=0, description="confidence-weighted consistency; off: 0, FGI: 1")
    afc_weight: float = Field(0.0, ge=0, description="angular feature consistency; off: 0, FGI: 0.1")
    darm_probability: float = Field(
        0.0, ge=0, le=1, description="chance of an image to be masked by DARM; off: 0, FGI: 0.5"
    )
    darm: DarmSettings = Field(DarmSettings(), description="how DARM masks")

    @property
    def on(self) -> tuple[str, ...]:
        """The names of those that are on."""
        names = ("cwc_weight", "afc_weight", "darm_probability")
        return tuple(name for name in names if getattr(self, name))


class SoftVoteSettings(Settings):
    """Settings of the soft vote; every part has one setting that switches it off.

    Example:
        >>> SoftVoteSettings(fgi=FgiParts(cwc_weight=1))  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        pydantic_core._pydantic_core.ValidationError: 1 validation error for SoftVoteSettings
          Value error, fgi.cwc_weight needs a teacher, ...
    """

    kind: Literal["soft_vote"] = "soft_vote"
    student_epochs: int = Field(10, ge=1, description="passes over the training set")
    network: NetworkSettings = NetworkSettings()
    labels: Literal["comprehensive", "soft", "mask"] = Field(
        "comprehensive",
        description="the pseudo-mask's comprehensive mask, its probabilities, or true masks, which are "
        "trusted: the fully supervised twin of the same training",
    )
    weight: Literal["none", "trust", "weighted_trust"] = Field(
        "none", description="how pixels count: alike, by trust, or by trust and each case's expected Dice"
    )
    weight_floor: float = Field(
        0.1, ge=0, le=1, description="weight of an untrusted pixel; 0: such pixels are left out"
    )
    dice_weight: float = Field(1.0, ge=0, description="weight of the soft Dice term; off: 0")
    student_view: Literal["plain", "strong"] = Field(
        "plain",
        description="what the labels are learned on; strong: on the varied view, which then serves the "
        "consistency too and saves a pass",
    )
    strong: StrongViewSettings = Field(StrongViewSettings(), description="the varied view, wherever used")
    teacher: Literal["none", "ema", "words"] = Field(
        "none",
        description="ema: the student's averaged weights; words: a network that fuses image and words, "
        "trained first, on the sparse labels",
    )
    teacher_epochs: int = Field(8, ge=1, description="passes of the first stage of teacher=words")
    teacher_decay: float = Field(0.99, ge=0, lt=1, description="share of teacher=ema that stays at a step")
    fusion: FusionSettings = Field(FusionSettings(), description="of teacher=words")
    consistency_weight: float = Field(
        1.0, ge=0, description="with a teacher: weight of the consistency under the varied view; off: 0"
    )
    least_confidence: float = Field(
        0.8, gt=0.5, lt=1, description="the teacher's larger probability from which a pixel is consistent"
    )
    fgi: FgiParts = Field(FgiParts(), description="with a teacher: parts of FGI")
    ramp_frac: float = Field(
        4 / 15, gt=0, le=1, description="share of the stage over which the teacher's parts are warmed up"
    )
    projection_weight: float = Field(0.0, ge=0, description="weight of the box tightness; off: 0")
    projection_box: Literal["labels", "box"] = Field(
        "labels", description="the box of the labels' foreground, or the box made from the same gaze"
    )
    area_weight: float = Field(0.0, ge=0, description="weight of the area interval of sure pixels; off: 0")
    least_trust: float = Field(0.5, gt=0, le=1, description="trust from which the interval calls it sure")
    described_area_weight: float = Field(
        0.0, ge=0, description="weight of the area interval of the description; off: 0"
    )
    area_tolerance: float = Field(0.5, gt=0, description="by how much, relatively, a described area may err")

    @model_validator(mode="after")
    def _hangs_together(self) -> SoftVoteSettings:
        for name in self.fgi.on:
            if self.teacher == "none":
                raise ValueError(f"fgi.{name} needs a teacher, found teacher=none; use ema or words")
            if self.student_view == "strong":
                raise ValueError(f"fgi.{name} compares plain views, found student_view=strong; use plain")
        return self


class SoftVote(Method):
    r"""One network on the mask of the gaze vote, and what else is switched on.

    The vote is a soft one: the probabilities of the pseudo-mask generators are averaged, and the mask is
    where the average passes its threshold.

    $$L = CE_w + \lambda_D D_w + w(t)[\lambda_C C + \lambda_{CWC} L_{CWC}] + \lambda_{AFC} L_{AFC}
    + \lambda_P P + \lambda_A A$$

    CE and D compare with the vote's mask or its probabilities, pixels weighed alike or by trust. C is
    cross-entropy of the student on a strongly varied view with the teacher's class on the plain view, moved
    alike, where the teacher is sure. P asks the prediction for the rows and columns of the labels' box, A
    keeps its area between the sure foreground and all but the sure background. :math:`w(t) = e^{-5(1-t)^2}`
    over the first ``ramp_frac`` of the stage. A part that is off is not computed, and its label maps are not
    made.

    Args:
        settings: What is on.
        words: The kind and width of the descriptions; None for a teacher that reads none.
        input_size: Height and width of the training images in pixels.

    Raises:
        SettingsError: The described area is asked for, and the words tell none.

    Example:
        >>> small = NetworkSettings(encoder="unet", student_channels=(4, 4, 4, 4, 4))
        >>> SoftVote(SoftVoteSettings(network=small), None, Size(32, 32)).label_maps
        ('comprehensive',)
    """

    settings_type: ClassVar[type[Settings]] = SoftVoteSettings
    summary: ClassVar[str] = "the soft vote; trust, teacher, consistency, box and area can be added"
    heads: ClassVar[tuple[str, ...]] = ("student", "teacher")

    updates: Tensor

    def __init__(self, settings: SoftVoteSettings, words: WordSpace | None, input_size: Size) -> None:
        super().__init__()
        self.settings = settings
        self.label_maps = _label_maps(settings)
        self.stages = (Stage("student", settings.student_epochs),)
        described = settings.teacher == "words" or settings.described_area_weight > 0
        self.uses_words = described and words is not None
        if settings.described_area_weight and (words is None or words.kind != "attributes"):
            raise SettingsError(
                f"described_area_weight needs words with areas, found {words.kind if words else 'none'}",
                remedy="use language.encoder.kind=attributes, or method.described_area_weight=0",
            )
        self.student = _student_of(settings)
        if settings.teacher == "none":
            vars(self)["heads"] = self.heads[:1]
        elif settings.teacher == "ema":
            self.teacher: Student | nn.ModuleDict = deepcopy(self.student).requires_grad_(False)
            self.register_buffer("updates", torch.zeros((), dtype=torch.int64))
        else:
            self.stages = (Stage("teacher", settings.teacher_epochs), *self.stages)
            channels = 0 if words is None else words.channels
            network = build_teacher(settings.network, channels, settings.fusion, input_size)
            self.teacher = nn.ModuleDict({"network": network})
            if words is not None:
                self.teacher["words"] = WordReader(words)

    def trained_in(self, stage: str) -> nn.Module:
        """Train the teacher that reads words in a stage of its own, then the student."""
        return self.teacher if stage == "teacher" else self.student

    def forward(self, batch: Batch, stage: str) -> dict[str, Tensor]:
        """The losses that are switched on, by name; their weighted sum is the one to minimise."""
        if stage == "teacher":
            sure = batch.labels["mask" if self.settings.labels == "mask" else "sparse"]
            return {"loss": partial_cross_entropy(self._teach(batch.image, batch.words).logits, sure)}
        ramp = gaussian_ramp(batch.progress / self.settings.ramp_frac)
        guide = self._guide(batch)
        view = self._view(batch, guide)
        moved = view if self.settings.student_view == "strong" else None
        image, labels, hidden = self._shown(batch, guide, moved, ramp)
        student = self.student(image)
        losses = self._label_losses(student.logits, labels, batch, moved)
        logged = {} if hidden is None else {"hidden": hidden.float().mean()}
        if guide is not None:
            losses |= self._guided_losses(student, guide, labels.known)
            if view is not None and self.settings.consistency_weight:
                seen = student.logits if moved is view else self.student.predict(view.image)
                losses["consistency"], logged["confident"] = pseudo_label_consistency(
                    seen, view.move(guide.logits), confidence=self.settings.least_confidence
                )
        weights = self._weights(ramp)
        total = torch.stack([weights[name] * value for name, value in losses.items()]).sum()
        return {"loss": total, **losses, **logged}

    def predict(self, image: Tensor, words: Words | None = None) -> dict[str, Tensor]:
        """Predict with the student from the image, and with the teacher where it can."""
        logits = {"student": self.student.predict(image)}
        reads = self.settings.teacher == "words" and self.uses_words
        if "teacher" in self.heads and (words is not None or not reads):
            logits["teacher"] = self._teach(image, words).logits
        return logits

    @torch.no_grad()
    def after_step(self, stage: str) -> None:
        """Move the averaged weights towards the student's, as in Mean Teacher."""
        if self.settings.teacher == "ema":
            self.updates += 1
            share = (1 / self.updates.double()).clamp(min=1 - self.settings.teacher_decay)
            follow(self.teacher, self.student, share)

    def _teach(self, image: Tensor, words: Words | None) -> SegmentationOutput:
        """Logits of the teacher, and its encoder's maps where features are compared."""
        settings, teacher = self.settings, self.teacher
        if isinstance(teacher, Student):
            features = teacher.encode(image)
            logits = teacher.decoder(features, tuple(image.shape[-2:]))
            return SegmentationOutput(logits, features[1 : settings.fusion.stages + 1])
        told = words if "words" in teacher else None
        tokens = () if told is None else (*teacher["words"](told), told.weight)
        output: SegmentationOutput = teacher["network"](image, *tokens)
        return output

    @torch.no_grad()
    def _guide(self, batch: Batch) -> SegmentationOutput | None:
        """What the teacher says of the plain view; None where no part asks for it."""
        settings = self.settings
        if settings.teacher == "none" or not (settings.consistency_weight or settings.fgi.on):
            return None
        return self._teach(batch.image, batch.words)

    def _view(self, batch: Batch, guide: SegmentationOutput | None) -> StrongView | None:
        settings = self.settings
        consistent = guide is not None and settings.consistency_weight > 0
        if consistent or settings.student_view == "strong":
            return strong_view(batch, settings.strong, self.student.encoder.mean)
        return None

    def _shown(
        self, batch: Batch, guide: SegmentationOutput | None, moved: StrongView | None, ramp: float
    ) -> tuple[Tensor, SoftLabels, Tensor | None]:
        """The image that the labels are learned on, its labels, and what is hidden of it."""
        settings, maps = self.settings, batch.labels
        weighted = maps.get("weighted_trust") if settings.weight == "weighted_trust" else None
        labels = read_labels(
            maps[settings.labels], maps.get("trust"), weighted, soft=settings.labels == "soft"
        )
        if moved is not None:
            return moved.image, moved.move_labels(labels), None
        if guide is None or not settings.fgi.darm_probability:
            return batch.image, labels, None
        darm = settings.fgi.darm.model_copy(update={"budget_frac": settings.fgi.darm.budget_frac * ramp})
        with torch.no_grad():
            own = self.student.predict(batch.image).sigmoid()
            hidden = disagreement_mask(own, guide.logits.sigmoid(), batch.noise, darm)
            hidden &= batch.noise[:, :, :1, :1] < settings.fgi.darm_probability
        image = torch.where(hidden, self.student.encoder.mean, batch.image)
        return image, hide_labels(labels, hidden), hidden

    def _label_losses(
        self, logits: Tensor, labels: SoftLabels, batch: Batch, moved: StrongView | None
    ) -> dict[str, Tensor]:
        settings = self.settings
        floor = 1.0 if settings.weight == "none" else settings.weight_floor
        losses = {"ce": soft_cross_entropy(logits, labels, floor=floor)}
        if settings.dice_weight:
            losses["dice"] = soft_dice(logits, labels, floor=floor)
        if settings.projection_weight:
            box = (labels.foreground >= 0.5).to(torch.uint8)
            if settings.projection_box == "box":
                box = batch.labels["box"] if moved is None else moved.move_hard(batch.labels["box"])
            losses["projection"] = projection_loss(logits, box.masked_fill(~labels.known, IGNORE))
        if settings.area_weight:
            interval = sure_area(labels, least_trust=settings.least_trust)
            losses["area"] = area_interval_loss(logits, labels.known, interval)
        if settings.described_area_weight and isinstance(batch.words, AttributeWords):
            told = batch.words.area if moved is None else (batch.words.area * moved.scale**2).clamp(max=1)
            interval = described_area(told, tolerance=settings.area_tolerance)
            losses["described_area"] = area_interval_loss(logits, labels.known, interval)
        return losses

    def _guided_losses(
        self, student: SegmentationOutput, guide: SegmentationOutput, known: Tensor
    ) -> dict[str, Tensor]:
        losses = {}
        if self.settings.fgi.cwc_weight:
            losses["cwc"] = confidence_weighted_consistency(student.logits, guide.logits, keep=known)
        if self.settings.fgi.afc_weight:
            losses["afc"] = angular_feature_consistency(student.features, guide.features)
        return losses

    def _weights(self, ramp: float) -> dict[str, float]:
        settings = self.settings
        return {
            "ce": 1.0,
            "dice": settings.dice_weight,
            "projection": settings.projection_weight,
            "area": settings.area_weight,
            "described_area": settings.described_area_weight,
            "afc": settings.fgi.afc_weight,
            "cwc": settings.fgi.cwc_weight * ramp,
            "consistency": settings.consistency_weight * ramp,
        }


def _label_maps(settings: SoftVoteSettings) -> tuple[str, ...]:
    """Name the maps that the parts which are on ask for."""
    truth = settings.labels == "mask"
    trusts = settings.weight != "none" or settings.area_weight > 0
    asked = {
        settings.labels: True,
        "trust": trusts and not truth,
        "weighted_trust": settings.weight == "weighted_trust" and not truth,
        "sparse": settings.teacher == "words" and not truth,
        "box": settings.projection_weight > 0 and settings.projection_box == "box",
    }
    return tuple(name for name, wanted in asked.items() if wanted)


def _student_of(settings: SoftVoteSettings) -> Student:
    """Build the student; where features are compared with its own average, they keep its own widths."""
    network = settings.network
    if settings.teacher == "ema":
        network = network.model_copy(update={"teacher_channels": network.student_channels})
    return build_student(network, settings.fusion.stages if settings.fgi.afc_weight else 0)
