"""Ids of propagated boxes on real DDS: they stay with their objects over answers, and a lost one is asked for alone."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from moving_scene import GROUND, THING, Scene, header, noise, place
from vision_msgs.msg import Detection2DArray

from egm_core.boxes import Box, iou
from egm_core.streams.joining import box_of
from egm_ros.common.messages import detection

pytestmark = [pytest.mark.ros, pytest.mark.clock]

CUPS = "every cup"
OTHER = noise(4, 60, 60)


def below(number: int) -> Box:
    """Give where the second cup is: it goes the other way."""
    left = 200.0 - 3 * number
    return (left, 160.0, left + 60.0, 220.0)


def rgb(number: int, first: bool = True) -> np.ndarray:
    image = GROUND.copy()
    for (left, top, _, _), thing, there in ((place(number), THING, first), (below(number), OTHER, True)):
        if there:
            image[int(top) : int(top) + 60, int(left) : int(left) + 60] = thing
    return image


class Cups(Scene):
    """Two objects of one target, answered in any order."""

    def __init__(self, bench: Any, **parameters: Any) -> None:
        super().__init__(bench, **parameters)
        self.say(CUPS)

    def ground(self, number: int, *boxes: Box, base: int = 100) -> dict[str, str]:
        """Answer with these boxes, as the grounding node does, and give the status of that."""
        stamp = header(number, base)
        found = [detection(stamp, f"3:{entry}", box, CUPS, 0.8) for entry, box in enumerate(boxes)]
        for publisher in self.inputs:
            publisher.publish(Detection2DArray(header=stamp, detections=found))
        return self.status()

    def now(self, number: int, base: int = 100, first: bool = True) -> dict[str, Box]:
        """Show a picture and give the boxes in it by their ids."""
        self.visible.clear(), self.amodal.clear()
        self.show(number, base, rgb(number, first))
        both = (self.visible, self.amodal)
        self.bench.until(lambda: all(arrays and arrays[-1].header == header(number, base) for arrays in both))
        visible, amodal = ({entry.id: box_of(entry) for entry in arrays[-1].detections} for arrays in both)
        assert set(visible) == set(amodal)
        return visible


def test_objects_of_one_target_keep_their_ids_whatever_the_order_of_the_next_answer(bench: Any) -> None:
    scene = Cups(bench)
    scene.show(0, image=rgb(0))
    told = scene.ground(0, place(0), below(0))
    assert json.loads(told["ids"]) == {"3:0": "3:t1", "3:1": "3:t2"}
    for number in range(1, 8):
        scene.now(number)
    # The answer is for an image of before: that is where the boxes are compared.
    told = scene.ground(4, below(4), place(4))
    assert json.loads(told["ids"]) == {"3:0": "3:t2", "3:1": "3:t1"}
    found = scene.now(8)
    assert iou(found["3:t1"], place(8)) > 0.85
    assert iou(found["3:t2"], below(8)) > 0.85


def test_one_that_goes_and_one_that_comes_change_no_other_id(bench: Any) -> None:
    scene = Cups(bench)
    scene.show(0, image=rgb(0))
    scene.ground(0, place(0), below(0))
    for number in range(1, 4):
        scene.now(number)
    told = scene.ground(3, below(3))
    assert json.loads(told["ids"]) == {"3:0": "3:t2"}
    assert set(scene.now(4)) == {"3:t2"}
    told = scene.ground(4, (5.0, 5.0, 50.0, 50.0), below(4))
    assert json.loads(told["ids"]) == {"3:0": "3:t3", "3:1": "3:t2"}
    assert set(scene.now(5)) == {"3:t2", "3:t3"}


def test_another_object_gets_another_id_and_so_does_everything_after_time_went_back(bench: Any) -> None:
    scene = Cups(bench)
    scene.show(0, image=rgb(0))
    scene.ground(0, place(0))
    scene.now(1)
    assert json.loads(scene.ground(1, below(1))["ids"]) == {"3:0": "3:t2"}
    assert set(scene.now(2)) == {"3:t2"}
    scene.show(0, 40, rgb(0))
    assert scene.status()["reason"] == "time_went_back"
    assert json.loads(scene.ground(0, below(0), base=40)["ids"]) == {"3:0": "3:t3"}
    assert set(scene.now(1, 40)) == {"3:t3"}


def test_one_lost_object_of_several_is_asked_for_once_and_the_others_go_on(bench: Any) -> None:
    scene = Cups(bench, coast=0.0)
    scene.show(0, image=rgb(0))
    scene.ground(0, place(0), below(0))
    scene.now(1)
    assert set(scene.now(2, first=False)) == {"3:t2"}
    bench.until(lambda: scene.lost)
    assert set(scene.now(3, first=False)) == {"3:t2"}
    assert [message.data for message in scene.lost] == [CUPS]
    # What was lost meanwhile has its id still where it was seen.
    told = scene.status()
    assert (told["outcome"], told["carried"]) == ("found", "1")
    assert json.loads(scene.ground(1, below(1), place(1))["ids"]) == {"3:0": "3:t2", "3:1": "3:t1"}
