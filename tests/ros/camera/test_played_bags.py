"""A camera that plays bags: their topics, their camera_info, and what is broken in them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from shades import SHADES, shades
from std_msgs.msg import Header

from egm_ros.camera import sources
from egm_ros.camera.node import camera_info
from egm_ros.camera.sources import SourceError

pytestmark = [pytest.mark.ros, pytest.mark.clock]


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MCAP bag with a raw topic, its camera_info, and a compressed topic."""
    pytest.importorskip("rosbags.rosbag2", reason="no rosbags to write a recording with")
    from rosbags.rosbag2 import StoragePlugin, Writer
    from rosbags.typesys import Stores, get_typestore

    store = get_typestore(Stores.ROS2_JAZZY)
    types = store.types
    path = tmp_path_factory.mktemp("bags") / "drive"

    def header(index: int) -> Any:
        stamp = types["builtin_interfaces/msg/Time"](sec=index, nanosec=0)
        return types["std_msgs/msg/Header"](stamp=stamp, frame_id="recorded")

    with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        kinds = {
            "/front/camera_info": "CameraInfo",
            "/front/image_raw": "Image",
            "/back/image/compressed": "CompressedImage",
        }
        topics = {
            name: writer.add_connection(name, f"sensor_msgs/msg/{kind}", typestore=store)
            for name, kind in kinds.items()
        }
        for index, shade in enumerate(SHADES):
            picture = np.full((60, 80, 3), (20, 10, shade), np.uint8)
            roi = types["sensor_msgs/msg/RegionOfInterest"](0, 0, 0, 0, False)
            k, r, p = np.eye(3).ravel() * 77, np.eye(3).ravel(), np.zeros(12)
            messages = {
                "/front/camera_info": types["sensor_msgs/msg/CameraInfo"](
                    header(index), 60, 80, "plumb_bob", np.array([0.1, 0, 0, 0, 0.0]), k, r, p, 0, 0, roi
                ),
                "/front/image_raw": types["sensor_msgs/msg/Image"](
                    header(index), 60, 80, "bgr8", 0, 240, picture.ravel()
                ),
                "/back/image/compressed": types["sensor_msgs/msg/CompressedImage"](
                    header(index), "png", np.frombuffer(cv2.imencode(".png", picture)[1].tobytes(), np.uint8)
                ),
            }
            for name, message in messages.items():
                data = store.serialize_cdr(message, f"sensor_msgs/msg/{kinds[name]}")
                writer.write(topics[name], index * 50_000_000, data)
    return path


def test_a_bags_topics_and_camera(recording: Path) -> None:
    raw = sources.bag(recording, "/front/image_raw")
    assert raw.rate == pytest.approx(20.0, rel=0.01)
    assert shades(raw) == shades(raw) == list(SHADES)
    first = next(raw.frames())
    assert first.intrinsics is not None
    assert (first.intrinsics.fx, first.intrinsics.distortion[0]) == (77.0, 0.1)
    assert shades(sources.bag(recording, "/back/image/compressed")) == list(SHADES)
    with pytest.raises(SourceError, match="there are /front/image_raw, /back/image/compressed"):
        sources.bag(recording, "/left")


class Bag:
    """Writes a small bag: messages of sensor_msgs by topic, in the order given, a tenth of a second apart."""

    def __init__(self, folder: Path) -> None:
        pytest.importorskip("rosbags.rosbag2", reason="no rosbags to write a recording with")
        from rosbags.typesys import Stores, get_typestore

        self.path = folder / "bag"
        self.store = get_typestore(Stores.ROS2_JAZZY)
        self.rows: list[tuple[str, Any]] = []

    def _header(self) -> Any:
        types = self.store.types
        stamp = types["builtin_interfaces/msg/Time"](sec=50 + len(self.rows), nanosec=0)
        return types["std_msgs/msg/Header"](stamp=stamp, frame_id="recorded")

    def image(self, topic: str, shade: int, encoding: str = "rgb8", short: int = 0) -> None:
        kind = {"rgb8": np.uint8, "16UC1": np.uint16, "32FC1": np.float32}[encoding]
        pixels = np.full((48, 64, 3) if encoding == "rgb8" else (48, 64), shade, kind)
        data = np.frombuffer(pixels.tobytes(), np.uint8)
        make = self.store.types["sensor_msgs/msg/Image"]
        self.rows.append((topic, make(self._header(), 48, 64, encoding, 0, pixels.strides[0], data[short:])))

    def compressed(self, topic: str, declared: str, data: bytes) -> None:
        make = self.store.types["sensor_msgs/msg/CompressedImage"]
        self.rows.append((topic, make(self._header(), declared, np.frombuffer(data, np.uint8))))

    def info(self, topic: str, focal: float, **fields: Any) -> None:
        types = self.store.types
        k = [focal, 0, 32, 0, focal, 24, 0, 0, 1]
        values: dict[str, Any] = {
            "width": 64,
            "height": 48,
            "distortion_model": "plumb_bob",
            "d": [-0.3, 0.1, 0, 0, 0],
            "k": k,
            "r": np.eye(3).ravel(),
            "p": [focal, 0, 32, 0, 0, focal, 24, 0, 0, 0, 1, 0],
            "binning_x": 0,
            "binning_y": 0,
            "roi": (0, 0, 0, 0, False),
        } | fields
        values["roi"] = types["sensor_msgs/msg/RegionOfInterest"](*values["roi"])
        arrays = {name: np.array(values[name], float) for name in "dkrp"}
        self.rows.append((topic, types["sensor_msgs/msg/CameraInfo"](header=self._header(), **(values | arrays))))

    def write(self) -> Path:
        from rosbags.rosbag2 import StoragePlugin, Writer

        with Writer(self.path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
            known: dict[str, Any] = {}
            for index, (topic, message) in enumerate(self.rows):
                kind = type(message).__msgtype__
                if topic not in known:
                    known[topic] = writer.add_connection(topic, kind, typestore=self.store)
                writer.write(known[topic], index * 100_000_000, self.store.serialize_cdr(message, kind))
        return self.path


@pytest.fixture
def a_bag(tmp_path: Path) -> Bag:
    return Bag(tmp_path)


LENS = {
    "rectified": {"p": [50, 0, 30, 0, 0, 50, 22, 0, 0, 0, 1, 0]},
    "a stereo pair's right half": {"p": [50, 0, 30, -6.0, 0, 50, 22, 0, 0, 0, 1, 0], "r": [0, 1, 0, 1, 0, 0, 0, 0, 1]},
    "a region": {"width": 640, "height": 480, "roi": (288, 216, 64, 48, True)},
    "binned": {"width": 128, "height": 96, "binning_x": 2, "binning_y": 2},
    "a fisheye": {"distortion_model": "equidistant", "d": [0.1, 0.2, 0.3, 0.4]},
    "no projection": {"p": [0.0] * 12},
}


@pytest.mark.parametrize("name", LENS)
def test_a_bags_camera_info_comes_out_as_it_was_recorded(a_bag: Bag, name: str) -> None:
    a_bag.info("/cam/camera_info", 60.0, **LENS[name])
    a_bag.image("/cam/image", 40)
    recorded = a_bag.rows[0][1]
    frame = next(sources.bag(a_bag.write()).frames())
    assert frame.intrinsics is not None
    played = camera_info(Header(), 64, 48, frame.intrinsics)
    for field in ("width", "height", "distortion_model", "binning_x", "binning_y"):
        assert getattr(played, field) == getattr(recorded, field), field
    for field in "dkrp":
        np.testing.assert_array_equal(getattr(played, field), getattr(recorded, field), field)
    for field in ("x_offset", "y_offset", "width", "height", "do_rectify"):
        assert getattr(played.roi, field) == getattr(recorded.roi, field), field


def test_a_camera_info_that_changes_changes_with_its_pictures(a_bag: Bag) -> None:
    a_bag.image("/cam/image", 10)
    for focal in (60.0, 90.0):
        a_bag.info("/cam/camera_info", focal)
        a_bag.image("/cam/image", 20)
    focals = [frame.intrinsics.fx for frame in sources.bag(a_bag.write()).frames() if frame.intrinsics]
    assert focals == [60.0, 60.0, 90.0]


def test_a_bag_without_its_cameras_info_plays_and_says_what_is_made_up(a_bag: Bag) -> None:
    a_bag.info("/right/camera_info", 999.0)
    for shade in SHADES:
        a_bag.image("/left/image_raw", shade)
    a_bag.info("/left/camera_info", 0.0)
    told: list[str] = []
    source = sources.bag(a_bag.write(), tell=told.append)
    frames = list(source.frames())
    assert [int(frame.image[0, 0, 0]) for frame in frames] == list(SHADES)
    assert {frame.intrinsics for frame in frames} == {None}
    assert any("/left/camera_info" in text and "fov" in text for text in told)


def test_a_bag_of_images_alone_plays(a_bag: Bag) -> None:
    for shade in SHADES:
        a_bag.image("/image", shade)
    assert shades(sources.bag(a_bag.write())) == list(SHADES)


def test_the_first_colour_topic_is_played_and_the_others_are_named(a_bag: Bag) -> None:
    deep = cv2.imencode(".png", np.full((48, 64), 900, np.uint16))[1].tobytes()
    for shade in SHADES:
        a_bag.image("/depth/image_raw", 1000, "16UC1")
        a_bag.compressed("/depth/image_raw/compressed", "16UC1; png compressed ", deep)
        a_bag.image("/range", 2, "32FC1")
        a_bag.image("/color/image_raw", shade)
        a_bag.image("/rear/image_raw", 1)
    told: list[str] = []
    source = sources.bag(a_bag.write(), tell=told.append)
    assert source.name.endswith(" /color/image_raw")
    assert shades(source) == list(SHADES)
    assert any("topic:=" in text and "/rear/image_raw" in text for text in told)
    with pytest.raises(SourceError, match="depth image"):
        list(sources.bag(a_bag.path, "/depth/image_raw").frames())


def test_the_images_of_a_camera_are_played_rather_than_drawn_ones(a_bag: Bag) -> None:
    for shade in SHADES:
        a_bag.image("/overlay/image", 1)
        a_bag.image("/front/image_raw", shade)
        a_bag.info("/front/camera_info", 200.0)
    source = sources.bag(a_bag.write())
    assert source.name.endswith(" /front/image_raw")
    assert shades(source) == list(SHADES)


def test_an_overlays_images_are_played_last_also_where_no_camera_info_tells_them_apart(a_bag: Bag) -> None:
    for shade in SHADES:
        a_bag.image("/overlay/image", 1)
        a_bag.image("/left", shade)
        a_bag.image("/right", 1)
    told: list[str] = []
    source = sources.bag(a_bag.write(), tell=told.append)
    assert source.name.endswith(" /left")
    assert any("topic:= takes another: /right, /overlay/image (drawn by an overlay)" in text for text in told)


def test_a_broken_image_of_a_bag_is_left_out_and_named(a_bag: Bag) -> None:
    good = cv2.imencode(".jpg", np.full((48, 64, 3), 128, np.uint8))[1].tobytes()
    for number in range(12):
        a_bag.compressed("/cam/image/compressed", "jpeg", good if number % 2 else good[: 20 * number])
    told: list[str] = []
    assert len(shades(sources.bag(a_bag.write(), tell=told.append))) == 6
    assert sum("left out the message of" in text for text in told) == 3
    assert any("6 of 12 pictures cannot be read" in text for text in told)


def test_a_bag_that_cannot_be_opened_names_what_helps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    damaged = tmp_path / "damaged.mcap"
    damaged.write_bytes(b"no recording")
    with pytest.raises(SourceError, match=r"path: .*damaged.mcap cannot be read as a bag.*copy it anew"):
        sources.bag(damaged)
    monkeypatch.setitem(sys.modules, "rosbags.highlevel", None)
    with pytest.raises(SourceError, match=r"source: a bag needs rosbags.highlevel: pip install rosbags"):
        sources.bag(damaged)


def test_a_message_that_cannot_be_deserialised_is_left_out(a_bag: Bag, monkeypatch: pytest.MonkeyPatch) -> None:
    for shade in SHADES:
        a_bag.image("/image", shade)
    whole = a_bag.store.serialize_cdr
    cut = iter([False, True, False, False])
    monkeypatch.setattr(a_bag.store, "serialize_cdr", lambda m, kind: whole(m, kind)[: 40 if next(cut) else None])
    told: list[str] = []
    assert shades(sources.bag(a_bag.write(), tell=told.append)) == [SHADES[0], *SHADES[2:]]
    assert any("/image" in text and "left out" in text for text in told)
