"""The propagation node on real DDS: boxes under the newest image's header, ended by all that ends them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import cv2
import numpy as np
import pytest
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.parameter import Parameter
from rclpy.qos import QoSDurabilityPolicy, QoSProfile, qos_profile_sensor_data
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header, String
from vision_msgs.msg import Detection2DArray

from egm_core.boxes import Box, iou
from egm_core.propagation import Limits, SmallFrame, begin, shrink
from egm_core.propagation.track import Loss
from egm_core.streams.joining import Answer, box_of, stamp_of
from egm_ros.common.messages import detection
from egm_ros.common.pictures import images
from egm_ros.common.pictures.images import ImageError
from egm_ros.interface.propagation import PROPAGATION_KEYS
from egm_ros.propagation.catching_up import Carried, CatchingUp
from egm_ros.propagation.node import PropagationNode
from egm_ros.propagation.small_frames import jpeg_size, small_frame
from egm_ros.propagation.status import losses

pytestmark = pytest.mark.ros

LATCHED = QoSProfile(depth=1, durability=QoSDurabilityPolicy.TRANSIENT_LOCAL)
SPEED = 4
TEXT = "the mug"


def noise(seed: int, height: int, width: int) -> np.ndarray:
    rough = np.random.default_rng(seed).integers(0, 255, (height // 4, width // 4, 3), np.uint8)
    return np.asarray(cv2.resize(rough, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


GROUND, THING = noise(1, 240, 320), noise(2, 60, 60)


def place(number: int) -> Box:
    left = 60.0 + SPEED * number
    return (left, 80.0, left + 60.0, 140.0)


def header(number: int, base: int = 100) -> Header:
    seconds, rest = divmod(number * 50, 1000)
    return Header(stamp=Time(sec=base + seconds, nanosec=rest * 10**6), frame_id="eye")


def rgb(number: int) -> np.ndarray:
    image = GROUND.copy()
    left = min(int(place(number)[0]), 320)
    image[80:140, left : left + 60] = THING[:, : 320 - left]
    return image


class Scene:
    """A camera and a grounding node's topics around the node, and what it says."""

    def __init__(self, bench: Any, kind: Any = Image, **parameters: Any) -> None:
        self.bench, self.kind = bench, kind
        self.node = bench.add(PropagationNode, parameters)
        make = bench.node.create_publisher
        self.camera = make(kind, "image", qos_profile_sensor_data)
        self.inputs = [make(Detection2DArray, f"grounding/{name}", 5) for name in ("visible", "amodal")]
        self.instruction = make(String, "grounding/instruction_active", LATCHED)
        self.visible = bench.collect(Detection2DArray, "propagation/visible")
        self.amodal = bench.collect(Detection2DArray, "propagation/amodal")
        self.lost = bench.collect(String, "propagation/lost")
        deep = QoSProfile(depth=100, durability=QoSDurabilityPolicy.TRANSIENT_LOCAL)
        self.statuses = bench.collect(DiagnosticStatus, "propagation/status", deep)
        self.told = 0
        ends = [self.camera, self.instruction, *self.inputs]
        bench.until(lambda: all(end.get_subscription_count() for end in ends))
        bench.until(lambda: all(bench.node.count_publishers(f"propagation/{name}") for name in ("lost", "status")))

    def show(self, number: int, base: int = 100, image: np.ndarray | None = None) -> None:
        """Publish a picture and wait until the node has it."""
        stamp = header(number, base)
        picture = rgb(number) if image is None else image
        compressed = self.kind is CompressedImage
        make = images.encode_compressed if compressed else images.encode
        self.camera.publish(make(picture, stamp))
        self.bench.until(lambda: self.has(stamp))

    def status(self) -> dict[str, str]:
        """Wait for the next status."""
        self.bench.until(lambda: len(self.statuses) > self.told)
        message = self.statuses[self.told]
        self.told += 1
        level = str(int.from_bytes(message.level, "little"))
        return {"level": level, "message": message.message} | {pair.key: pair.value for pair in message.values}

    def begin(self, number: int = 0) -> dict[str, str]:
        """Show a picture, answer it, and give the status."""
        self.show(number)
        self.answer(number)
        return self.status()

    def has(self, stamp: Header) -> bool:
        newest = self.node._frames.newest
        return newest is not None and newest.stamp == stamp_of(Detection2DArray(header=stamp))

    def answer(self, number: int, found: bool = True, text: str = TEXT, base: int = 100) -> None:
        stamp = header(number, base)
        left, top, right, bottom = place(number)
        for publisher, box in zip(self.inputs, (place(number), (left, top, right, bottom + 20)), strict=True):
            entries = [detection(stamp, "3:0", box, text, 0.8)] if found else []
            publisher.publish(Detection2DArray(header=stamp, detections=entries))

    def say(self, text: str) -> None:
        self.instruction.publish(String(data=text))
        self.bench.until(lambda: self.node._instruction == text)


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
        assert seen.id == whole.id == "3:0"
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
        way = way.go_on(0.0, Limits(), later)
        assert way.at is ahead[stretches - 1]
        came = frames(31, 33) if stretches > 20 else []
    assert [frame.stamp for frame in way.ahead] == [frame.stamp for frame in came]
    way = way.go_on(60.0, Limits(), later)
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


def test_the_node_s_defaults_are_the_core_s(bench: Any) -> None:
    assert bench.add(PropagationNode)._limits == Limits()


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
