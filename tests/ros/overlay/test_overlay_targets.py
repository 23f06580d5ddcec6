"""Several targets in the overlay: those of one picture together, and none that is served no more."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from std_msgs.msg import String
from test_overlay import AMODAL, PICTURE, VISIBLE, Scene, newest, picture

from egm_core.pictures.draw import draw

pytestmark = [pytest.mark.ros, pytest.mark.clock]

LEFT, WHOLE = (90.0, 30.0, 110.0, 50.0), (90.0, 30.0, 110.0, 90.0)


class Several(Scene):
    """Someone looks at an overlay while lines are served."""

    def __init__(self, bench: Any, text: str) -> None:
        super().__init__(bench)
        self.look()
        self.say(text)

    def say(self, text: str) -> None:
        self.instruction.publish(String(data=text))
        self.bench.until(lambda: self.overlay._instruction == text)

    def shows(self, *pairs: Any, text: str) -> None:
        (shown,) = self.next()
        visible, amodal = zip(*pairs, strict=True) if pairs else ((), ())
        np.testing.assert_array_equal(shown, draw(PICTURE, list(visible), list(amodal), text))


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


def test_one_target_that_is_absent_ends_its_boxes_in_the_same_picture(bench: Any) -> None:
    scene = Several(bench, "the mug")
    scene.see(1000)
    scene.next()
    scene.answer(1000, text="the mug")
    scene.next()
    scene.answer(1000, None, None)
    scene.shows(text="absent: the mug")
