"""The topics and parameters of the overlay."""

from __future__ import annotations

from egm_ros.interface.following import AMODAL_IN, AUTOSTART, DIAGNOSTICS, IMAGE_IN, TRANSPORT, VISIBLE_IN
from egm_ros.interface.parameter import ParameterSpec
from egm_ros.interface.topic import BOXES_TYPE, COMPRESSED_TYPE, IMAGE_TYPE, Topic

OVERLAY_INSTRUCTION = Topic(
    "grounding/instruction_active",
    "std_msgs/msg/String",
    "in",
    "The instruction that is served now; boxes of an earlier one vanish.",
    latched=True,
)
OVERLAY_NOW_VISIBLE = Topic(
    "propagation/visible", BOXES_TYPE, "in", "The propagation node's visible boxes, with propagated:=true.", depth=5
)
OVERLAY_NOW_AMODAL = Topic(
    "propagation/amodal", BOXES_TYPE, "in", "The propagation node's amodal boxes, with propagated:=true.", depth=5
)
OVERLAY_IMAGE = Topic(
    "~/image", IMAGE_TYPE, "out", "The image with its boxes: visible solid, amodal dashed; the header is the image's."
)
OVERLAY_COMPRESSED = Topic("~/image/compressed", COMPRESSED_TYPE, "out", "The same as JPEG.")
OVERLAY_ANNOTATIONS = Topic(
    "~/annotations",
    "foxglove_msgs/msg/ImageAnnotations",
    "out",
    "The boxes for Foxglove to draw over the camera's own images, with annotations:=true: those of each answer, or with"
    " propagated:=true those of each image.",
    depth=5,
    asked=True,
)
OVERLAY_TOPICS = (
    IMAGE_IN,
    VISIBLE_IN,
    AMODAL_IN,
    OVERLAY_INSTRUCTION,
    OVERLAY_NOW_VISIBLE,
    OVERLAY_NOW_AMODAL,
    OVERLAY_IMAGE,
    OVERLAY_COMPRESSED,
    OVERLAY_ANNOTATIONS,
    DIAGNOSTICS,
)

OVERLAY_PARAMETERS: tuple[ParameterSpec, ...] = (
    TRANSPORT,
    ParameterSpec(
        "show",
        "all",
        "Which images come out: live is every image at once, with the newest answer so far"
        " and its age; all is the same, and the newest once more when its own answer comes; answered is those"
        " with an answer, when it comes; mixed is all and answered, so that older images come among later"
        " ones (the stamps of the others never fall).",
        choices=("all", "answered", "live", "mixed"),
        live=True,
    ),
    ParameterSpec(
        "scale", 1, "Enlarge images before drawing, so that labels in small ones can be read.", range=(1, 8), live=True
    ),
    ParameterSpec(
        "max_age",
        12.0,
        "An answer older than this is no longer drawn on later images; an engine that"
        " takes T seconds needs 2 T and a little more.",
        range=(0.0, 3600.0),
        live=True,
        unit="s",
    ),
    ParameterSpec(
        "propagated",
        False,
        "Draw the propagation node's boxes as well, in blue and violet, beside the"
        " answer's; later images then wait for theirs, until the next image at most.",
    ),
    ParameterSpec(
        "buffer",
        10.0,
        "How long images are kept until their answer comes, for answered and mixed.",
        range=(0.0, 60.0),
        live=True,
        unit="s",
    ),
    ParameterSpec(
        "memory",
        256,
        "Memory for these images; a quarter of it holds the newest as they came, the rest"
        " older ones as JPEG of jpeg_quality.",
        range=(16, 65536),
        live=True,
        unit="MB",
    ),
    ParameterSpec(
        "annotations", False, "Publish the boxes as ~/annotations, too; needs foxglove_msgs, and subscribes no image."
    ),
    ParameterSpec("jpeg_quality", 90, "Quality of ~/image/compressed.", range=(1, 100), live=True),
    AUTOSTART,
)
