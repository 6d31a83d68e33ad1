"""What each encoder costs, with the student's decoder over it: parameters, operations, time and memory.

    python benchmarks/encoders.py
    python benchmarks/encoders.py --out docs/encoders.md efficientnet_lite0 timm:resnet18

Weights are random: they change no cost. Operations are those that PyTorch's own counter sees in the forward
pass of one image (a multiplication and an addition are two). Times are CPU time on one thread, the best of
`--repeats`, each network in a process of its own; the ratios are to the default encoder, measured right
before. Memory is what the process takes beyond PyTorch itself.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

BUILT_IN = (
    "efficientnet_lite0",
    "efficientnet_lite1",
    "efficientnet_lite2",
    "efficientnet_lite3",
    "efficientnet_lite4",
    "transunet_lite0",
    "unet",
    "transunet",
)
MARKS = ("<!-- measured -->", "<!-- /measured -->")


def _best(work: Callable[[], object], repeats: int) -> float:
    work()
    seconds = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        seconds.append(time.process_time() - start)
    return min(seconds)


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _measure(name: str, options: argparse.Namespace) -> dict[str, float]:
    import torch
    from torch.nn import functional as F
    from torch.utils.flop_counter import FlopCounterMode

    from gaze_insight.networks.building import NetworkSettings, build_segmenter

    torch.set_num_threads(1)
    torch.manual_seed(0)
    empty_mb = _peak_mb()
    network = build_segmenter(NetworkSettings(encoder=name, pretrained=False)).eval()
    image = torch.rand(1, 3, options.size, options.size)
    with torch.inference_mode():
        with FlopCounterMode(display=False) as counter:
            network.predict(image)
        seconds = _best(lambda: network.predict(image), options.repeats)
    found = {
        "encoder_parameters": sum(p.numel() for p in network.encoder.parameters()),
        "parameters": sum(p.numel() for p in network.parameters()),
        "gflops": counter.get_total_flops() / 1e9,
        "seconds": seconds,
        "peak_mb": _peak_mb() - empty_mb,
    }
    batch = torch.rand(options.batch, 3, options.size, options.size)
    target = (batch[:, :1] > 0.5).float()
    optimiser = torch.optim.Adam(network.train().parameters(), lr=1e-4)

    def step() -> None:
        optimiser.zero_grad()
        F.binary_cross_entropy_with_logits(network.predict(batch), target).backward()
        optimiser.step()

    found["step_seconds"] = _best(step, max(options.repeats // 3, 1))
    found["step_peak_mb"] = _peak_mb() - empty_mb
    return found


def _in_process(name: str, options: argparse.Namespace) -> dict[str, float]:
    given = [f"--{key}={getattr(options, key)}" for key in ("repeats", "size", "batch")]
    command = [sys.executable, __file__, *given, f"--one={name}"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _table(names: list[str], options: argparse.Namespace) -> str:
    lines = [
        f"{options.size} px, one CPU thread, eager PyTorch, fp32; a training step has a batch of "
        f"{options.batch}. {_processor()}.",
        "",
        "| encoder | parameters, encoder (whole), M | GFLOP | CPU ms an image | ratio "
        "| ratio of a training step | peak memory, inference (training), MB |",
        "|---|---|---|---|---|---|---|",
    ]
    for name in names:
        reference = _in_process(BUILT_IN[0], options)
        found = reference if name == BUILT_IN[0] else _in_process(name, options)
        lines.append(
            f"| {name} | {found['encoder_parameters'] / 1e6:.1f} ({found['parameters'] / 1e6:.1f}) "
            f"| {found['gflops']:.1f} | {found['seconds'] * 1e3:.0f} "
            f"| {found['seconds'] / reference['seconds']:.2f} "
            f"| {found['step_seconds'] / reference['step_seconds']:.2f} "
            f"| {found['peak_mb']:.0f} ({found['step_peak_mb']:.0f}) |"
        )
        print(lines[-1], file=sys.stderr, flush=True)
    return "\n".join(lines)


def _processor() -> str:
    import torch

    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else 'unnamed processor'}, torch {torch.__version__}"


def _write(table: str, path: Path) -> None:
    """Put the table between the page's two marks."""
    before, _, rest = path.read_text(encoding="utf-8").partition(MARKS[0])
    after = rest.partition(MARKS[1])[2]
    path.write_text(f"{before}{MARKS[0]}\n{table}\n{MARKS[1]}{after}", encoding="utf-8")


def main() -> None:
    """Print the table, or one encoder's figures as JSON where `--one` asks for it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "names", nargs="*", default=list(BUILT_IN), help="encoders; by default the built-in ones"
    )
    for name, default in (("repeats", 9), ("size", 224), ("batch", 4)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--out", type=Path, help="a page with marks, to put the table between them")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(_measure(options.one, options)))
        return
    table = _table(options.names, options)
    if options.out:
        _write(table, options.out)
    print(table)


if __name__ == "__main__":
    main()
