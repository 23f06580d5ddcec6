"""The lifecycle node that grounds an instruction in a camera's stream.

    python -m egm_ros.grounding --ros-args -r image:=/camera/image -p default_instruction:="the red mug"

Callbacks only take notes. A picture's way is in `asking.way`, on a thread of its own; what comes of it is judged and
published in `judging`, on the executor's thread, where the instruction changes too, in `ordering`.
"""

from __future__ import annotations

import functools
import time
from dataclasses import replace
from typing import Any

from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.lifecycle import LifecycleState, TransitionCallbackReturn
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Float32, String
from vision_msgs.msg import Detection2DArray

from egm_core.supervise.link import EngineLink
from egm_core.supervise.plan import startable
from egm_ros.common.mail import Mail
from egm_ros.common.memory import keep_freed
from egm_ros.common.nodes.managed import ManagedNode
from egm_ros.common.nodes.process import run
from egm_ros.common.nodes.transitions import reported
from egm_ros.common.pictures.transport import subscribed
from egm_ros.common.streams.stamps import StampReport
from egm_ros.grounding.asking.engines import Asking
from egm_ros.grounding.asking.frames import Frame
from egm_ros.grounding.asking.orders import Orders
from egm_ros.grounding.asking.outcomes import Result
from egm_ros.grounding.cameras import Camera
from egm_ros.grounding.judging import LATENCIES, Judging
from egm_ros.grounding.once.offer import offer
from egm_ros.grounding.ordering import Ordering
from egm_ros.grounding.present import Present
from egm_ros.grounding.telling.status import Status
from egm_ros.grounding.telling.story import Story
from egm_ros.grounding.watching import Watching
from egm_ros.interface import grounding as interface
from egm_ros.interface.settings import Settings

CLOSE_TIMEOUT = 8.0
INSTEAD = "ages are counted from arrival"


class GroundingNode(ManagedNode):
    """Publishes the visible and the amodal box of what an instruction names, for the newest images of its cameras."""

    NODE = "grounding"

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        settings, log = Settings.of(self._values), self.get_logger().get_child("engine")
        self._mail = Mail(self, self.survive)
        asking = Asking(lambda line: log.info(line), self._engine_changed, self._age, self._query_ended)
        orders = Orders(settings.lines, settings.cameras)
        self._present = Present(settings, orders, asking, lambda: self.get_clock().now().nanoseconds)
        story, services = Story(self.notices), ReentrantCallbackGroup()
        self._status = Status(self, self._present)
        self._ordering = Ordering(self, self._present, self._status, story, services)
        watching = Watching(self, self._present, self._status, story)
        self._judging = Judging(self, self._present, self._status, story)
        offer(self, self._present, self._mail, watching.view, services)

    # Lifecycle.

    def survive(self, error: Exception) -> None:
        """Report what went wrong in a callback: a robot's node lives on."""
        self.report_failure("internal_error", f"{type(error).__name__}: {error}")

    @reported
    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Check the model, start the engine, and return; the engine reports on ~/status when it is ready."""
        present, settings = self._present, self._present.settings
        planned = startable(settings.engines)
        for told in settings.idle():
            self.notices.once(told, told)
        for name in settings.cameras:
            present.cameras[name] = Camera(
                name,
                settings.transport,
                self.speak(Detection2DArray, interface.VISIBLE, name),
                self.speak(Detection2DArray, interface.AMODAL, name),
                self.open_subscription(String, interface.REFRESH, functools.partial(self._on_refresh, name), name),
                StampReport(self.get_logger(), self.resolve_topic_name(interface.IMAGE.of(name)), INSTEAD),
            )
        self._judging.begin({topic: self.speak(Float32, topic) for topic in LATENCIES})
        self._ordering.listen()
        present.asking.start(planned, settings)
        return super().on_configure(state)

    @reported
    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Listen to the cameras and serve the instruction."""
        present, settings = self._present, self._present.settings
        if not present.asking.links:
            present.asking.start(startable(settings.engines), settings)
        present.since = time.monotonic()
        for name, camera in present.cameras.items():
            on_image = functools.partial(self._on_image, name)
            camera.listen(subscribed(self, settings.transport, interface.IMAGE, on_image, name))
        result = super().on_activate(state)
        self._ordering.activate(True)
        for link in present.asking.links:
            self._status.engine(link.state, log=False)
        return result

    @reported
    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Abort the running query and stop listening to the cameras; `free_on_deactivate` says if the engine stays."""
        self._rest()
        if self._present.settings.free_on_deactivate:
            self._present.asking.retire()
        return super().on_deactivate(state)

    @reported
    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free everything, the engine's process included."""
        self._free()
        return super().on_cleanup(state)

    @reported
    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free everything for good."""
        self._free()
        return super().on_shutdown(state)

    @reported
    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free everything after a failed transition, so that the node can be configured again."""
        self._free()
        return super().on_error(state)

    def close(self) -> None:
        """End the way and the engines, and wait for it; the executor must rest."""
        self._present.asking.close(CLOSE_TIMEOUT)

    def report_failure(self, reason: str, detail: str, camera: str = "") -> None:
        """Log a failure and publish it on ~/status, with the camera's name where it is about one."""
        self._status.failure(reason, detail, camera)

    def _rest(self) -> None:
        for camera in self._present.cameras.values():
            camera.rest(self)
        self._ordering.activate(False)
        if self._present.asking.way is not None:
            self._present.asking.way.rest()

    def _free(self) -> None:
        self._rest()
        self._present.asking.retire()
        for camera in self._present.cameras.values():
            camera.free(self)
        self._present.cameras = {}
        for publisher in self._judging.end():
            self.destroy_lifecycle_publisher(publisher)
        self._ordering.rest()

    # Callbacks of topics and parameters.

    def _on_image(self, name: str, message: Image | CompressedImage) -> None:
        now, camera = time.monotonic(), self._present.cameras[name]
        camera.came(now)
        if self._present.settings.transport != "ffmpeg":  # of a video, it is the packets that travel
            self.pictures.came(camera.topic, message)
        frame = camera.see(message, now, self._present.clock())
        if self._present.asking.way is not None:
            self._present.asking.way.offer(frame)

    def _on_refresh(self, name: str, message: String) -> None:
        if self._present.asking.way is None:
            return
        self.get_logger().debug(f"asked to refresh {name}: {message.data}")
        if self._present.orders.ended(name, message.data):
            self.notices.seldom(
                ("ended", name), f"{message.data!r} is asked no more, so ~/refresh asks nothing", "info"
            )
        self._present.asking.way.refresh(self._present.orders.meant(name, message.data))

    def _check(self, changed: dict[str, Any]) -> str:
        return replace(self._present.settings, **changed).contradiction()

    def _change(self, changed: dict[str, Any]) -> None:
        super()._change(changed)
        self._present.settings = replace(self._present.settings, **changed)
        self._present.asking.update(self._present.settings, pixels="max_pixels" in changed)
        self._ordering.set_default(not changed.keys().isdisjoint(("default_instruction", "instructions")))

    # What the other threads hand over.

    def _query_ended(self, result: Result) -> None:
        self._mail.post(lambda: self._judging.conclude(result))

    def _engine_changed(self, link: EngineLink) -> None:
        state = link.state
        self._mail.post(lambda: self._status.engine(state))

    def _age(self, frame: Frame) -> float:
        return self._present.age(frame)


def main(arguments: list[str] | None = None) -> int:
    """Run the node until it is told to stop; 1 if it cannot start, 2 for a bad parameter, else 0."""
    keep_freed()
    return run(GroundingNode, arguments)
