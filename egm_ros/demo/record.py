"""Records the demonstration: an MCAP file for each world, with what all the nodes publish, to look at or to play back.

    python -m egm_ros.demo.record --out out/record [--live] [--seconds 6] [--worlds street]

With --live the scenes are rendered now, and come with depth, so that 3D boxes are recorded as well. It ends with 1
when a process died or nothing came of it, and with 2 for a wrong call.
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSProfile
from std_msgs.msg import String

from egm_core import notes
from egm_core.arguments import COUNT, SECONDS, Parser
from egm_core.console import finish
from egm_core.models.folder import resolve
from egm_ros.demo import cast, stage
from egm_ros.demo.__main__ import START_SECONDS, WORLDS
from egm_ros.demo.processes import Processes, concluded
from egm_ros.demo.recorder import Recorder
from egm_ros.demo.stage import Shown

PROG = "python -m egm_ros.demo.record"
LOOK_PERIOD = 0.2
BOXES = "/grounding/visible"
# A slow machine gets more time, until boxes have come.
PATIENCE = 60.0
# The same for the first 3D boxes, which need depth, an answer and time.
LIFTED, SPACE = "/lifting/visible", 20.0
LOG = logging.getLogger("egm.demo")


class NothingRecorded(RuntimeError):
    """The processes ran, but nothing came of it."""


class Recording:
    """The course of it: start everything, then a camera and a recorder for each world."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        options.out.mkdir(parents=True, exist_ok=True)
        self._processes = Processes(options.out / "logs")
        rclpy.init()
        self._node = rclpy.create_node("recorder")
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self._node)
        self._instruction = self._node.create_publisher(String, "instruction", QoSProfile(depth=1))

    def run(self, shown: list[Shown]) -> None:
        """Record all of it; raises ProcessDied or NothingRecorded."""
        try:
            url = cast.start(self._processes, self._options.model, self._options.live)

            def ready() -> bool:
                return cast.ready(url, lambda: bool(self._instruction.get_subscription_count()))

            if not self._spin(ready, START_SECONDS):
                logs = self._options.out / "logs"
                raise NothingRecorded(f"the engine was not ready after {START_SECONDS:g} s; see {logs}")
            for world in shown:
                self._record(world)
        finally:
            self._processes.stop()
            self._executor.shutdown()
            self._node.destroy_node()
            rclpy.try_shutdown()

    def _record(self, shown: Shown) -> None:
        path = self._options.out / f"{shown.name}.mcap"
        camera = f"camera_{shown.name}"
        self._processes.start(camera, "egm_ros.camera", "--ros-args", *shown.camera, "-p", "transport:=both")
        recorder = Recorder(self._node, path)
        try:
            if not self._spin(lambda: recorder.counts["/camera_info"] > 0, PATIENCE, recorder.look):
                raise NothingRecorded(f"the camera published nothing within {PATIENCE:g} s")
            asked = list(shown.instructions)[: self._options.instructions]
            for instruction in asked:
                before = recorder.counts[BOXES]
                self._instruction.publish(String(data=instruction))
                # What follows an answer takes its time, too.
                self._spin(partial(self._answered, recorder, before), PATIENCE, recorder.look)
                self._spin(lambda: False, self._options.seconds / len(asked), recorder.look)
            if self._options.live and not self._spin(lambda: recorder.counts[LIFTED] > 0, SPACE, recorder.look):
                LOG.warning("nothing came on %s within %g s; see %s", LIFTED, SPACE, self._options.out / "logs")
        finally:
            self._instruction.publish(String(data=""))
            self._processes.stop(camera)
            recorder.close()
        if not recorder.counts[BOXES]:
            raise NothingRecorded(f"no answer came for {shown.name}; see {self._options.out / 'logs'}")
        size = path.stat().st_size / 1e6
        print(f"{path}: {sum(recorder.counts.values())} messages on {len(recorder.counts)} topics, {size:.1f} MB")

    @staticmethod
    def _answered(recorder: Recorder, before: int) -> bool:
        return recorder.counts[BOXES] > before

    def _spin(self, condition: Callable[[], bool], seconds: float, look: Callable[[], Any] = lambda: None) -> bool:
        """Spin until the condition holds or the time is over, looking for topics and dead processes; say if it held."""
        deadline, due = time.monotonic() + seconds, 0.0
        while not condition():
            now = time.monotonic()
            if now > deadline:
                return False
            if now >= due:
                due = now + LOOK_PERIOD
                look()
                self._processes.check()
            self._executor.spin_once(timeout_sec=0.05)
        return True


def parser(prog: str = PROG) -> Parser:
    """Make the parser of the command line."""
    parser = Parser(
        prog=prog,
        description="Record the demonstration: an MCAP file for each world, with all that the nodes publish.",
        example="--out out/record --seconds 6 --worlds street",
    )
    parser.add_argument("--out", type=Path, default=Path("out/record"), help="folder for <world>.mcap and logs")
    parser.add_argument("--live", action="store_true", help="render the scenes now, with depth (needs EGL)")
    parser.add_argument("--seconds", type=SECONDS, default=6.0, help="length of each, without first answers")
    parser.add_argument("--model", default="egm_tiny", help="model folder, or egm_tiny for the embedded model")
    parser.add_argument("--worlds", nargs="+", choices=WORLDS, default=WORLDS, help="which of them to record")
    parser.add_argument("--instructions", type=COUNT, default=3, help="how many to ask at most in each world")
    notes.add_options(parser)
    return parser


def main(arguments: list[str] | None = None, prog: str = PROG) -> int:
    """Run the command line and return its exit status."""
    options = parser(prog).parse_args(arguments)
    notes.begin(options)

    def act() -> None:
        resolve(options.model)
        Recording(options).run((stage.live_scenes if options.live else stage.kept_clips)(options.worlds))

    return concluded(act)


if __name__ == "__main__":
    sys.exit(finish(main))
