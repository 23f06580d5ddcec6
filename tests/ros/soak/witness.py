"""Sees all that a grounding node of three cameras says, and what it costs; and writes the table of a soak."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticStatus
from processes import wait_for
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSDurabilityPolicy, QoSProfile, QoSReliabilityPolicy
from running import counts
from std_msgs.msg import String
from vision_msgs.msg import Detection2DArray

from egm_core.boxes import Box
from egm_ros.common.memory import resident, resident_tree

ANSWERS = ("found", "absent")
# A pool makes one more thread, and opens one more connection, when all are busy for the first time, up to its bound.
YET = 3


@dataclass(frozen=True)
class Seen:
    """A box: when the node published it (ns), its camera, line and id, and where it is (xyxy)."""

    at: int
    camera: str
    kind: str
    line: str
    identity: str
    box: Box


class Witness:
    """An ordinary node that listens to everything and gives instructions; times are the node's own of publishing."""

    def __init__(self, domain: int, cameras: Iterable[str]) -> None:
        self.context = rclpy.Context()
        rclpy.init(context=self.context, domain_id=domain)
        self.node = rclpy.create_node("witness", enable_rosout=False, context=self.context)
        self.statuses: list[dict[str, str]] = []
        self.boxes: list[Seen] = []
        self.served: dict[str, list[tuple[int, tuple[str, ...]]]] = {camera: [] for camera in cameras}
        deep = QoSProfile(depth=5000, reliability=QoSReliabilityPolicy.RELIABLE)
        latched = QoSProfile(
            depth=5000, reliability=QoSReliabilityPolicy.RELIABLE, durability=QoSDurabilityPolicy.TRANSIENT_LOCAL
        )
        create = self.node.create_subscription
        create(DiagnosticStatus, "grounding/status", self._on_status, latched)
        for camera in self.served:
            for kind in ("visible", "amodal"):
                create(Detection2DArray, f"grounding/{camera}/{kind}", partial(self._on_boxes, camera, kind), deep)
            create(String, f"grounding/{camera}/instruction_active", partial(self._on_served, camera), latched)
        self._instructions = {
            camera: self.node.create_publisher(String, f"{camera}/instruction" if camera else "instruction", 10)
            for camera in ("", *self.served)
        }
        self._executor = SingleThreadedExecutor(context=self.context)
        self._executor.add_node(self.node)
        self._thread = threading.Thread(target=self._spin, daemon=True)
        self._thread.start()

    def meet(self, timeout: float = 120.0) -> None:
        """Wait until the node listens and its engine is ready."""
        for publisher in self._instructions.values():
            wait_for("a listener of instructions", publisher.get_subscription_count)
        wait_for("the engine", lambda: any(status.get("engine") == "ready" for status in self.statuses), timeout)

    def instruct(self, lines: Iterable[str], camera: str = "") -> None:
        """Give lines for a camera, or for all, without waiting for anything."""
        self._instructions[camera].publish(String(data="\n".join(lines)))

    def serves(self, camera: str, lines: Iterable[str]) -> None:
        """Wait until a camera is asked these lines."""
        wanted = tuple(lines)
        wait_for(f"{wanted} of {camera}", lambda: self.served[camera] and self.served[camera][-1][1] == wanted)

    def answered(self) -> list[dict[str, str]]:
        """List the statuses of what was found or absent."""
        return [status for status in list(self.statuses) if status["outcome"] in ANSWERS]

    def close(self) -> None:
        self._executor.shutdown()
        rclpy.shutdown(context=self.context)
        self._thread.join(5.0)

    def _spin(self) -> None:
        with suppress(rclpy.executors.ExternalShutdownException):
            self._executor.spin()

    def _on_status(self, status: DiagnosticStatus) -> None:
        self.statuses.append({"message": status.message} | {pair.key: pair.value for pair in status.values})

    def _on_boxes(self, camera: str, kind: str, array: Detection2DArray, info: dict[str, Any]) -> None:
        for found in array.detections:
            centre, size = found.bbox.center.position, (found.bbox.size_x / 2.0, found.bbox.size_y / 2.0)
            box = (centre.x - size[0], centre.y - size[1], centre.x + size[0], centre.y + size[1])
            line = found.results[0].hypothesis.class_id
            self.boxes.append(Seen(info["source_timestamp"], camera, kind, line, found.id, box))

    def _on_served(self, camera: str, message: String, info: dict[str, Any]) -> None:
        self.served[camera].append((info["source_timestamp"], tuple(filter(None, message.data.split("\n")))))


@dataclass
class Cost:
    """What a node and its engine hold, again and again: megabytes, threads and open files.

    `engine` is the engine's process where it is not the node's own.
    """

    pid: int
    engine: int = 0
    period: float = 0.5

    def __post_init__(self) -> None:
        self.notes: list[tuple[float, float, int, int]] = []

    def note(self) -> None:
        """Look at it now."""
        own = resident(self.pid) / 1e6
        engine = resident_tree(self.engine) / 1e6 if self.engine else resident_tree(self.pid) / 1e6 - own
        self.notes.append((own, engine, *counts(self.pid)))

    def during(self, seconds: float, meanwhile: Callable[[], object] = lambda: None) -> None:
        """Look at it for a while."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            meanwhile()
            self.note()
            time.sleep(max(0.0, min(self.period, end - time.monotonic())))

    def spread(self, which: int) -> tuple[float, float, float]:
        """Give the first value of the node's memory (0) or the engine's (1), and how far it went from there (%).

        The first is the median of the first twentieth; from the 1st to the 99th percentile.
        """
        values = [note[which] for note in self.notes]
        first = float(np.median(values[: max(5, len(values) // 20)]))
        low, high = (100.0 * (float(value) / first - 1.0) for value in np.percentile(values, (1, 99)))
        return first, low, high

    def grown(self, which: int) -> int:
        """Tell by how many threads (2) or open files (3) grew, from the first half's most to the last tenth's."""
        values = [int(note[which]) for note in self.notes]
        return max(values[-max(1, len(values) // 10) :]) - max(values[: max(1, len(values) // 2)])

    def steady(self) -> bool:
        """Tell whether memory stayed within 5 %, and threads and files within those that a pool may open yet."""
        flat = all(-5.0 < edge < 5.0 for which in (0, 1) for edge in self.spread(which)[1:])
        return flat and self.grown(2) <= YET and self.grown(3) <= YET

    def rows(self) -> list[tuple[str, str]]:
        """Write it for a table."""
        rows = []
        for which, name in enumerate(("node", "engine")):
            first, low, high = self.spread(which)
            rows.append((f"memory of the {name}", f"{first:.0f} MB, {low:+.1f} to {high:+.1f} %"))
            fifths = np.array_split([note[which] for note in self.notes], 5)
            rows.append(("by fifths of the time", ", ".join(f"{np.median(fifth):.1f}" for fifth in fifths)))
        return [*rows, ("threads and open files more", f"{self.grown(2)} and {self.grown(3)}")]


def table(title: str, rows: Iterable[tuple[str, object]]) -> str:
    """Write a table that can be read in a terminal and pasted into a page."""
    return "\n".join([f"\n| {title} | |", "| --- | --- |", *(f"| {name} | {value} |" for name, value in rows)])
