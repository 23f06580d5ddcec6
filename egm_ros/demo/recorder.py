"""Writes what is published into an MCAP file, as `ros2 bag record` does, with nothing but rclpy and rosbags.

Topics are found as they appear. A picture is recorded compressed where it is published so, and raw otherwise. The
messages' definitions come from their packages and travel in the file.
"""

from __future__ import annotations

import importlib
import shutil
import time
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

from ament_index_python.packages import get_package_share_directory
from rclpy.node import Node
from rclpy.qos import QoSDurabilityPolicy, QoSProfile, QoSReliabilityPolicy
from rosbags.interfaces import Qos, QosDurability, QosHistory, QosLiveliness, QosReliability, QosTime
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

IMAGE = "sensor_msgs/msg/Image"
# They tell of the processes, not of what they do.
LEFT_OUT = ("rcl_interfaces/msg/ParameterEvent", "rcl_interfaces/msg/Log", "lifecycle_msgs/msg/TransitionEvent")
DEPTH = 50
FOREVER = QosTime(2147483647, 4294967295)


class Recorder:
    """Records every topic of the domain from its making until `close`; `look` must be called now and then.

    `path` is the file to write, ending in .mcap; one that is there is replaced when the recording is complete.
    """

    def __init__(self, node: Node, path: Path) -> None:
        self._node, self._path = node, path
        self._folder = path.with_suffix(".recording")
        shutil.rmtree(self._folder, ignore_errors=True)
        self._writer = Writer(self._folder, version=9, storage_plugin=StoragePlugin.MCAP)
        self._writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
        self._writer.open()
        self._types = get_typestore(Stores.EMPTY)
        self._subscriptions: dict[str, Any] = {}
        self._appeared: set[str] = set()
        self._last = 0
        self.counts: Counter[str] = Counter()
        self.look()

    def look(self) -> None:
        """Subscribe the topics that had appeared at the last look: then a picture's compressed twin is there, too."""
        # An action's own topics are hidden, and left out as by `ros2 bag record`: they have no definition files.
        there = {name: types for name, types in self._node.get_topic_names_and_types() if "/_" not in name}
        for topic, types in there.items():
            compressed = types[0] == IMAGE and f"{topic}/compressed" in there
            publishers = self._node.get_publishers_info_by_topic(topic)
            new = topic in self._appeared and topic not in self._subscriptions
            if new and publishers and not compressed and types[0] not in LEFT_OUT:
                self._subscribe(topic, types[0], publishers[0].qos_profile)
        self._appeared = set(there)

    def close(self) -> None:
        """End the recording and put the file in its place."""
        for subscription in self._subscriptions.values():
            self._node.destroy_subscription(subscription)
        self._writer.close()
        (written,) = self._folder.glob("*.mcap")
        written.replace(self._path)
        shutil.rmtree(self._folder)

    def _subscribe(self, topic: str, kind: str, offered: QoSProfile) -> None:
        package, _, name = kind.split("/")
        register(self._types, kind)
        connection = self._writer.add_connection(
            topic, kind, typestore=self._types, offered_qos_profiles=[offered_qos(offered)]
        )
        qos = QoSProfile(depth=DEPTH, reliability=offered.reliability, durability=offered.durability)
        message = getattr(importlib.import_module(f"{package}.msg"), name)
        callback = partial(self._write, topic, connection)
        self._subscriptions[topic] = self._node.create_subscription(message, topic, callback, qos, raw=True)

    def _write(self, topic: str, connection: Any, data: bytes) -> None:
        # A clock that was set back must not put a message before an earlier one.
        self._last = max(self._last, time.time_ns())
        self._writer.write(connection, self._last, data)
        self.counts[topic] += 1


def register(types: Any, kind: str) -> None:
    """Put a message's definition, and those of what is in it, into a store, as its installed package has them."""
    if kind in types.types:
        return
    package, _, name = kind.split("/")
    file = Path(get_package_share_directory(package)) / "msg" / f"{name}.msg"
    found = get_types_from_msg(file.read_text(), kind)
    for inner in sorted({word for entry in found.values() for word in _names(entry)} - {kind}):
        register(types, inner)
    types.register({kind: found[kind]})


def _names(entry: Any) -> set[str]:
    """List the messages in a definition's fields, however nested in arrays."""
    if isinstance(entry, str):
        return {entry} if entry.count("/") == 2 else set()
    return {name for part in entry for name in _names(part)} if isinstance(entry, (list, tuple)) else set()


def offered_qos(offered: QoSProfile) -> Qos:
    """Say a publisher's quality of service in the recording's words, so that playing it back offers the same."""
    best_effort = offered.reliability == QoSReliabilityPolicy.BEST_EFFORT
    latched = offered.durability == QoSDurabilityPolicy.TRANSIENT_LOCAL
    return Qos(
        QosHistory.KEEP_LAST,
        max(1, offered.depth),
        QosReliability.BEST_EFFORT if best_effort else QosReliability.RELIABLE,
        QosDurability.TRANSIENT_LOCAL if latched else QosDurability.VOLATILE,
        FOREVER,
        FOREVER,
        QosLiveliness.AUTOMATIC,
        FOREVER,
        False,
    )
