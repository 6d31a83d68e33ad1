"""Where a run computes: device, processes and precision, through accelerate."""

from __future__ import annotations

import os

import torch
from accelerate import Accelerator

from gaze_insight.errors import SettingsError

__all__ = ["build_accelerator", "choose_device"]


def choose_device(name: str) -> torch.device:
    """Resolve a device by name.

    Args:
        name: "auto" (CUDA, then Apple's MPS, then CPU) or a torch device string.

    Returns:
        The device.

    Raises:
        SettingsError: The device is unknown or not there.

    Example:
        >>> choose_device("cpu")
        device(type='cpu')
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise SettingsError(
            f"device must be one that is present, found {name!r}", remedy="try --device cpu"
        ) from error
    return device


def build_accelerator(device: str, mixed_precision: str) -> Accelerator:
    """Build the accelerator of a run; under ``accelerate launch`` or ``torchrun`` it joins the processes.

    Args:
        device: See :func:`choose_device`.
        mixed_precision: "auto", "no", "fp16" or "bf16"; auto is on for GPUs only.

    Returns:
        The accelerator.

    Raises:
        SettingsError: Half precision was asked for on a CPU that runs fp16 nowhere.
    """
    chosen = choose_device(device)
    precision = mixed_precision
    if precision == "auto":
        precision = "no"
        if chosen.type == "cuda":
            precision = "bf16" if torch.cuda.is_bf16_supported() else "fp16"
    if precision == "fp16" and chosen.type == "cpu":
        raise SettingsError(
            "mixed_precision fp16 needs a GPU, found a CPU", remedy="use mixed_precision: no, or bf16"
        )
    if chosen.index is not None and "LOCAL_RANK" not in os.environ:
        os.environ["ACCELERATE_TORCH_DEVICE"] = str(chosen)
    return Accelerator(cpu=chosen.type == "cpu", mixed_precision=precision)
