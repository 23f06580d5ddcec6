"""The topics, services, actions and status keys of the grounding node."""

from __future__ import annotations

from egm_ros.interface.topic import Action, Service, Topic

IMAGE = Topic(
    "<cam>/image",
    "sensor_msgs/msg/Image",
    "in",
    "Camera stream (sensor_msgs/msg/CompressedImage with transport:=compressed,"
    " ffmpeg_image_transport_msgs/msg/FFMPEGPacket, reliable, with transport:=ffmpeg).",
    reliable=False,
)
INSTRUCTION = Topic(
    "instruction",
    "std_msgs/msg/String",
    "in",
    "What to find, in words, with a line for each target; it is served until the next one, and an empty one stops.",
)
OWN_INSTRUCTION = Topic(
    "<cam>/instruction",
    "std_msgs/msg/String",
    "in",
    "What to find in the images of this camera alone, instead; an empty one: the same as the other cameras again.",
)
REFRESH = Topic(
    "~/<cam>/refresh",
    "std_msgs/msg/String",
    "in",
    "Ask anew next; with ahead_of_rate:=all at once, ahead of max_rate. The text is the target's line, such as the"
    " propagation node's ~/lost; a line that is asked no more: nothing; any other text: every target of the camera.",
    depth=5,
)
VISIBLE = Topic(
    "~/<cam>/visible",
    "vision_msgs/msg/Detection2DArray",
    "out",
    "Box of what can be seen of the object, in pixels of the source image, with that image's header;"
    " an empty array says that the model found nothing that fits. Of several targets, an array is about those that"
    " `answered` on ~/status names.",
    depth=16,
)
AMODAL = Topic(
    "~/<cam>/amodal",
    "vision_msgs/msg/Detection2DArray",
    "out",
    "Box of the whole object, hidden parts included; same header and ids as on ~/visible.",
    depth=16,
)
STATUS = Topic(
    "~/status",
    "diagnostic_msgs/msg/DiagnosticStatus",
    "out",
    "One message per query (found, absent, stale, error) and per change of the engine's state.",
    latched=True,
)
INSTRUCTION_ACTIVE = Topic(
    "~/instruction_active",
    "std_msgs/msg/String",
    "out",
    "The instruction that is served now; empty: none.",
    latched=True,
)
OWN_ACTIVE = Topic(
    "~/<cam>/instruction_active",
    "std_msgs/msg/String",
    "out",
    "What is served for this camera: its own instruction, or that of all.",
    latched=True,
)
QUEUE_MS = Topic("~/latency/queue_ms", "std_msgs/msg/Float32", "out", "Arrival of the image to start of the query.")
INFERENCE_MS = Topic("~/latency/inference_ms", "std_msgs/msg/Float32", "out", "The engine's part of an answer.")
TOTAL_MS = Topic("~/latency/total_ms", "std_msgs/msg/Float32", "out", "Arrival of the image to its boxes.")
DIAGNOSTICS = Topic(
    "/diagnostics",
    "diagnostic_msgs/msg/DiagnosticArray",
    "out",
    "Once a second: the engine (state, restarts, memory), each camera (rate, age, drops), the answers"
    " (outcomes, repairs), and of several targets each one before each camera.",
    depth=10,
)

TOPICS = (
    IMAGE,
    INSTRUCTION,
    OWN_INSTRUCTION,
    REFRESH,
    VISIBLE,
    AMODAL,
    STATUS,
    INSTRUCTION_ACTIVE,
    OWN_ACTIVE,
    QUEUE_MS,
    INFERENCE_MS,
    TOTAL_MS,
    DIAGNOSTICS,
)

ENABLE = Service("~/enable", "std_srvs/srv/SetBool", "Stop asking the engine (it stays loaded), or go on.")
RESET = Service(
    "~/reset",
    "std_srvs/srv/Trigger",
    "Forget the instruction, and those of single cameras, and go back to default_instruction or instructions.",
)
GROUND_ONCE = Service(
    "~/ground_once",
    "std_srvs/srv/Trigger",
    "Ground the instruction once in the newest image, also while disabled: `message` is the answer as"
    " JSON (of several targets or cameras a list), `success` says that each is found or absent.",
)
GROUND_IMAGE = Service(
    "~/ground_image",
    "egm_msgs/srv/GroundImage",
    "Ground an instruction of its own in an image of its own, also while disabled. Only where egm_msgs is built.",
)

SERVICES = (ENABLE, RESET, GROUND_ONCE, GROUND_IMAGE)

GROUND = Action(
    "~/ground",
    "egm_msgs/action/Ground",
    "Ground an instruction of its own once, in a camera's newest image or in an image of its own, also while"
    " disabled: feedback has the first box, cancelling aborts the engine. Only where egm_msgs is built.",
)

ACTIONS = (GROUND,)

STATUS_KEYS = {
    "seq": "Number of the target that was asked for; the ids on the box topics begin with it.",
    "stamp": "Stamp of the source image, seconds.nanoseconds.",
    "camera": "The camera's name in `cameras`; empty for one without a name, and where no image is meant.",
    "outcome": "found, absent (a box below min_score too: reason low_score), stale or error; empty: about the engine.",
    "reason": "A word for why, such as query_timeout or engine_died.",
    "engine_ms": "The engine's part of the time.",
    "total_ms": "Arrival of the image until now.",
    "instruction": "The target's line of the instruction, verbatim.",
    "visible_topic": "The topic of the visible boxes of the image's camera.",
    "answered": "JSON: the numbers of the targets that the arrays with this stamp answer; none where nothing was"
    " published. A target that is absent has ended, and no other.",
    "targets": "JSON: each target of the camera, with `seq`, `instruction`, `state` (not_asked, found, absent, stale,"
    " error: of its newest query), `reason`, and the `stamp` of that query's image.",
    "objects": "How many objects of the target the arrays hold; scores here are the first one's.",
    "left_out": "How many more were found, over max_objects.",
    "score": "The visible box's score in [0, 1], or unavailable; the probability that the box is right where it is"
    " calibrated.",
    "amodal_score": "The amodal box's score, or unavailable.",
    "raw_score": "The visible box's score before calibration, or unavailable.",
    "raw_amodal_score": "The amodal box's score before calibration, or unavailable.",
    "calibrated": "Which scores are probabilities: visible, amodal; empty: they are raw.",
    "deadline_missed": "yes where the answer came after the deadline; it is published all the same.",
    "thought": "Whether the visible answer came after thinking: yes, no, or late for a first box beside which a"
    " thought was worth its time and could not end by the deadline.",
    "amodal_thought": "The same of the amodal answer; empty without one.",
    "reasoning": "What the model thought before the visible box.",
    "amodal_reasoning": "What it thought before the amodal box.",
    "warnings": "What casts doubt on the answer.",
    "repairs": "What was put right, such as an amodal box smaller than the visible one.",
    "age_ms": "Age of the image now, by its stamp.",
    "engine": "State of the engine: starting, ready, failed or closed.",
    "restarts": "How often the engine was started anew since the node was configured.",
    "received": "Images that arrived since activation: the camera's, or of all where none is meant.",
    "dropped": "Images among them that a newer one replaced before they were decoded.",
}
