"""The methods by name, and the space of settings that describes them."""

from __future__ import annotations

from gaze_insight.methods.protocol import Method
from gaze_insight.registry import Registry

__all__ = ["METHODS"]

METHODS: Registry[type[Method]] = Registry(
    "method",
    {
        "agmm": "gaze_insight.methods.agmm:Agmm",
        "box_inst": "gaze_insight.methods.box_inst:BoxInst",
        "box_teacher": "gaze_insight.methods.box_teacher:BoxTeacher",
        "cycle_mix": "gaze_insight.methods.cycle_mix:CycleMix",
        "fgi": "gaze_insight.methods.fgi:Fgi",
        "fgi_released": "gaze_insight.methods.fgi_released:FgiReleased",
        "gazemedseg": "gaze_insight.methods.gazemedseg:GazeMedSeg",
        "mean_teacher": "gaze_insight.methods.mean_teacher:MeanTeacher",
        "point_sup": "gaze_insight.methods.point_sup:PointSup",
        "regularised": "gaze_insight.methods.regularised:Regularised",
        "scrib_former": "gaze_insight.methods.scrib_former:ScribFormer",
        "shape_pu": "gaze_insight.methods.shape_pu:ShapePu",
        "soft_vote": "gaze_insight.methods.soft_vote:SoftVote",
        "unet": "gaze_insight.methods.unet:UNet",
    },
)
