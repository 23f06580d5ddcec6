"""The parameters and topics of the lifting node: tables for the node, its tests and the reference.

Nothing here imports ROS.
"""

from __future__ import annotations

from egm_ros.interface.following import AUTOSTART, DIAGNOSTICS
from egm_ros.interface.parameter import ParameterSpec
from egm_ros.interface.topic import BOXES_TYPE, IMAGE_TYPE, Topic

BOXES_3D_TYPE = "vision_msgs/msg/Detection3DArray"

DEPTH_IN = Topic(
    "depth",
    IMAGE_TYPE,
    "in",
    "Depth of the very image, aligned to it: 16UC1 in millimetres or 32FC1 in metres (REP-118); 0, NaN and"
    " inf are not measured. With depth_transport:=compressed sensor_msgs/msg/CompressedImage: compressedDepth of"
    " image_transport, as PNG or RVL.",
    reliable=False,
    depth=5,
)
INFO_IN = Topic(
    "camera_info",
    "sensor_msgs/msg/CameraInfo",
    "in",
    "Focal lengths and centre of the image; region of interest and binning are honoured.",
    reliable=False,
    depth=5,
)
VISIBLE_IN = Topic(
    "grounding/visible", BOXES_TYPE, "in", "Visible boxes; those of the propagation node will do as well.", depth=16
)
AMODAL_IN = Topic("grounding/amodal", BOXES_TYPE, "in", "Amodal boxes of the same node.", depth=16)
VISIBLE = Topic(
    "~/visible",
    BOXES_3D_TYPE,
    "out",
    "Box of the surface that can be seen, with the image's header, id, class_id and score; empty where"
    " the object is absent, and silent where nothing could be lifted.",
    depth=5,
)
AMODAL = Topic(
    "~/amodal",
    BOXES_3D_TYPE,
    "out",
    "Box of the whole object. Its centre along the ray and its size are estimates, for its far side is"
    " hidden: the hypothesis's covariance says how doubtful.",
    depth=5,
)
MARKERS = Topic(
    "~/markers",
    "visualization_msgs/msg/MarkerArray",
    "out",
    "Both boxes for RViz and Foxglove, visible as edges, amodal translucent; each message takes the earlier ones away.",
    depth=5,
)
STATUS = Topic(
    "~/status",
    "diagnostic_msgs/msg/DiagnosticStatus",
    "out",
    "One message per answer: found, absent or error, and why.",
    latched=True,
)
LIFTING_TOPICS = (DEPTH_IN, INFO_IN, VISIBLE_IN, AMODAL_IN, VISIBLE, AMODAL, MARKERS, STATUS, DIAGNOSTICS)

LIFTING_PARAMETERS: tuple[ParameterSpec, ...] = (
    ParameterSpec(
        "depth_transport",
        "auto",
        "How depth comes: raw, or compressed; auto: compressed where the topic's name ends in /compressedDepth or"
        " /compressed, as image_transport names them.",
        choices=("auto", "raw", "compressed"),
    ),
    ParameterSpec(
        "target_frame",
        "",
        "TF frame of the boxes, looked up at the image's stamp (needs tf2_ros); empty: the camera's optical frame.",
    ),
    ParameterSpec(
        "rectified",
        True,
        "The image's distortion was taken out, so P of camera_info holds; false: the image is raw, and K and D hold.",
        live=True,
    ),
    ParameterSpec(
        "wait",
        1.0,
        "How long an answer waits for the depth, camera_info and transform of its stamp.",
        range=(0.05, 60.0),
        live=True,
        unit="s",
    ),
    ParameterSpec(
        "slop",
        0.0,
        "Where nothing has the image's very stamp, the depth and camera_info nearest to it are taken, if they are no"
        " further off than this; what moves is then lifted at where it was. 0: the very stamp only.",
        range=(0.0, 1.0),
        live=True,
        unit="s",
    ),
    ParameterSpec(
        "buffer", 10.0, "How long depth is kept until its answer comes.", range=(0.1, 60.0), live=True, unit="s"
    ),
    ParameterSpec(
        "memory",
        256,
        "Memory for this depth. Where buffer seconds of it do not fit as they came, a quarter"
        " holds the newest so, and the rest older ones at 16 bit, with as many of their pixels as fit.",
        range=(16, 65536),
        live=True,
        unit="MB",
    ),
    ParameterSpec("min_pixels", 8, "Measured pixels of an object's surface at least.", range=(1, 100_000), live=True),
    ParameterSpec(
        "marker_lifetime",
        12.0,
        "Markers vanish this long after their answer; 0: with the next one only.",
        range=(0.0, 3600.0),
        live=True,
        unit="s",
    ),
    AUTOSTART,
)

LIFTING_KEYS = {
    "stamp": "Stamp of the image, seconds.nanoseconds.",
    "outcome": "found, absent or error.",
    "reason": "A word for why an object has no 3D box, such as no_depth, no_valid_depth, depth_size, bad_box,"
    " no_transform or time_went_back.",
    "objects": "Visible boxes of the answer.",
    "lifted": "How many of them have 3D boxes.",
    "ranges": "Distance of each one's visible surface along the optical axis, in metres.",
    "pixels": "How many pixels of depth each range is from.",
    "density": "Part of the depth's pixels that was kept until the answer came; pixels counts the others as well.",
    "depth_offset": "By how many seconds the depth's stamp is later than the image's; see slop.",
    "amodal": "estimated where there are amodal boxes: their far side was guessed.",
    "frame": "Frame of the boxes.",
}
