"""The lifecycle node that grounds an instruction in a camera's stream.

    python -m egm_ros.grounding --ros-args -r image:=/camera/image -p default_instruction:="the red mug"

Callbacks only take notes. A picture's way is in `asking.way`, on a thread of its own; what comes of it is judged and
published here, on the executor's thread, where the instruction changes too.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.qos_overriding_options import QoSOverridingOptions
from rclpy.task import Future
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Float32, Header, String
from std_srvs.srv import SetBool, Trigger
from vision_msgs.msg import Detection2DArray

from egm_core.supervise.link import EngineLink, EngineState
from egm_core.supervise.plan import startable
from egm_core.targets.board import Place
from egm_core.targets.lines import read
from egm_core.targets.states import States
from egm_ros.common import messages
from egm_ros.common.mail import Mail
from egm_ros.common.memory import keep_freed
from egm_ros.common.nodes.base import BaseNode
from egm_ros.common.nodes.process import run
from egm_ros.common.pictures.transport import kind_of, subscribed
from egm_ros.common.publishers import cause
from egm_ros.common.qos import profile
from egm_ros.common.streams.stamps import StampReport
from egm_ros.grounding.asking.engines import Asking
from egm_ros.grounding.asking.frames import Frame
from egm_ros.grounding.asking.orders import Orders
from egm_ros.grounding.asking.outcomes import Result, judge
from egm_ros.grounding.cameras import Camera
from egm_ros.grounding.once import one_shot
from egm_ros.grounding.telling import diagnostics, reports
from egm_ros.grounding.telling.story import Story
from egm_ros.grounding.telling.tally import Answers
from egm_ros.grounding.transitions import refuse_impossible, reported
from egm_ros.interface import grounding as interface
from egm_ros.interface.settings import Settings
from egm_ros.interface.topic import Topic

WATCH_PERIOD = 0.5
CLOSE_TIMEOUT = 8.0
LATENCIES = (interface.QUEUE_MS, interface.INFERENCE_MS, interface.TOTAL_MS)
INSTEAD = "ages are counted from arrival"


class GroundingNode(BaseNode, LifecycleNode):
    """Publishes the visible and the amodal box of what an instruction names, for the newest images of its cameras."""

    NODE = "grounding"

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.settings = Settings.of(self._values)
        self._orders, self._states = Orders(self.settings.lines, self.settings.cameras), States()
        self._story = Story(self.notices)
        self._mail = Mail(self, self.survive)
        self._status = self.open_publisher(DiagnosticStatus, interface.STATUS)
        # Without a name: those for all, or for the one camera that has none.
        self._askers = tuple(dict.fromkeys(("", *self.settings.cameras)))
        open_active = functools.partial(self.open_publisher, String, interface.OWN_ACTIVE)
        self._served = reports.Served({name: open_active(name) for name in self._askers})
        services = ReentrantCallbackGroup()
        self.create_service(SetBool, interface.ENABLE.name, self._on_enable, callback_group=services)
        self.create_service(Trigger, interface.RESET.name, self._on_reset, callback_group=services)
        self.create_service(Trigger, interface.GROUND_ONCE.name, self._on_ground_once, callback_group=services)
        self.every(WATCH_PERIOD, self._on_watch)
        self._diagnostics = self.open_publisher(DiagnosticArray, interface.DIAGNOSTICS)
        self._answers = Answers()
        self._since = 0.0
        self.every(diagnostics.PERIOD, self._on_diagnose)
        self._picture = kind_of(self.settings.transport)
        self._cameras: dict[str, Camera] = {}
        self._latency: dict[Topic, Any] = {}
        self._instructions: list[Any] = []
        log = self.get_logger().get_child("engine")
        self._asking = Asking(lambda line: log.info(line), self._engine_changed, self._age, self._query_ended)
        refuse_impossible(self)

    # Lifecycle.

    def begin(self) -> bool:
        """Configure and activate, as a lifecycle manager would, unless one is to do it; False where that fails."""
        steps = (self.trigger_configure, self.trigger_activate) if self.settings.autostart else ()
        return all(step() == TransitionCallbackReturn.SUCCESS for step in steps)

    def survive(self, error: Exception) -> None:
        """Report what went wrong in a callback: a robot's node lives on."""
        self.report_failure("internal_error", f"{type(error).__name__}: {error}")

    @reported
    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Check the model, start the engine, and return; the engine reports on ~/status when it is ready."""
        planned = startable(self.settings.engines)
        for told in self.settings.idle():
            self.notices.once(told, told)
        for name in self.settings.cameras:
            self._cameras[name] = Camera(
                name,
                self.settings.transport,
                self._open(Detection2DArray, interface.VISIBLE, name),
                self._open(Detection2DArray, interface.AMODAL, name),
                self.open_subscription(String, interface.REFRESH, functools.partial(self._on_refresh, name), name),
                StampReport(self.get_logger(), self.resolve_topic_name(interface.IMAGE.of(name)), INSTEAD),
            )
        self._latency = {topic: self._open(Float32, topic) for topic in LATENCIES}
        for name in self._askers:
            callback = functools.partial(self._on_instruction, name)
            self._instructions.append(self.open_subscription(String, interface.OWN_INSTRUCTION, callback, name))
        self._answers = Answers()
        self._asking.start(planned, self.settings)
        return super().on_configure(state)

    @reported
    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Listen to the cameras and serve the instruction."""
        if not self._asking.links:
            self._asking.start(startable(self.settings.engines), self.settings)
        self._since = time.monotonic()
        for name, camera in self._cameras.items():
            on_image = functools.partial(self._on_image, name)
            camera.listen(subscribed(self, self.settings.transport, interface.IMAGE, on_image, name))
        result = super().on_activate(state)
        self._reorder(self._orders.activate(True))
        for link in self._asking.links:
            self._report_engine(link.state, log=False)
        return result

    @reported
    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Abort the running query and stop listening to the cameras; `free_on_deactivate` says if the engine stays."""
        self._rest()
        if self.settings.free_on_deactivate:
            self._asking.retire()
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
        self._asking.close(CLOSE_TIMEOUT)

    def report_failure(self, reason: str, detail: str, camera: str = "") -> None:
        """Log a failure and publish it on ~/status, with the camera's name where it is about one."""
        self.get_logger().error(f"{reason}: {detail}")
        self._report(DiagnosticStatus.ERROR, detail, {"outcome": "error", "reason": reason}, camera)

    def _rest(self) -> None:
        for camera in self._cameras.values():
            camera.rest(self)
        self._reorder(self._orders.activate(False))
        if self._asking.way is not None:
            self._asking.way.rest()

    def _free(self) -> None:
        self._rest()
        self._asking.retire()
        for camera in self._cameras.values():
            camera.free(self)
        for publisher in self._latency.values():
            self.destroy_lifecycle_publisher(publisher)
        self._cameras, self._latency = {}, {}
        for subscription in self._instructions:
            self.destroy_subscription(subscription)
        self._instructions = []

    def _open(self, kind: Any, topic: Topic, camera: str = "") -> Any:
        """Publish a topic while the node is active."""
        options = QoSOverridingOptions.with_default_policies()
        return self.create_lifecycle_publisher(kind, topic.of(camera), profile(topic), qos_overriding_options=options)

    # Callbacks of topics, services, parameters and the clock.

    def _on_image(self, name: str, message: Image | CompressedImage) -> None:
        now, camera = time.monotonic(), self._cameras[name]
        camera.came(now)
        if self.settings.transport != "ffmpeg":  # of a video, it is the packets that travel
            self.pictures.came(camera.topic, message)
        frame = camera.see(message, now, self.get_clock().now().nanoseconds)
        if self._asking.way is not None:
            self._asking.way.offer(frame)

    def _on_instruction(self, camera: str, message: String) -> None:
        """Take the lines for a camera, or for all; too many of them leave those before in force."""
        name = interface.OWN_INSTRUCTION.of(camera)
        try:
            given = read(message.data, name)
        except ValueError as error:
            self.report_failure("too_many_lines", f"{error}; the lines before are served on", camera)
            return
        self.notices.seldom(("left out", name), given.left_out)
        self._reorder(self._orders.instruct(given.lines, camera))

    def _on_refresh(self, name: str, message: String) -> None:
        if self._asking.way is not None:
            self.get_logger().debug(f"asked to refresh {name}: {message.data}")
            self._asking.way.refresh(name, message.data)

    def _on_enable(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        self._reorder(self._orders.enable(request.data))
        response.success, response.message = True, "enabled" if request.data else "disabled"
        return response

    def _on_reset(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self._reorder(self._orders.reset(self.settings.lines))
        response.success, response.message = True, f"instruction: {self._orders.instruction!r}"
        return response

    async def _on_ground_once(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        """Ask once about every camera's newest image; the executor does everything else while the engine works."""
        crowded = self._asking.way is not None and self._asking.way.crowded
        answers = [self._ground_once(place, crowded) for place in self._orders.once]
        response.success, response.message = one_shot.written([await answer for answer in answers])
        return response

    def _ground_once(self, place: Place, crowded: bool) -> Future:
        """Begin to ask about a camera's newest image; gives the entry to come."""
        camera, way, model = self._cameras.get(place.camera), self._asking.way, self.settings.model
        name, states = self.get_fully_qualified_name(), [link.state for link in self._asking.links]
        obstacle = one_shot.obstacle(name, self._orders.active, place.target.instruction, states)
        if obstacle is not None or way is None or camera is None:
            # An active node has a way and its cameras.
            obstacle = obstacle or one_shot.failure("internal_error", "the node is active, and asks nothing")
        elif camera.newest is None:
            obstacle = one_shot.failure("no_image", diagnostics.silence(self._view(camera)))
        elif crowded:
            obstacle = one_shot.failure("busy", "many such calls wait already; call again when they are answered")
        else:
            return one_shot.ask(place, camera.topic, way, camera.newest, self._age, self._mail.post, self.settings)
        answer = Future()
        answer.set_result(one_shot.entry(place.camera, self._topic(place.camera), model, place.target, obstacle))
        return answer

    def _check(self, changed: dict[str, Any]) -> str:
        return replace(self.settings, **changed).contradiction()

    def _change(self, changed: dict[str, Any]) -> None:
        super()._change(changed)
        self.settings = replace(self.settings, **changed)
        self._asking.update(self.settings, pixels="max_pixels" in changed)
        self._reorder(self._orders.set_default(self.settings.lines))

    def _on_watch(self) -> None:
        now = time.monotonic()
        for camera in map(self._cameras.get, dict.fromkeys(place.camera for place in self._orders.places)):
            if camera is None:
                continue
            silent, lasting = camera.gaps(now, self.settings.image_timeout)
            if silent or lasting:
                view = replace(self._view(camera), silent=max(silent, lasting))
                detail = diagnostics.silence(view)
                slow = camera.newest is not None and not view.obstacle
                if silent:
                    said = {"outcome": "error", "reason": "no_image"}
                    self._report(DiagnosticStatus.ERROR, detail, said, camera.name)
                if silent and slow:
                    # Images came, and may come again.
                    self.notices.once(("slow", camera.name), diagnostics.slow(view, self.settings.image_timeout))
                elif silent or camera.newest is not None:
                    self.get_logger().error(f"no_image: {detail}")

    def _view(self, camera: Camera) -> diagnostics.InputView:
        publishers, slot = self.count_publishers(camera.topic), self._asking.slot(camera.name)
        view = camera.view(time.monotonic(), self._since, publishers, slot)
        if view.silent <= self.settings.image_timeout or camera.images is None:
            return view
        return replace(view, obstacle=cause(self, camera.topic, self._picture, camera.images.qos_profile))

    def _on_diagnose(self) -> None:
        """Tell /diagnostics how everything is, and the log what came of the queries."""
        now, settings = time.monotonic(), self.settings
        self._story.summarise(now)
        name = self.get_fully_qualified_name().lstrip("/")
        engine = diagnostics.EngineView.of(self._asking.links)
        statuses = [diagnostics.engine_status(name, settings.model, engine)]
        for camera in self._cameras.values():
            if camera.images is not None:
                statuses.append(
                    diagnostics.input_status(
                        name, camera.topic, self._view(camera), settings.image_timeout, settings.max_result_age
                    )
                )
        places, slots = self._orders.places, self._asking.slots
        quiet = now - max(self._since, self._answers.last_at or 0.0)
        statuses.append(diagnostics.answers_now(name, settings, places, slots, self._answers, quiet))
        statuses += diagnostics.target_statuses(name, settings, places, self._states, now, self._since)
        header = Header(stamp=self.get_clock().now().to_msg())
        self._diagnostics.publish(DiagnosticArray(header=header, status=statuses))

    def _reorder(self, changed: bool) -> None:
        """Pass a change of orders on: to the way, which aborts the running query, and to who listens."""
        if not changed:
            return
        images, asker = [camera.topic for camera in self._cameras.values()], interface.INSTRUCTION.name
        self._story.ordered(self._orders, images, self.resolve_topic_name(asker))
        if self._asking.way is not None:
            self._asking.way.order(self._orders.places)
        self._states = self._states.serving(self._orders.known)
        self._since = time.monotonic()
        for camera in self._cameras.values():
            camera.came(self._since)
        self._served.tell(self._orders.served)

    # What the other threads hand over.

    def _query_ended(self, result: Result) -> None:
        self._mail.post(lambda: self._conclude(result))

    def _engine_changed(self, link: EngineLink) -> None:
        state = link.state
        self._mail.post(lambda: self._report_engine(state))

    def _conclude(self, result: Result) -> None:
        """Publish what a query's result is worth now; the orders cannot change between judging and publishing."""
        now, place, header = time.monotonic(), result.place, result.frame.message.header
        name, target = place
        if name in self._cameras and self._cameras[name].lap != result.frame.lap:
            result = replace(result, reason="time_went_back")
        age = self._age(result.frame)
        verdict = judge(result, self._orders.void_of(place), now - result.started, age, self.settings)
        grounding = verdict.grounding
        total_ms = 1000.0 * (now - result.frame.arrived)
        if verdict.outcome in ("found", "absent") and grounding is not None:
            self._cameras[name].publish(messages.detections(header, target.sequence, target.instruction, grounding))
            times = (result.queue_ms, grounding.engine_ms, total_ms)
            for part, value in zip(LATENCIES, times, strict=True):
                self._latency[part].publish(Float32(data=value))
        self._states = reports.concluded(self._states, result, verdict, now)
        repairs, thought = (grounding.repairs, grounding.thought) if grounding else ((), "")
        self._answers.concluded(now, verdict.kind, verdict.message, repairs, verdict.doubtful, thought, verdict.missed)
        line, seconds = self._orders.line_of(place), total_ms / 1000.0
        self._story.concluded(now, self._topic(name), result, verdict, seconds, age, line)
        values = reports.answer_values(result, verdict, total_ms, age)
        boxes = self.resolve_topic_name(interface.VISIBLE.of(name))
        values |= reports.target_values(result, verdict, self._orders.known, self._states, boxes)
        self._report(reports.answer_level(verdict), verdict.message, values, name)

    def _report_engine(self, state: EngineState, log: bool = True) -> None:
        """Say what an engine is doing."""
        if log and state.state == "failed":
            self.get_logger().error(state.words)
        elif log and state.reason == "engine_degraded":
            self.get_logger().warning(state.words)
        elif log:
            self.get_logger().info(state.words)
        self._report(*reports.engine_values(state))

    def _report(self, level: bytes, message: str, values: Mapping[str, object], camera: str = "") -> None:
        """Publish on ~/status; the keys that every message has come first. `camera` names whose image it is about."""
        slot = self._asking.slot(camera)
        slots = [slot] if slot else self._asking.slots
        common = reports.common_values(self._orders.sequence, camera, self._asking.links, slots)
        name = self.get_fully_qualified_name().lstrip("/")
        self._status.publish(messages.status(name, self.settings.model, level, message, {**common, **values}))

    def _topic(self, name: str) -> str:
        """Give a camera's image topic; by the table where the node was cleaned up meanwhile."""
        return self._cameras[name].topic if name in self._cameras else interface.IMAGE.of(name)

    def _age(self, frame: Frame) -> float:
        """Return a frame's age by its stamp in seconds; by its arrival where the stamp is of no use."""
        now, camera = time.monotonic(), self._cameras.get(frame.camera)
        # The camera is gone where the node was cleaned up meanwhile.
        return camera.age(frame, now, self.get_clock().now().nanoseconds)[0] if camera else now - frame.arrived


def main(arguments: list[str] | None = None) -> int:
    """Run the node until it is told to stop; 1 if it cannot start, 2 for a bad parameter, else 0."""
    keep_freed()
    return run(GroundingNode, arguments)
