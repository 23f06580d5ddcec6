"""The camera node on real DDS, from every source."""

from __future__ import annotations

import itertools
import math
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from builtin_interfaces.msg import Time
from rclpy.qos import qos_profile_sensor_data
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

from egm_ros.camera import sources
from egm_ros.camera.node import CameraNode, camera_info
from egm_ros.camera.sources import SourceError
from egm_ros.common.pictures import images, shared_memory

pytestmark = pytest.mark.ros

SHADES = (40, 110, 180, 250)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    for index, shade in enumerate(SHADES):
        image = np.full((60, 80, 3), (shade, 10, 20), np.uint8)
        cv2.imwrite(str(folder / f"{index}.png"), image[..., ::-1])
    (folder / "notes.txt").write_text("not a picture")
    return folder


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


def shades(source: sources.Source) -> list[int]:
    return [int(frame.image[30, 40, 0]) for frame in source.frames()]


def test_a_folder_comes_in_order_as_a_camera_would_send_it(bench: Any, pictures: Path) -> None:
    received = bench.collect(Image, "image", qos_profile_sensor_data)
    infos = bench.collect(CameraInfo, "camera_info", qos_profile_sensor_data)
    bench.add(CameraNode, {"source": "folder", "path": str(pictures), "rate": 50.0, "fov": 90.0, "frame_id": "eye"})
    bench.until(lambda: len(received) >= 9 and len(infos) >= 9)
    seen = [int(images.decode(message)[0, 0, 0]) for message in received[:9]]
    start = SHADES.index(seen[0])
    assert seen == [SHADES[(start + index) % len(SHADES)] for index in range(9)]
    assert {message.header.frame_id for message in received} == {"eye"}
    stamps = [message.header.stamp.sec * 10**9 + message.header.stamp.nanosec for message in received]
    assert stamps == sorted(set(stamps))
    info = infos[-1]
    assert (info.width, info.height) == (80, 60)
    assert info.k[0] == info.k[4] == pytest.approx(40.0 / math.tan(math.radians(45)))
    assert (info.k[2], info.k[5]) == (40.0, 30.0)
    assert {message.header.stamp.nanosec for message in infos} & {message.header.stamp.nanosec for message in received}


def test_compressed_pictures_and_a_source_that_ends(bench: Any, pictures: Path) -> None:
    received = bench.collect(CompressedImage, "image/compressed", qos_profile_sensor_data)
    parameters = {"source": "folder", "path": str(pictures), "rate": 4.0, "loop": False, "transport": "compressed"}
    camera = bench.add(CameraNode, parameters)
    bench.until(lambda: received and abs(int(images.decode(received[-1])[30, 40, 0]) - SHADES[-1]) <= 3)
    bench.until(lambda: camera.finished)
    assert not bench.node.get_publishers_info_by_topic("/image")


def test_the_process_ends_with_its_source_and_names_what_it_lacks(bench: Any, pictures: Path) -> None:
    short = ("-p", "source:=folder", "-p", f"path:={pictures}", "-p", "rate:=200.0", "-p", "loop:=false")
    ends = bench.start("egm_ros.camera", "--ros-args", *short)
    lacks = bench.start("egm_ros.camera", "--ros-args", "-p", "source:=video", "-p", "path:=missing.mp4")
    assert lacks.wait(20) == 2
    assert ends.wait(20) == 0, bench.output()
    assert "there is no video 'missing.mp4'" in bench.output()


def test_an_interrupt_ends_it_quietly_even_while_it_publishes(bench: Any, pictures: Path) -> None:
    received = bench.collect(Image, "image", qos_profile_sensor_data)
    fast = ("-p", "rate:=240.0")
    cameras = [
        bench.start("egm_ros.camera", "--ros-args", "-p", "source:=folder", "-p", f"path:={pictures}", *fast)
        for _ in range(3)
    ]
    bench.until(lambda: len(received) > 100)
    for camera in cameras:
        camera.send_signal(signal.SIGINT)
    assert [camera.wait(10) for camera in cameras] == [0, 0, 0], bench.output()
    assert "Traceback" not in bench.output()


def test_a_live_scene_brings_its_camera_and_its_depth(bench: Any) -> None:
    pytest.importorskip("mujoco")
    colours = bench.collect(Image, "image", qos_profile_sensor_data)
    depths = bench.collect(Image, "depth", qos_profile_sensor_data)
    infos = bench.collect(CameraInfo, "camera_info", qos_profile_sensor_data)
    try:
        bench.add(CameraNode, {"source": "scene", "world": "tabletop", "frames": 8, "rate": 5.0})
    except SourceError as error:
        pytest.skip(str(error))
    bench.until(lambda: len(colours) > 2 and len(depths) > 2 and len(infos) > 2, 60)
    colour, depth = colours[-1], depths[-1]
    assert (colour.width, colour.height) == (depth.width, depth.height)
    metres = images.decode_depth(depth)
    assert 0.1 < np.nanmedian(metres) < 10
    truth = next(iter(sources.scene("tabletop", 500_000_000, 1).frames())).intrinsics
    assert truth is not None
    assert infos[0].k[0] == pytest.approx(truth.fx)
    assert infos[0].k[2] == pytest.approx(truth.cx)


@pytest.mark.parametrize("name", ["tabletop", "street"])
def test_the_clips_that_come_with_the_package(name: str) -> None:
    source = sources.clip(name)
    frames = list(source.frames())
    assert len(frames) > 20
    assert all(frame.image.shape == frames[0].image.shape for frame in frames)
    assert frames[0].intrinsics is not None
    assert frames[0].intrinsics.fx > frames[0].image.shape[1] / 4
    changes = [np.abs(a.image.astype(int) - b.image).mean() for a, b in itertools.pairwise(frames)]
    assert 0 < np.median(changes) < 30


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


def test_a_broken_image_of_a_bag_is_left_out_and_named(a_bag: Bag) -> None:
    good = cv2.imencode(".jpg", np.full((48, 64, 3), 128, np.uint8))[1].tobytes()
    for number in range(12):
        a_bag.compressed("/cam/image/compressed", "jpeg", good if number % 2 else good[: 20 * number])
    told: list[str] = []
    assert len(shades(sources.bag(a_bag.write(), tell=told.append))) == 6
    assert sum("left out the message of" in text for text in told) == 3
    assert any("6 of 12 pictures cannot be read" in text for text in told)


def test_a_message_that_cannot_be_deserialised_is_left_out(a_bag: Bag, monkeypatch: pytest.MonkeyPatch) -> None:
    for shade in SHADES:
        a_bag.image("/image", shade)
    whole = a_bag.store.serialize_cdr
    cut = iter([False, True, False, False])
    monkeypatch.setattr(a_bag.store, "serialize_cdr", lambda m, kind: whole(m, kind)[: 40 if next(cut) else None])
    told: list[str] = []
    assert shades(sources.bag(a_bag.write(), tell=told.append)) == [SHADES[0], *SHADES[2:]]
    assert any("/image" in text and "left out" in text for text in told)


def test_a_source_of_broken_pictures_alone_ends_the_node_by_name(bench: Any, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("no picture")
    node = bench.start("egm_ros.camera", "--ros-args", "-p", "source:=folder", "-p", f"path:={tmp_path}")
    assert node.wait(20) == 2
    assert "none of 1 pictures can be read" in bench.output()
    assert "Traceback" not in bench.output()


def test_one_broken_picture_does_not_end_the_node(bench: Any, pictures: Path, tmp_path: Path) -> None:
    for file in pictures.glob("*.png"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "1.png").write_bytes(b"broken")
    short = ("-p", "source:=folder", "-p", f"path:={tmp_path}", "-p", "rate:=100.0", "-p", "loop:=false")
    node = bench.start("egm_ros.camera", "--ros-args", *short)
    assert node.wait(20) == 0
    assert "left out 1.png" in bench.output()


def test_a_video_is_played_at_its_own_rate(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 12.0, (80, 60))
    for shade in SHADES:
        writer.write(np.full((60, 80, 3), shade, np.uint8))
    writer.release()
    film = sources.video(path)
    assert film.rate == pytest.approx(12.0)
    np.testing.assert_allclose(shades(film), SHADES, atol=6)


def test_what_cannot_be_opened_is_named(tmp_path: Path) -> None:
    pytest.importorskip("rosbags.rosbag2", reason="no rosbags to read a recording with")
    (tmp_path / "film.mp4").write_text("not a film")
    (tmp_path / "broken.png").write_text("not a picture")
    cases = {
        "is not a folder": lambda: sources.folder(tmp_path / "nowhere"),
        "has no pictures": lambda: sources.folder(Path(__file__).parent),
        "broken.png.*remove or replace": lambda: list(sources.folder(tmp_path).frames()),
        "cannot be read as a video": lambda: sources.video(tmp_path / "film.mp4"),
        "cannot be read as a bag": lambda: sources.bag(tmp_path),
        "there are street, tabletop": lambda: sources.clip("kitchen"),
        "webcam 63 does not open": lambda: sources.webcam(63),
    }
    for message, attempt in cases.items():
        with pytest.raises(SourceError, match=message):
            attempt()


def test_large_images_without_shared_memory_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in (*shared_memory.VARIABLES, "FASTDDS_BUILTIN_TRANSPORTS"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("RMW_IMPLEMENTATION", "rmw_fastrtps_cpp")
    monkeypatch.setattr(shared_memory, "_fast_dds", lambda: True)
    full_hd = 1920 * 1080 * 3
    assert "FASTRTPS_DEFAULT_PROFILES_FILE" in shared_memory.advice(full_hd)
    assert shared_memory.advice(224 * 168 * 3) == ""
    monkeypatch.setenv("FASTRTPS_DEFAULT_PROFILES_FILE", shared_memory.profile_path())
    assert shared_memory.advice(full_hd) == ""
    assert "67.1 MB" in shared_memory.advice(40_000_000)


def test_the_profile_carries_full_hd(bench: Any, tmp_path: Path) -> None:
    """Two processes with the profile: most of 20 Hz 1080p arrives over best effort."""
    cv2.imwrite(str(tmp_path / "large.png"), np.zeros((1080, 1920, 3), np.uint8))
    counter = (
        "import rclpy, time\nfrom rclpy.qos import qos_profile_sensor_data as q\nfrom sensor_msgs.msg import Image\n"
        "rclpy.init(); n = rclpy.create_node('counter'); got = []\n"
        "n.create_subscription(Image, 'image', lambda m: got.append(time.monotonic()), q)\n"
        "while not got or time.monotonic() < got[0] + 2: rclpy.spin_once(n, timeout_sec=0.1)\n"
        "print(len(got))"
    )
    profile = {"FASTRTPS_DEFAULT_PROFILES_FILE": shared_memory.profile_path()}
    bench.start(
        "egm_ros.camera", "--ros-args", "-p", "source:=folder", "-p", f"path:={tmp_path}", "-p", "rate:=20.0", **profile
    )
    result = subprocess.run(
        [sys.executable, "-c", counter], env=os.environ | profile, capture_output=True, text=True, timeout=60
    )
    assert int(result.stdout) >= 20, bench.output()
    assert "shared memory" not in bench.output()


def test_simulated_time_without_a_clock_is_named_and_a_clock_that_is_reset_does_not_stop_the_pictures(
    bench: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    pictures = bench.collect(Image, "image", qos_profile_sensor_data)
    bench.add(CameraNode, {"use_sim_time": True, "rate": 10.0})
    told = ""

    def named() -> bool:
        nonlocal told
        told += capfd.readouterr().err
        return "no picture is published: use_sim_time is set, but nothing comes on /clock" in told

    bench.until(named)
    assert not pictures
    clock = bench.node.create_publisher(Clock, "/clock", 10)
    bench.until(clock.get_subscription_count)

    def run(begin: int) -> None:
        """Let simulated time go on until three pictures of it have come."""
        pictures.clear()
        tick = iter(range(begin * 20, begin * 20 + 1000))

        def goes_on() -> bool:
            seconds, part = divmod(next(tick), 20)
            clock.publish(Clock(clock=Time(sec=seconds, nanosec=part * 50_000_000)))
            return len([one for one in pictures if one.header.stamp.sec in range(begin, begin + 50)]) >= 3

        bench.until(goes_on)

    run(100)
    run(5)
