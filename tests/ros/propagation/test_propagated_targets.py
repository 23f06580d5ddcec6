"""Several targets at a time: each answer takes the place of its own target's boxes, and no other's."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticStatus, KeyValue
from moving_scene import GROUND, LATCHED, TEXT, THING, Scene, header, noise, place
from vision_msgs.msg import Detection2DArray

from egm_core.boxes import Box, iou
from egm_core.streams.joining import box_of
from egm_ros.common.messages import detection, stamp_text

pytestmark = [pytest.mark.ros, pytest.mark.clock]

BOWL = "the bowl"
OTHER = noise(4, 60, 60)


def below(number: int) -> Box:
    """Give where the bowl is: it goes the other way."""
    left = 200.0 - 3 * number
    return (left, 160.0, left + 60.0, 220.0)


def rgb(number: int) -> np.ndarray:
    image = GROUND.copy()
    for (left, top, _, _), thing in ((place(number), THING), (below(number), OTHER)):
        image[int(top) : int(top) + 60, int(left) : int(left) + 60] = thing
    return image


class Two(Scene):
    """A scene of two things, and a grounding node that says what is absent."""

    def __init__(self, bench: Any, **parameters: Any) -> None:
        super().__init__(bench, **parameters)
        self.absences = bench.node.create_publisher(DiagnosticStatus, "grounding/status", LATCHED)
        self.say(f"{TEXT}\n{BOWL}")
        bench.until(self.absences.get_subscription_count)

    def two(self, number: int) -> None:
        self.show(number, image=rgb(number))

    def ground(self, number: int, text: str, found: bool = True) -> None:
        """Answer about one target in a picture, as the grounding node does: arrays, then the status."""
        stamp, box = header(number), (place if text == TEXT else below)(number)
        for publisher in self.inputs:
            entries = [detection(stamp, f"{text}:0", box, text, 0.8)] if found else []
            publisher.publish(Detection2DArray(header=stamp, detections=entries))
        if not found:
            self.absent(number, text)

    def absent(self, number: int, text: str, topic: str = "/grounding/visible") -> None:
        """Say of a picture that a target is absent from it, and of the other that nothing is known."""
        stamp, other = stamp_text(header(number)), BOWL if text == TEXT else TEXT
        entries = [{"instruction": text, "state": "absent"}, {"instruction": other, "state": "stale"}]
        targets = json.dumps([entry | {"stamp": stamp} for entry in entries])
        values = {"visible_topic": topic, "targets": targets}
        self.absences.publish(DiagnosticStatus(values=[KeyValue(key=key, value=values[key]) for key in values]))

    def carried(self) -> set[str]:
        return {entry.label for entry in self.node.carried}

    def both(self, number: int = 0) -> int:
        """Answer both targets in one picture, and show the next ones until both are carried."""
        self.two(number)
        self.ground(number, TEXT)
        self.ground(number, BOWL)
        self.bench.until(lambda: self.carried() == {TEXT, BOWL})
        return number

    def newest(self, number: int) -> dict[str, Any]:
        """Show a picture and give the boxes in it by their target."""
        self.visible.clear()
        self.two(number)
        self.bench.until(lambda: self.visible and self.visible[-1].header == header(number))
        return {entry.results[0].hypothesis.class_id: entry for entry in self.visible[-1].detections}


def test_answers_about_one_picture_are_carried_together_each_on_its_own_object(bench: Any) -> None:
    scene = Two(bench)
    scene.both()
    for number in range(1, 6):
        found = scene.newest(number)
        assert set(found) == {TEXT, BOWL}
        assert iou(box_of(found[TEXT]), place(number)) > 0.85
        assert iou(box_of(found[BOWL]), below(number)) > 0.85
        assert {entry.id for entry in found.values()} == {f"{TEXT}:t1", f"{BOWL}:t2"}


def test_a_new_answer_replaces_its_target_s_boxes_and_lets_the_other_s_go_on(bench: Any) -> None:
    scene = Two(bench)
    scene.both()
    for number in range(1, 4):
        scene.two(number)
    scene.ground(3, BOWL)
    bench.until(lambda: {entry.label: entry.start for entry in scene.node.carried}[BOWL] == 100_150_000_000)
    assert {entry.label: entry.start for entry in scene.node.carried}[TEXT] == 100_000_000_000
    found = scene.newest(4)
    assert iou(box_of(found[TEXT]), place(4)) > 0.85
    assert iou(box_of(found[BOWL]), below(4)) > 0.85


def test_only_the_target_that_is_called_absent_ends(bench: Any) -> None:
    scene = Two(bench)
    scene.both()
    scene.two(1)
    scene.ground(1, TEXT, found=False)
    bench.until(lambda: scene.carried() == {BOWL})
    assert set(scene.newest(2)) == {BOWL}
    told = next(told for told in iter(scene.status, None) if told["outcome"] == "absent")
    assert (told["stamp"], told["carried"], told["level"]) == ("100.000000000", "1", "0")
    scene.ground(2, BOWL, found=False)
    bench.until(lambda: not scene.carried())
    bench.until(lambda: not scene.visible[-1].detections)


def test_an_empty_array_alone_ends_nothing_and_neither_does_another_camera_s_or_an_older_absence(bench: Any) -> None:
    scene = Two(bench)
    scene.two(0)
    scene.both(1)
    for publisher in scene.inputs:
        publisher.publish(Detection2DArray(header=header(1)))
    scene.absent(1, TEXT, "/grounding/left/visible")
    scene.absent(0, TEXT)
    # This one comes after those, and ends something.
    scene.absent(1, BOWL)
    bench.until(lambda: BOWL not in scene.carried())
    assert scene.carried() == {TEXT}
    assert set(scene.newest(2)) == {TEXT}


@pytest.mark.parametrize("targets", ["", "null", "[[]]", '[{"state": "absent"}]', '[{"state": "absent", "stamp": ""}]'])
def test_a_status_that_cannot_be_read_is_told_and_ends_nothing(
    bench: Any, capfd: pytest.CaptureFixture[str], targets: str
) -> None:
    scene = Two(bench)
    number = scene.both()
    values = {"visible_topic": "/grounding/visible", "targets": targets}
    scene.absences.publish(DiagnosticStatus(values=[KeyValue(key=key, value=values[key]) for key in values]))
    bench.until(lambda: "does not say which targets are absent" in capfd.readouterr().err)
    assert set(scene.newest(number + 1)) == {TEXT, BOWL}


def test_a_changed_line_ends_the_boxes_of_that_line_alone(bench: Any) -> None:
    scene = Two(bench)
    scene.both()
    scene.say(f"the can\n{BOWL}")
    assert scene.carried() == {BOWL}
    told = next(told for told in iter(scene.status, None) if told["outcome"] == "ended")
    assert (told["reason"], told["objects"]) == ("new_instruction", "1")
    assert set(scene.newest(1)) == {BOWL}
    scene.say(BOWL)
    assert scene.carried() == {BOWL}
    # One target alone: an array without boxes is about it.
    for publisher in scene.inputs:
        publisher.publish(Detection2DArray(header=header(1)))
    bench.until(lambda: not scene.carried())


def test_a_lost_target_is_asked_for_alone(bench: Any) -> None:
    scene = Two(bench, coast=0.0)
    scene.both()
    image = rgb(1)
    left, top, right, bottom = (int(edge) for edge in place(1))
    image[top:bottom, left:right] = GROUND[top:bottom, left:right]
    scene.show(1, image=image)
    bench.until(lambda: scene.lost)
    assert [message.data for message in scene.lost] == [TEXT]
    assert scene.carried() == {BOWL}
    assert set(scene.newest(2)) == {BOWL}
