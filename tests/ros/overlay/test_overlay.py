"""The overlay on real DDS: idle until someone looks, boxes joined to their picture, ages on later ones."""

from __future__ import annotations

import time
from typing import Any

import cv2
import numpy as np
import pytest
from builtin_interfaces.msg import Time
from rclpy.parameter import Parameter
from rclpy.qos import QoSDurabilityPolicy, QoSProfile, qos_profile_sensor_data
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header, String
from vision_msgs.msg import Detection2DArray

from egm_core.pictures.draw import NOW_AMODAL, NOW_VISIBLE, draw
from egm_core.streams.joining import Answer, Join, box_of, stamp_of
from egm_ros.common.messages import detection
from egm_ros.common.pictures import images
from egm_ros.overlay.node import OverlayNode, boxes_in, drawn
from egm_ros.overlay.targets import label_of

pytestmark = [pytest.mark.ros, pytest.mark.clock]

VISIBLE = (20.0, 30.0, 60.0, 70.0)
AMODAL = (20.0, 30.0, 90.0, 70.0)
PICTURE = np.full((120, 160, 3), 90, np.uint8)
LATCHED = QoSProfile(depth=1, durability=QoSDurabilityPolicy.TRANSIENT_LOCAL)


def header(milliseconds: int) -> Header:
    seconds, rest = divmod(milliseconds, 1000)
    return Header(stamp=Time(sec=seconds, nanosec=rest * 10**6), frame_id="eye")


def picture(milliseconds: int) -> Image:
    return images.encode(PICTURE, header(milliseconds))


def boxes(milliseconds: int, *found: tuple[float, float, float, float], text: str = "the mug") -> Detection2DArray:
    stamped = header(milliseconds)
    return Detection2DArray(header=stamped, detections=[detection(stamped, "1:0", box, text, 0.87) for box in found])


def newest(overlay: OverlayNode) -> int | None:
    """Give the stamp of the answer that an overlay goes by."""
    answer = overlay._join.newest
    return answer.stamp if answer is not None else None


class Scene:
    """What surrounds an overlay: a camera and a grounding node's topics, and someone who looks."""

    def __init__(self, bench: Any, **parameters: Any) -> None:
        self.bench = bench
        self.overlay = bench.add(OverlayNode, parameters)
        make = bench.node.create_publisher
        self.camera = make(Image, "image", qos_profile_sensor_data)
        self.visible = make(Detection2DArray, "grounding/visible", 5)
        self.amodal = make(Detection2DArray, "grounding/amodal", 5)
        self.instruction = make(String, "grounding/instruction_active", LATCHED)
        self.shown: list[Image] = []

    def look(self) -> None:
        self.onlooker = self.bench.node.create_subscription(Image, "overlay/image", self.shown.append, 10)
        publishers = (self.camera, self.visible, self.amodal, self.instruction, self.overlay._image)
        self.bench.until(lambda: self.overlay.working and all(one.get_subscription_count() for one in publishers))

    def see(self, milliseconds: int) -> None:
        """Publish a picture and wait until the overlay has it."""
        self.camera.publish(picture(milliseconds))
        self.bench.until(lambda: self.overlay._join.timeline.newest == milliseconds * 10**6)

    def answer(self, milliseconds: int, *pair: Any, text: str = "the mug") -> None:
        visible, amodal = pair or (VISIBLE, AMODAL)
        self.visible.publish(boxes(milliseconds, *([visible] if visible else []), text=text))
        self.amodal.publish(boxes(milliseconds, *([amodal] if amodal else []), text=text))

    def next(self, count: int = 1) -> list[np.ndarray]:
        self.bench.until(lambda: len(self.shown) >= count)
        taken, self.shown[:count] = self.shown[:count], []
        self.headers = [message.header for message in taken]
        return [images.decode(message) for message in taken]


def test_it_works_only_while_someone_looks(bench: Any) -> None:
    scene = Scene(bench)

    def rests() -> bool:
        return not scene.overlay.working and scene.camera.get_subscription_count() == 0

    bench.until(lambda: bench.node.count_publishers("overlay/image"))
    bench.holds(rests, 0.6)
    scene.look()
    bench.node.destroy_subscription(scene.onlooker)
    bench.until(rests)
    bench.holds(rests, 0.6)
    scene.look()


def test_the_answer_is_drawn_into_its_own_picture_and_with_its_age_into_later_ones(bench: Any) -> None:
    scene = Scene(bench)
    scene.look()
    scene.camera.publish(picture(1000))
    (plain,) = scene.next()
    np.testing.assert_array_equal(plain, PICTURE)
    scene.answer(1000)
    (joined,) = scene.next()
    assert scene.headers == [header(1000)]
    np.testing.assert_array_equal(joined, draw(PICTURE, VISIBLE, AMODAL, "the mug 0.87"))
    scene.camera.publish(picture(1400))
    (later,) = scene.next()
    assert scene.headers == [header(1400)]
    np.testing.assert_array_equal(later, draw(PICTURE, VISIBLE, AMODAL, "the mug 0.87, 0.4 s ago"))
    scene.camera.publish(picture(13_001))
    (too_late,) = scene.next()
    np.testing.assert_array_equal(too_late, PICTURE)


def test_an_absent_object_is_said_and_a_new_instruction_takes_the_boxes_away(bench: Any) -> None:
    scene = Scene(bench)
    scene.look()
    scene.instruction.publish(String(data="the mug"))
    bench.until(lambda: scene.overlay._instruction == "the mug")
    scene.camera.publish(picture(1000))
    scene.next()
    scene.answer(1000, None, None)
    (absent,) = scene.next()
    np.testing.assert_array_equal(absent, draw(PICTURE, label="absent: the mug"))
    scene.instruction.publish(String(data="the bowl"))
    bench.until(lambda: scene.overlay._instruction == "the bowl")
    scene.camera.publish(picture(1100))
    (after,) = scene.next()
    np.testing.assert_array_equal(after, PICTURE)


@pytest.mark.parametrize("now", ["the bowl", ""])
def test_an_answer_that_comes_after_its_instruction_has_gone_is_not_drawn(bench: Any, now: str) -> None:
    scene = Scene(bench)
    scene.look()
    scene.instruction.publish(String(data="the mug"))
    bench.until(lambda: scene.overlay._instruction == "the mug")
    scene.instruction.publish(String(data=now))
    bench.until(lambda: scene.overlay._instruction == now)
    scene.camera.publish(picture(1000))
    scene.next()
    scene.answer(1000)
    (own,) = scene.next()
    scene.camera.publish(picture(1100))
    (later,) = scene.next()
    np.testing.assert_array_equal(own, PICTURE)
    np.testing.assert_array_equal(later, PICTURE)
    scene.instruction.publish(String(data="the cup"))
    bench.until(lambda: scene.overlay._instruction == "the cup")
    scene.answer(1100, text="the cup")
    (drawn,) = scene.next()
    np.testing.assert_array_equal(drawn, draw(PICTURE, VISIBLE, AMODAL, "the cup 0.87"))


def test_answered_pictures_alone_and_compressed_output(bench: Any) -> None:
    scene = Scene(bench, show="answered", jpeg_quality=95)
    compressed = bench.collect(CompressedImage, "overlay/image/compressed")
    scene.look()
    bench.until(scene.overlay._compressed.get_subscription_count)
    for milliseconds in (1000, 1100, 1200):
        scene.see(milliseconds)
    scene.answer(1100)
    scene.next()
    assert scene.headers == [header(1100)]
    bench.until(lambda: compressed)
    assert compressed[0].header == header(1100)
    expected = draw(PICTURE, VISIBLE, AMODAL, "the mug 0.87")
    assert np.abs(images.decode(compressed[0]).astype(int) - expected).mean() < 6
    scene.answer(1200)
    scene.see(1300)
    scene.next()
    assert scene.headers == [header(1200)]
    # What was published before would come before.
    scene.see(1400)
    scene.answer(1400)
    scene.next()
    assert scene.headers == [header(1400)]


def test_the_stamps_of_what_is_published_never_fall_unless_mixed_is_asked_for(bench: Any) -> None:
    scene = Scene(bench)
    scene.look()

    def run(base: int) -> list[Header]:
        for milliseconds in (base, base + 900):
            scene.camera.publish(picture(milliseconds))
            scene.next()
        scene.answer(base)
        bench.until(lambda: scene.overlay._join.newest is not None and scene.overlay._join.newest.stamp == base * 10**6)
        scene.camera.publish(picture(base + 1000))
        bench.until(lambda: header(base + 1000) in [message.header for message in scene.shown])
        return [message.header for message in scene.shown]

    scene.camera.publish(picture(500))
    scene.next()
    # A picture out of order.
    scene.camera.publish(picture(400))
    assert run(1000) == [header(2000)]
    np.testing.assert_array_equal(
        images.decode(scene.shown[0]), draw(PICTURE, VISIBLE, AMODAL, "the mug 0.87, 1.0 s ago")
    )
    scene.shown.clear()
    scene.overlay.set_parameters([Parameter("show", value="mixed")])
    assert run(4000) == [header(4000), header(5000)]


@pytest.mark.parametrize("show", ["all", "answered", "live"])
def test_it_draws_again_at_once_after_time_went_back(bench: Any, show: str) -> None:
    """As with a bag that loops and a simulator that is reset; answers of the lap before are left out."""
    scene = Scene(bench, show=show)
    scene.look()

    # Whether boxes are in each of the pictures of a lap: as it comes, and once its answer has come.
    boxed = {"all": [False, True, True, True, True, True], "answered": [True] * 3, "live": [False, True, True]}[show]

    def one(stamp: int) -> None:
        scene.see(stamp)
        scene.answer(stamp)
        bench.until(lambda: newest(scene.overlay) == stamp * 10**6)

    def lap() -> list[np.ndarray]:
        for stamp in (100_000, 100_400, 100_800):
            one(stamp)
        return scene.next(len(boxed))

    lap()
    one(100_900)
    scene.next(2 if show == "all" else 1)
    assert [not np.array_equal(image, PICTURE) for image in lap()] == boxed
    assert scene.headers == sorted(scene.headers, key=lambda one: (one.stamp.sec, one.stamp.nanosec))
    scene.answer(101_600)
    bench.until(lambda: scene.overlay._join._early is not None)
    assert newest(scene.overlay) == 100_800 * 10**6
    one(101_000)
    scene.next()
    assert scene.headers == [header(101_000)]


def test_a_camera_that_never_stamps_is_named_once_and_drawn_on_as_it_comes(
    bench: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    scene = Scene(bench)
    scene.look()
    shades = (40, 80, 120, 160, 200)
    for shade in shades:
        scene.camera.publish(images.encode(np.full_like(PICTURE, shade), Header(frame_id="eye")))
        scene.next()
        scene.answer(0)
        (own,) = scene.next()
        np.testing.assert_array_equal(own, draw(np.full_like(PICTURE, shade), VISIBLE, AMODAL, "the mug 0.87"))
    heard = capfd.readouterr().err
    said = [line for line in heard.splitlines() if "carry no stamp" in line]
    assert len(said) == 1
    assert "/image" in said[0]
    assert "driver" in said[0]
    # A half that gets lost costs its own answer alone.
    scene.visible.publish(boxes(0, (1.0, 1.0, 9.0, 9.0)))
    bench.until(lambda: scene.overlay._join._pairs._halves)
    bench.holds(lambda: not scene.shown)
    for _ in range(3):
        scene.answer(0)
        (own,) = scene.next()
        np.testing.assert_array_equal(own, draw(np.full_like(PICTURE, shades[-1]), VISIBLE, AMODAL, "the mug 0.87"))
    assert capfd.readouterr().err.count("visible boxes for stamp 0.000 are dropped: of the two arrays") == 1


def test_propagated_boxes_stand_beside_the_answer_s(bench: Any, capfd: pytest.CaptureFixture[str]) -> None:
    scene = Scene(bench, propagated=True)
    make = bench.node.create_publisher
    carried = [make(Detection2DArray, f"propagation/{kind}", 5) for kind in ("visible", "amodal")]
    scene.look()
    bench.until(lambda: all(publisher.get_subscription_count() for publisher in carried))
    scene.see(1000)
    scene.answer(1000)
    scene.next()
    scene.camera.publish(picture(1400))
    moved = tuple(edge + 15 for edge in VISIBLE), tuple(edge + 15 for edge in AMODAL)
    for publisher, box in zip(carried, moved, strict=True):
        publisher.publish(boxes(1400, box))
    bench.until(lambda: header(1400) in [message.header for message in scene.shown])
    shown = next(images.decode(message) for message in scene.shown if message.header == header(1400))
    first = draw(PICTURE, *moved, colors=(NOW_VISIBLE, NOW_AMODAL))
    np.testing.assert_array_equal(shown, draw(first, VISIBLE, AMODAL, "the mug 0.87, 0.4 s ago"))
    scene.shown.clear()
    scene.see(1500)
    bench.holds(lambda: not scene.shown)
    scene.see(1600)
    scene.next()
    assert scene.headers == [header(1500)]
    scene.overlay._carried.patience = 0.1
    carried[0].publish(boxes(1600, moved[0]))
    bench.until(lambda: 1600 * 10**6 in scene.overlay._carried._halves)
    begun = time.monotonic()
    bench.until(lambda: time.monotonic() > begun + 0.1)
    carried[0].publish(boxes(1700, moved[0]))
    said = ""

    def told() -> bool:
        nonlocal said
        said += capfd.readouterr().err
        return "visible boxes for stamp 1.600 are dropped: of the two arrays" in said

    bench.until(told)


def test_compressed_input(bench: Any) -> None:
    camera = bench.node.create_publisher(CompressedImage, "image", qos_profile_sensor_data)
    shown = bench.collect(Image, "overlay/image")
    bench.add(OverlayNode, {"transport": "compressed"})
    bench.until(camera.get_subscription_count)
    camera.publish(images.encode_compressed(PICTURE, header(1000)))
    bench.until(lambda: shown)
    assert shown[0].header == header(1000)
    assert np.abs(images.decode(shown[0]).astype(int) - PICTURE).max() < 4


def test_a_broken_picture_does_not_end_it(bench: Any) -> None:
    scene = Scene(bench)
    scene.look()
    broken = picture(1000)
    broken.data = broken.data[:50]
    scene.camera.publish(broken)
    scene.camera.publish(picture(1100))
    scene.next()
    assert scene.headers == [header(1100)]


def test_enlarged_boxes_stay_on_their_object() -> None:
    answer = Answer(0, boxes(0, VISIBLE), boxes(0))
    assert boxes_in(answer.visible, 3) == [tuple(3 * edge for edge in VISIBLE)]
    large = np.full((360, 480, 3), 90, np.uint8)
    expected = draw(large, tuple(3 * edge for edge in VISIBLE), None, "the mug 0.87")
    np.testing.assert_array_equal(drawn(large, answer, 0.0, "the mug", scale=3), expected)
    assert label_of(answer.visible) == "the mug"
    assert label_of(answer.amodal) == ""


def test_joining_by_stamp_whatever_comes_first() -> None:
    join = Join(seconds=2.0)
    assert join.visible(boxes(1000, VISIBLE)) is None
    assert join.amodal(boxes(1000, AMODAL)) is None
    own = join.picture(picture(1000))
    assert own is not None
    assert own.visible is not None
    assert box_of(own.visible.detections[0]) == VISIBLE
    assert join.picture(picture(1100)) is None
    assert join.amodal(boxes(1100, AMODAL)) is None
    joined = join.visible(boxes(1100, VISIBLE))
    assert stamp_of(joined) == 1_100_000_000
    assert join.visible(boxes(1000, AMODAL)) is None
    assert join.newest is not None
    assert join.newest.stamp == 1_100_000_000
    join.forget()
    assert join.newest is None


def test_a_picture_waits_as_a_jpeg_and_one_that_is_gone_is_told(bench: Any, capfd: pytest.CaptureFixture[str]) -> None:
    """The least memory, 16 MB, holds 17 of these pictures as they come, and all 60 of them like this."""
    scene = Scene(bench, show="answered", memory=16, jpeg_quality=95)
    scene.look()
    large = cv2.resize(np.random.default_rng(0).integers(0, 255, (6, 8, 3), np.uint8), (640, 480))
    for number in range(60):
        stamp = 1000 + 100 * number
        scene.camera.publish(images.encode(large, header(stamp)))
        bench.until(lambda stamp=stamp: scene.overlay._join.timeline.newest == stamp * 10**6)
    scene.answer(1000)
    (drawn_late,) = scene.next()
    assert scene.headers == [header(1000)]
    assert np.abs(drawn_late.astype(int) - draw(large, VISIBLE, AMODAL, "the mug 0.87")).mean() < 3
    assert scene.overlay._join.pictures.bytes < 16e6
    scene.camera.publish(images.encode(large, header(13_000)))
    bench.until(lambda: newest(scene.overlay) == 10**9 and len(scene.overlay._join.pictures) < 60)
    scene.answer(2000)
    bench.until(lambda: newest(scene.overlay) == 2 * 10**9)
    said = [line for line in capfd.readouterr().err.splitlines() if "an answer is not drawn" in line]
    assert len(said) == 1
    assert "raise buffer (10 s)" in said[0]
    bench.holds(lambda: not scene.shown)


@pytest.mark.parametrize("show", ["all", "live"])
def test_no_picture_is_kept_that_could_not_be_shown_any_more(bench: Any, show: str) -> None:
    scene = Scene(bench, show=show)
    scene.look()
    for number in range(5):
        scene.camera.publish(picture(1000 + 100 * number))
        scene.next()
    assert len(scene.overlay._join.pictures) == 1
