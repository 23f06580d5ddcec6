"""What ends carried boxes, and what becomes of answers that cannot be carried: each with its reason."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, get_args

import cv2
import pytest
from moving_scene import GROUND, TEXT, Scene, header, place, rgb
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter
from vision_msgs.msg import Detection2DArray

from egm_core.propagation import begin
from egm_core.propagation.small_frames import small_frame
from egm_core.propagation.track import Loss
from egm_ros.common.messages import detection
from egm_ros.common.pictures import images
from egm_ros.interface.propagation import PROPAGATION_KEYS
from egm_ros.propagation.status import losses

pytestmark = [pytest.mark.ros, pytest.mark.clock]


def test_a_new_instruction_an_absent_answer_and_a_jump_in_time_end_the_boxes_once(bench: Any) -> None:
    scene = Scene(bench)
    scene.say(TEXT)
    numbers = iter(range(1, 40))

    def carry(base: int = 100) -> None:
        scene.visible.clear()
        number = next(numbers)
        scene.show(number, base)
        scene.answer(number, base=base)
        bench.until(lambda: scene.visible and scene.visible[-1].detections)
        scene.visible.clear()

    def ended(base: int = 100) -> None:
        bench.until(lambda: scene.visible and not scene.visible[-1].detections)
        scene.show(next(numbers), base)
        # What was under way before the end may come first; then there is one empty array, and silence.
        bench.holds(lambda: not scene.visible[-1].detections and not scene.node.carried)
        assert [len(array.detections) for array in scene.visible if not array.detections] == [0]

    carry()
    scene.say("the bowl")
    ended()
    scene.answer(1, text=TEXT)
    scene.show(next(numbers))
    scene.say(TEXT)
    carry()
    number = next(numbers)
    scene.show(number)
    bench.until(lambda: scene.visible)
    scene.visible.clear()
    scene.answer(number, found=False)
    ended()
    carry()
    scene.show(next(numbers), base=40)
    ended(base=40)
    scene.answer(30)
    carry(base=40)


def test_a_lost_object_is_asked_for_again_and_odd_images_do_no_harm(bench: Any) -> None:
    scene = Scene(bench, coast=0.0)
    scene.show(0)
    scene.answer(0)
    bench.until(lambda: scene.visible)
    broken = images.encode(rgb(1), header(1))
    broken.data = broken.data[:100]
    scene.camera.publish(broken)
    scene.show(2, image=GROUND)
    bench.until(lambda: scene.lost and not scene.visible[-1].detections)
    assert scene.lost[0].data == TEXT
    assert scene.visible[-1].header == header(2)
    scene.show(3, image=GROUND[:120])
    scene.answer(2)
    scene.show(4)
    scene.show(5)
    scene.answer(5)
    bench.until(lambda: scene.visible[-1].detections)
    assert scene.visible[-1].header == header(5)


def test_boxes_that_are_none_are_refused_by_name_and_the_node_goes_on(bench: Any) -> None:
    scene = Scene(bench)
    scene.show(0)
    stamp = header(0)
    for publisher in scene.inputs:
        box = (math.nan, 10.0, 60.0, 60.0)
        publisher.publish(Detection2DArray(header=stamp, detections=[detection(stamp, "3:0", box, TEXT, 0.8)]))
    told = scene.status()
    assert (told["outcome"], told["reason"], told["objects"]) == ("error", "bad_box", "1")
    assert "see the program that publishes them" in told["message"]
    assert not scene.visible
    assert scene.begin(1)["outcome"] == "found"
    assert [entry.id for entry in scene.visible[-1].detections] == ["3:t1"]


def test_an_answer_is_told_once_and_so_is_the_end_of_its_boxes(bench: Any) -> None:
    scene = Scene(bench)
    scene.say(TEXT)
    told = scene.begin()
    assert (told["outcome"], told["reason"], told["level"]) == ("found", "", "0")
    assert (told["objects"], told["carried"], told["frame"]) == ("1", "1", "eye")
    assert told["stamp"] == "100.000000000"
    scene.show(1)
    scene.show(2)
    bench.holds(lambda: len(scene.statuses) == 1)
    scene.say("the bowl")
    told = scene.status()
    assert (told["outcome"], told["reason"], told["level"]) == ("ended", "new_instruction", "0")
    assert "'the bowl'" in told["message"]
    scene.answer(2)
    told = scene.status()
    assert (told["outcome"], told["reason"], told["level"]) == ("error", "other_instruction", "2")
    assert "/grounding/instruction_active says 'the bowl'" in told["message"]
    scene.show(3)
    scene.answer(3, found=False)
    told = scene.status()
    assert (told["outcome"], told["reason"], told["objects"], told["level"]) == ("absent", "", "0", "0")


def test_deactivation_ends_the_boxes_and_activation_begins_anew(bench: Any) -> None:
    scene = Scene(bench)
    scene.say(TEXT)
    assert scene.begin(1)["outcome"] == "found"
    assert scene.node.trigger_deactivate() == TransitionCallbackReturn.SUCCESS
    told = scene.status()
    assert (told["outcome"], told["reason"], told["level"]) == ("ended", "deactivated", "0")
    bench.until(lambda: not scene.visible[-1].detections)
    assert scene.node.trigger_activate() == TransitionCallbackReturn.SUCCESS
    bench.until(lambda: all(end.get_subscription_count() for end in (scene.camera, *scene.inputs)))
    assert scene.begin(2)["outcome"] == "found"
    bench.until(lambda: scene.visible[-1].detections)
    assert scene.visible[-1].header == header(2)


@pytest.mark.parametrize("reason", ["too_old", "no_support", "left_picture", "another_size", "time_went_back"])
def test_every_end_has_its_reason(bench: Any, reason: str) -> None:
    scene = Scene(bench, coast=1.5 if reason == "left_picture" else 0.0)
    assert scene.begin()["outcome"] == "found"
    if reason == "too_old":
        scene.node.set_parameters([Parameter("max_propagation", value=0.05)])
        scene.show(1)
        scene.show(2)
    elif reason == "no_support":
        scene.show(1, image=GROUND)
    elif reason == "left_picture":
        for number in range(1, 80):
            scene.show(number)
    elif reason == "another_size":
        scene.show(1, image=GROUND[:120])
    else:
        scene.show(0, base=40)
    told = scene.status()
    assert (told["outcome"], told["carried"], told["stamp"]) == ("ended", "0", "100.000000000")
    assert told["reason"] == reason
    assert told["level"] == "1"
    assert told["message"].startswith(f"{told['reason']}: ")
    bench.until(lambda: scene.visible and not scene.visible[-1].detections)
    if reason == "time_went_back":
        bench.holds(lambda: not scene.lost)
    bench.until(lambda: bool(scene.lost) == (reason != "time_went_back"))


@pytest.mark.parametrize("loss", [loss for loss in get_args(Loss) if loss])
def test_every_way_to_lose_a_track_has_a_sentence(loss: Any) -> None:
    track = begin(small_frame(images.encode(rgb(0), header(0)), 160), place(0), None, 1.0)
    assert not track.lost
    ((word, sentence),) = losses([replace(track, lost=loss)], 3.0, 2.0).items()
    assert word == loss
    assert len(sentence) > 20
    assert word in PROPAGATION_KEYS["reason"]


def test_an_answer_that_comes_too_late_is_refused_with_the_parameter_to_raise(bench: Any) -> None:
    scene = Scene(bench, max_propagation=0.3, buffer=2.0)
    for number in range(20):
        scene.show(number)
    scene.show(20)
    scene.answer(0)
    told = scene.status()
    assert (told["outcome"], told["reason"], told["objects"], told["carried"]) == ("error", "too_old", "1", "0")
    assert "the answer's image is 1.0 s old, and max_propagation is 0.3 s" in told["message"]
    for number in range(21, 60):
        scene.show(number, image=GROUND)
    scene.answer(10)
    told = scene.status()
    assert (told["outcome"], told["reason"]) == ("error", "no_picture")
    assert "raise buffer (2 s)" in told["message"]
    # What was published before would come before.
    scene.show(0, base=110)
    scene.answer(0, base=110)
    bench.until(lambda: scene.visible)
    assert scene.visible[0].header == header(0, base=110)


def test_images_that_had_to_go_for_want_of_memory_are_told_with_the_parameter(bench: Any) -> None:
    scene = Scene(bench, memory=16, width=1920)
    large = cv2.resize(GROUND, (1920, 1080))
    for number in range(5):
        scene.show(number, image=large)
    scene.answer(0)
    told = scene.status()
    assert told["reason"] == "no_picture"
    assert "fill 16 MB; raise memory" in told["message"]


def test_an_answer_without_an_image_says_what_is_in_its_way(bench: Any) -> None:
    scene = Scene(bench)
    scene.answer(0)
    told = scene.status()
    assert (told["outcome"], told["reason"]) == ("error", "no_picture")
    assert "nothing comes on /image" in told["message"]
    broken = images.encode(rgb(1), header(1))
    broken.data = broken.data[:100]
    scene.camera.publish(broken)
    bench.until(lambda: scene.node._unreadable)
    scene.answer(1)
    told = scene.status()
    assert (told["outcome"], told["reason"]) == ("error", "truncated")
    scene.show(2)
    scene.inputs[0].publish(Detection2DArray(header=header(2)))
    told = scene.status()
    assert (told["outcome"], told["reason"]) == ("error", "no_amodal")
