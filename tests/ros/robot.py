"""A robot's side of the grounding node, for tests: real processes and an ordinary ROS node that talks to them."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import cv2
import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticStatus
from lifecycle_msgs.srv import ChangeState, GetState
from processes import PATIENCE, wait_for
from rcl_interfaces.srv import SetParametersAtomically
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from rclpy.qos import QoSDurabilityPolicy, QoSProfile, QoSReliabilityPolicy
from sensor_msgs.msg import Image
from std_msgs.msg import String
from std_srvs.srv import SetBool, Trigger
from vision_msgs.msg import Detection2DArray


def hold(what: str, condition: Callable[[], Any], seconds: float) -> None:
    """See that a condition holds for a while, and fail by name once it does not: for what must not come.

    It proves nothing unless something else has shown before that what must not come had its time to come.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert condition(), f"{what}: did not hold for {seconds:g} s"
        time.sleep(0.02)


def image_message(width: int = 64, height: int = 48, stamp: float | None = None, frame: str = "camera") -> Image:
    """Make a small noisy colour image, stamped now unless told otherwise."""
    pixels = np.random.default_rng(0).integers(0, 255, (height, width, 3), np.uint8)
    message = Image(height=height, width=width, encoding="rgb8", step=3 * width)
    message.data = pixels.tobytes()
    nanoseconds = time.time_ns() if stamp is None else int(stamp * 1e9)
    message.header.stamp.sec, message.header.stamp.nanosec = divmod(nanoseconds, 1_000_000_000)
    message.header.frame_id = frame
    return message


def textured_message(width: int = 320, height: int = 240, frame: str = "camera") -> Image:
    """Make an image with something to follow everywhere."""
    rough = np.random.default_rng(3).integers(0, 255, (height // 4, width // 4, 3), np.uint8)
    message = image_message(width, height, frame=frame)
    message.data = cv2.resize(rough, (width, height), interpolation=cv2.INTER_CUBIC).tobytes()
    return message


def stamp_text(message: Any) -> str:
    """Write a message's stamp as ~/status does."""
    stamp = message.header.stamp
    return f"{stamp.sec}.{stamp.nanosec:09d}"


class Robot:
    """An ordinary node: publishes images and instructions, keeps all that the grounding node says, calls it.

    What comes on one topic says nothing about what has come on another, so tests ask for what they mean: `boxes` and
    `only_answer` of an image, `status` of an image, `serves`, `answers`, `published`. The lists themselves are read in
    conditions of `wait_for` alone.
    `camera` is the name of a camera among the node's `cameras`, and `kind` the type of its images.
    """

    def __init__(self, domain: int, namespace: str = "", camera: str = "", kind: Any = Image) -> None:
        self.name = f"{namespace}/grounding"
        inner = f"{camera}/" if camera else ""
        self.context = rclpy.Context()
        rclpy.init(context=self.context, domain_id=domain)
        self.node = rclpy.create_node("robot", enable_rosout=False, context=self.context)
        self.statuses: list[tuple[int, DiagnosticStatus]] = []
        self.visible: list[tuple[int, Detection2DArray]] = []
        self.amodal: list[tuple[int, Detection2DArray]] = []
        self.active: list[tuple[int, str]] = []
        deep = QoSProfile(depth=5000, reliability=QoSReliabilityPolicy.RELIABLE)
        latched = QoSProfile(
            depth=5000, reliability=QoSReliabilityPolicy.RELIABLE, durability=QoSDurabilityPolicy.TRANSIENT_LOCAL
        )
        sensor = QoSProfile(depth=1, reliability=QoSReliabilityPolicy.BEST_EFFORT)

        def keep(notes: list[Any], read: Callable[[Any], Any] = lambda message: message) -> Callable[..., None]:
            def callback(message: Any, info: Any) -> None:
                notes.append((info["source_timestamp"], read(message)))

            return callback

        create = self.node.create_subscription
        create(DiagnosticStatus, f"{self.name}/status", keep(self.statuses), latched)
        create(Detection2DArray, f"{self.name}/{inner}visible", keep(self.visible), deep)
        create(Detection2DArray, f"{self.name}/{inner}amodal", keep(self.amodal), deep)
        create(String, f"{self.name}/instruction_active", keep(self.active, lambda message: message.data), latched)
        self.images = self.node.create_publisher(kind, f"{namespace}/{inner}image", sensor)
        self.instructions = self.node.create_publisher(String, f"{namespace}/instruction", 10)
        self._executor = SingleThreadedExecutor(context=self.context)
        self._executor.add_node(self.node)
        self._thread = threading.Thread(target=self._spin, daemon=True)
        self._thread.start()
        self._clients: dict[str, Any] = {}

    def _spin(self) -> None:
        with suppress(rclpy.executors.ExternalShutdownException):
            self._executor.spin()

    def spun(self, work: Callable[[], Any]) -> Any:
        """Do something on the thread that spins; rclpy's action client drops answers that come while it still asks."""
        done = self._executor.create_task(work)
        wait_for("the spinning thread", done.done)
        return done.result()

    def close(self) -> None:
        self._executor.shutdown()
        rclpy.shutdown(context=self.context)
        self._thread.join(5.0)

    def forget(self) -> None:
        """Forget what was said so far."""
        for notes in (self.statuses, self.visible, self.amodal, self.active):
            notes.clear()

    def keep_statuses(self, newest: int) -> None:
        """Forget all but so many of the newest statuses."""
        del self.statuses[:-newest]

    def instruct(self, text: str) -> None:
        wait_for("a listener of the instruction", self.instructions.get_subscription_count)
        self.instructions.publish(String(data=text))

    def show(self, message: Any = None) -> Any:
        """Publish an image once somebody listens."""
        wait_for("a listener of the image", self.images.get_subscription_count)
        message = image_message() if message is None else message
        self.images.publish(message)
        return message

    @contextmanager
    def stream(self, rate: float, message: Callable[[], Image] = image_message) -> Iterator[list[Image]]:
        """Publish images at a rate until the block ends; gives the list of what was published."""
        sent: list[Image] = []
        done = threading.Event()

        def run() -> None:
            due = time.monotonic()
            while not done.is_set():
                sent.append(self.show(message()))
                due = max(due + 1.0 / rate, time.monotonic())
                done.wait(due - time.monotonic())

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        try:
            yield sent
        finally:
            done.set()
            thread.join(10.0)

    def values(self) -> list[dict[str, str]]:
        """List the statuses so far as dictionaries, with level and message among the keys."""
        return [
            {"level": status.level[0], "message": status.message} | {pair.key: pair.value for pair in status.values}
            for _, status in list(self.statuses)
        ]

    def boxes(self, image: Any) -> tuple[Detection2DArray, Detection2DArray]:
        """Wait for the visible and the amodal boxes of an image and return both arrays."""

        def of(notes: list[tuple[int, Detection2DArray]]) -> list[Detection2DArray]:
            return [array for _, array in list(notes) if array.header == image.header]

        wait_for(f"both arrays of {stamp_text(image)}", lambda: of(self.visible) and of(self.amodal))
        (visible,), (amodal,) = of(self.visible), of(self.amodal)
        return visible, amodal

    def only_answer(self, image: Any) -> tuple[Detection2DArray, Detection2DArray]:
        """The same, where no array of another image came before it.

        Each topic keeps its order, so that this shows that nothing was published for earlier images.
        """
        boxes = self.boxes(image)
        others = [stamp_text(array) for array in self.arrays() if array.header != image.header]
        assert not others, f"boxes of {others} beside those of {stamp_text(image)}"
        return boxes

    def arrays(self) -> list[Detection2DArray]:
        """List the arrays of both topics so far, for a claim about every one of them."""
        return [array for _, array in (*list(self.visible), *list(self.amodal))]

    def timed_arrays(self) -> list[list[tuple[int, Detection2DArray]]]:
        """List the visible and the amodal arrays so far, each with the time (ns) when it was published."""
        return [list(self.visible), list(self.amodal)]

    def answers(self, count: int = 1, timeout: float = PATIENCE) -> list[Detection2DArray]:
        """Wait for so many arrays of visible boxes and return all that there are."""
        wait_for(f"{count} answers", lambda: len(self.visible) >= count, timeout)
        return [array for _, array in list(self.visible)]

    def another_answer(self, timeout: float = PATIENCE) -> Detection2DArray:
        """Wait for visible boxes that are published from now on and return the first array."""
        now = time.time_ns()
        return wait_for(
            "another answer", lambda: next((array for stamp, array in list(self.visible) if stamp > now), None), timeout
        )

    def published(self, begun: int, ended: int) -> int:
        """Count the visible arrays published between two times (ns), once one that was published later has come."""
        wait_for("a later answer", lambda: self.visible and self.visible[-1][0] > ended)
        return sum(begun < stamp <= ended for stamp, _ in list(self.visible))

    def serves(self, text: str, timeout: float = PATIENCE) -> list[tuple[int, str]]:
        """Wait until this instruction is the active one; list all that were, with the times (ns) when they began."""
        wait_for(f"the instruction {text!r}", lambda: self.active and self.active[-1][1] == text, timeout)
        return list(self.active)

    def meet(self) -> None:
        """Show pictures until one is answered: DDS may lose those of a publisher that the node does not know yet."""
        with self.stream(5.0) as sent:
            wait_for(
                "an answer to any picture",
                lambda: (
                    {stamp_text(image) for image in list(sent)}
                    & {values["stamp"] for values in self.values() if values["outcome"]}
                ),
                60.0,
            )

    def status(self, timeout: float = PATIENCE, image: Any = None, **expected: str) -> dict[str, str]:
        """Wait for a status that has these values, of this image where one is given, and return the first."""
        if image is not None:
            expected["stamp"] = stamp_text(image)

        def find() -> dict[str, str] | None:
            return next(
                (
                    values
                    for values in self.values()
                    if all(values.get(key) == value for key, value in expected.items())
                ),
                None,
            )

        try:
            return wait_for(f"a status with {expected}", find, timeout)
        except AssertionError as error:
            raise AssertionError(f"{error}; there were {self.values()[-10:]}") from None

    def ready(self, timeout: float = PATIENCE) -> None:
        """Wait until the engine is ready; who joins late hears the newest status alone, which may be another's."""
        self.status(timeout, engine="ready")

    def call(self, kind: Any, name: str, request: Any, timeout: float = PATIENCE) -> Any:
        """Call a service of the grounding node and return the response."""
        if name not in self._clients:
            self._clients[name] = self.node.create_client(kind, f"{self.name}/{name}")
        client = self._clients[name]
        assert client.wait_for_service(timeout), f"no service {name}"
        future = client.call_async(request)
        wait_for(f"the answer of {name}", future.done, timeout)
        return future.result()

    def enable(self, enabled: bool) -> Any:
        return self.call(SetBool, "enable", SetBool.Request(data=enabled))

    def reset(self) -> Any:
        return self.call(Trigger, "reset", Trigger.Request())

    def ground_once(self, timeout: float = PATIENCE) -> tuple[bool, Any]:
        """Call ~/ground_once and return whether it succeeded, and what its JSON says."""
        response = self.call(Trigger, "ground_once", Trigger.Request(), timeout)
        return response.success, json.loads(response.message)

    def set(self, **parameters: Any) -> Any:
        """Set parameters at once and return the result, which has `successful` and `reason`."""
        changes = [Parameter(name, value=value).to_parameter_msg() for name, value in parameters.items()]
        kind = SetParametersAtomically
        return self.call(kind, "set_parameters_atomically", kind.Request(parameters=changes)).result

    def transition(self, number: int) -> bool:
        request = ChangeState.Request()
        request.transition.id = number
        return self.call(ChangeState, "change_state", request).success

    def state(self) -> str:
        return self.call(GetState, "get_state", GetState.Request()).current_state.label
