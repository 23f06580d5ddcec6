"""The lifting node on real DDS: units, regions, what is late or missing, and what it says of each."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from lifting_scene import (
    FAR,
    FOCAL,
    HIGH,
    NEAR,
    RANGES,
    TEXT,
    WIDE,
    Scene,
    as_millimetres,
    camera_info,
    header,
    metres,
)
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from vision_msgs.msg import Detection2DArray
from visualization_msgs.msg import Marker

from egm_core.scenes import Generator
from egm_ros.camera.node import CameraNode
from egm_ros.camera.sources import SourceError
from egm_ros.common.messages import detection
from egm_ros.common.pictures import images
from egm_ros.interface.lifting import LIFTING_PARAMETERS

pytestmark = pytest.mark.ros


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


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("eye/depth/compressedDepth", {}),
        ("eye/depth/compressed", {}),
        ("eye/small", {"depth_transport": "compressed"}),
    ],
)
def test_compressed_depth_is_lifted(bench: Any, name: str, parameters: dict[str, Any]) -> None:
    scene = Scene(bench, depth=(name, CompressedImage), **parameters)
    png = cv2.imencode(".png", (metres() * 1000).astype(np.uint16))[1].tobytes()
    plain = name.endswith("/compressed")
    format, settings = ("16UC1; png compressed ", b"") if plain else ("16UC1; compressedDepth png", b"\0" * 12)
    scene.answer(0, NEAR)
    scene.see(0, CompressedImage(header=header(0), format=format, data=settings + png))
    told = scene.status()
    assert (told["outcome"], told["ranges"]) == ("found", "2.000")
    scene.answer(1, NEAR)
    scene.see(1, CompressedImage(header=header(1), format="16UC1; compressedDepth png", data=b"\0" * 12 + png[:-9]))
    assert scene.status()["reason"] == "truncated"


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


@pytest.mark.parametrize("spec", [spec for spec in LIFTING_PARAMETERS if spec.range], ids=lambda spec: spec.name)
def test_a_parameter_out_of_range_is_refused(spec: Any) -> None:
    kind = type(spec.default)
    for value in (kind(spec.range[0] - 1), kind(spec.range[1] + 1)):
        assert spec.problem(value).startswith(f"{spec.name}: {value!r} is outside")
