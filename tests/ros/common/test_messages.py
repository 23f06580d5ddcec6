"""The messages made from an answer."""

from dataclasses import replace

import pytest

pytest.importorskip("vision_msgs", reason="no ROS 2 with vision_msgs")

from diagnostic_msgs.msg import DiagnosticStatus
from groundings import ABSENT, FOUND
from std_msgs.msg import Header

from egm_core.grounder import Found
from egm_core.grounder.explained import status_values
from egm_ros.common import messages

pytestmark = pytest.mark.ros

BOTH = replace(FOUND, visible=(10.0, 20.0, 30.0, 60.0), amodal=(10.0, 20.0, 50.0, 60.0), amodal_score=0.7)


def header() -> Header:
    made = Header(frame_id="optical")
    made.stamp.sec, made.stamp.nanosec = 12, 34_000
    return made


def test_a_box_becomes_centre_and_size_in_pixels():
    visible, amodal = messages.detections(header(), 4, "the Mug ", BOTH)
    (seen,), (whole,) = visible.detections, amodal.detections
    box = seen.bbox
    assert (box.center.position.x, box.center.position.y, box.center.theta) == (20.0, 40.0, 0.0)
    assert (box.size_x, box.size_y) == (20.0, 40.0)
    assert (whole.bbox.center.position.x, whole.bbox.size_x) == (30.0, 40.0)
    assert [one.results[0].hypothesis.score for one in (seen, whole)] == [0.9, 0.7]


def test_header_id_and_class_are_the_same_everywhere():
    arrays = messages.detections(header(), 4, "the Mug ", BOTH)
    for array in arrays:
        assert array.header == header()
        assert array.detections[0].header == header()
        assert array.detections[0].id == "4:0"
        assert array.detections[0].results[0].hypothesis.class_id == "the Mug "


def test_absent_is_two_empty_arrays_with_the_header():
    for array in messages.detections(header(), 4, "the mug", ABSENT):
        assert array.header == header()
        assert not array.detections


def test_no_amodal_box_leaves_that_array_empty():
    visible, amodal = messages.detections(header(), 4, "the mug", FOUND)
    assert len(visible.detections) == 1
    assert not amodal.detections


def test_a_status_spells_numbers_and_keeps_the_order_of_its_keys():
    values = {"seq": 3, "engine_ms": 12.34567, "reason": ""}
    made = messages.status("grounding", "m", DiagnosticStatus.OK, "fine", values)
    assert [(pair.key, pair.value) for pair in made.values] == [("seq", "3"), ("engine_ms", "12.346"), ("reason", "")]
    assert (made.name, made.hardware_id, made.message, made.level) == ("grounding", "m", "fine", DiagnosticStatus.OK)


def test_an_unavailable_score_is_marked():
    values = status_values(replace(BOTH, score=0.0, amodal_score=0.0, score_available=False))
    scores = ("score", "amodal_score", "raw_score", "raw_amodal_score")
    assert [values[name] for name in scores] == ["unavailable"] * 4
    assert status_values(BOTH)["score"] == 0.9
    assert status_values(FOUND)["amodal_score"] == "unavailable"


def test_raw_scores_stand_beside_the_calibrated_ones():
    values = status_values(replace(BOTH, raw_score=0.02345, raw_amodal_score=0.2, calibrated=("visible",)))
    assert (values["score"], values["raw_score"], values["raw_amodal_score"]) == (0.9, "0.02345", "0.2")
    assert values["calibrated"] == "visible"


def test_a_stamp_is_written_exactly():
    assert messages.stamp_text(header()) == "12.000034000"
    assert messages.stamp_text(None) == ""


def test_every_object_has_an_id_that_its_two_boxes_share():
    several = BOTH.holding([*BOTH.objects, Found((1.0, 2.0, 3.0, 4.0), score=0.3), Found(BOTH.visible, BOTH.amodal)])
    visible, amodal = messages.detections(header(), 4, "every mug", several)
    assert [one.id for one in visible.detections] == ["4:0", "4:1", "4:2"]
    assert [one.id for one in amodal.detections] == ["4:0", "4:2"]
    assert [one.results[0].hypothesis.score for one in visible.detections] == [0.9, 0.3, 0.0]
