"""The parameters and topics of the propagation node: tables for the node, its tests and the reference.

Nothing here imports ROS.
"""

from __future__ import annotations

from egm_ros.interface.following import AMODAL_IN, AUTOSTART, DIAGNOSTICS, IMAGE_IN, STATUS_IN, TRANSPORT, VISIBLE_IN
from egm_ros.interface.parameter import ParameterSpec
from egm_ros.interface.topic import BOXES_TYPE, Topic

STRING_TYPE = "std_msgs/msg/String"

INSTRUCTION_IN = Topic(
    "grounding/instruction_active",
    STRING_TYPE,
    "in",
    "The instruction that is served now; boxes of lines that are not in it end at once.",
    latched=True,
)
VISIBLE = Topic(
    "~/visible",
    BOXES_TYPE,
    "out",
    "Visible boxes of all targets as they are in the newest image, with that image's header. An id, such as 3:t7,"
    " begins with the target's number and stays with its object over answers; class_id is the answer's; the score falls"
    " with age and lost support. One empty array says that all boxes have ended.",
)
AMODAL = Topic("~/amodal", BOXES_TYPE, "out", "Amodal box, propagated by the same motion; same header and ids.")
LOST = Topic(
    "~/lost",
    STRING_TYPE,
    "out",
    "The line of the instruction of which a box was lost or grew too old before a new answer came: ask again.",
    depth=5,
)
STATUS = Topic(
    "~/status",
    "diagnostic_msgs/msg/DiagnosticStatus",
    "out",
    "One message per answer, and where boxes end: found, absent, ended or error, and why.",
    latched=True,
)
PROPAGATION_TOPICS = (
    IMAGE_IN,
    VISIBLE_IN,
    AMODAL_IN,
    INSTRUCTION_IN,
    STATUS_IN,
    VISIBLE,
    AMODAL,
    LOST,
    STATUS,
    DIAGNOSTICS,
)

PROPAGATION_PARAMETERS: tuple[ParameterSpec, ...] = (
    TRANSPORT,
    ParameterSpec(
        "max_propagation",
        12.0,
        "Boxes end this long after the image that the answer was for; an engine that"
        " takes T seconds needs 2 T and a little more, for so old they are when its next answer comes.",
        range=(0.05, 60.0),
        live=True,
        unit="s",
    ),
    ParameterSpec(
        "half_life",
        12.0,
        "Age of an answer at which its score has halved; set it with max_propagation, for"
        " a much shorter one has bounds on scores drop boxes that are still propagated.",
        range=(0.05, 60.0),
        live=True,
        unit="s",
    ),
    ParameterSpec(
        "coast",
        1.5,
        "How long boxes go on as they went before while nothing of the object can be"
        " followed, nor found where it was; 0: end at once.",
        range=(0.0, 10.0),
        live=True,
        unit="s",
    ),
    ParameterSpec(
        "min_support", 0.15, "Part of the first points that has to be followed still.", range=(0.0, 1.0), live=True
    ),
    ParameterSpec(
        "buffer",
        10.0,
        "How long images are kept, as small ones, until their answer comes.",
        range=(0.1, 60.0),
        live=True,
        unit="s",
    ),
    ParameterSpec(
        "memory",
        256,
        "Memory for these images; where it is full the oldest go, and answers for them are refused by name.",
        range=(16, 65536),
        live=True,
        unit="MB",
    ),
    ParameterSpec(
        "replay_frames",
        20,
        "Images at most, evenly spread, from an answer's image to the newest; more where"
        " they would lie further apart than replay_step.",
        range=(1, 200),
        live=True,
    ),
    ParameterSpec(
        "replay_step",
        0.1,
        "Longest time from one of these images to the next; over longer ones things move too far to be followed.",
        range=(0.01, 10.0),
        live=True,
        unit="s",
    ),
    ParameterSpec(
        "replay_slice",
        0.03,
        "How long at a time boxes are brought towards the newest image, before new ones"
        " are taken in; the boxes of the answer before go on meanwhile.",
        range=(0.001, 1.0),
        live=True,
        unit="s",
    ),
    ParameterSpec(
        "width", 480, "Width to which images are scaled down for following points.", range=(64, 1920), unit="pixels"
    ),
    AUTOSTART,
)

PROPAGATION_KEYS = {
    "stamp": "Stamp of the answer's image, seconds.nanoseconds.",
    "outcome": "found: boxes are propagated; absent; ended: those that were propagated are no more; error: an answer"
    " that cannot be propagated.",
    "reason": "A word for why boxes ended or were not propagated: too_old, no_support, left_picture, another_size,"
    " new_instruction, deactivated, time_went_back, no_picture, other_instruction, late, bad_box, no_visible,"
    " no_amodal, or why images cannot be read.",
    "objects": "Visible boxes of the answer, or that were still propagated.",
    "carried": "How many of them are propagated.",
    "age": "Seconds from the answer's image to the newest.",
    "ids": "The ids of an answer's boxes, and those of the propagated ones, as JSON; empty where boxes have ended.",
    "frame": "Frame of the answer's image.",
}
