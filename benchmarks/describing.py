"""Asking a model about many images: throughput, faults, and a kill -9 in the middle.

    python benchmarks/describing.py [--images 1000] [--slots 16] [--latency-s 2.0] [--rate 0.2] [--seed 2]
        [--only busy]

The server is that of the tests, in a process of its own: it works on `slots` requests at a time for
`latency_s` each, so that slots / latency_s a second is its limit. The images are drawn, small and all
different. Asking runs in a process of its own, with as many cases at a time as the server has slots. Three
passes, each from nothing:

busy    no faults: requests a second, from the first to the end of the last, as a ratio of the server's limit
faults  a share of all requests fails, in ten ways: what became of each image
killed  the same, the asking process killed by force when half of the answers are stored, then begun again
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from gaze_insight.cohort.case import Case
from gaze_insight.cohort.cohort import Cohort
from gaze_insight.language.vlm.describer import VlmDescriber
from gaze_insight.language.vlm.settings import PaceSettings, VlmSettings
from gaze_insight.workflow.asking_model import ask_model
from gaze_insight.workflow.model_answers import AnswerBook

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "language"))
from vlm_server import VlmServer

SIDE_PX = 64


def draw_cohort(folder: Path, count: int) -> Cohort:
    """Draw that many different images."""
    images = folder / "images"
    images.mkdir(parents=True)
    cases = {}
    for number in range(count):
        small = np.random.default_rng(number).integers(0, 256, (8, 8, 3), dtype=np.uint8)
        path = images / f"case-{number:04d}.png"
        cv2.imwrite(str(path), cv2.resize(small, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_CUBIC))
        cases[path.stem] = Case(id=path.stem, image_path=path)
    cohort = Cohort(folder.name, folder, cases)
    cohort.save()
    return cohort


def settings_for(endpoint: str, concurrency: int) -> VlmSettings:
    """The defaults but for the pace; the waits are short because the server's are."""
    pace = PaceSettings(concurrency=concurrency, backoff_s=0.2, timeout_s=60)
    return VlmSettings(model="served", endpoint=endpoint, pace=pace)


def ask(folder: Path, endpoint: str, concurrency: int) -> None:
    """Ask about all cases and write what became of them, as JSON."""
    report = ask_model(Cohort.open(folder), settings_for(endpoint, concurrency))
    told = {
        "described": len(report.answers.described),
        "reasons": report.reasons(),
        "unlisted": len(report.left) + len(report.kept_back),
        "from_cache": report.from_cache,
        "mended": report.mended,
        "estimated": report.spending.estimated,
        "seconds": report.seconds,
    }
    print(json.dumps(told))


def child(folder: Path, server: VlmServer, options: argparse.Namespace) -> list[str]:
    """The command that asks, in a process of its own."""
    return [sys.executable, __file__, "--ask", str(folder), server.endpoint, "--slots", str(options.slots)]


def asked(folder: Path, server: VlmServer, options: argparse.Namespace) -> dict[str, Any]:
    """Ask about all cases in a process of its own."""
    done = subprocess.run(child(folder, server, options), check=True, stdout=subprocess.PIPE, text=True)
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def busy(cohort: Cohort, options: argparse.Namespace) -> None:
    """How much of the server's limit is used."""
    with VlmServer(slots=options.slots, latency_s=options.latency_s, record=False) as server:
        told, stats = asked(cohort.folder, server, options), server.stats()
    limit, speed = options.slots / options.latency_s, stats["requests"] / stats["seconds"]
    print(
        f"busy: {told['described']} described in {stats['requests']} requests, {speed:.2f} a second of "
        f"{limit:.2f}: ratio {speed / limit:.3f}; in all {told['seconds']:.1f} s"
    )


def faults(cohort: Cohort, options: argparse.Namespace) -> None:
    """What becomes of each image where many requests fail."""
    with faulty(options) as server:
        told, stats = asked(cohort.folder, server, options), server.stats()
    count, bad = len(cohort), sum(stats["faults"].values())
    listed = sum(told["reasons"].values())
    print(
        f"faults: of {count} images {told['described']} described, {listed} listed with their reason "
        f"{told['reasons']}, {count - told['described'] - listed} neither; {stats['requests']} requests, "
        f"{bad} of them faulty ({bad / stats['requests']:.1%}) {stats['faults']}; "
        f"{stats['after_answer']} after a good answer; {told['seconds']:.1f} s"
    )


def killed(cohort: Cohort, options: argparse.Namespace) -> None:
    """What a kill -9 in the middle loses, and what is asked twice because of it."""
    with faulty(options) as server:
        settings = settings_for(server.endpoint, options.slots)
        with subprocess.Popen(child(cohort.folder, server, options), stdout=subprocess.DEVNULL) as first:
            while sum(server.stats()["answered"].values()) < len(cohort) // 2:
                if first.poll() is not None:
                    raise SystemExit("the first process ended before it could be killed")
                time.sleep(0.2)
            first.kill()
        time.sleep(2 * options.latency_s)
        known = AnswerBook(cohort, settings).look_up(cohort.cases.values())
        kept = [*known.described, *known.failed]
        digests = digests_of(settings, (cohort.cases[one] for one in kept))
        before = server.stats()
        told = asked(cohort.folder, server, options)
        after = server.stats()
    again = sum(after["by_image"][one] - before["by_image"][one] for one in digests)
    listed = sum(told["reasons"].values())
    print(
        f"killed: {len(kept)} stored when killed, {told['from_cache']} of them found again; of {len(cohort)} "
        f"images {told['described']} described, {listed} listed with their reason {told['reasons']}; "
        f"{again} requests about stored ones; {after['requests']} requests in all, "
        f"{after['after_answer']} about images whose answer was on its way when killed"
    )


def faulty(options: argparse.Namespace) -> VlmServer:
    """A server of which a share of all requests fails."""
    return VlmServer(
        slots=options.slots, latency_s=options.latency_s, rate=options.rate, seed=options.seed, record=False
    )


def digests_of(settings: VlmSettings, cases: Iterable[Case]) -> list[str]:
    """What the server calls the pictures of some cases."""
    describer = VlmDescriber(settings)
    urls = []
    for case in cases:
        content = describer.question(case.id, case.read_image()).messages[-1]["content"]
        urls += [part["image_url"]["url"] for part in content if part["type"] == "image_url"]
    return [sha256(url.encode()).hexdigest() for url in urls]


def main() -> None:
    """Run the passes, each on a cohort of its own."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--slots", type=int, default=16)
    parser.add_argument("--latency-s", type=float, default=2.0)
    parser.add_argument("--rate", type=float, default=0.2)
    parser.add_argument("--seed", type=int, default=2)
    passes = {"busy": busy, "faults": faults, "killed": killed}
    parser.add_argument("--only", choices=list(passes))
    parser.add_argument("--ask", nargs=2, metavar=("COHORT", "ENDPOINT"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.ask:
        ask(Path(options.ask[0]), options.ask[1], options.slots)
        return
    for name, measure in passes.items():
        if options.only in (None, name):
            with tempfile.TemporaryDirectory() as folder:
                measure(draw_cohort(Path(folder, "cohort"), options.images), options)


if __name__ == "__main__":
    main()
