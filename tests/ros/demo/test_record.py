"""A recording of the demonstration: what all nodes publish is in it, in order, and it can be read on its own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("vision_msgs", reason="no ROS 2 with vision_msgs")
pytest.importorskip("rosbags", reason="no rosbags to read recordings with")

from ament_index_python.packages import get_package_share_directory
from rosbags.highlevel import AnyReader
from rosbags.interfaces import QosDurability, QosReliability

from egm_ros.camera.sources import bag
from egm_ros.interface import camera as camera_interface
from egm_ros.interface import grounding as interface
from egm_ros.interface import lifting as lifting_interface
from egm_ros.interface import overlay as overlay_interface
from egm_ros.interface import propagation as propagation_interface

ROOT = Path(__file__).resolve().parents[3]
NODES = {
    "camera": camera_interface.CAMERA_TOPICS,
    "grounding": interface.TOPICS,
    "propagation": propagation_interface.PROPAGATION_TOPICS,
    "overlay": overlay_interface.OVERLAY_TOPICS,
    "lifting": lifting_interface.LIFTING_TOPICS,
}
# Pictures that are published compressed as well, and boxes that are drawn into those already.
RAW = {"/image", "/overlay/image", "/overlay/annotations"}

pytestmark = [pytest.mark.ros, pytest.mark.clock]


def published() -> dict[str, str]:
    """Every topic that the nodes publish, with its type, as their tables say."""
    found = {"/instruction": "std_msgs/msg/String"}
    for node, topics in NODES.items():
        for topic in topics:
            name = topic.of("").replace("~", f"/{node}")
            if topic.direction == "out":
                found[name if name.startswith("/") else f"/{name}"] = topic.type
    return found


def record(out: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "egm_ros.demo.record", "--out", str(out), *options]
    return subprocess.run(command, cwd=ROOT, env=dict(os.environ), capture_output=True, text=True, timeout=170)


def stamps(messages: list[Any]) -> list[int]:
    return [message.header.stamp.sec * 10**9 + message.header.stamp.nanosec for message in messages]


@pytest.mark.slow
def test_a_recording_holds_what_all_nodes_publish_and_can_be_read_on_its_own(domain: int, tmp_path: Path) -> None:
    finished = record(tmp_path, "--live", "--worlds", "tabletop", "--seconds", "3", "--instructions", "1")
    assert finished.returncode == 0, finished.stdout + finished.stderr
    path = tmp_path / "tabletop.mcap"
    assert f"{path}: " in finished.stdout
    assert {entry.name for entry in tmp_path.iterdir()} == {"tabletop.mcap", "logs"}
    assert path.stat().st_size < 10_000_000
    found: dict[str, list[Any]] = {}
    # Without a store of types, so that only the definitions in the file are there to read it.
    with AnyReader([path]) as reader:
        connections = {entry.topic: entry for entry in reader.connections}
        assert {topic: entry.msgtype for topic, entry in connections.items()} == {
            topic: kind for topic, kind in published().items() if topic not in RAW
        }
        times = []
        for connection, time, data in reader.messages():
            times.append(time)
            found.setdefault(connection.topic, []).append(reader.deserialize(data, connection.msgtype))
        hashes = {entry.msgtype: reader.typestore.hash_rihs01(entry.msgtype) for entry in reader.connections}
    assert times == sorted(times) and times[-1] - times[0] > 2e9
    for kind, hashed in hashes.items():
        package, _, name = kind.split("/")
        about = json.loads((Path(get_package_share_directory(package)) / "msg" / f"{name}.json").read_text())
        assert hashed in [one["hash_string"] for one in about["type_hashes"] if one["type_name"] == kind]
    carried = ["/propagation/visible", "/propagation/amodal"]
    boxes = any(array.detections for array in found["/grounding/visible"])
    assert set(connections) - set(found) <= {"/propagation/lost", *([] if boxes else carried)}
    for topic in ("/image/compressed", "/camera_info", "/depth", *(carried if boxes else ())):
        assert len(found[topic]) >= 3
        # Carried boxes may end in the very image that they were just published for.
        ends = [message for message in found[topic] if topic in carried and not message.detections]
        others = [message for message in found[topic] if not any(message is end for end in ends)]
        assert stamps(found[topic]) == sorted(stamps(found[topic])), topic
        assert stamps(others) == sorted(set(stamps(others))), topic
    pictures = set(stamps(found["/image/compressed"]))
    assert pictures & set(stamps(found["/grounding/visible"]))
    assert "jpeg" in found["/overlay/image/compressed"][0].format
    drawn = stamps(found["/overlay/image/compressed"])
    assert drawn == sorted(drawn)
    assert {"found", "absent"} & {pair.value for status in found["/grounding/status"] for pair in status.values}
    latched = connections["/grounding/status"].ext.offered_qos_profiles[0]
    assert latched.durability == QosDurability.TRANSIENT_LOCAL
    assert connections["/depth"].ext.offered_qos_profiles[0].reliability == QosReliability.BEST_EFFORT
    # And the camera replays it.
    replayed = list(bag(path, "/image/compressed").frames())
    assert len(replayed) == len(found["/image/compressed"])
    assert replayed[0].intrinsics is not None


def test_a_process_that_dies_ends_it_with_1_and_its_log(domain: int, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "config.json").write_text("no json")
    (broken / "model.safetensors").write_bytes(b"no weights")
    finished = record(tmp_path, "--model", str(broken))
    assert finished.returncode == 1
    assert re.search(r"record: (engine|grounding) ended with status", finished.stderr)
    assert "broken" in finished.stderr


def test_a_model_that_is_not_there_ends_it_with_2_at_once(domain: int, tmp_path: Path) -> None:
    finished = record(tmp_path, "--model", str(tmp_path / "nowhere"))
    assert (finished.returncode, finished.stdout, finished.stderr.count("\n")) == (2, "", 1)
    assert finished.stderr.startswith("egm_ros.demo.record: ") and "nowhere" in finished.stderr
