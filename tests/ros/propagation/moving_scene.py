"""A texture that moves before a camera, with a propagation node that follows it."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.qos import QoSDurabilityPolicy, QoSProfile, qos_profile_sensor_data
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header, String
from vision_msgs.msg import Detection2DArray

from egm_core.boxes import Box
from egm_core.streams.joining import stamp_of
from egm_ros.common.messages import detection
from egm_ros.common.pictures import images
from egm_ros.propagation.node import PropagationNode

LATCHED = QoSProfile(depth=1, durability=QoSDurabilityPolicy.TRANSIENT_LOCAL)
SPEED = 4
TEXT = "the mug"


def noise(seed: int, height: int, width: int) -> np.ndarray:
    rough = np.random.default_rng(seed).integers(0, 255, (height // 4, width // 4, 3), np.uint8)
    return np.asarray(cv2.resize(rough, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


GROUND, THING = noise(1, 240, 320), noise(2, 60, 60)


def place(number: int) -> Box:
    left = 60.0 + SPEED * number
    return (left, 80.0, left + 60.0, 140.0)


def header(number: int, base: int = 100) -> Header:
    seconds, rest = divmod(number * 50, 1000)
    return Header(stamp=Time(sec=base + seconds, nanosec=rest * 10**6), frame_id="eye")


def rgb(number: int) -> np.ndarray:
    image = GROUND.copy()
    left = min(int(place(number)[0]), 320)
    image[80:140, left : left + 60] = THING[:, : 320 - left]
    return image


class Scene:
    """A camera and a grounding node's topics around the node, and what it says."""

    def __init__(self, bench: Any, kind: Any = Image, **parameters: Any) -> None:
        self.bench, self.kind = bench, kind
        self.node = bench.add(PropagationNode, parameters)
        make = bench.node.create_publisher
        self.camera = make(kind, "image", qos_profile_sensor_data)
        self.inputs = [make(Detection2DArray, f"grounding/{name}", 5) for name in ("visible", "amodal")]
        self.instruction = make(String, "grounding/instruction_active", LATCHED)
        self.visible = bench.collect(Detection2DArray, "propagation/visible")
        self.amodal = bench.collect(Detection2DArray, "propagation/amodal")
        self.lost = bench.collect(String, "propagation/lost")
        deep = QoSProfile(depth=100, durability=QoSDurabilityPolicy.TRANSIENT_LOCAL)
        self.statuses = bench.collect(DiagnosticStatus, "propagation/status", deep)
        self.told = 0
        ends = [self.camera, self.instruction, *self.inputs]
        bench.until(lambda: all(end.get_subscription_count() for end in ends))
        bench.until(lambda: all(bench.node.count_publishers(f"propagation/{name}") for name in ("lost", "status")))

    def show(self, number: int, base: int = 100, image: np.ndarray | None = None) -> None:
        """Publish a picture and wait until the node has it."""
        stamp = header(number, base)
        picture = rgb(number) if image is None else image
        compressed = self.kind is CompressedImage
        make = images.encode_compressed if compressed else images.encode
        self.camera.publish(make(picture, stamp))
        self.bench.until(lambda: self.has(stamp))

    def status(self) -> dict[str, str]:
        """Wait for the next status."""
        self.bench.until(lambda: len(self.statuses) > self.told)
        message = self.statuses[self.told]
        self.told += 1
        level = str(int.from_bytes(message.level, "little"))
        return {"level": level, "message": message.message} | {pair.key: pair.value for pair in message.values}

    def begin(self, number: int = 0) -> dict[str, str]:
        """Show a picture, answer it, and give the status."""
        self.show(number)
        self.answer(number)
        return self.status()

    def has(self, stamp: Header) -> bool:
        newest = self.node._frames.newest
        return newest is not None and newest.stamp == stamp_of(Detection2DArray(header=stamp))

    def answer(self, number: int, found: bool = True, text: str = TEXT, base: int = 100) -> None:
        stamp = header(number, base)
        left, top, right, bottom = place(number)
        for publisher, box in zip(self.inputs, (place(number), (left, top, right, bottom + 20)), strict=True):
            entries = [detection(stamp, "3:0", box, text, 0.8)] if found else []
            publisher.publish(Detection2DArray(header=stamp, detections=entries))

    def say(self, text: str) -> None:
        self.instruction.publish(String(data=text))
        self.bench.until(lambda: self.node._instruction == text)
