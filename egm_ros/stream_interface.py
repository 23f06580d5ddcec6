"""The parameters and topics of the camera and the overlay: tables for the nodes, their tests and the README.

Nothing here imports ROS.
"""

from __future__ import annotations

from egm_ros.interface import Topic
from egm_ros.parameters import ParameterSpec

IMAGE_TYPE = "sensor_msgs/msg/Image"
COMPRESSED_TYPE = "sensor_msgs/msg/CompressedImage"
BOXES_TYPE = "vision_msgs/msg/Detection2DArray"

CAMERA_IMAGE = Topic("image", IMAGE_TYPE, "out", "The picture, rgb8.", reliable=False, depth=5)
CAMERA_COMPRESSED = Topic("image/compressed", COMPRESSED_TYPE, "out", "The picture as JPEG.", reliable=False, depth=5)
CAMERA_INFO = Topic("camera_info", "sensor_msgs/msg/CameraInfo", "out",
                    "Focal lengths and centre of that very picture, same header.", reliable=False, depth=5)
CAMERA_DEPTH = Topic("depth", IMAGE_TYPE, "out",
                     "Distance along the optical axis, 32FC1 in metres; only from sources that know it.",
                     reliable=False, depth=5)
CAMERA_TOPICS = (CAMERA_IMAGE, CAMERA_COMPRESSED, CAMERA_INFO, CAMERA_DEPTH)

CAMERA_PARAMETERS: tuple[ParameterSpec, ...] = (
    ParameterSpec("source", "clip", "Where pictures come from: a rendered clip that comes with the package, a folder of"
                  " pictures, a video file, a bag (MCAP or sqlite3), a webcam, or a scene that is rendered now.",
                  choices=("clip", "folder", "video", "bag", "webcam", "scene")),
    ParameterSpec("path", "tabletop", "Name of the clip (tabletop, street), or the folder, video or bag."),
    ParameterSpec("topic", "", "Image topic in the bag; empty: its first one with colour."),
    ParameterSpec("device", 0, "Number of the webcam.", range=(0, 63)),
    ParameterSpec("world", "tabletop", "World of the rendered scene.", choices=("tabletop", "street")),
    ParameterSpec("seed", 500_000_000, "Seed of the rendered scene."),
    ParameterSpec("frames", 60, "Length of the rendered scene.", range=(1, 100_000), unit="frames"),
    ParameterSpec("rate", 0.0, "Pictures per second; 0: the source's own rate.", range=(0.0, 240.0), unit="Hz"),
    ParameterSpec("loop", True, "Start again at the end; otherwise the node ends there."),
    ParameterSpec("frame_id", "camera_optical_frame", "Frame of the headers: x right, y down, z forward."),
    ParameterSpec("fov", 60.0, "Horizontal field of view, for camera_info of sources that do not know their camera.",
                  range=(1.0, 179.0), unit="degrees"),
    ParameterSpec("transport", "raw", "What is published: image, image/compressed, or both.",
                  choices=("raw", "compressed", "both")),
    ParameterSpec("jpeg_quality", 90, "Quality of image/compressed.", range=(1, 100), live=True),
)

OVERLAY_IMAGE_IN = Topic("image", IMAGE_TYPE, "in",
                         "Camera stream (sensor_msgs/msg/CompressedImage with transport:=compressed).", reliable=False,
                         depth=5)
OVERLAY_VISIBLE = Topic("grounding/visible", BOXES_TYPE, "in", "The grounding node's visible boxes.", depth=5)
OVERLAY_AMODAL = Topic("grounding/amodal", BOXES_TYPE, "in", "The grounding node's amodal boxes.", depth=5)
OVERLAY_INSTRUCTION = Topic("grounding/instruction_active", "std_msgs/msg/String", "in",
                            "The instruction that is served now; boxes of an earlier one vanish.", latched=True)
OVERLAY_NOW_VISIBLE = Topic("propagation/visible", BOXES_TYPE, "in",
                            "The propagation node's visible boxes, with propagated:=true.", depth=5)
OVERLAY_NOW_AMODAL = Topic("propagation/amodal", BOXES_TYPE, "in",
                           "The propagation node's amodal boxes, with propagated:=true.", depth=5)
OVERLAY_IMAGE = Topic("~/image", IMAGE_TYPE, "out",
                      "The picture with its boxes: visible solid, amodal dashed; the header is the picture's.")
OVERLAY_COMPRESSED = Topic("~/image/compressed", COMPRESSED_TYPE, "out", "The same as JPEG.")
OVERLAY_TOPICS = (OVERLAY_IMAGE_IN, OVERLAY_VISIBLE, OVERLAY_AMODAL, OVERLAY_INSTRUCTION, OVERLAY_NOW_VISIBLE,
                  OVERLAY_NOW_AMODAL, OVERLAY_IMAGE, OVERLAY_COMPRESSED)

OVERLAY_PARAMETERS: tuple[ParameterSpec, ...] = (
    ParameterSpec("transport", "raw", "Type of the image topic: sensor_msgs/Image or sensor_msgs/CompressedImage.",
                  choices=("raw", "compressed")),
    ParameterSpec("show", "all", "Which pictures come out: live is every picture at once, with the newest answer so far"
                  " and its age; all is the same, and the newest once more when its own answer comes; answered is those"
                  " with an answer, when it comes; mixed is all and answered, so that older pictures come among later"
                  " ones (the stamps of the others never fall).",
                  choices=("all", "answered", "live", "mixed"), live=True),
    ParameterSpec("scale", 1, "Enlarge pictures before drawing, so that labels in small ones can be read.",
                  range=(1, 8), live=True),
    ParameterSpec("max_age", 12.0, "An answer older than this is no longer drawn on later pictures; an engine that"
                  " takes T seconds needs 2 T and a little more.",
                  range=(0.0, 3600.0), live=True, unit="s"),
    ParameterSpec("propagated", False, "Draw the propagation node's boxes as well, in blue and violet, beside the"
                  " answer's; later pictures then wait for theirs, until the next picture at most."),
    ParameterSpec("buffer", 10.0, "How long pictures are kept until their answer comes, for answered and mixed.",
                  range=(0.0, 60.0), live=True, unit="s"),
    ParameterSpec("memory", 256, "Memory for these pictures; a quarter of it holds the newest as they came, the rest"
                  " older ones as JPEG of jpeg_quality.", range=(16, 65536), live=True, unit="MB"),
    ParameterSpec("jpeg_quality", 90, "Quality of ~/image/compressed.", range=(1, 100), live=True),
)
