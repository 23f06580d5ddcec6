"""The lifting node on real DDS: units, regions, what is late or missing, and what it says of each."""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticStatus
from geometry_msgs.msg import TransformStamped
from rclpy.parameter import Parameter
from rclpy.qos import QoSDurabilityPolicy, QoSProfile, qos_profile_sensor_data
from sensor_msgs.msg import CameraInfo, Image, RegionOfInterest
from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray, Detection3DArray
from visualization_msgs.msg import Marker, MarkerArray

from egm_core.boxes import Box
from egm_core.scenes import Generator
from egm_ros.camera.node import CameraNode
from egm_ros.camera.sources import SourceError
from egm_ros.common.messages import detection
from egm_ros.common.pictures import images
from egm_ros.interface.lifting import LIFTING_PARAMETERS
from egm_ros.lifting.node import LiftingNode

pytestmark = pytest.mark.ros

LATCHED = QoSProfile(depth=100, durability=QoSDurabilityPolicy.TRANSIENT_LOCAL)
WIDE, HIGH, FOCAL = 160, 120, 100.0
NEAR: Box = (20.0, 30.0, 60.0, 80.0)
FAR: Box = (100.0, 40.0, 130.0, 70.0)
RANGES = {NEAR: 2.0, FAR: 4.0}
TEXT = "the box"


def header(number: int, base: int = 100, frame: str = "eye") -> Header:
    seconds, rest = divmod(number * 50, 1000)
    return Header(stamp=Time(sec=base + seconds, nanosec=rest * 10**6), frame_id=frame)


def metres() -> np.ndarray:
    """Two boxes seen head-on before a wall at 6 m."""
    depth = np.full((HIGH, WIDE), 6.0, np.float32)
    for (x0, y0, x1, y1), range in RANGES.items():
        depth[int(y0) : int(y1), int(x0) : int(x1)] = range
    return depth


def as_millimetres(depth: np.ndarray, stamped: Header) -> Image:
    message = images.encode(np.zeros((*depth.shape, 3), np.uint8), stamped)
    message.encoding, message.step = "16UC1", 2 * depth.shape[1]
    message.data = np.round(depth * 1000).astype("<u2").tobytes()
    return message


def camera_info(stamped: Header, binning: int = 0, region: tuple[int, int, int, int] = (0, 0, 0, 0)) -> CameraInfo:
    left, top, wide, high = region
    return CameraInfo(
        header=stamped, width=WIDE, height=HIGH, binning_x=binning, binning_y=binning,
        k=[FOCAL, 0.0, 80.0, 0.0, FOCAL, 60.0, 0.0, 0.0, 1.0],
        p=[FOCAL, 0.0, 80.0, 0.0, 0.0, FOCAL, 60.0, 0.0, 0.0, 0.0, 1.0, 0.0],
        roi=RegionOfInterest(x_offset=left, y_offset=top, width=wide, height=high),
    )  # fmt: skip


class Scene:
    """A camera with depth and a grounding node's topics around the node, and what it says."""

    def __init__(self, bench: Any, watched: bool = True, **parameters: Any) -> None:
        self.bench = bench
        make, collect = bench.node.create_publisher, bench.collect
        self.depth = make(Image, "depth", qos_profile_sensor_data)
        self.info = make(CameraInfo, "camera_info", qos_profile_sensor_data)
        self.boxes = [make(Detection2DArray, f"grounding/{name}", 5) for name in ("visible", "amodal")]
        self.visible, self.amodal = (collect(Detection3DArray, f"lifting/{name}") for name in ("visible", "amodal"))
        self.statuses = collect(DiagnosticStatus, "lifting/status", LATCHED)
        self.markers = collect(MarkerArray, "lifting/markers") if watched else []
        self.node = bench.add(LiftingNode, parameters)
        bench.until(lambda: all(end.get_subscription_count() for end in (self.depth, self.info, *self.boxes)))
        ends = ("visible", "amodal", "status", "markers")
        bench.until(lambda: all(bench.node.count_publishers(f"lifting/{name}") for name in ends))
        bench.until(lambda: not watched or self.node._markers.get_subscription_count())
        self.told = 0

    def answer(self, number: int, *found: Box, scale: float = 1.0, base: int = 100) -> None:
        """Publish visible boxes, and amodal ones that reach 10 pixels lower."""
        stamped = header(number, base)
        for publisher, lower in zip(self.boxes, (0, 10), strict=True):
            entries = [
                detection(stamped, f"3:{place}", (x0 * scale, y0 * scale, x1 * scale, (y1 + lower) * scale), TEXT, 0.8)
                for place, (x0, y0, x1, y1) in enumerate(found)
            ]
            publisher.publish(Detection2DArray(header=stamped, detections=entries))

    def see(self, number: int, depth: Image | None = None, info: CameraInfo | None = None, base: int = 100) -> None:
        stamped = header(number, base)
        self.info.publish(info or camera_info(stamped))
        self.depth.publish(depth or images.encode_depth(metres(), stamped))

    def status(self) -> dict[str, str]:
        """Wait for the next status."""
        self.bench.until(lambda: len(self.statuses) > self.told)
        message = self.statuses[self.told]
        self.told += 1
        level = int.from_bytes(message.level, "little")
        return {"level": str(level), "message": message.message} | {pair.key: pair.value for pair in message.values}

    def arrays(self, count: int = 1) -> tuple[Detection3DArray, Detection3DArray]:
        """Wait for as many arrays on both topics and return the last two; more fail, as each topic keeps its order."""
        self.bench.until(lambda: len(self.visible) >= count and len(self.amodal) >= count)
        assert len(self.visible) == len(self.amodal) == count
        return self.visible[-1], self.amodal[-1]

    def patience(self, seconds: float) -> None:
        """Set how long an answer waits."""
        self.node.set_parameters([Parameter("wait", value=seconds)])


@pytest.mark.parametrize("unit", ["32FC1", "16UC1"])
def test_several_objects_in_both_units(bench: Any, unit: str) -> None:
    scene = Scene(bench)
    stamped = header(0)
    scene.answer(0, NEAR, FAR)
    scene.see(0, as_millimetres(metres(), stamped) if unit == "16UC1" else None)
    told = scene.status()
    assert (told["outcome"], told["reason"], told["objects"], told["lifted"]) == ("found", "", "2", "2")
    assert (told["ranges"], told["amodal"], told["frame"]) == ("2.000, 4.000", "estimated", "eye")
    assert told["level"] == "0"
    visible, amodal = scene.arrays()
    assert visible.header == amodal.header == stamped
    for array in (visible, amodal):
        assert [entry.id for entry in array.detections] == ["3:0", "3:1"]
        assert {entry.results[0].hypothesis.class_id for entry in array.detections} == {TEXT}
        assert {entry.results[0].hypothesis.score for entry in array.detections} == {0.8}
        assert all(entry.header == stamped for entry in array.detections)
    for seen, whole, (x0, y0, x1, y1) in zip(visible.detections, amodal.detections, (NEAR, FAR), strict=True):
        range = RANGES[x0, y0, x1, y1]
        place, size = seen.bbox.center.position, seen.bbox.size
        expected = (((x0 + x1) / 2 - 80) / FOCAL * range, ((y0 + y1) / 2 - 60) / FOCAL * range, range)
        assert (place.x, place.y, place.z) == pytest.approx(expected, abs=0.01)
        assert (size.x, size.y) == pytest.approx(((x1 - x0) / FOCAL * range, (y1 - y0) / FOCAL * range), rel=0.01)
        assert whole.bbox.center.position.z - whole.bbox.size.z / 2 == pytest.approx(range, abs=0.01)
        assert whole.results[0].pose.pose == whole.bbox.center
        assert whole.results[0].pose.covariance[14] > 0 == seen.results[0].pose.covariance[14]
    bench.until(lambda: scene.markers)
    first, *rest = scene.markers[0].markers
    assert first.action == Marker.DELETEALL
    assert sorted((entry.ns, entry.id) for entry in rest) == [
        (name, number) for name in ("amodal", "label", "visible") for number in (0, 1)
    ]
    assert {entry.lifetime.sec for entry in rest} == {12}
    assert len(rest[0].points) == 24


def test_a_rendered_camera_and_true_boxes_give_true_ranges(bench: Any) -> None:
    pytest.importorskip("mujoco")
    scene = Scene(bench, watched=False)
    pictures = bench.collect(Image, "image", qos_profile_sensor_data)
    try:
        bench.add(CameraNode, {"source": "scene", "world": "street", "frames": 1, "rate": 4.0})
    except SourceError as error:
        pytest.skip(str(error))
    generator = Generator()
    truth = next(generator.clip(500_000_000, 1, world="street"))
    generator.close()
    bench.until(lambda: pictures, 60)
    stamped = pictures[-1].header
    for publisher, kind in zip(scene.boxes, ("visible", "amodal"), strict=True):
        entries = [detection(stamped, str(entry.index), getattr(entry, kind), TEXT, 1.0) for entry in truth.objects]
        publisher.publish(Detection2DArray(header=stamped, detections=entries))
    told = scene.status()
    assert (told["outcome"], told["reason"], told["objects"]) == ("found", "", told["lifted"])
    ranges = [float(word) for word in told["ranges"].split(", ")]
    assert np.median(np.abs(np.array(ranges) / [entry.depth for entry in truth.objects] - 1)) < 0.01
    assert scene.arrays()[1].header == stamped


def test_region_and_binning_leave_places_where_they_are(bench: Any) -> None:
    scene = Scene(bench)
    scene.answer(0, NEAR)
    scene.see(0)
    truth = scene.arrays()[0].detections[0].bbox
    stamped = header(1)
    binned = images.encode_depth(np.ascontiguousarray(metres()[::2, ::2]), stamped)
    scene.see(1, binned, camera_info(stamped, binning=2))
    scene.answer(1, NEAR, scale=0.5)
    stamped = header(2)
    region = (10, 20, 100, 80)
    cut = images.encode_depth(np.ascontiguousarray(metres()[20:100, 10:110]), stamped)
    scene.see(2, cut, camera_info(stamped, region=region))
    scene.answer(2, (NEAR[0] - 10, NEAR[1] - 20, NEAR[2] - 10, NEAR[3] - 20))
    stamped = header(3)
    small = images.encode_depth(np.ascontiguousarray(metres()[::2, ::2]), stamped)
    scene.see(3, small)
    scene.answer(3, NEAR)
    scene.arrays(4)
    for array in scene.visible[1:]:
        box = array.detections[0].bbox
        for name in ("x", "y", "z"):
            assert getattr(box.center.position, name) == pytest.approx(getattr(truth.center.position, name), abs=0.02)
            assert getattr(box.size, name) == pytest.approx(getattr(truth.size, name), abs=0.02)


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


def test_where_no_depth_is_valid_there_is_no_box_but_a_reason(bench: Any) -> None:
    scene = Scene(bench)
    depth = metres()
    x0, y0, x1, y1 = (int(edge) for edge in NEAR)
    for number, hole in enumerate((np.nan, np.inf, -np.inf, 0.0)):
        depth[y0:y1, x0:x1] = hole
        scene.see(number, images.encode_depth(depth, header(number)))
        scene.answer(number, NEAR)
        told = scene.status()
        assert (told["outcome"], told["reason"], told["lifted"]) == ("error", "no_valid_depth", "0")
    # RViz shows nothing rather than what was.
    bench.until(lambda: len(scene.markers) == 4)
    assert [entry.action for array in scene.markers for entry in array.markers] == [Marker.DELETEALL] * 4
    scene.see(5, images.encode_depth(depth, header(5)))
    scene.answer(5, NEAR, FAR)
    told = scene.status()
    assert (told["outcome"], told["reason"], told["lifted"], told["level"]) == ("found", "no_valid_depth", "1", "1")
    visible, amodal = scene.arrays()
    assert [entry.id for entry in (*visible.detections, *amodal.detections)] == ["3:1", "3:1"]


def test_absent_is_two_empty_arrays_and_no_markers_and_waits_for_no_depth(bench: Any) -> None:
    scene = Scene(bench)
    scene.see(0)
    scene.answer(0, NEAR)
    bench.until(lambda: scene.markers)
    scene.status()
    scene.answer(1)
    told = scene.status()
    assert (told["outcome"], told["level"]) == ("absent", "0")
    visible, amodal = scene.arrays(2)
    assert visible.header == amodal.header == header(1)
    assert not visible.detections
    assert not amodal.detections
    bench.until(lambda: len(scene.markers) == 2)
    assert [entry.action for entry in scene.markers[-1].markers] == [Marker.DELETEALL]


def test_what_cannot_be_used_is_named(bench: Any) -> None:
    scene = Scene(bench)
    wrong_size = images.encode_depth(metres()[:90], header(0))
    scene.see(0, wrong_size)
    scene.answer(0, NEAR)
    told = scene.status()
    assert told["reason"] == "depth_size"
    assert "160x90" in told["message"]
    colour = images.encode(np.zeros((HIGH, WIDE, 3), np.uint8), header(1))
    scene.see(1, colour)
    scene.answer(1, NEAR)
    assert scene.status()["reason"] == "unsupported_encoding"
    scene.see(2, images.encode_depth(metres(), header(2, frame="depth_eye")))
    scene.answer(2, NEAR)
    told = scene.status()
    assert told["reason"] == "depth_frame"
    assert "align depth" in told["message"]
    scene.see(3, info=CameraInfo(header=header(3), width=WIDE, height=HIGH))
    scene.answer(3, NEAR)
    assert scene.status()["reason"] == "no_camera"
    scene.see(4)
    scene.answer(4, (200.0, 0.0, 240.0, 30.0))
    assert scene.status()["reason"] == "outside_image"
    scene.see(5)
    scene.answer(5, NEAR)
    assert [array.header for array in scene.arrays()] == [header(5)] * 2


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
        "/depth", "/camera_info"
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


@pytest.mark.skipif(importlib.util.find_spec("tf2_ros") is not None, reason="tf2_ros is installed")
def test_a_target_frame_without_tf2_ros_names_the_remedy(bench: Any) -> None:
    process = bench.start("egm_ros.lifting", "--ros-args", "-p", "target_frame:=map")
    assert process.wait(60) == 2
    assert "target_frame: needs tf2_ros" in bench.output()
    assert "leave target_frame empty" in bench.output()


def test_boxes_in_a_target_frame_by_tf2_itself(bench: Any) -> None:
    tf2 = pytest.importorskip("tf2_ros", reason="no tf2_ros: it comes with a ROS installation")
    scene = Scene(bench, target_frame="map", wait=30.0)
    still, moving = tf2.StaticTransformBroadcaster(bench.node), tf2.TransformBroadcaster(bench.node)

    def send(broadcaster: Any, stamped: Header, child: str, x: float, *turn: float) -> None:
        message = TransformStamped(header=stamped, child_frame_id=child)
        message.transform.translation.x = x
        message.transform.rotation.x, message.transform.rotation.y = turn[:2]
        message.transform.rotation.z, message.transform.rotation.w = turn[2:]
        broadcaster.sendTransform(message)

    # The camera looks along x of a base that moves by 1 m between the stamps 0 and 2.
    send(still, header(0, frame="base"), "eye", 0.0, -0.5, 0.5, -0.5, 0.5)
    scene.see(1)
    scene.answer(1, NEAR)
    bench.until(lambda: scene.node._pending)
    bench.holds(lambda: not scene.statuses)
    for number, x in ((0, 10.0), (2, 11.0)):
        bench.until(moving.pub_tf.get_subscription_count)
        send(moving, header(number, frame="map"), "base", x, 0.0, 0.0, 0.0, 1.0)
    told = scene.status()
    assert (told["outcome"], told["frame"]) == ("found", "map")
    center = scene.arrays()[0].detections[0].bbox.center.position
    assert (center.x, center.y, center.z) == pytest.approx((12.5, 0.8, 0.1), abs=0.02)
    scene.patience(1.0)
    scene.see(30)
    scene.answer(30, NEAR)
    told = scene.status()
    assert told["reason"] == "no_transform"
    assert "extrapolation" in told["message"]


class NoTransform(Exception):
    pass


@pytest.fixture
def turned_by_tf2(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What stands for tf2_ros where there is none: its two classes and its error, and the transforms it knows."""
    known: dict[str, Any] = {}

    class Buffer:
        def clear(self) -> None:
            known.clear()

        def lookup_transform(self, target: str, source: str, stamp: Any) -> Any:
            if (target, source, stamp.nanoseconds) not in known:
                raise NoTransform(f"{target!r} passed to lookupTransform does not exist")
            return SimpleNamespace(transform=known[target, source, stamp.nanoseconds])

    module = ModuleType("tf2_ros")
    module.__dict__.update(
        Buffer=Buffer, TransformListener=lambda buffer, node: node.get_name(), TransformException=NoTransform
    )
    monkeypatch.setitem(sys.modules, "tf2_ros", module)
    return known


def test_boxes_in_a_target_frame_wait_for_the_transform_of_their_stamp(bench: Any, turned_by_tf2: Any) -> None:
    scene = Scene(bench, target_frame="map", wait=1.0)
    scene.see(0)
    scene.answer(0, NEAR)
    told = scene.status()
    assert (told["reason"], told["outcome"]) == ("no_transform", "error")
    assert "'map'" in told["message"]
    scene.patience(30.0)
    scene.see(1)
    scene.answer(1, NEAR)
    bench.until(lambda: scene.node._pending)
    bench.holds(lambda: not scene.visible and not scene.amodal)
    # The camera looks along x, as REP-103 has it: optical z is forward, x is to the right.
    place = SimpleNamespace(
        translation=SimpleNamespace(x=10.0, y=0.0, z=1.0), rotation=SimpleNamespace(x=-0.5, y=0.5, z=-0.5, w=0.5)
    )
    turned_by_tf2["map", "eye", 100_050_000_000] = place
    told = scene.status()
    assert (told["outcome"], told["frame"], told["ranges"]) == ("found", "map", "2.000")
    visible, amodal = scene.arrays()
    assert visible.header == header(1, frame="map")
    center = visible.detections[0].bbox.center.position
    assert (center.x, center.y, center.z) == pytest.approx((12.0, 0.8, 1.1), abs=0.02)
    covariance = np.array(amodal.detections[0].results[0].pose.covariance).reshape(6, 6)
    assert covariance[0, 0] > 0
    assert np.count_nonzero(np.abs(covariance) > 1e-12) == 1
    assert turned_by_tf2
    # tf2 would refuse transforms of the new lap as older than what it has; what waits for one of before is given up.
    scene.see(20)
    scene.answer(20, NEAR)
    bench.until(lambda: scene.node._pending)
    scene.see(0, base=40)
    bench.until(lambda: not turned_by_tf2)
    told = scene.status()
    assert (told["reason"], told["stamp"]) == ("time_went_back", "101.000000000")


@pytest.mark.parametrize("spec", [spec for spec in LIFTING_PARAMETERS if spec.range], ids=lambda spec: spec.name)
def test_a_parameter_out_of_range_is_refused(spec: Any) -> None:
    kind = type(spec.default)
    for value in (kind(spec.range[0] - 1), kind(spec.range[1] + 1)):
        assert spec.problem(value).startswith(f"{spec.name}: {value!r} is outside")
