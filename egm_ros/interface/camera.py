"""The topics and parameters of the camera."""

from __future__ import annotations

from egm_ros.interface.parameter import ParameterSpec
from egm_ros.interface.topic import COMPRESSED_TYPE, IMAGE_TYPE, Topic

CAMERA_IMAGE = Topic("image", IMAGE_TYPE, "out", "The image, rgb8.", reliable=False, depth=5)
CAMERA_COMPRESSED = Topic("image/compressed", COMPRESSED_TYPE, "out", "The image as JPEG.", reliable=False, depth=5)
CAMERA_INFO = Topic(
    "camera_info",
    "sensor_msgs/msg/CameraInfo",
    "out",
    "Focal lengths and centre of that very image, same header.",
    reliable=False,
    depth=5,
)
CAMERA_DEPTH = Topic(
    "depth",
    IMAGE_TYPE,
    "out",
    "Distance along the optical axis, 32FC1 in metres; only from sources that know it.",
    reliable=False,
    depth=5,
)
CAMERA_TOPICS = (CAMERA_IMAGE, CAMERA_COMPRESSED, CAMERA_INFO, CAMERA_DEPTH)

CAMERA_PARAMETERS: tuple[ParameterSpec, ...] = (
    ParameterSpec(
        "source",
        "clip",
        "Where images come from: a rendered clip that comes with the package, a folder of"
        " images, a video file, a bag (MCAP or sqlite3), a webcam, or a scene that is rendered now.",
        choices=("clip", "folder", "video", "bag", "webcam", "scene"),
    ),
    ParameterSpec("path", "tabletop", "Name of the clip (tabletop, street), or the folder, video or bag."),
    ParameterSpec("topic", "", "Image topic in the bag; empty: the first in colour, with camera_info beside it."),
    ParameterSpec("device", 0, "Number of the webcam.", range=(0, 63)),
    ParameterSpec("world", "tabletop", "World of the rendered scene.", choices=("tabletop", "street")),
    ParameterSpec("seed", 500_000_000, "Seed of the rendered scene."),
    ParameterSpec("frames", 60, "Length of the rendered scene.", range=(1, 100_000), unit="frames"),
    ParameterSpec("rate", 0.0, "Images per second; 0: the source's own rate.", range=(0.0, 240.0), unit="Hz"),
    ParameterSpec("loop", True, "Start again at the end; otherwise the node ends there."),
    ParameterSpec("frame_id", "camera_optical_frame", "Frame of the headers: x right, y down, z forward."),
    ParameterSpec(
        "fov",
        60.0,
        "Horizontal field of view, for camera_info of sources that do not know their camera.",
        range=(1.0, 179.0),
        unit="degrees",
    ),
    ParameterSpec(
        "transport",
        "raw",
        "What is published: image, image/compressed, or both.",
        choices=("raw", "compressed", "both"),
    ),
    ParameterSpec("jpeg_quality", 90, "Quality of image/compressed.", range=(1, 100), live=True),
)
# The sources that heed a parameter which not all of them do.
HEEDED = {
    "path": ("clip", "folder", "video", "bag"),
    "topic": ("bag",),
    "device": ("webcam",),
    "world": ("scene",),
    "seed": ("scene",),
    "frames": ("scene",),
}
