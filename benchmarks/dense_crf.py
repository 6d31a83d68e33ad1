"""Time our dense CRF beside pydensecrf2 on the same images, in one run and one thread.

Usage::

    OMP_NUM_THREADS=1 python benchmarks/dense_crf.py [--height 216] [--width 256] [--cases 5] [--repeats 5]

Both include everything from the 8-bit image to the foreground probability: unary, lattice, 10 iterations.
pydensecrf2 is left out where it is not installed (it needs a C++ compiler). Images are generated: a textured
scene with a lesion, blurred to the colour statistics of a photograph.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from statistics import median

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from gaze_insight.pseudomask.dense_crf import dense_crf

Crf = Callable[[NDArray[np.uint8], NDArray[np.float32]], NDArray[np.float32]]


def draw_case(height: int, width: int, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Draw a smooth coloured texture with a disc, fine noise, and a Gaussian heat map on the disc.

    Args:
        height: Rows in pixels.
        width: Columns in pixels.
        seed: Seed of the drawing.

    Returns:
        uint8 (height, width, 3) image and float32 (height, width) probability with maximum 1.
    """
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width] / max(height, width)
    texture = gaussian_filter(rng.normal(size=(height, width)), 0.06 * width)
    tone = 110 + 45 * texture / np.abs(texture).max() + 35 * (np.hypot(y - 0.4, x - 0.5) < 0.18)
    colour = tone[..., None] * np.array([1.2, 0.75, 0.6]) + rng.normal(0, 4, (height, width, 3))
    prob = np.exp(-((y - 0.42) ** 2 + (x - 0.47) ** 2) / (2 * 0.11**2))
    return np.clip(colour, 0, 255).astype(np.uint8), (prob / prob.max()).astype(np.float32)


def oracle() -> Crf | None:
    """Return pydensecrf2 with GazeMedSeg's parameters, or None where it is not installed."""
    try:
        from pydensecrf.densecrf import DenseCRF2D
        from pydensecrf.utils import unary_from_softmax
    except ImportError:
        return None

    def run(image: NDArray[np.uint8], prob: NDArray[np.float32]) -> NDArray[np.float32]:
        height, width = prob.shape
        crf = DenseCRF2D(width, height, 2)
        crf.setUnaryEnergy(unary_from_softmax(np.stack([1 - prob, prob]), clip=1e-5))
        crf.addPairwiseBilateral(sxy=80, srgb=13, rgbim=image, compat=1)
        return np.array(crf.inference(10))[1].reshape(height, width)

    return run


def seconds(run: Crf, cases: list[tuple[NDArray[np.uint8], NDArray[np.float32]]], repeats: int) -> float:
    """Return the median time of one case over all cases and repeats, after one unmeasured call."""
    run(*cases[0])
    times = []
    for image, prob in cases * repeats:
        start = time.perf_counter()
        run(image, prob)
        times.append(time.perf_counter() - start)
    return median(times)


def main() -> None:
    """Print seconds a case, the ratio and the largest difference."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--height", type=int, default=216)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--cases", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    cases = [draw_case(options.height, options.width, seed) for seed in range(options.cases)]
    ours = seconds(dense_crf, cases, options.repeats)
    print(f"{options.width} x {options.height} px, median of {options.cases * options.repeats} runs")
    print(f"gaze-insight  {ours:.4f} s")
    reference = oracle()
    if reference is None:
        print("pydensecrf2   not installed")
        return
    theirs = seconds(reference, cases, options.repeats)
    difference = max(float(np.abs(dense_crf(*case) - reference(*case)).max()) for case in cases)
    print(f"pydensecrf2   {theirs:.4f} s")
    print(f"ratio         {ours / theirs:.2f} (ours / pydensecrf2; below 1 is faster)")
    print(f"difference    {difference:.1e} at most")


if __name__ == "__main__":
    main()
