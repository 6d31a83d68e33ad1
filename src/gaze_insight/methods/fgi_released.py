"""From Gaze to Insight (FGI), as its released code trains it; each deviation from the paper is a switch."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from typing import ClassVar, Literal, NamedTuple, cast

import torch
from pydantic import Field, field_validator
from torch import Tensor, nn

from gaze_insight.losses.angular import angular_feature_consistency
from gaze_insight.losses.disagreement_masking import DarmSettings, apply_masking, disagreement_mask
from gaze_insight.losses.partial_cross_entropy import partial_cross_entropy
from gaze_insight.losses.ramp import gaussian_ramp
from gaze_insight.losses.released_consistency import thresholded_cross_entropy, two_class_margin
from gaze_insight.losses.released_masking import pooled_blocks
from gaze_insight.losses.released_mixing import Mixing, cut_mix, draw_mixing
from gaze_insight.methods.levels import level_name
from gaze_insight.methods.protocol import AttributeWords, Batch, Method, Stage, Words
from gaze_insight.methods.words import WordReader, WordSpace, refuse_weights
from gaze_insight.networks.building import NetworkSettings
from gaze_insight.networks.fusion import FusionSettings
from gaze_insight.networks.output import SegmentationOutput
from gaze_insight.networks.released_networks import (
    ReleasedStudent,
    build_parts,
    build_released_student,
    build_released_teacher,
)
from gaze_insight.networks.segmenter import Segmenter
from gaze_insight.networks.student import Student
from gaze_insight.networks.teacher import Teacher
from gaze_insight.types import BACKGROUND, FOREGROUND, Settings, Size

__all__ = ["FgiReleased", "FgiReleasedSettings"]


class FgiReleasedSettings(Settings):
    """Settings of the released FGI. Each default is the released code's; the other value is the paper's.

    Example:
        >>> FgiReleasedSettings(confidence="both").training
        'joint'
    """

    kind: Literal["fgi_released"] = "fgi_released"
    teacher_epochs: int = Field(8, ge=1, description="passes of the teacher stage, with training=staged")
    student_epochs: int = Field(10, ge=1, description="passes of the joint or the student stage")
    network: NetworkSettings = NetworkSettings()
    training: Literal["joint", "staged"] = Field(
        "joint", description="joint: teacher and student together, one summed loss; staged: teacher first"
    )
    supervision: Literal["dense", "partial"] = Field(
        "dense",
        description="dense: cross-entropy on every pixel of the pseudo-mask cut at `thresholds`; partial: "
        "of the sparse and comprehensive masks, unlabelled pixels left out (eq. 8)",
    )
    thresholds: tuple[float, float] = Field((0.5, 0.3), description="cuts of the soft pseudo-mask, for dense")
    area_swap: bool = Field(
        True, description="with dense: an image's smaller mask is the teacher's, whichever cut made it"
    )
    darm_compares: Literal["labels", "predictions", "off"] = Field(
        "labels", description="what is compared to find disagreement; the paper compares predictions"
    )
    darm_budget: Literal["batch", "image"] = Field(
        "batch",
        description="batch: one for all images, blocks may leave the disagreement; image: exact",
    )
    darm_hidden: Literal["background", "ignore"] = Field(
        "background", description="the label of hidden pixels; the paper counts them as not known"
    )
    darm_budget_frac: float = Field(0.3, ge=0, le=1, description="share of the disagreement that is hidden")
    consistency: Literal["both_ways", "to_student"] = Field(
        "both_ways", description="who learns from whom; in the paper the student from the teacher (eq. 12)"
    )
    confidence: Literal["target", "both"] = Field(
        "target", description="who must be sure of a pixel; in the paper both networks (eqs. 10, 11)"
    )
    probability: Literal["softmax", "sigmoid"] = Field(
        "softmax",
        description="of the consistency; supervision and prediction take the sigmoid of the last logit",
    )
    view: Literal["noise_and_cutmix", "same"] = Field(
        "noise_and_cutmix",
        description="what the learner of consistency sees: a noisy, mixed image or the same",
    )
    view_noise: float = Field(0.2, ge=0, description="largest noise, in normalised intensity")
    cutmix_beta: int = Field(4, ge=1, description="both parameters of CutMix's beta distribution")
    words_at_flips: Literal["stay", "follow"] = Field(
        "stay",
        description="whether words of place follow a flipped image; of attribute words: a text model's "
        "words are moved before a method sees them, and always follow",
    )
    padding: Literal["attended", "masked"] = Field(
        "attended", description="whether the fusion reads tokens that stand for nothing; paper fusion: masked"
    )
    fusion_form: Literal["released", "paper"] = Field(
        "released",
        description="released: no lambda, positions in the residual, distillation blocks, rectified "
        "adapters; paper: eqs. 1 to 7, AFC between X'_k and linear adapters",
    )
    fusion_stages: int = Field(4, ge=1, le=4, description="scales that are fused, from the finest pooled one")
    fusion_heads: int = Field(8, ge=1, description="attention heads")
    afc_weight: float = Field(0.1, ge=0, description="weight of the angular feature consistency")
    angular_beta: float = Field(0.5, gt=0, description="beta of eq. 9; the paper's default is 1")
    afc_ramped: bool = Field(True, description="whether AFC is warmed up; not in the paper")
    cwc_weight: float = Field(1.0, ge=0, description="weight of the consistency of predictions")
    tau: float = Field(0.8, ge=0.5, le=1, description="least confidence; tau_pos = 1 - tau_neg of the paper")
    ramp_frac: float = Field(4 / 15, gt=0, le=1, description="share of the stage of the warm-up")

    @field_validator("thresholds")
    @classmethod
    def _two_cuts(cls, cuts: tuple[float, float]) -> tuple[float, float]:
        if cuts[0] == cuts[1] or not all(0 < cut < 1 for cut in cuts):
            raise ValueError(f"expected two different thresholds in (0, 1), found {cuts}")
        return cuts


class _Learner(NamedTuple):
    """Of a network's own pass foreground logits, margins and features; margins of the mixed view."""

    logits: Tensor
    margin: Tensor
    view: Tensor
    features: list[Tensor]


class _View(NamedTuple):
    """The noisy, mixed images a network learns consistency on, and how they were mixed; None: the same."""

    images: Tensor | None
    mixing: Mixing | None


class FgiReleased(Method):
    r"""Teacher and student, trained together from scratch.

    With T the teacher on clean images, S the student on masked ones, T', S' both on noisy, mixed images, and
    CRC the thresholded cross-entropy, each step minimises

    $$BCE(T, M_{small}) + BCE(S, M_{large}) + w(t)[CRC(T', S) + CRC(S', T)] + 0.05 w(t) \overline{1 - cos}$$

    with :math:`w(t) = e^{-5(1-t)^2}` over the first ``ramp_frac`` of the stage. T' and S' see noise and mixes
    of their own. The clean and the mixed pass of a network run as one, with the batch norms of each pass
    apart. The batch norms make an image depend on its batch in training. Two optimisers with the same
    settings are one.

    Args:
        settings: The method's settings.
        words: The kind and width of the descriptions; None for a teacher that reads no words.
        input_size: Height and width of the training images in pixels.

    Reference:
        The behaviour of the code released with Chen et al., From Gaze to Insight.

    Example:
        >>> settings = FgiReleasedSettings(network=NetworkSettings(pretrained=False))
        >>> method = FgiReleased(settings, WordSpace("attributes", 16), Size(32, 32))
        >>> [stage.name for stage in method.stages], method.label_maps
        (['student'], ('above_0.5000', 'above_0.3000'))
    """

    settings_type: ClassVar[type[Settings]] = FgiReleasedSettings
    summary: ClassVar[str] = "From Gaze to Insight as its released code trains it, each deviation a switch"
    heads: ClassVar[tuple[str, ...]] = ("student", "teacher")

    def __init__(self, settings: FgiReleasedSettings, words: WordSpace | None, input_size: Size) -> None:
        super().__init__()
        self.settings = settings
        self.joint = settings.training == "joint"
        teaching = () if self.joint else (Stage("teacher", settings.teacher_epochs),)
        self.stages = (*teaching, Stage("student", settings.student_epochs))
        dense = settings.supervision == "dense"
        self.label_maps = (
            tuple(map(level_name, settings.thresholds)) if dense else ("sparse", "comprehensive")
        )
        self.uses_words = words is not None
        network = _teacher(settings, words.channels if words else 0, input_size)
        teacher = nn.ModuleDict({"network": network})
        if words is not None:
            teacher["words"] = WordReader(words)
        self.networks = nn.ModuleDict(
            {"teacher": teacher, "student": _student(settings, network.encoder.channels)}
        )

    def trained_in(self, stage: str) -> nn.Module:
        """Train both networks together, or the stage's own."""
        return self.networks if self.joint else self.networks[stage]

    def forward(self, batch: Batch, stage: str) -> dict[str, Tensor]:
        """Compute the summed loss, or the teacher's cross-entropy in a stage of its own."""
        small, large = self._targets(batch)
        if stage == "teacher":
            taught = self._network("teacher")(batch.image, *self._tokens(self._words(batch)))
            return {"loss": partial_cross_entropy(taught.logits[:, -1:], small)}
        settings = self.settings
        views = {head: self._view(batch, turn) for turn, head in enumerate(("teacher", "student"))}
        teacher = self._teacher_passes(batch, views["teacher"].images)
        image, labels, hidden = self._mask(batch, small, large, teacher.logits)
        student = self._passes("student", image, views["student"].images, ())
        losses = {"student_ce": partial_cross_entropy(student.logits, labels)}
        if self.joint:
            losses["teacher_ce"] = partial_cross_entropy(teacher.logits, small)
        if settings.afc_weight:
            losses["afc"] = angular_feature_consistency(
                student.features, teacher.features, beta=settings.angular_beta
            )
        if settings.cwc_weight:
            losses |= self._consistency(teacher, student, views)
        ramp = gaussian_ramp(min(1.0, batch.progress / settings.ramp_frac))
        weights = {
            "afc": settings.afc_weight * (ramp if settings.afc_ramped else 1.0),
            "cwc": settings.cwc_weight * ramp,
            "cwc_teacher": settings.cwc_weight * ramp,
        }
        total = torch.stack([weights.get(name, 1.0) * value for name, value in losses.items()]).sum()
        return {"loss": total, **losses, "hidden": hidden.float().mean()}

    def predict(self, image: Tensor, words: Words | None = None) -> dict[str, Tensor]:
        """Predict with the student from the image, and with the teacher where there are words."""
        logits = {"student": self._network("student").predict(image)[:, -1:]}
        if words is not None or not self.uses_words:
            logits["teacher"] = self._network("teacher")(image, *self._tokens(words)).logits[:, -1:]
        return logits

    def _network(self, head: str) -> Segmenter:
        part = self.networks[head]
        return cast(Segmenter, part["network"] if isinstance(part, nn.ModuleDict) else part)

    def _tokens(self, words: Words | None) -> tuple[Tensor, Tensor | None] | tuple[()]:
        if not self.uses_words:
            return ()
        refuse_weights(words, "fgi_released")
        teacher = cast(nn.ModuleDict, self.networks["teacher"])
        tokens, mask = teacher["words"](words)
        unmasked = self.settings.padding == "attended" and self.settings.fusion_form == "released"
        return tokens, None if unmasked else mask

    def _words(self, batch: Batch) -> Words | None:
        words = batch.words
        if self.settings.words_at_flips == "stay" and isinstance(words, AttributeWords):
            return replace(words, symmetry=torch.zeros_like(words.symmetry))
        return words

    def _targets(self, batch: Batch) -> tuple[Tensor, Tensor]:
        first, second = (batch.labels[name] for name in self.label_maps)
        if self.settings.supervision == "partial" or not self.settings.area_swap:
            return first, second
        areas = [(labels == FOREGROUND).flatten(1).sum(dim=1) for labels in (first, second)]
        swapped = (areas[0] > areas[1]).view(-1, 1, 1, 1)
        return torch.where(swapped, second, first), torch.where(swapped, first, second)

    def _view(self, batch: Batch, turn: int) -> _View:
        settings, image = self.settings, batch.image
        if settings.view == "same" or not settings.cwc_weight:
            return _View(None, None)
        seed = batch.seed + turn
        generator = torch.Generator(device=image.device).manual_seed(seed)
        noise = torch.rand(image.shape, generator=generator, device=image.device, dtype=image.dtype)
        scale = self._network("student").encoder.std * settings.view_noise
        drawn = draw_mixing(image.shape, torch.Generator().manual_seed(seed), beta=settings.cutmix_beta)
        mixing = Mixing(*(part.to(image.device) for part in drawn))
        return _View(cut_mix(image + (2 * noise - 1) * scale, mixing), mixing)

    def _teacher_passes(self, batch: Batch, view: Tensor | None) -> _Learner:
        with nullcontext() if self.joint else torch.no_grad():
            tokens = self._tokens(self._words(batch))
            learns = self.joint and self.settings.consistency == "both_ways"
            return self._passes("teacher", batch.image, view if learns else None, tokens)

    def _passes(
        self, head: str, image: Tensor, view: Tensor | None, tokens: tuple[Tensor | None, ...]
    ) -> _Learner:
        network, count = self._network(head), len(image)
        images, options = image, {}
        if view is not None:
            images = torch.cat([image, view])
            tokens = tuple(None if part is None else torch.cat([part, part]) for part in tokens)
            if self.settings.fusion_form == "released":
                options = {"passes": 2} if head == "teacher" else {"compared": count}
        output: SegmentationOutput = network(images, *tokens, **options)
        margin = two_class_margin(output.logits)
        return _Learner(
            output.logits[:count, -1:],
            margin[:count],
            margin[:count] if view is None else margin[count:],
            [features[:count] for features in output.features],
        )

    def _consistency(
        self, teacher: _Learner, student: _Learner, views: dict[str, _View]
    ) -> dict[str, Tensor]:
        def followed(other: _Learner, mixing: Mixing | None) -> Tensor:
            target = other.margin.detach()
            return target if mixing is None else cut_mix(target, mixing)

        settings = self.settings
        tau, both = settings.tau, settings.confidence == "both"
        target = followed(teacher, views["student"].mixing)
        losses = {"cwc": thresholded_cross_entropy(student.view, target, tau=tau, both=both)}
        if self.joint and settings.consistency == "both_ways":
            target = followed(student, views["teacher"].mixing)
            losses["cwc_teacher"] = thresholded_cross_entropy(teacher.view, target, tau=tau, both=both)
        return losses

    def _mask(
        self, batch: Batch, small: Tensor, large: Tensor, teacher_logits: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        settings, student = self.settings, self._network("student")
        if settings.darm_compares == "off":
            return batch.image, large, torch.zeros_like(large, dtype=torch.bool)
        if settings.darm_compares == "predictions":
            with torch.no_grad():
                own = student.predict(batch.image)[:, -1:].float().sigmoid()
            other = teacher_logits.detach().float().sigmoid()
        else:
            own, other = ((labels == FOREGROUND).float() for labels in (large, small))
        if settings.darm_budget == "batch":
            disputed = (own - other).abs() > 0.5
            hidden = pooled_blocks(disputed, batch.noise, budget_frac=settings.darm_budget_frac)
        else:
            exact = DarmSettings(budget_frac=settings.darm_budget_frac)
            hidden = disagreement_mask(own, other, batch.noise, exact)
        image, labels = apply_masking(batch.image, large, hidden, fill=student.encoder.mean)
        if settings.darm_hidden == "background":
            labels = large.masked_fill(hidden, BACKGROUND)
        return image, labels, hidden


def _teacher(settings: FgiReleasedSettings, text_channels: int, input_size: Size) -> Segmenter:
    stages, heads, outputs = settings.fusion_stages, settings.fusion_heads, _outputs(settings)
    if settings.fusion_form == "released":
        return build_released_teacher(
            settings.network,
            text_channels,
            stages=stages,
            heads=heads,
            input_size=input_size,
            out_channels=outputs,
        )
    fusion = FusionSettings(stages=stages, heads=heads)
    parts = build_parts(settings.network, "teacher", outputs)
    return Teacher(*parts, text_channels=text_channels, fusion=fusion, input_size=input_size)


def _student(settings: FgiReleasedSettings, channels: tuple[int, ...]) -> ReleasedStudent | Student:
    compared = channels[1 : settings.fusion_stages + 1] if settings.afc_weight else ()
    if settings.fusion_form == "released":
        return build_released_student(settings.network, compared, out_channels=_outputs(settings))
    return Student(*build_parts(settings.network, "student", _outputs(settings)), teacher_channels=compared)


def _outputs(settings: FgiReleasedSettings) -> int:
    return 2 if settings.probability == "softmax" else 1
