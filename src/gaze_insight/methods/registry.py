"""The methods by name, and the space of settings that describes them."""

from __future__ import annotations

from gaze_insight.methods.protocol import Method
from gaze_insight.registry import Registry

__all__ = ["METHODS"]

METHODS: Registry[type[Method]] = Registry(
    "method",
    {
        "fgi": "gaze_insight.methods.fgi:Fgi",
        "unet": "gaze_insight.methods.unet:UNet",
    },
)
