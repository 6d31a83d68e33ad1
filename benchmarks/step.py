"""Time and memory of one training step at the papers' sizes, beside a plain transcription of the same step.

The plain step differs in two places only: its fusion is `nn.MultiheadAttention(need_weights=True)`, and its
DARM visits the pixels in a Python loop. Networks, losses, data and optimiser are the same. Each figure comes
from a process of its own, so that the peak memory is its own.

    python benchmarks/step.py [--steps 3] [--threads 2] [--size 224] [--batch 2]
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable

PARTS = ("teacher step", "student step", "fusion alone", "DARM alone")
KINDS = ("ours", "plain")
TEXT_CHANNELS, TOKENS, STAGES = 768, 32, 4


def _plain_fusion(fusion):
    """The same equations with torch's attention module and its weights."""
    import torch
    from torch import nn

    class PlainFusion(nn.Module):
        def __init__(self):
            super().__init__()
            channels = fusion.query.in_features
            self.norm, self.query, self.position = fusion.norm, fusion.query, fusion.position
            self.attention = nn.MultiheadAttention(
                channels, fusion.heads, kdim=TEXT_CHANNELS, vdim=TEXT_CHANNELS, batch_first=True
            )
            self.strength = nn.Parameter(torch.tensor(0.1))

        def forward(self, features, tokens, token_mask):
            places = features.flatten(2).transpose(1, 2)
            query = self.query(self.norm(places)) + self.position.flatten(2).transpose(1, 2)
            attended, self.weights = self.attention(
                query, tokens, tokens, key_padding_mask=~token_mask, need_weights=True
            )
            return (places + self.strength * attended).transpose(1, 2).reshape(features.shape)

    return PlainFusion()


def _plain_darm(student_prob, teacher_prob, noise):
    """The same rule, one pixel at a time."""
    import torch

    sides, hidden = (3, 5, 7, 9), torch.zeros(student_prob.shape, dtype=torch.bool)
    for image in range(len(student_prob)):
        disputed = (student_prob[image, 0] - teacher_prob[image, 0]).abs() > 0.5
        priority = torch.zeros(disputed.shape)
        places = disputed.nonzero().tolist()
        for row, column in places:
            value = noise[image, 0, row, column].item()
            reach = sides[int(value * 4096 % 1 * len(sides))] // 2
            block = priority[
                max(row - reach, 0) : row + reach + 1, max(column - reach, 0) : column + reach + 1
            ]
            block.clamp_(min=value)
        places.sort(key=lambda place: -priority[place[0], place[1]].item())
        for row, column in places[: int(0.3 * len(places))]:
            hidden[image, 0, row, column] = True
    return hidden


def _disc(size: int, radius: float):
    import torch

    axis = torch.arange(size) - size / 2
    return (axis[:, None] ** 2 + axis[None] ** 2 < radius**2).float().expand(1, 1, -1, -1)


def _teacher_step(kind: str, size: int, batch: int) -> Callable[[], object]:
    import torch

    from gaze_insight.losses.partial_cross_entropy import partial_cross_entropy

    teacher = _teacher(kind, size)
    image, tokens, mask, labels = _data(size, batch)
    optimiser = torch.optim.Adam(teacher.parameters(), lr=1e-4)

    def step():
        optimiser.zero_grad()
        partial_cross_entropy(teacher(image, tokens, mask).logits, labels).backward()
        optimiser.step()

    return step


def _student_step(kind: str, size: int, batch: int) -> Callable[[], object]:
    import torch

    from gaze_insight.losses.angular import angular_feature_consistency
    from gaze_insight.losses.confidence import confidence_weighted_consistency
    from gaze_insight.losses.disagreement_masking import apply_masking
    from gaze_insight.losses.partial_cross_entropy import comprehensive_cross_entropy
    from gaze_insight.networks.building import NetworkSettings, build_student

    teacher = _teacher(kind, size)
    student = build_student(NetworkSettings(encoder="unet"), STAGES)
    image, tokens, mask, labels = _data(size, batch)
    darm = _darm(kind, size, batch)
    optimiser = torch.optim.Adam(student.parameters(), lr=1e-4)

    def step():
        optimiser.zero_grad()
        with torch.no_grad():
            taught = teacher(image, tokens, mask)
            student.predict(image)
        masked, seen = apply_masking(image, labels, darm())
        learnt = student(masked)
        loss = comprehensive_cross_entropy(learnt.logits, seen)
        loss = loss + 0.1 * angular_feature_consistency(learnt.features, taught.features)
        (loss + confidence_weighted_consistency(learnt.logits, taught.logits)).backward()
        optimiser.step()

    return step


def _fusion_alone(kind: str, size: int, batch: int) -> Callable[[], object]:
    import torch

    teacher = _teacher(kind, size)
    fusions, channels, strides = teacher.fusions, teacher.encoder.channels, teacher.encoder.strides
    del teacher.encoder, teacher.decoder
    _, tokens, mask, _ = _data(size, batch)
    sides = [size // stride for stride in strides[1:]]
    maps = [torch.randn(batch, c, s, s) for c, s in zip(channels[1:], sides, strict=True)]

    def step():
        fused = [f(x, tokens, mask).square().mean() for f, x in zip(fusions, maps, strict=True)]
        torch.stack(fused).sum().backward()

    return step


def _darm(kind: str, size: int, batch: int) -> Callable[[], object]:
    import torch

    from gaze_insight.losses.disagreement_masking import disagreement_mask

    student, teacher = (_disc(size, share * size).expand(batch, -1, -1, -1) for share in (0.27, 0.22))
    noise = torch.rand(batch, 1, size, size)
    choose = disagreement_mask if kind == "ours" else _plain_darm
    return lambda: choose(student, teacher, noise)


def _teacher(kind: str, size: int):
    from torch import nn

    from gaze_insight.networks.building import NetworkSettings, build_teacher
    from gaze_insight.networks.fusion import FusionSettings

    settings = NetworkSettings(encoder="unet")
    teacher = build_teacher(settings, TEXT_CHANNELS, FusionSettings(stages=STAGES), (size, size))
    if kind == "plain":
        teacher.fusions = nn.ModuleList(_plain_fusion(fusion) for fusion in teacher.fusions)
    return teacher


def _data(size: int, batch: int):
    import torch

    mask = torch.ones(batch, TOKENS, dtype=torch.bool)
    mask[:, TOKENS - 4 :] = False
    labels = _disc(size, 0.2 * size).expand(batch, -1, -1, -1).to(torch.uint8)
    return torch.rand(batch, 3, size, size), torch.randn(batch, TOKENS, TEXT_CHANNELS), mask, labels


def _measure(part: str, kind: str, options: argparse.Namespace) -> dict[str, float]:
    import torch

    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    builders = dict(zip(PARTS, (_teacher_step, _student_step, _fusion_alone, _darm), strict=True))
    step = builders[part](kind, options.size, options.batch)
    step()
    seconds = []
    for _ in range(options.steps):
        start = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - start)
    peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"seconds": min(seconds), "peak_mb": peak_kib / 1024}


def _in_process(part: str, kind: str, options: argparse.Namespace) -> dict[str, float]:
    arguments = [f"--{name}={getattr(options, name)}" for name in ("steps", "threads", "size", "batch")]
    command = [sys.executable, __file__, *arguments, f"--part={part}", f"--kind={kind}"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    result: dict[str, float] = json.loads(done.stdout)
    return result


def main() -> None:
    """Print the table, or one figure as JSON where `--part` asks for it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, default in (("steps", 3), ("threads", 2), ("size", 224), ("batch", 2)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    parser.add_argument("--kind", choices=KINDS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part:
        print(json.dumps(_measure(options.part, options.kind, options)))
        return
    print(
        f"U-Net teacher 64..1024, student 32..512, {options.size} px, batch {options.batch}, {STAGES} stages,"
    )
    print(f"{TOKENS} tokens of {TEXT_CHANNELS}, {options.threads} CPU threads, best of {options.steps}\n")
    print("| part | ours, s | plain, s | plain / ours | ours, MB | plain, MB | plain / ours |")
    print("|---|---|---|---|---|---|---|")
    for part in PARTS:
        ours, plain = (_in_process(part, kind, options) for kind in KINDS)
        columns = []
        for key, digits in (("seconds", 3), ("peak_mb", 0)):
            columns += [
                f"{ours[key]:.{digits}f}",
                f"{plain[key]:.{digits}f}",
                f"{plain[key] / ours[key]:.2f}",
            ]
        print(f"| {part} | " + " | ".join(columns) + " |", flush=True)


if __name__ == "__main__":
    main()
