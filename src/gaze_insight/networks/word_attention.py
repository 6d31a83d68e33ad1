"""What the places of an image ask of the words: the attention of each fusion, recorded on demand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gaze_insight.errors import DataError
from gaze_insight.networks.fusion import TextVisionFusion

__all__ = ["StageAttention", "record_attention", "relative_attention"]


class StageAttention(NamedTuple):
    """The attention of one fusion.

    Args:
        weights: alpha of eq. 5, (B, heads, H, W, L), in [0, 1]; the weights of a place sum to 1.
        mask: (B, L) bool, True where a token is real.
    """

    weights: Tensor
    mask: Tensor


@contextmanager
def record_attention(model: nn.Module) -> Iterator[list[StageAttention]]:
    """Record the attention of every fusion that runs inside the block.

    The weights are computed beside the forward pass, which itself never stores them and gives the same
    numbers as ever; after the block the model is as before.

    Args:
        model: Any module that contains `TextVisionFusion`; others record nothing.

    Yields:
        A list that grows by one entry a fusion, in the order in which they run (finest map first).

    Example:
        >>> fusion = TextVisionFusion(8, 6, heads=2, grid=(4, 4))
        >>> with record_attention(fusion) as stages:
        ...     _ = fusion(torch.rand(1, 8, 4, 4), torch.rand(1, 3, 6), torch.ones(1, 3, dtype=torch.bool))
        >>> stages[0].weights.shape
        torch.Size([1, 2, 4, 4, 3])
    """
    found: list[StageAttention] = []

    def record(module: nn.Module, given: tuple[Any, ...], named: dict[str, Any]) -> None:
        if isinstance(module, TextVisionFusion):
            values = dict(zip(("features", "tokens", "token_mask"), given, strict=False)) | named
            asked = [values[name] for name in ("features", "tokens", "token_mask")]
            with torch.no_grad():
                found.append(StageAttention(module.attention_map(*asked), asked[2]))

    hooks = [
        module.register_forward_pre_hook(record, with_kwargs=True)
        for module in model.modules()
        if isinstance(module, TextVisionFusion)
    ]
    try:
        yield found
    finally:
        for hook in hooks:
            hook.remove()


def relative_attention(
    stages: Sequence[StageAttention], fields: Sequence[str | None], size: tuple[int, int], image: int = 0
) -> dict[str, Tensor]:
    r"""Sum the attention over the tokens of each field, against what indifference would give.

    $$r_f(p) = \frac{n}{n_f} \sum_{t \in f} \frac{1}{h} \sum_k \alpha^k_t(p)$$

    with n real tokens, n_f of them of field f, and h heads: 1 where a place asks the field as much as if all
    tokens were alike, n / n_f where it asks nothing else. Maps are brought to `size` bilinearly.

    Args:
        stages: From `record_attention`; S of them.
        fields: The field of each of the L tokens; None for a token of no field, which counts in n alone.
        size: Height and width of the maps in pixels.
        image: Which image of the batch.

    Returns:
        Field to (S, H, W), >= 0, in the order in which the fields first appear; fields without a real token
        are left out. Empty for no stage.

    Raises:
        DataError: There are more real tokens than fields.

    Example:
        >>> even = StageAttention(torch.full((1, 2, 3, 3, 4), 0.25), torch.ones(1, 4, dtype=torch.bool))
        >>> maps = relative_attention([even], ["location", "area", "area", None], (6, 6))
        >>> {name: round(values.mean().item(), 3) for name, values in maps.items()}
        {'location': 1.0, 'area': 1.0}
    """
    maps: dict[str, list[Tensor]] = {}
    for weights, mask in stages:
        real = mask[image].nonzero()[:, 0].tolist()
        if real and real[-1] >= len(fields):
            raise DataError(f"expected the field of {real[-1] + 1} tokens, found {len(fields)}")
        mean = weights[image].float().mean(dim=0)
        for name in dict.fromkeys(fields[token] for token in real):
            if name is None:
                continue
            own = [token for token in real if fields[token] == name]
            ratio = mean[..., own].sum(dim=-1) * (len(real) / len(own))
            shown = F.interpolate(ratio[None, None], size=size, mode="bilinear", align_corners=False)
            maps.setdefault(name, []).append(shown[0, 0])
    return {name: torch.stack(values) for name, values in maps.items()}
