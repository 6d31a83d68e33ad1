"""Time `label`'s whole vote beside a plain transcription of the published recipe, in one run on equal cores.

Usage::

    OMP_NUM_THREADS=1 python benchmarks/labelling.py COHORT [--cases 64] [--workers 2] [--repeats 3]

The published recipe (GazeMedSeg, as its notebook says): a duration-weighted map on 768 x 768, a Gaussian of
70 pixels, resized to the image by cubic interpolation, and pydensecrf2 at its own size (bilateral term
80 px and 13, ten iterations). Both sides read the image, work through `map_items` on the same number of
processes and give back a mask at the image's size; nothing is cached. Their order changes between repeats.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from statistics import median

import cv2
import numpy as np
from scipy.ndimage import gaussian_filter

from gaze_insight.cohort.case import Case
from gaze_insight.cohort.cohort import Cohort
from gaze_insight.errors import MissingExtraError
from gaze_insight.gaze.fixations import Fixations
from gaze_insight.pseudomask.recipe import make_pseudo_mask
from gaze_insight.workflow.parallel import map_items

SIDE, SIGMA = 768, 70


def published(case: Case) -> float:
    """Label one case as the published recipe does; return the mask's share of the image."""
    from pydensecrf.densecrf import DenseCRF2D
    from pydensecrf.utils import unary_from_softmax

    image, gaze = case.read_image(), case.fixations or Fixations.empty()
    heat = np.zeros((SIDE, SIDE))
    for x, y, duration in zip(gaze.x, gaze.y, gaze.duration_ms, strict=True):
        heat[min(int(y * SIDE), SIDE - 1), min(int(x * SIDE), SIDE - 1)] += duration
    heat = gaussian_filter(heat, SIGMA)
    heat = (heat - heat.min()) / max(float(np.ptp(heat)), 1e-12)
    height, width = image.shape[:2]
    soft = np.clip(cv2.resize(heat, (width, height), interpolation=cv2.INTER_CUBIC), 0, 1).astype(np.float32)
    crf = DenseCRF2D(width, height, 2)
    crf.setUnaryEnergy(unary_from_softmax(np.stack([1 - soft, soft]), clip=1e-5))
    crf.addPairwiseBilateral(sxy=80, srgb=13, rgbim=np.ascontiguousarray(image), compat=1)
    foreground = np.array(crf.inference(10))[1].reshape(height, width)
    return float((foreground >= 0.3).mean())


def voted(case: Case) -> float:
    """Label one case by the vote; return the mask's share of the image."""
    image = case.read_image()
    mask = make_pseudo_mask(image, case.fixations or Fixations.empty())
    soft = cv2.resize(mask.soft, (image.shape[1], image.shape[0]))
    return float((soft >= 0.45).mean())


def images_a_second(work: Callable[[Case], float], cases: list[Case], workers: int) -> float:
    """Time the work from the first result on, so that the start of processes is not counted."""
    begun, done = 0.0, 0
    with closing(map_items(work, cases, workers=workers, least_per_worker=1)) as results:
        for _, result in results:
            if isinstance(result, Exception):
                raise result
            done += 1
            if done == workers:
                begun = time.perf_counter()
    return (done - workers) / (time.perf_counter() - begun)


def main() -> None:
    """Run both sides and print the ratio."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("cohort", type=Path)
    parser.add_argument("--cases", type=int, default=64)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    try:
        import pydensecrf.densecrf  # noqa: F401
    except ImportError as error:
        raise MissingExtraError(
            "this comparison needs pydensecrf2: pip install 'gaze-insight[oracle]'"
        ) from error
    cohort = Cohort.open(options.cohort)
    cases = [case for case in cohort.cases.values() if case.fixations is not None and len(case.fixations)]
    order = np.random.default_rng(0).permutation(len(cases))[: options.cases]
    cases = [cases[index] for index in order]
    speeds: dict[str, list[float]] = {"published": [], "vote": []}
    sides: list[tuple[str, Callable[[Case], float]]] = [("published", published), ("vote", voted)]
    for repeat in range(options.repeats):
        for name, work in sides if repeat % 2 == 0 else sides[::-1]:
            speeds[name].append(images_a_second(work, cases, options.workers))
    ratios = [ours / theirs for ours, theirs in zip(speeds["vote"], speeds["published"], strict=True)]
    print(
        f"{len(cases)} images, {options.workers} processes, {options.repeats} repeats; "
        "images a second, medians"
    )
    print(f"published recipe, native size: {median(speeds['published']):.1f}")
    print(f"vote: {median(speeds['vote']):.1f}")
    print(f"ratio: {median(ratios):.1f} ({min(ratios):.1f} to {max(ratios):.1f})")


if __name__ == "__main__":
    main()
