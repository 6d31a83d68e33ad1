"""The training steps of a method under test."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from gaze_insight.methods.checks.drawn_batches import drawn_batch
from gaze_insight.methods.checks.notes import Notes, listed
from gaze_insight.methods.checks.observations import differ, is_finite, watching_draws
from gaze_insight.methods.protocol import Batch, Method
from gaze_insight.methods.words import WordSpace
from gaze_insight.types import IGNORE, Size

__all__ = ["check_stage"]

_PROGRESS = (0.0, 0.5, 0.98)
_RATE = 1e-3
_DRAWS = "use batch.noise, or torch.Generator().manual_seed(batch.seed); no dropout"
_State = dict[str, Tensor]


def check_stage(notes: Notes, method: Method, stage: str, size: Size, words: WordSpace | None) -> None:
    """Check the steps of a stage; the method is one optimiser step further afterwards.

    Args:
        notes: Receives the problems.
        method: The method.
        stage: The stage's name.
        size: Height and width of the images in pixels.
        words: The kind of words; None for none.
    """
    where = f"stage {stage!r}"
    trained: nn.Module | None = None
    with notes.attempting(f"{where}, trained_in and begin_stage", "name the part that the stage trains"):
        method.begin_stage(stage)
        trained = method.trained_in(stage)
    if trained is None or not _is_trainable(notes, where, method, trained):
        return
    batch = drawn_batch(method.label_maps, size, words)
    if not _check_gradients(notes, where, method, stage, batch):
        return
    _check_repetition(notes, where, method, stage, batch)
    _check_edges(notes, where, method, stage, batch)
    _check_frozen(notes, where, method, stage, batch, trained)


def _is_trainable(notes: Notes, where: str, method: Method, trained: object) -> bool:
    if not isinstance(trained, nn.Module):
        notes.problem(
            where, "an nn.Module from trained_in", type(trained).__name__, "return the module to train"
        )
        return False
    own, named = {id(p) for p in method.parameters()}, {id(p) for p in trained.parameters()}
    active = {id(p) for p in method.parameters() if p.requires_grad}
    if not active:
        notes.problem(where, "parameters to train", "none", "check trained_in and begin_stage")
    if named - own:
        notes.problem(
            where,
            "trained parameters that belong to the method",
            f"{len(named - own)} that do not",
            "assign the module to self, or use nn.ModuleList and nn.ModuleDict",
        )
    if active - named:
        strays = [name for name, p in method.named_parameters() if id(p) in active - named]
        notes.problem(where, "only trained_in to be trained", listed(strays), "freeze them in begin_stage")
    return bool(active) and not named - own


def _check_gradients(notes: Notes, where: str, method: Method, stage: str, batch: Batch) -> bool:
    missing: set[str] = set()
    broken: set[str] = set()
    still: set[str] | None = None
    for progress in _PROGRESS:
        loss = _loss(notes, where, method, stage, replace(batch, progress=progress))
        if loss is None or not _step_back(notes, where, method, loss):
            return False
        gradients = {name: p.grad for name, p in method.named_parameters() if p.requires_grad}
        missing |= {name for name, grad in gradients.items() if grad is None}
        broken |= {name for name, grad in gradients.items() if grad is not None and not is_finite(grad)}
        zero = {name for name, grad in gradients.items() if grad is not None and not grad.any()}
        still = zero if still is None else still & zero
    count = sum(p.numel() for p in method.parameters() if p.requires_grad)
    notes.facts.setdefault("parameters", {})[stage] = count
    notes.facts.setdefault("zero_gradient", {})[stage] = tuple(sorted(still or ()))
    if missing:
        notes.problem(
            where,
            "a gradient in every trained parameter",
            f"none in {listed(missing)}",
            "use them in every step, or leave them out of trained_in: several processes would wait for ever",
        )
    if broken:
        notes.problem(
            where,
            "finite gradients",
            f"nan or infinity in {listed(broken)}",
            "look for 0/0, sqrt(0) and log(0)",
        )
    return True


def _check_repetition(notes: Notes, where: str, method: Method, stage: str, batch: Batch) -> None:
    state, untouched = _state(method), _copied(batch)
    drawn: set[str] = set()
    losses: list[Tensor] = []
    for seed in (11, 12):
        method.load_state_dict(state)
        torch.manual_seed(seed)
        with watching_draws(drawn):
            loss = _loss(notes, where, method, stage, batch)
        if loss is None:
            return
        losses.append(loss.detach())
    if drawn:
        notes.problem(where, "no use of global random generators", f"draws from {listed(drawn)}", _DRAWS)
    elif differ(*losses):
        notes.problem(
            where,
            "the same loss from the same batch and weights",
            f"{losses[0].item():.6g} and then {losses[1].item():.6g}",
            "remember nothing between steps outside of parameters and buffers",
        )
    tensors = {"image": batch.image, "noise": batch.noise, **batch.labels}
    changed = [name for name, value in tensors.items() if not torch.equal(value, untouched[name])]
    if changed:
        notes.problem(
            where, "the batch as it was", f"{listed(changed)} changed", "copy before writing in place"
        )
    method.load_state_dict(state)


def _check_edges(notes: Notes, where: str, method: Method, stage: str, batch: Batch) -> None:
    state = _state(method)
    alone = Batch(
        image=batch.image[:1],
        labels={name: value[:1] for name, value in batch.labels.items()},
        words=None if batch.words is None else batch.words.map(lambda part: part[:1]),
        noise=batch.noise[:1],
        progress=batch.progress,
        seed=batch.seed,
    )
    unknown = {name: torch.full_like(value, IGNORE) for name, value in batch.labels.items()}
    healthy = {name: torch.where(value == IGNORE, value, 0) for name, value in batch.labels.items()}
    for case, shown in (
        ("a batch of one image", alone),
        ("nothing labelled (all 255)", replace(batch, labels=unknown)),
        ("no lesion in the labels", replace(batch, labels=healthy)),
    ):
        loss = _loss(notes, f"{where}, {case}", method, stage, shown)
        if loss is not None and _step_back(notes, f"{where}, {case}", method, loss):
            names = [n for n, p in method.named_parameters() if p.grad is not None and not is_finite(p.grad)]
            if names:
                notes.problem(
                    f"{where}, {case}",
                    "finite gradients",
                    f"nan or infinity in {listed(names)}",
                    "guard means over an empty set",
                )
        method.load_state_dict(state)


def _check_frozen(
    notes: Notes, where: str, method: Method, stage: str, batch: Batch, trained: nn.Module
) -> None:
    inside = {id(tensor) for tensor in (*trained.parameters(), *trained.buffers())}
    tensors = dict(method.named_parameters()) | dict(method.named_buffers())
    frozen = {name: tensor for name, tensor in tensors.items() if id(tensor) not in inside}
    before = {name: tensor.detach().clone() for name, tensor in frozen.items()}

    def changed() -> list[str]:
        return [name for name, tensor in frozen.items() if not torch.equal(tensor, before[name])]

    loss = _loss(notes, where, method, stage, batch)
    if loss is None or not _step_back(notes, where, method, loss):
        return
    torch.optim.SGD([p for p in method.parameters() if p.requires_grad], lr=_RATE).step()
    if changed():
        notes.problem(
            where,
            "a frozen part that stays as it is during a step",
            f"changes of {listed(changed())}",
            "put it in evaluation mode, or move it in after_step",
        )
    drawn: set[str] = set()
    with (
        notes.attempting(f"{where}, after_step", "follow the step there, or leave the function out"),
        watching_draws(drawn),
    ):
        method.after_step(stage)
    if drawn:
        notes.problem(f"{where}, after_step", "no random draws", f"draws from {listed(drawn)}", _DRAWS)
    moved = {name.partition(".")[0] for name in changed()}
    notes.facts.setdefault("moved_after_step", {})[stage] = tuple(sorted(moved))
    method.zero_grad(set_to_none=True)


def _loss(notes: Notes, where: str, method: Method, stage: str, batch: Batch) -> Tensor | None:
    losses: Any = None
    with notes.attempting(f"{where}, forward", "take (batch, stage) and return the losses by name"):
        losses = method(batch, stage)
        if not isinstance(losses, Mapping):
            notes.problem(
                where, "losses by name from forward", type(losses).__name__, 'return {"loss": loss}'
            )
    if not isinstance(losses, Mapping):
        return None
    if "loss" not in losses:
        notes.problem(
            where,
            'a loss named "loss"',
            ", ".join(map(repr, losses)) or "nothing",
            "name the one to minimise so",
        )
        return None
    good = [name for name, value in losses.items() if _is_good(notes, where, name, value)]
    loss: Tensor = losses["loss"]
    return loss if "loss" in good else None


def _is_good(notes: Notes, where: str, name: str, value: object) -> bool:
    if not isinstance(value, Tensor) or value.ndim or value.is_complex():
        found = f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
        notes.problem(where, f"a scalar tensor as {name!r}", found, "take the mean, keep it a tensor")
        return False
    if not is_finite(value):
        notes.problem(where, f"a finite {name!r}", value.item(), "look for empty means, log(0) and 0/0")
        return False
    return True


def _step_back(notes: Notes, where: str, method: Method, loss: Tensor) -> bool:
    method.zero_grad(set_to_none=True)
    if not loss.requires_grad:
        notes.problem(
            where,
            "a loss that depends on the trained part",
            "a constant",
            "compute it with gradients, also if 0",
        )
        return False
    with notes.attempting(f"{where}, backward", "change no tensor in place that the gradient needs") as back:
        loss.backward()  # type: ignore[no-untyped-call]
    return back.done


def _state(method: Method) -> _State:
    return {name: value.detach().clone() for name, value in method.state_dict().items()}


def _copied(batch: Batch) -> _State:
    tensors = {"image": batch.image, "noise": batch.noise, **batch.labels}
    return {name: value.clone() for name, value in tensors.items()}
