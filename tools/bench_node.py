#!/usr/bin/env python3
"""What the grounding node adds to its engine's answer: an image by JPEG at 720p, from its sending to its boxes.

    tools/env.sh python tools/bench_node.py [--answers 30] [--json out/node.json]

Starts the node with the embedded model behind `egm serve`, and sends one image at a time, the next one when the last
one's answer is there: when `~/status` tells of it, which comes after its boxes. The engine's part is what the node
itself says of each answer; all else is the node's: DDS both ways, decoding, shrinking, reading the answer. Give it a
domain of its own (ROS_DOMAIN_ID).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

import cv2
import rclpy
from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CompressedImage

from egm_core.arguments import COUNT
from egm_core.scenes import Generator

SIZE = (1280, 720)
WARM = 3
PATIENCE = 120.0
# A scene that no model was trained on.
SEED = 510_000_100
NODE = ["-m", "egm_ros.grounding", "--ros-args", "-p", "transport:=compressed", "-p", "max_rate:=0.0",
        "-p", "default_instruction:=the red mug"]  # fmt: skip


class Camera:
    """A camera that sends when it is told to, and hears when an image's answer is there."""

    def __init__(self) -> None:
        rclpy.init()
        self.node = rclpy.create_node("bench_camera")
        self.images = self.node.create_publisher(CompressedImage, "image", qos_profile_sensor_data)
        self.came: dict[str, float] = {}
        self.values: dict[str, dict[str, str]] = {}
        self.said = threading.Condition()
        self.node.create_subscription(DiagnosticStatus, "grounding/status", self._on_status, 50)
        executor = SingleThreadedExecutor()
        executor.add_node(self.node)

        def spin() -> None:
            try:
                executor.spin()
            except ExternalShutdownException:
                return

        threading.Thread(target=spin, daemon=True).start()
        generator = Generator()
        image = cv2.resize(generator.scene(SEED).image, SIZE, interpolation=cv2.INTER_CUBIC)
        generator.close()
        self.data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1].tobytes()

    def _on_status(self, message: DiagnosticStatus) -> None:
        values = {pair.key: pair.value for pair in message.values}
        with self.said:
            self.came.setdefault(values.get("stamp", ""), time.perf_counter())
            self.values[values.get("stamp", "")] = values
            self.said.notify_all()

    def ask(self, patience: float = PATIENCE) -> tuple[float, dict[str, str]]:
        """Send an image; gives the milliseconds until its boxes came, and what the node says of them."""
        message = CompressedImage(format="jpeg", data=self.data)
        message.header.stamp = self.node.get_clock().now().to_msg()
        message.header.frame_id = "camera"
        stamp = message.header.stamp
        text = f"{stamp.sec}.{stamp.nanosec:09d}"
        began = time.perf_counter()
        self.images.publish(message)
        with self.said:
            if not self.said.wait_for(lambda: text in self.came, patience):
                raise TimeoutError(f"no boxes within {patience:g} s")
            return 1000 * (self.came[text] - began), self.values[text]


def main() -> None:
    """Run the node, ask it, and print what it adds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--answers", type=COUNT, default=30, help="answers that count")
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args()
    camera = Camera()
    busy = os.getloadavg()[0]
    node = subprocess.Popen([sys.executable, *NODE], stdout=subprocess.DEVNULL)
    try:
        until = time.monotonic() + PATIENCE
        while True:
            try:
                camera.ask(2.0)
                break
            except TimeoutError:
                if time.monotonic() > until or node.poll() is not None:
                    raise
        for _ in range(WARM):
            camera.ask()
        found = [camera.ask() for _ in range(options.answers)]
    finally:
        node.terminate()
        node.wait(30)
        rclpy.shutdown()
    whole = [ms for ms, _ in found]
    engine = [float(values["engine_ms"]) for _, values in found]
    inside = [float(values["total_ms"]) - float(values["engine_ms"]) for _, values in found]
    added = [ms - part for ms, part in zip(whole, engine, strict=True)]
    shares = [100 * more / part for more, part in zip(added, engine, strict=True)]
    figures = {
        "size": f"{SIZE[0]}x{SIZE[1]}", "jpeg_bytes": len(camera.data), "answers": len(found), "load": round(busy, 2),
        "whole_ms": statistics.median(whole), "engine_ms": statistics.median(engine),
        "added_ms": statistics.median(added), "added_within_the_node_ms": statistics.median(inside),
        "added_percent": statistics.median(shares),
        "added_percent_p95": sorted(shares)[round(0.95 * (len(shares) - 1))],
    }  # fmt: skip
    print(json.dumps(figures, indent=1))
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(figures))


if __name__ == "__main__":
    main()
