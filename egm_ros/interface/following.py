"""What nodes that follow a camera and a grounding node have in common: inputs, and how images come."""

from __future__ import annotations

from egm_ros.interface.parameter import ParameterSpec
from egm_ros.interface.topic import BOXES_TYPE, IMAGE_TYPE, Topic

IMAGE_IN = Topic(
    "image",
    IMAGE_TYPE,
    "in",
    "Camera stream (sensor_msgs/msg/CompressedImage with transport:=compressed,"
    " ffmpeg_image_transport_msgs/msg/FFMPEGPacket, reliable, with transport:=ffmpeg).",
    reliable=False,
    depth=5,
)
VISIBLE_IN = Topic("grounding/visible", BOXES_TYPE, "in", "The grounding node's visible boxes.", depth=16)
AMODAL_IN = Topic("grounding/amodal", BOXES_TYPE, "in", "The grounding node's amodal boxes.", depth=16)
STATUS_IN = Topic(
    "grounding/status",
    "diagnostic_msgs/msg/DiagnosticStatus",
    "in",
    "Where several targets are served: which of them is absent.",
    latched=True,
    depth=16,
)

DIAGNOSTICS = Topic(
    "/diagnostics",
    "diagnostic_msgs/msg/DiagnosticArray",
    "out",
    "Once a second: the node's state, its inputs (counts, rates, silence), and what became of them.",
    depth=10,
)

AUTOSTART = ParameterSpec("autostart", True, "Configure and activate without a lifecycle manager.")
TRANSPORT = ParameterSpec(
    "transport",
    "raw",
    "Type of the image topic: sensor_msgs/Image, sensor_msgs/CompressedImage, or ffmpeg:"
    " ffmpeg_image_transport_msgs/FFMPEGPacket, which needs that package and PyAV.",
    choices=("raw", "compressed", "ffmpeg"),
)
