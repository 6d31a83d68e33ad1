"""Make dense_crf_golden.npz: outputs of pydensecrf2 for generated images.

Run in an environment that has pydensecrf2 (a C++ compiler builds it)::

    python tests/pseudomask/make_dense_crf_golden.py
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

GOLDEN = Path(__file__).with_name("dense_crf_golden.npz")
CASES: dict[str, dict[str, float]] = {
    "discs": {"height": 40, "width": 48, "seed": 1},
    "noise": {"height": 32, "width": 40, "seed": 2, "noise": 90.0},
    "strong": {"height": 48, "width": 36, "seed": 3, "compat": 6.0, "iterations": 5},
    "narrow": {"height": 30, "width": 45, "seed": 4, "sxy": 6.0, "srgb": 7.0},
    "hard": {"height": 33, "width": 31, "seed": 5, "hard": 1.0},
}


def generate(
    height: int, width: int, seed: int, noise: float = 8.0, hard: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Draw a coloured disc on a coloured slope with noise, and a probability beside the disc's place."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width] / max(height, width)
    disc = np.hypot(y - 0.4, x - 0.45) < 0.22
    colours = np.where(disc[..., None], [190.0, 110.0, 90.0], [120.0, 70.0, 60.0])
    slope = 30 * (x + y)[..., None]
    image = np.clip(colours + slope + rng.normal(0, noise, (height, width, 3)), 0, 255).astype(np.uint8)
    prob = np.exp(-((y - 0.45) ** 2 + (x - 0.5) ** 2) / (2 * 0.15**2))
    if hard:
        prob = (prob > 0.5).astype(np.float64)
    return image, prob.astype(np.float32)


def pydensecrf_foreground(
    image: np.ndarray,
    prob: np.ndarray,
    sxy: float = 80.0,
    srgb: float = 13.0,
    compat: float = 1.0,
    iterations: int = 10,
) -> np.ndarray:
    """Run pydensecrf2 with the bilateral term alone."""
    from pydensecrf.densecrf import DenseCRF2D
    from pydensecrf.utils import unary_from_softmax

    height, width = prob.shape
    crf = DenseCRF2D(width, height, 2)
    crf.setUnaryEnergy(unary_from_softmax(np.stack([1 - prob, prob]).astype(np.float32), clip=1e-5))
    crf.addPairwiseBilateral(sxy=sxy, srgb=srgb, rgbim=np.ascontiguousarray(image), compat=compat)
    return np.array(crf.inference(int(iterations)))[1].reshape(height, width)


def split_arguments(case: dict[str, float]) -> tuple[dict[str, float], dict[str, float]]:
    """Separate a case into the arguments of `generate` and those of the CRF."""
    drawing = {
        k: int(v) if k in ("height", "width", "seed") else v
        for k, v in case.items()
        if k in ("height", "width", "seed", "noise", "hard")
    }
    return drawing, {k: v for k, v in case.items() if k not in drawing}


def main() -> None:
    """Write the golden file."""
    arrays: dict[str, np.ndarray] = {}
    for name, case in CASES.items():
        drawing, crf = split_arguments(case)
        image, prob = generate(**drawing)
        arrays[f"{name}_image"], arrays[f"{name}_prob"] = image, prob
        arrays[f"{name}_foreground"] = pydensecrf_foreground(image, prob, **crf)
    arrays["cases"] = np.array(json.dumps(CASES))
    np.savez_compressed(GOLDEN, **arrays)


if __name__ == "__main__":
    main()
