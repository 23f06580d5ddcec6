"""Several targets in the overlay: those of one picture together, and none that is served no more."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from std_msgs.msg import Header, String
from test_overlay import AMODAL, PICTURE, VISIBLE, Scene, header, newest, picture
from vision_msgs.msg import Detection2DArray

from egm_core.pictures import draw as colors
from egm_core.pictures.draw import draw, tagged
from egm_ros.common.messages import detection
from egm_ros.overlay.targets import summary

pytestmark = [pytest.mark.ros, pytest.mark.clock]

LEFT, WHOLE = (90.0, 30.0, 110.0, 50.0), (90.0, 30.0, 110.0, 90.0)


class Several(Scene):
    """Someone looks at an overlay while lines are served."""

    def __init__(self, bench: Any, text: str, **parameters: Any) -> None:
        super().__init__(bench, **parameters)
        self.look()
        self.say(text)

    def say(self, text: str) -> None:
        self.instruction.publish(String(data=text))
        self.bench.until(lambda: self.overlay._instruction == text)

    def shows(self, *pairs: Any, text: str) -> None:
        (shown,) = self.next()
        visible, amodal = zip(*pairs, strict=True) if pairs else ((), ())
        expected = draw(PICTURE, list(visible), list(amodal), text)
        names = [word.split(" 0.")[0] for word in text.split(", ")][: len(visible)]
        tags = [(box, f"1:0 {name}") for box, name in zip(visible, names, strict=True)]
        np.testing.assert_array_equal(shown, tagged(expected, tags, colors.VISIBLE))


def test_answers_about_one_picture_are_drawn_together_and_go_with_their_line(bench: Any) -> None:
    scene = Several(bench, "the mug\nthe bowl\nthe can")
    scene.see(1000)
    scene.next()
    scene.answer(1000, text="the mug")
    scene.shows((VISIBLE, AMODAL), text="the mug 0.87")
    scene.answer(1000, LEFT, WHOLE, text="the bowl")
    scene.shows((VISIBLE, AMODAL), (LEFT, WHOLE), text="the mug 0.87, the bowl 0.87")
    # What is absent takes nothing of the others in that picture.
    scene.answer(1000, None, None)
    scene.shows((VISIBLE, AMODAL), (LEFT, WHOLE), text="the mug 0.87, the bowl 0.87")
    scene.say("the bowl\nthe can")
    scene.camera.publish(picture(1500))
    scene.shows((LEFT, WHOLE), text="the bowl 0.87, 0.5 s ago")
    scene.say("the can\nthe tray")
    assert newest(scene.overlay) is None


def test_an_answer_about_a_later_picture_is_drawn_alone(bench: Any) -> None:
    scene = Several(bench, "the mug\nthe bowl")
    scene.see(1000)
    scene.next()
    scene.answer(1000, text="the mug")
    scene.next()
    scene.see(1200)
    scene.next()
    scene.answer(1200, LEFT, WHOLE, text="the bowl")
    scene.shows((LEFT, WHOLE), text="the bowl 0.87")
    scene.see(1400)
    scene.next()
    scene.answer(1400, None, None)
    scene.shows(text="absent: one of 2 targets")


def test_propagated_boxes_have_their_id_and_line_beside_them(bench: Any) -> None:
    scene = Several(bench, "the mug\nthe bowl", propagated=True)
    visible, amodal = (
        bench.node.create_publisher(Detection2DArray, f"propagation/{kind}", 5) for kind in ("visible", "amodal")
    )
    bench.until(lambda: bool(visible.get_subscription_count() and amodal.get_subscription_count()))
    scene.see(1000)
    stamped = header(1000)
    names = {"1:0 the mug": VISIBLE, "2:0 the bowl": LEFT}
    both = [detection(stamped, word[:3], box, word[4:], 0.5) for word, box in names.items()]
    visible.publish(Detection2DArray(header=stamped, detections=both))
    amodal.publish(Detection2DArray(header=stamped))
    (shown,) = scene.next()
    expected = draw(PICTURE, list(names.values()), colors=(colors.NOW_VISIBLE, colors.NOW_AMODAL))
    tags = [(box, word) for word, box in names.items()]
    np.testing.assert_array_equal(shown, tagged(expected, tags, colors.NOW_VISIBLE))


def test_one_target_that_is_absent_ends_its_boxes_in_the_same_picture(bench: Any) -> None:
    scene = Several(bench, "the mug")
    scene.see(1000)
    scene.next()
    scene.answer(1000, text="the mug")
    scene.next()
    scene.answer(1000, None, None)
    scene.shows(text="absent: the mug")


def test_the_line_at_the_top_counts_the_objects_of_a_target() -> None:
    def entry(name: str, score: float) -> Any:
        return detection(Header(), "1:0", (1.0, 2.0, 3.0, 4.0), name, score)

    array = Detection2DArray(detections=[entry("every mug", 0.9), entry("the box", 0.5), entry("every mug", 0.4)])
    assert summary(array) == ["every mug: 2", "the box 0.50"]
