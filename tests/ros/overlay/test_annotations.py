"""Boxes as foxglove_msgs/ImageAnnotations on real DDS, where that package is; refused by its name where it is not."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from builtin_interfaces.msg import Time
from rclpy.qos import QoSDurabilityPolicy, QoSProfile
from std_msgs.msg import Header, String
from vision_msgs.msg import Detection2DArray

from egm_core.pictures.draw import AMODAL, NOW_VISIBLE, VISIBLE
from egm_ros.common.messages import detection
from egm_ros.overlay.node import OverlayNode

pytestmark = pytest.mark.ros

BOX, WHOLE = (20.0, 30.0, 60.0, 70.0), (20.0, 30.0, 90.0, 70.0)
LATCHED = QoSProfile(depth=1, durability=QoSDurabilityPolicy.TRANSIENT_LOCAL)


def array(seconds: int, box: tuple[float, float, float, float] | None, text: str) -> Detection2DArray:
    stamped = Header(stamp=Time(sec=seconds), frame_id="eye")
    found = [detection(stamped, "1:0", box, text, 0.87)] if box else []
    return Detection2DArray(header=stamped, detections=found)


def test_what_is_not_installed_is_refused_by_its_name(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "foxglove_msgs", None)
    with pytest.raises(ValueError, match=r"annotations: they need foxglove_msgs, which is not installed: sudo apt"):
        bench.add(OverlayNode, {"annotations": True})


class Scene:
    """An overlay with annotations, a node whose boxes it gets, and someone who looks."""

    def __init__(self, bench: Any, source: str, **parameters: Any) -> None:
        self.bench, self.kinds = bench, pytest.importorskip("foxglove_msgs.msg", reason="no foxglove_msgs")
        make = bench.node.create_publisher
        self.boxes = [make(Detection2DArray, f"{source}/{kind}", 5) for kind in ("visible", "amodal")]
        self.instruction = make(String, "grounding/instruction_active", LATCHED)
        bench.add(OverlayNode, {"annotations": True, **parameters})
        bench.holds(lambda: not self.boxes[0].get_subscription_count(), 0.5)
        self.shown = bench.collect(self.kinds.ImageAnnotations, "overlay/annotations")
        bench.until(lambda: all(one.get_subscription_count() for one in (*self.boxes, self.instruction)))

    def next(self, seconds: int, *pair: tuple[float, float, float, float] | None, text: str = "the mug") -> Any:
        before = len(self.shown)
        for publisher, box in zip(self.boxes, pair, strict=True):
            publisher.publish(array(seconds, box, text))
        self.bench.until(lambda: len(self.shown) > before)
        return self.shown[-1]


def tint(color: Any) -> tuple[int, int, int]:
    return round(color.r * 255), round(color.g * 255), round(color.b * 255)


def test_an_answer_is_drawn_solid_and_dashed_with_its_words_and_vanishes_with_its_instruction(bench: Any) -> None:
    scene = Scene(bench, "grounding")
    scene.instruction.publish(String(data="the mug"))
    message = scene.next(7, BOX, WHOLE)
    solid, dashed = message.points
    assert (solid.type, dashed.type) == (scene.kinds.PointsAnnotation.LINE_LOOP, scene.kinds.PointsAnnotation.LINE_LIST)
    assert [(point.x, point.y) for point in solid.points] == [(20, 30), (60, 30), (60, 70), (20, 70)]
    assert len(dashed.points) > 16 and len(dashed.points) % 2 == 0
    assert {(point.x, point.y) for point in dashed.points} >= {(20, 30), (90, 30), (90, 70), (20, 70)}
    assert (tint(solid.outline_color), tint(dashed.outline_color)) == (VISIBLE, AMODAL)
    (text,) = message.texts
    assert (text.text, text.position.x, text.position.y) == ("the mug 0.87", 20.0, 30.0)
    assert {entry.timestamp.sec for entry in (message, solid, dashed, text)} == {7}
    assert not scene.next(8, None, None).points
    assert scene.next(9, BOX, WHOLE).points
    scene.instruction.publish(String(data="the bottle"))
    bench.until(lambda: not scene.shown[-1].points)
    assert not scene.next(10, BOX, WHOLE).points, "an answer may come after its instruction has gone"


def test_answers_about_several_targets_in_one_image_are_shown_together_each_until_its_target_goes(bench: Any) -> None:
    scene = Scene(bench, "grounding")
    scene.instruction.publish(String(data="the mug\nthe bottle"))
    bench.spin(0.2)
    scene.next(7, BOX, WHOLE)
    both = scene.next(7, WHOLE, WHOLE, text="the bottle")
    assert [text.text for text in both.texts] == ["the mug 0.87", "the bottle 0.87"] and len(both.points) == 4
    scene.instruction.publish(String(data="the bottle"))
    bench.until(lambda: [text.text for text in scene.shown[-1].texts] == ["the bottle 0.87"])
    assert [text.text for text in scene.next(8, BOX, WHOLE, text="the bottle").texts] == ["the bottle 0.87"]


def test_propagated_boxes_are_shown_instead_of_answers(bench: Any) -> None:
    scene = Scene(bench, "propagation", propagated=True)
    assert tint(scene.next(7, BOX, WHOLE).points[0].outline_color) == NOW_VISIBLE
    assert bench.node.count_subscribers("grounding/visible") == 0
