"""The training loop."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from gaze_insight.errors import GazeInsightError, StoppedError
from gaze_insight.methods.trainable import Stage, Trainable
from gaze_insight.training.averaging import average_weights
from gaze_insight.training.checkpoints import TrainingState, load_state, save_state, save_weights
from gaze_insight.training.compiling import compile_networks, lay_out_for
from gaze_insight.training.epoch_order import BatchMaker
from gaze_insight.training.history import append_history, trim_history
from gaze_insight.training.interruption import StopRequest
from gaze_insight.training.schedule import build_optimizer, rate_factor, rate_shares, rate_step
from gaze_insight.training.settings import LoopSettings
from gaze_insight.training.watching import Watch
from gaze_insight.types import Progress, silent

__all__ = ["LAST_WEIGHTS_FILE", "STATE_FILE", "WEIGHTS_FILE", "Trainer"]

STATE_FILE = "checkpoints/state.pt"
WEIGHTS_FILE = "checkpoints/final.safetensors"
LAST_WEIGHTS_FILE = "checkpoints/last.safetensors"

AnyMethod = TypeVar("AnyMethod", bound=Trainable)


@dataclass
class _StageTools:
    """What exists for the length of a stage."""

    wrapped: nn.Module
    optimizer: torch.optim.Optimizer
    average: AveragedModel | None
    parameters: list[nn.Parameter]


class Trainer(Generic[AnyMethod]):
    """Train a method through its stages; stop at any step and go on to the same weights.

    What a step sees follows from the seed and the step's number alone, so the state on disk is the weights,
    the optimiser, the averaged weights and a step count. A state is saved after each epoch, every
    ``checkpoint_minutes``, and when SIGINT or SIGTERM asks to stop. A run that was killed repeats the steps
    since its last state and arrives at the same weights as one that was not, on the same device.

    Args:
        method: The method, on any device.
        source: Makes the batch of each step.
        settings: Settings of the loop.
        accelerator: Devices, processes and precision.
        folder: The run's folder.
        fingerprint: Content key of configuration and data; a state made with another is refused.
        validate: Scores the method's current weights after each epoch; gets the method and the stage's name.
        score_name: What that score is called in the history.
        watch: Scores taken in the last stage, whose best weights become the final ones; the last ones are
            kept beside them.
        progress: Receives progress, counted in steps over all stages.
    """

    def __init__(
        self,
        method: AnyMethod,
        source: BatchMaker,
        settings: LoopSettings,
        *,
        accelerator: Accelerator,
        folder: Path,
        fingerprint: str,
        validate: Callable[[AnyMethod, str], float] | None = None,
        score_name: str = "val_dice",
        watch: Watch[AnyMethod] | None = None,
        progress: Progress = silent,
    ) -> None:
        self.watch = watch
        self.method, self.settings, self.accelerator = method.to(accelerator.device), settings, accelerator
        lay_out_for(method, accelerator.device)
        if settings.compile:
            compile_networks(method)
        self.folder, self.validate, self.progress = folder, validate, progress
        self.source, self.score_name = source, score_name
        self.state = TrainingState(fingerprint)
        self._saved_at = self._started_at = time.monotonic()

    def run(self, *, resume: bool = True) -> TrainingState:
        """Train to the end, from the saved state where there is one, and write the final weights.

        Args:
            resume: Go on from the saved state; otherwise begin anew.

        Returns:
            The final state.

        Raises:
            StoppedError: A stop was asked for; the state is saved.
            DataError: The saved state cannot be used.
        """
        if resume:
            self._restore()
        if self.accelerator.is_main_process:
            trim_history(self.folder / "history.jsonl", self.state.stage, self.state.step)
        with StopRequest() as stop:
            while self.state.stage < len(self.method.stages):
                self._run_stage(self.method.stages[self.state.stage], stop)
        if self.accelerator.is_main_process:
            if self.state.best_watched:
                save_weights(self.method, self.folder / LAST_WEIGHTS_FILE)
                self.method.load_state_dict(self.state.best_watched)
            save_weights(self.method, self.folder / WEIGHTS_FILE)
        self.accelerator.wait_for_everyone()
        return self.state

    def steps_of(self, stage: Stage) -> int:
        """Count the steps of a stage: its epochs, or as many more as ``min_steps`` asks for, in whole epochs.

        Args:
            stage: The stage.
        """
        epoch_steps = self.source.steps_per_epoch
        return max(stage.epochs, math.ceil(self.settings.min_steps / epoch_steps)) * epoch_steps

    def _restore(self) -> None:
        saved = load_state(self.folder / STATE_FILE, self.state.fingerprint)
        if saved is None:
            return
        self.state = saved
        self.method.load_state_dict(saved.method)
        self._started_at = time.monotonic() - saved.seconds

    def _run_stage(self, stage: Stage, stop: StopRequest) -> None:
        tools = self._begin_stage(stage)
        steps, sums = self.steps_of(stage), self.state.sums
        while self.state.step < steps:
            own = self._step(stage, tools, steps)
            self.state.step += 1
            self._tell(stage)
            losses, stopping = self._agree(own, stop)
            begun, due = self._reported_between(steps)
            for name, value in losses.items():
                sums[name] = sums.get(name, 0.0) + value / (due - begun)
            if self.state.step == due:
                means = dict(sums)
                sums.clear()
                self._end_epoch(stage, tools, means)
            self._ask_watch(tools, steps)
            if time.monotonic() - self._saved_at > 60 * self.settings.checkpoint_minutes:
                self._save(tools)
            if stopping and self.state.step < steps:
                self._save(tools)
                raise StoppedError(
                    f"stopped in stage {stage.name!r} after step {self.state.step} of {steps}; all is saved",
                    remedy=f"go on with: gaze-insight train --resume {self.folder}",
                )
        self._end_stage(tools)

    def _reported_between(self, steps: int) -> tuple[int, int]:
        """Between which steps the one just made is summed up: an epoch, or epochs of ``report_steps``."""
        epoch_steps = self.source.steps_per_epoch
        every = max(1, math.ceil(self.settings.report_steps / epoch_steps)) * epoch_steps
        begun = (self.state.step - 1) // every * every
        return begun, min(begun + every, steps)

    def _begin_stage(self, stage: Stage) -> _StageTools:
        settings = self.settings
        self.method.begin_stage(stage.name)
        parameters = [p for p in self.method.parameters() if p.requires_grad]
        groups = [{"params": found, "rate_share": share} for share, found in rate_shares(self.method)]
        optimizer = build_optimizer(groups, settings.optimizer)
        if self.state.optimizer:
            optimizer.load_state_dict(self.state.optimizer)
        average = None
        if settings.ema_decay is not None:
            average = average_weights(self.method.trained_in(stage.name), settings.ema_decay)
            if self.state.average:
                average.load_state_dict(self.state.average)
        wrapped, optimizer = self.accelerator.prepare(self.method, optimizer)
        if self.state.scaler and self.accelerator.scaler is not None:
            self.accelerator.scaler.load_state_dict(self.state.scaler)
        return _StageTools(wrapped, optimizer, average, parameters)

    def _step(self, stage: Stage, tools: _StageTools, steps: int) -> dict[str, Tensor]:
        settings, step = self.settings, self.state.step
        factor = rate_factor(
            rate_step(step, self.source.steps_per_epoch, settings.rate_changes),
            steps,
            warmup_frac=settings.warmup_frac,
            final_rate_frac=settings.final_rate_frac,
        )
        for group in tools.optimizer.param_groups:
            group["lr"] = settings.optimizer.learning_rate * factor * group.get("rate_share", 1.0)
        asked = time.monotonic()
        batch = self.source.batch(stage.name, step, steps)
        self.state.batch_seconds += time.monotonic() - asked
        with self.accelerator.autocast():
            losses: dict[str, Tensor] = tools.wrapped(batch, stage.name)
        if not torch.isfinite(losses["loss"]):
            raise GazeInsightError(
                f"the loss is {losses['loss'].item()} at step {step} of stage {stage.name!r}",
                remedy="lower training.optimizer.learning_rate",
            )
        tools.optimizer.zero_grad()
        self.accelerator.backward(losses["loss"])
        if settings.gradient_clip is not None:
            self.accelerator.clip_grad_norm_(tools.parameters, settings.gradient_clip)
        tools.optimizer.step()
        self.method.after_step(stage.name)
        if tools.average is not None and not self.accelerator.optimizer_step_was_skipped:
            tools.average.update_parameters(self.method.trained_in(stage.name))
        return {name: value.detach() for name, value in losses.items()}

    def _end_epoch(self, stage: Stage, tools: _StageTools, means: dict[str, float]) -> None:
        score = self._validation_score(stage, tools)
        if self.accelerator.is_main_process:
            append_history(
                self.folder / "history.jsonl",
                {
                    "stage": stage.name,
                    "stage_index": self.state.stage,
                    "epoch": self.state.step // self.source.steps_per_epoch,
                    "step": self.state.step,
                    "learning_rate": tools.optimizer.param_groups[0]["lr"],
                    self.score_name: score,
                    **means,
                },
            )
        self._save(tools)

    def _validation_score(self, stage: Stage, tools: _StageTools) -> float | None:
        if self.validate is None:
            return None
        trained = self.method.trained_in(stage.name)
        with self._as_ending(stage, tools):
            score = self.validate(self.method, stage.name)
            best = self.state.best_score
            if self.settings.selection == "validation" and (best is None or score > best):
                self.state.best_score = score
                self.state.best = _copy_of(trained)
        return score

    def _ask_watch(self, tools: _StageTools, steps: int) -> None:
        state, last = self.state, len(self.method.stages) - 1
        if self.watch is None or state.stage != last or not self.watch.is_due(state.step, steps):
            return
        with self._as_ending(self.method.stages[last], tools):
            score = self.watch.score(self.method)
            if all(score > seen for _, seen in state.watched):
                state.best_watched = _copy_of(self.method)
        state.watched.append((state.step, score))

    @contextmanager
    def _as_ending(self, stage: Stage, tools: _StageTools) -> Iterator[None]:
        """Give the method the weights with which the stage would end now, for the length of a block."""
        trained = self.method.trained_in(stage.name)
        current, was_training = _copy_of(trained), trained.training
        if tools.average is not None:
            trained.load_state_dict(tools.average.module.state_dict())
        self.method.eval()
        with torch.no_grad():
            yield
        trained.load_state_dict(current)
        trained.train(was_training)

    def _end_stage(self, tools: _StageTools) -> None:
        trained = self.method.trained_in(self.method.stages[self.state.stage].name)
        if self.state.best:
            trained.load_state_dict(self.state.best)
        elif tools.average is not None:
            trained.load_state_dict(tools.average.module.state_dict())
        self.accelerator.free_memory()
        self.state.stage, self.state.step = self.state.stage + 1, 0
        self.state.best, self.state.best_score = {}, None
        self._save(None)

    def _save(self, tools: _StageTools | None) -> None:
        state = self.state
        state.seconds = time.monotonic() - self._started_at
        state.method = self.method.state_dict()
        state.optimizer = tools.optimizer.state_dict() if tools else {}
        scaler = self.accelerator.scaler
        state.scaler = scaler.state_dict() if tools and scaler is not None else {}
        state.average = tools.average.state_dict() if tools and tools.average is not None else {}
        if self.accelerator.is_main_process:
            save_state(state, self.folder / STATE_FILE)
        self._saved_at = time.monotonic()

    def _agree(self, losses: dict[str, Tensor], stop: StopRequest) -> tuple[dict[str, float], bool]:
        asked = torch.tensor(float(stop.requested), device=self.accelerator.device)
        values = torch.stack([*(value.float() for value in losses.values()), asked])
        if self.accelerator.num_processes > 1:
            values = self.accelerator.reduce(values, "mean")
        *means, wish = values.tolist()
        return dict(zip(losses, means, strict=True)), wish > 0

    def _tell(self, stage: Stage) -> None:
        before = sum(self.steps_of(done) for done in self.method.stages[: self.state.stage])
        total = sum(map(self.steps_of, self.method.stages))
        self.progress(f"training the {stage.name}", before + self.state.step, total)


def _copy_of(module: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in module.state_dict().items()}
