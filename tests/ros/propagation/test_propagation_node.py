"""The propagation node on real DDS: boxes under the newest image's header, whatever its camera."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from moving_scene import TEXT, Scene, header, noise, place, rgb
from sensor_msgs.msg import CompressedImage
from std_msgs.msg import Header, String
from vision_msgs.msg import Detection2DArray

from egm_core.boxes import iou
from egm_core.pictures.file import jpeg_size
from egm_core.propagation import Limits, SmallFrame, begin, shrink
from egm_core.propagation.small_frames import small_frame
from egm_core.propagation.trails import Trails
from egm_core.streams.joining import Answer, box_of, stamp_of
from egm_ros.common.messages import detection
from egm_ros.common.pictures import images
from egm_ros.common.pictures.images import ImageError
from egm_ros.propagation.catching_up import Carried, CatchingUp
from egm_ros.propagation.node import PropagationNode

pytestmark = [pytest.mark.ros, pytest.mark.clock]


def test_a_late_answer_is_carried_to_the_newest_image_and_on(bench: Any) -> None:
    scene = Scene(bench)
    scene.say(TEXT)
    for number in range(12):
        scene.show(number)
    assert not scene.visible
    scene.answer(0)
    bench.until(lambda: scene.visible and scene.amodal)
    for number in range(12, 15):
        scene.show(number)
    bench.until(lambda: len(scene.visible) == 4 and len(scene.amodal) == 4)
    for number, visible, amodal in zip(range(11, 15), scene.visible, scene.amodal, strict=True):
        assert visible.header == amodal.header == header(number)
        (seen,), (whole,) = visible.detections, amodal.detections
        assert seen.header == header(number)
        assert seen.id == whole.id == "3:t1"
        assert seen.results[0].hypothesis.class_id == TEXT
        assert 0.0 < seen.results[0].hypothesis.score < 0.8
        assert iou(box_of(seen), place(number)) > 0.9
        assert box_of(whole)[3] - box_of(seen)[3] == pytest.approx(20.0, abs=1.5)
    assert iou(place(0), place(14)) < 0.1


def frames(first: int, end: int) -> list[SmallFrame]:
    return [shrink(rgb(number), number * 50_000_000) for number in range(first, end)]


def test_a_long_way_is_gone_in_stretches_over_the_images_that_come_meanwhile() -> None:
    start, *ahead = frames(0, 31)
    thing = Carried("0", TEXT, begin(start, place(0), place(0), 0.8))
    way = CatchingUp(Answer(0, Detection2DArray(), Detection2DArray()), start, (thing,), tuple(ahead), start)
    came: list[SmallFrame] = []

    def later(stamp: int) -> list[SmallFrame]:
        return [frame for frame in came if frame.stamp > stamp]

    for stretches in range(1, 31):
        way = way.go_on(0.0, Limits(), later, Trails(10.0))
        assert way.at is ahead[stretches - 1]
        came = frames(31, 33) if stretches > 20 else []
    assert [frame.stamp for frame in way.ahead] == [frame.stamp for frame in came]
    way = way.go_on(60.0, Limits(), later, Trails(10.0))
    assert not way.ahead
    assert iou(way.entries[0].track.visible, place(32)) > 0.9


def test_steps_stay_short_over_a_long_way_and_an_instruction_ends_it_before_its_end(bench: Any) -> None:
    """One step over 2 s would lose the thing; a stretch of a millisecond is one step."""
    scene = Scene(bench, replay_frames=1, replay_slice=0.001)
    scene.say(TEXT)
    for number in range(41):
        scene.show(number)
    scene.answer(0)
    bench.until(lambda: scene.node._catching is not None)
    assert not scene.node.carried
    bench.until(lambda: scene.visible)
    assert scene.visible[-1].header == header(40)
    assert iou(box_of(scene.visible[-1].detections[0]), place(40)) > 0.9
    assert scene.status()["outcome"] == "found"
    scene.answer(1)
    bench.until(lambda: scene.node._catching is not None)
    scene.node._on_instruction(String(data="the plate"))
    told = [scene.status(), scene.status()]
    assert {entry["reason"] for entry in told} == {"new_instruction"}
    assert scene.node._catching is None
    assert not scene.node.carried


def test_a_camera_that_never_stamps_is_named_once_and_its_newest_image_gets_the_answer(
    bench: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    scene = Scene(bench)
    unstamped = Header(frame_id="eye")
    scene.say(TEXT)

    def show(number: int) -> None:
        before = scene.node._feed.timeline.clockless
        scene.camera.publish(images.encode(rgb(number), unstamped))
        bench.until(lambda: scene.node._feed.timeline.clockless > before)

    for number in range(5):
        show(number)
    for publisher in scene.inputs:
        array = Detection2DArray(header=unstamped, detections=[detection(unstamped, "3:0", place(4), TEXT, 0.8)])
        publisher.publish(array)
    bench.until(lambda: scene.visible)
    for number in range(5, 8):
        show(number)
        bench.until(lambda number=number: len(scene.visible) == number - 3)
        assert scene.visible[-1].header == unstamped
        assert iou(box_of(scene.visible[-1].detections[0]), place(number)) > 0.85
    said = [line for line in capfd.readouterr().err.splitlines() if "carry no stamp" in line]
    assert len(said) == 1
    assert "/image" in said[0]
    assert "driver" in said[0]


def test_an_answer_may_come_well_before_its_image_of_a_slow_camera(bench: Any) -> None:
    scene = Scene(bench)
    scene.show(0)
    scene.answer(20)
    bench.until(lambda: scene.node._feed._early is not None)
    scene.show(20)
    bench.until(lambda: scene.visible)
    assert scene.visible[-1].header == header(20)
    assert scene.visible[-1].detections


def test_every_lap_of_a_short_bag_is_followed_anew(bench: Any) -> None:
    """Shorter than a jump that is one for sure, it takes some images to be noticed."""
    scene = Scene(bench)

    for _ in range(2):
        for number in range(9):
            picture = images.encode(rgb(number), header(number))
            scene.camera.publish(picture)
            bench.until(lambda stamp=stamp_of(picture): scene.node._feed.seen and scene.node._feed.seen.moment == stamp)  # noqa: B008
        scene.visible.clear()
        scene.answer(8)
        bench.until(lambda: [array for array in scene.visible if array.detections and array.header == header(8)])


def test_the_node_s_defaults_are_the_core_s(bench: Any) -> None:
    assert bench.add(PropagationNode)._limits == Limits()


def test_compressed_images(bench: Any) -> None:
    scene = Scene(bench, CompressedImage, transport="compressed", width=160)
    scene.show(0)
    scene.show(1)
    scene.answer(0)
    bench.until(lambda: scene.visible)
    scene.show(2)
    bench.until(lambda: len(scene.visible) == 2)
    assert iou(box_of(scene.visible[-1].detections[0]), place(2)) > 0.85


def test_jpegs_are_decoded_small_and_keep_the_camera_s_size() -> None:
    image = noise(5, 360, 640)
    message = images.encode_compressed(image, header(1))
    assert jpeg_size(np.frombuffer(message.data, np.uint8)) == (640, 360)
    small, exact = small_frame(message, 160), small_frame(images.encode(image, header(1)), 160)
    assert small.grey.shape == exact.grey.shape == (90, 160)
    assert small.size == exact.size == (640, 360)
    assert np.abs(small.grey.astype(int) - exact.grey).mean() < 6
    red = np.full((360, 640, 3), [200, 30, 30], np.uint8)
    small = small_frame(images.encode_compressed(red, header(1)), 160)
    assert small.chroma is not None
    assert small.chroma[45, 80, 0] > 200  # Cr: a red that came as blue would have little of it.
    message.data = message.data[:-30]
    with pytest.raises(ImageError, match="truncated"):
        small_frame(message, 160)
    assert jpeg_size(np.frombuffer(b"\x89PNG", np.uint8)) is None
