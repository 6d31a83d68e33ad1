"""Weights for an encoder out of a file on this machine."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import BadZipFile

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from gaze_insight.errors import DataError

__all__ = ["LoadedWeights", "match_weights", "read_weights"]

_WRAPPERS = ("state_dict", "model_state_dict", "model", "network")
_SHOWN = 6
_COUNTERS = ("num_batches_tracked", "relative_position_index", "attn_mask", "relative_coords_table")


class LoadedWeights(NamedTuple):
    """What a file of weights gave.

    Attributes:
        source: The file, or the name of what was published.
        prefix: What stood before the encoder's own names in the file.
        loaded: Number of tensors that were taken.
        fingerprint: SHA-256 of their names and values, as hexadecimal digits.
        unused: Names in the file that belong to no part of the encoder: classifiers, decoders and the like.
    """

    source: str
    prefix: str
    loaded: int
    fingerprint: str
    unused: tuple[str, ...]


def read_weights(path: str | Path) -> dict[str, Tensor]:
    """Read a file of weights without running any code out of it.

    Args:
        path: A .safetensors file, or one written by `torch.save` that holds nothing but tensors and plain
            values: a state dict, or a dictionary with one under "state_dict", "model" or the like.

    Returns:
        Name to tensor, on the CPU.

    Raises:
        DataError: The file is missing or damaged, would run code, or holds no tensors, or not finite ones.

    Example:
        >>> read_weights("nowhere.safetensors")
        Traceback (most recent call last):
        ...
        gaze_insight.errors.DataError: nowhere.safetensors: expected a file of weights, found none
    """
    path = Path(path)
    if not path.is_file():
        raise DataError("expected a file of weights, found none", path=path)
    try:
        if path.suffix == ".safetensors":
            content: Any = load_file(path)
        else:
            content = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, SafetensorError, BadZipFile, EOFError, OSError, RuntimeError) as error:
        raise DataError(
            f"the weights cannot be read ({str(error).splitlines()[0]})",
            path=path,
            remedy="expected a .safetensors file, or a state dict written with torch.save: files that hold "
            "more than tensors and plain values are not opened",
        ) from error
    weights = _unwrapped(content)
    if not weights:
        raise DataError("expected tensors by name, found none", path=path)
    for name, value in weights.items():
        if value.is_floating_point() and not torch.isfinite(value).all():
            raise DataError(f"the weights of {name!r} are not all finite", path=path)
    return weights


def match_weights(
    targets: Sequence[nn.Module], weights: Mapping[str, Tensor], source: str, *, prefer: str = ""
) -> LoadedWeights:
    """Fill the first of several modules, largest first, of which every weight is there.

    What stands before a module's names ("module.", "backbone.", "student.encoder.") is found from the names
    themselves. Names are compared with "." and "_" taken as one, because timm joins some of them.

    Args:
        targets: The modules, each a part of the one before.
        weights: Name to tensor.
        source: Where they are from, for messages.
        prefer: Of several prefixes that fit alike, the one with this word.

    Returns:
        What was taken and what was left.

    Raises:
        DataError: None fits: names are missing, have other shapes, or there are more of a part than it has.

    Example:
        >>> weights = {"module.weight": torch.ones(1, 1), "fc.bias": torch.ones(1)}
        >>> match_weights([nn.Linear(1, 1, bias=False)], weights, "w.pth").unused
        ('fc.bias',)
        >>> match_weights([nn.Linear(2, 1)], {"net.weight": torch.ones(1, 2)}, "w.pth")
        Traceback (most recent call last):
        ...
        gaze_insight.errors.DataError: w.pth: the weights do not fit the encoder: 1 of 2 missing (bias)
          -> the file's names begin with net.weight: is it the same network?
    """
    named = {_plain(name): name for name in weights}
    for target in targets:
        expected = {_plain(k): (k, v) for k, v in target.state_dict().items() if not k.endswith(_COUNTERS)}
        prefix = _prefix(expected, weights, named, source, prefer)
        missing = [key for plain, (key, _) in expected.items() if prefix + plain not in named]
        if missing and target is not targets[-1]:
            continue
        return _fill(target, expected, weights, named, _Fit(source, prefix, missing))
    raise DataError("expected an encoder with weights, found none", path=source)


class _Fit(NamedTuple):
    source: str
    prefix: str
    missing: list[str]


def _fill(
    target: nn.Module,
    expected: Mapping[str, tuple[str, Tensor]],
    weights: Mapping[str, Tensor],
    named: Mapping[str, str],
    fit: _Fit,
) -> LoadedWeights:
    found = {plain: named[fit.prefix + plain] for plain in expected if fit.prefix + plain in named}
    wrong = [
        f"{name} {tuple(weights[name].shape)} for {tuple(expected[plain][1].shape)}"
        for plain, name in found.items()
        if weights[name].shape != expected[plain][1].shape
    ]
    used = set(found.values())
    unused = [n for n in weights if n not in used and not n.endswith(_COUNTERS)]
    parts = tuple(fit.prefix + _plain(n) + "_" for n, child in target.named_children() if child.state_dict())
    surplus = [name for name in unused if _plain(name).startswith(parts)] if parts else []
    problems = [
        f"{len(names)} of {total} {what} ({_listed(names)})"
        for names, total, what in (
            (fit.missing, len(expected), "missing"),
            (wrong, len(expected), "of another shape"),
            (surplus, len(weights), "too many"),
        )
        if names
    ]
    if problems:
        begin = next(iter(weights), "nothing")
        raise DataError(
            f"the weights do not fit the encoder: {'; '.join(problems)}",
            path=fit.source,
            remedy=f"the file's names begin with {begin}: is it the same network?",
        )
    state = target.state_dict()
    state.update({expected[plain][0]: weights[name] for plain, name in found.items()})
    target.load_state_dict(state)
    own = next(iter(found), "")
    prefix = found[own][: len(fit.prefix)] if own else ""
    taken = {expected[plain][0]: weights[name] for plain, name in found.items()}
    return LoadedWeights(fit.source, prefix, len(found), _hash(taken), tuple(unused))


def _prefix(
    expected: Mapping[str, tuple[str, Tensor]],
    weights: Mapping[str, Tensor],
    named: Mapping[str, str],
    source: str,
    prefer: str,
) -> str:
    """Find what stands before the expected names: that under which most of them have the right shape."""
    counts: dict[str, int] = {}
    for plain, (_, value) in expected.items():
        for name, original in named.items():
            if name.endswith(plain) and weights[original].shape == value.shape:
                before = name[: len(name) - len(plain)]
                if before == "" or before.endswith("_"):
                    counts[before] = counts.get(before, 0) + 1
    most = max(counts.values(), default=0)
    best = [before for before, count in counts.items() if count == most]
    if len(best) > 1 and prefer:
        best = [before for before in best if prefer in before] or best
    if len(best) > 1 and most == len(expected):
        raise DataError(
            f"the file holds {len(best)} networks that fit: {_listed(sorted(best))}",
            path=source,
            remedy="keep one of them in the file",
        )
    return min(best, key=len, default="")


def _hash(weights: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name, value in sorted(weights.items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _plain(name: str) -> str:
    return name.replace(".", "_")


def _listed(names: Sequence[str]) -> str:
    more = f", and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _unwrapped(content: Any) -> dict[str, Tensor]:
    """Take the state dict out of a checkpoint that has one beside other things."""
    while isinstance(content, Mapping):
        inner = next((content[k] for k in _WRAPPERS if isinstance(content.get(k), Mapping)), None)
        if inner is None:
            return {str(name): value for name, value in content.items() if isinstance(value, Tensor)}
        content = inner
    return {}
