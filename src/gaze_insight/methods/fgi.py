"""From Gaze to Insight (FGI), as the paper states it."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from gaze_insight.losses.angular import angular_feature_consistency
from gaze_insight.losses.confidence import confidence_weighted_consistency
from gaze_insight.losses.disagreement_masking import DarmSettings, apply_masking, disagreement_mask
from gaze_insight.losses.partial_cross_entropy import comprehensive_cross_entropy, partial_cross_entropy
from gaze_insight.losses.ramp import gaussian_ramp
from gaze_insight.methods.protocol import Batch, Method, Stage, Words
from gaze_insight.methods.words import WordReader, WordSpace
from gaze_insight.networks.building import NetworkSettings, build_student, build_teacher
from gaze_insight.networks.fusion import FusionSettings
from gaze_insight.networks.output import SegmentationOutput
from gaze_insight.types import Settings, Size

__all__ = ["Fgi", "FgiSettings"]


class FgiSettings(Settings):
    """Settings of FGI; the defaults are the paper's, but for the stage lengths, which it does not give."""

    kind: Literal["fgi"] = "fgi"
    teacher_epochs: int = Field(8, ge=1, description="passes of the teacher stage")
    student_epochs: int = Field(10, ge=1, description="passes of the student stage")
    network: NetworkSettings = NetworkSettings()
    fusion: FusionSettings = FusionSettings()
    afc_weight: float = Field(0.1, ge=0, description="weight of the angular feature consistency, eq. 14")
    afc_beta: float = Field(1.0, gt=0, description="beta of eq. 9")
    cwc_weight: float = Field(1.0, ge=0, description="weight of the confidence-weighted consistency, eq. 14")
    tau_positive: float = Field(0.8, ge=0.5, le=1, description="confidence from which a pixel counts, eq. 10")
    tau_negative: float = Field(
        0.2, ge=0, le=0.5, description="counter-confidence up to which it counts, eq. 11"
    )
    darm: DarmSettings | None = Field(
        DarmSettings(), description="disagreement-aware random masking; null: off"
    )
    darm_probability: float = Field(
        0.5,
        ge=0,
        le=1,
        description="chance of an image to be masked; at 1 the student never sees clean images",
    )
    ramp_frac: float = Field(
        4 / 15, gt=0, le=1, description="share of the student stage over which CWC and DARM are warmed up"
    )


class Fgi(Method):
    r"""Teacher from sure pixels and words, student from the wider gaze under the teacher's guidance.

    Teacher stage: a network with text-vision fusion (eqs. 1-7) learns the sparse pseudo-mask by partial
    cross-entropy (eq. 8). Student stage, teacher frozen:

    $$L = L_{CE}(M_{comp}) + \lambda_{AFC} L_{AFC} + w(t) \lambda_{CWC} L_{CWC} \quad (14)$$

    with :math:`w(t) = e^{-5(1-t)^2}` over the first ``ramp_frac`` of the stage. Each step first compares the
    predictions of teacher and student on the clean image, hides patches where they disagree (DARM), and
    trains the student on the masked image; hidden pixels count in no pixel loss.

    Args:
        settings: The method's settings.
        words: The kind and width of the descriptions; None for a teacher that reads no words.
        input_size: Height and width of the training images in pixels.

    Reference:
        Chen et al., From Gaze to Insight: Bridging Human Visual Attention and Vision Language Model
        Explanation for Weakly-Supervised Medical Image Segmentation.

    Example:
        >>> settings = FgiSettings(network=NetworkSettings(pretrained=False))
        >>> method = Fgi(settings, WordSpace("attributes", 16), Size(32, 32))
        >>> [stage.name for stage in method.stages]
        ['teacher', 'student']
    """

    settings_type: ClassVar[type[Settings]] = FgiSettings
    summary: ClassVar[str] = "From Gaze to Insight: word-guided teacher, AFC, CWC and DARM for the student"
    heads: ClassVar[tuple[str, ...]] = ("student", "teacher")

    def __init__(self, settings: FgiSettings, words: WordSpace | None, input_size: Size) -> None:
        super().__init__()
        self.settings = settings
        self.stages = (
            Stage("teacher", settings.teacher_epochs),
            Stage("student", settings.student_epochs),
        )
        self.label_maps = ("sparse", "comprehensive")
        self.uses_words = words is not None
        self.teacher = nn.ModuleDict(
            {
                "network": build_teacher(
                    settings.network, words.channels if words else 0, settings.fusion, input_size
                )
            }
        )
        if words is not None:
            self.teacher["words"] = WordReader(words)
        self.student = build_student(settings.network, settings.fusion.stages if settings.afc_weight else 0)

    def trained_in(self, stage: str) -> nn.Module:
        """Train the teacher with its word embeddings, then the student."""
        return self.teacher if stage == "teacher" else self.student

    def forward(self, batch: Batch, stage: str) -> dict[str, Tensor]:
        """Eq. 8 in the teacher stage, eq. 14 in the student stage."""
        if stage == "teacher":
            output = self._teach(batch.image, batch.words)
            return {"loss": partial_cross_entropy(output.logits, batch.labels["sparse"])}
        return self._student_losses(batch)

    def predict(self, image: Tensor, words: Words | None = None) -> dict[str, Tensor]:
        """Predict with the student from the image, and with the teacher where there are words."""
        logits = {"student": self.student.predict(image)}
        if words is not None or not self.uses_words:
            logits["teacher"] = self._teach(image, words).logits
        return logits

    def _teach(self, image: Tensor, words: Words | None) -> SegmentationOutput:
        told = words if self.uses_words else None
        tokens = () if told is None else (*self.teacher["words"](told), told.weight)
        output: SegmentationOutput = self.teacher["network"](image, *tokens)
        return output

    def _student_losses(self, batch: Batch) -> dict[str, Tensor]:
        settings = self.settings
        ramp = gaussian_ramp(min(1.0, batch.progress / settings.ramp_frac))
        with torch.no_grad():
            teacher = self._teach(batch.image, batch.words)
        image, labels, hidden = self._mask(batch, teacher.logits, ramp)
        student = self.student(image)
        losses = {"ce": comprehensive_cross_entropy(student.logits, labels)}
        if settings.afc_weight:
            losses["afc"] = angular_feature_consistency(
                student.features, teacher.features, beta=settings.afc_beta
            )
        if settings.cwc_weight:
            losses["cwc"] = confidence_weighted_consistency(
                student.logits,
                teacher.logits,
                tau_positive=settings.tau_positive,
                tau_negative=settings.tau_negative,
                keep=~hidden,
            )
        weights = {"ce": 1.0, "afc": settings.afc_weight, "cwc": settings.cwc_weight * ramp}
        total = torch.stack([weights[name] * value for name, value in losses.items()]).sum()
        return {"loss": total, **losses, "hidden": hidden.float().mean()}

    def _mask(self, batch: Batch, teacher_logits: Tensor, ramp: float) -> tuple[Tensor, Tensor, Tensor]:
        labels = batch.labels["comprehensive"]
        darm = self.settings.darm
        if darm is None:
            return batch.image, labels, torch.zeros_like(labels, dtype=torch.bool)
        darm = darm.model_copy(update={"budget_frac": darm.budget_frac * ramp})
        with torch.no_grad():
            student_prob = self.student.predict(batch.image).sigmoid()
            hidden = disagreement_mask(student_prob, teacher_logits.sigmoid(), batch.noise, darm)
            hidden &= batch.noise[:, :, :1, :1] < self.settings.darm_probability
        image, labels = apply_masking(batch.image, labels, hidden, fill=self.student.encoder.mean)
        return image, labels, hidden
