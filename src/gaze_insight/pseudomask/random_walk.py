"""Random walks on the image: the prior spread over pixels that look alike and stopped at edges."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy import sparse
from scipy.sparse.linalg import cg

from gaze_insight.pseudomask.evidence import Evidence, fitted
from gaze_insight.types import ByteArray, Settings, Size

__all__ = ["RandomWalkSettings", "random_walk"]


class RandomWalkSettings(Settings):
    """How hard an edge is to cross and how strongly the prior holds.

    Example:
        >>> RandomWalkSettings().long_side_px
        96
    """

    edge_rgb: float = Field(
        10.0, gt=0, description="colour step that makes a crossing e times rarer, of 0..255"
    )
    prior_weight: float = Field(0.02, gt=0, description="pull towards the prior beside that of a neighbour")
    prior_clip: float = Field(5.0, gt=0, description="largest prior logit")
    long_side_px: int = Field(96, ge=16, description="longer side of the walk's own grid")


def random_walk(evidence: Evidence, settings: RandomWalkSettings | None = None) -> NDArray[np.float32]:
    r"""Find the probability that a walker who starts at a pixel and leaves at random ends in the foreground.

    It minimises $\sum_{ij} w_{ij}(u_i - u_j)^2 + \gamma\sum_i (u_i - p_i)^2$ over 4-neighbours, with
    $w_{ij} = \exp(-\lVert c_i - c_j\rVert / \beta)$ and $p$ the prior, so $(L + \gamma I) u = \gamma p$
    (Grady, Multilabel random walker image segmentation using prior models, CVPR 2005).

    Args:
        evidence: Image and gaze.
        settings: The walk; None for the defaults.

    Returns:
        (h, w) float32 in [0, 1].

    Example:
        >>> from gaze_insight.gaze.fixations import Fixations
        >>> from gaze_insight.pseudomask.evidence import gather_evidence
        >>> image = np.full((48, 64, 3), 90, np.uint8)
        >>> image[14:34, 20:44] = 200
        >>> rows = [(0.5, 0.5, 200, 0), *((x, y, 200, 1) for x in (0.35, 0.64) for y in (0.35, 0.65))]
        >>> found = gather_evidence(image, Fixations.from_rows(rows), long_side_px=64)
        >>> int((random_walk(found) >= 0.5).sum())
        480
    """
    settings = settings or RandomWalkSettings()
    scale = min(1.0, settings.long_side_px / max(evidence.size))
    size = Size(max(1, round(evidence.size.height * scale)), max(1, round(evidence.size.width * scale)))
    logit = np.clip(fitted(evidence.prior_logit, size), -settings.prior_clip, settings.prior_clip)
    prior = 1 / (1 + np.exp(-logit.astype(np.float64).ravel()))
    laplacian = _laplacian(fitted(evidence.image, size), settings.edge_rgb)
    system = laplacian + settings.prior_weight * sparse.identity(len(prior), format="csr")
    diagonal = sparse.diags(1 / system.diagonal())
    walked, _ = cg(system, settings.prior_weight * prior, x0=prior, rtol=1e-4, maxiter=2000, M=diagonal)
    return fitted(np.clip(walked, 0, 1).astype(np.float32).reshape(size), evidence.size)


def _laplacian(image: ByteArray, edge_rgb: float) -> sparse.csr_array:
    """Return the weighted Laplacian of the 4-neighbour grid, (h * w, h * w)."""
    height, width = image.shape[:2]
    colour = image.astype(np.float64)
    index = np.arange(height * width).reshape(height, width)
    across = np.exp(-np.linalg.norm(np.diff(colour, axis=1), axis=2) / edge_rgb)
    down = np.exp(-np.linalg.norm(np.diff(colour, axis=0), axis=2) / edge_rgb)
    one = np.concatenate([index[:, :-1].ravel(), index[:-1].ravel()])
    other = np.concatenate([index[:, 1:].ravel(), index[1:].ravel()])
    weight = np.concatenate([across.ravel(), down.ravel()])
    count = height * width
    joined = sparse.coo_array((weight, (one, other)), shape=(count, count)).tocsr()
    joined = joined + joined.T
    return sparse.csr_array(sparse.diags_array(joined.sum(axis=1)) - joined)
