"""Depth and answers that come late, without a stamp, or not at all; and time that goes back."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from lifting_scene import (
    NEAR,
    RANGES,
    TEXT,
    Scene,
    camera_info,
    header,
    metres,
)
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray

from egm_ros.common.messages import detection
from egm_ros.common.pictures import images

pytestmark = [pytest.mark.ros, pytest.mark.clock]


def test_depth_may_come_late_before_or_never(bench: Any) -> None:
    scene = Scene(bench, wait=30.0)
    for number in range(4):
        scene.see(number)
    scene.answer(1, NEAR)
    assert scene.status()["outcome"] == "found"
    scene.answer(9, NEAR)
    bench.until(lambda: scene.node._matching._answers)
    bench.holds(lambda: len(scene.statuses) == 1)
    scene.see(9)
    assert scene.status()["outcome"] == "found"
    assert scene.arrays(2)[0].header == header(9)
    scene.patience(1.0)
    scene.answer(11, NEAR)
    told = scene.status()
    assert (told["outcome"], told["reason"], told["level"]) == ("error", "no_depth", "2")
    assert "nearest is 0.100 s off" in told["message"]
    scene.answer(5, NEAR, base=90)
    told = scene.status()
    assert told["reason"] == "no_depth"
    assert "raise buffer" in told["message"]
    scene.depth.publish(images.encode_depth(metres(), header(12)))
    scene.answer(12, NEAR)
    assert scene.status()["reason"] == "no_camera_info"
    scene.patience(30.0)
    scene.see(13)
    scene.answer(13, NEAR)
    assert [array.header for array in scene.arrays(3)] == [header(13)] * 2


def test_depth_of_nearly_the_stamp_is_taken_where_slop_says_so(bench: Any) -> None:
    scene = Scene(bench, wait=1.0, slop=0.06)
    scene.see(0)
    scene.answer(1, NEAR)
    scene.see(2)
    told = scene.status()
    assert (told["outcome"], told["depth_offset"]) == ("found", "-0.050")
    assert scene.arrays()[0].header == header(1)
    scene.see(3)
    scene.answer(3, NEAR)
    assert scene.status()["depth_offset"] == "0.000"
    scene.answer(5, NEAR)
    told = scene.status()
    assert told["reason"] == "no_depth"
    assert "the nearest is 0.100 s off, more than slop (0.06 s)" in told["message"]


def take_in_ten_seconds(scene: Scene) -> None:
    """Hand the node depth of 1080p at 30 Hz, its boxes 12 and 9 times as large; DDS would lose some of it."""
    depth = np.full((1080, 1920), 6.0, np.float32)
    for (x0, y0, x1, y1), range_ in RANGES.items():
        depth[9 * int(y0) : 9 * int(y1), 12 * int(x0) : 12 * int(x1)] = range_
    pixels = images.encode_depth(depth, header(0))
    for number in range(301):
        stamped = header(number // 30 * 20)
        stamped.stamp.nanosec = number % 30 * 10**9 // 30
        frame = Image(header=stamped, height=1080, width=1920, encoding="32FC1", step=pixels.step, data=pixels.data)
        scene.node._on("depth", frame)


def test_an_answer_that_took_ten_seconds_finds_its_depth_of_1080p_at_30_hertz(bench: Any) -> None:
    scene = Scene(bench, watched=False)
    take_in_ten_seconds(scene)
    info = camera_info(header(0))
    info.width, info.height = 1920, 1080
    info.p = [1200.0, 0.0, 960.0, 0.0, 0.0, 1200.0, 540.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    scene.info.publish(info)
    near, far = ((12 * x0, 9 * y0, 12 * x1, 9 * y1) for x0, y0, x1, y1 in RANGES)
    scene.answer(0, near, far)
    told = scene.status()
    assert (told["outcome"], told["ranges"]) == ("found", "2.000, 4.000")
    assert 0.1 < float(told["density"]) < 0.2
    size = scene.arrays()[0].detections[0].bbox.size
    assert (size.x, size.y) == pytest.approx((480 / 1200 * 2.0, 450 / 1200 * 2.0), rel=0.01)
    assert scene.node._matching.depths.bytes <= 256e6


def test_depth_that_had_to_go_for_want_of_memory_is_told_with_the_parameter(
    bench: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    scene = Scene(bench, watched=False, memory=16)
    take_in_ten_seconds(scene)
    scene.answer(0, NEAR)
    told = scene.status()
    assert (told["reason"], told["outcome"]) == ("no_depth", "error")
    assert "raise memory" in told["message"]
    bench.until(lambda: "raise memory to keep more" in capfd.readouterr().err)


def test_time_that_goes_back_and_many_answers_leave_nothing_behind(bench: Any) -> None:
    scene = Scene(bench, watched=False)
    for number in range(6):
        scene.see(number)
        scene.answer(number, NEAR)
        assert scene.status()["outcome"] == "found"
    scene.see(0, base=40)
    scene.answer(0, NEAR, base=40)
    assert scene.status()["outcome"] == "found"
    assert scene.arrays(7)[0].header == header(0, base=40)
    assert scene.node._matching.depths.moments == (40 * 10**9,)
    assert not scene.node._markers.get_subscription_count()


def test_boxes_that_are_none_are_refused_by_their_own_word(bench: Any) -> None:
    scene = Scene(bench, watched=False)
    scene.see(0)
    scene.answer(0, (10.0, 10.0, math.inf, 20.0))
    told = scene.status()
    assert (told["reason"], told["outcome"]) == ("bad_box", "error")
    assert "see the program that publishes them" in told["message"]


def test_an_answer_that_waits_while_time_goes_back_is_told(bench: Any) -> None:
    scene = Scene(bench, watched=False, wait=30.0)
    scene.see(0)
    scene.answer(9, NEAR)
    bench.until(lambda: scene.node._matching._answers)
    scene.see(0, base=40)
    told = scene.status()
    assert (told["reason"], told["outcome"], told["stamp"]) == ("time_went_back", "error", "100.450000000")


def test_depth_without_a_stamp_is_named_once_and_its_newest_is_used(
    bench: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    scene = Scene(bench, watched=False)
    unstamped, matching = Header(frame_id="eye"), scene.node._matching
    for number in range(5):
        scene.info.publish(camera_info(unstamped))
        scene.depth.publish(images.encode_depth(metres() * (1 + number), unstamped))
        bench.until(lambda number=number: matching.timeline.clockless == matching.info_time.clockless == number + 1)
    for publisher in scene.boxes:
        publisher.publish(Detection2DArray(header=unstamped, detections=[detection(unstamped, "3:0", NEAR, TEXT, 0.8)]))
    told = scene.status()
    assert (told["outcome"], told["ranges"]) == ("found", "10.000")
    said = [line for line in capfd.readouterr().err.splitlines() if "carry no stamp" in line]
    assert len(said) == 2
    assert all("driver" in line for line in said)
    assert {topic for topic in ("/depth", "/camera_info") for line in said if f" {topic} " in line} == {
        "/depth",
        "/camera_info",
    }
    scene.answer(0, NEAR)
    told = scene.status()
    assert told["reason"] == "no_depth"
    assert "the messages on /depth have none" in told["message"]


def test_what_is_missing_is_told_under_simulated_time_without_a_clock(bench: Any) -> None:
    scene = Scene(bench, watched=False, use_sim_time=True, wait=1.0)
    assert scene.node.get_clock().now().nanoseconds == 0
    scene.answer(0, NEAR)
    assert scene.status()["reason"] == "no_depth"
    scene.boxes[1].publish(Detection2DArray(header=header(1)))
    assert scene.status()["reason"] == "no_depth"
