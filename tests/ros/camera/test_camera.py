"""The camera node on real DDS, from every source."""

from __future__ import annotations

import itertools
import json
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
from shades import SHADES, shades

from egm_core.scenes import Generator
from egm_core.scenes.language.expressions import expressions
from egm_ros.camera import sources
from egm_ros.camera.node import CameraNode
from egm_ros.camera.sources import SourceError
from egm_ros.common.pictures import images, shared_memory
from egm_ros.interface.camera import CAMERA_PARAMETERS

pytestmark = [pytest.mark.ros, pytest.mark.clock]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    for index, shade in enumerate(SHADES):
        image = np.full((60, 80, 3), (shade, 10, 20), np.uint8)
        cv2.imwrite(str(folder / f"{index}.png"), image[..., ::-1])
    (folder / "notes.txt").write_text("not a picture")
    return folder


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


@pytest.mark.parametrize("world", ["tabletop", "street"])
@pytest.mark.parametrize("source", ["clip", "scene"])
def test_what_it_names_to_ask_for_is_there(source: str, world: str) -> None:
    if source == "clip":
        truth = json.loads((sources.CLIPS / world / "clip.json").read_text())
        shown = sources.clip(world).shows
        there = {entry["text"]: entry["target"] for entry in truth["instructions"]}
        seen = {entry["index"] for entry in truth["frames"][0]["objects"]}
    else:
        first = next(iter(Generator().clip(500_000_000, 60, 10.0, world=world)))  # type: ignore[arg-type]
        shown = sources.scene(world, 500_000_000, 60).shows
        there = {said.text: said.target for said in expressions(first)}
        seen = {entry.index for entry in first.objects if entry.visible_fraction > 0}
    assert 2 <= len(shown) <= 3 and len({there[text] for text in shown}) == len(shown)
    assert {there[text] for text in shown} <= seen


def test_its_log_says_what_to_ask_for_where_it_knows_and_nothing_where_not(bench: Any, pictures: Path) -> None:
    bench.start("egm_ros.camera", "--ros-args", "-r", "__ns:=/robot", "-p", "path:=tabletop")
    bench.start("egm_ros.camera", "--ros-args", "-p", "source:=folder", "-p", f"path:={pictures}")
    bench.until(lambda: "tabletop at" in bench.output() and f"{pictures} at" in bench.output(), 20.0)
    shows = next(line for line in bench.output().splitlines() if "tabletop at" in line)
    assert "at 10 Hz; it begins with the red mug, the red can, the blue can; ask for one" in shows
    assert """ros2 topic pub --once /robot/instruction std_msgs/msg/String '{data: "the red mug"}'""" in shows
    assert next(line for line in bench.output().splitlines() if f"{pictures} at" in line).endswith("Hz")


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


def test_what_the_source_does_not_heed_is_said_by_name(pictures: Path) -> None:
    defaults = {spec.name: spec.default for spec in CAMERA_PARAMETERS}
    assert not sources.idle(defaults, defaults)
    (told,) = sources.idle({**defaults, "world": "street"}, defaults)
    assert told.startswith("world does nothing with source:=clip") and told.endswith("source:=scene")
    assert not sources.idle({**defaults, "source": "scene", "world": "street", "seed": 3}, defaults)
    (path,) = sources.idle({**defaults, "source": "webcam", "path": str(pictures)}, defaults)
    assert "path does nothing" in path and "clip or folder or video or bag" in path


def test_the_node_logs_what_its_source_does_not_heed(capfd: pytest.CaptureFixture[str], bench: Any) -> None:
    bench.add(CameraNode, {"world": "street"})
    assert "world does nothing with source:=clip" in capfd.readouterr().err
