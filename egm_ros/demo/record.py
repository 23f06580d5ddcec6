"""Records the demonstration: an MCAP file for each world, with what all the nodes publish, to look at or to play back.

    python -m egm_ros.demo.record --out out/record [--live] [--seconds 6] [--worlds street]

With --live the scenes are rendered now, and come with depth, so that 3D boxes are recorded as well. It ends with 1
when a process died or nothing came of it, and with 2 for a wrong call.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from egm_core.arguments import SECONDS, Parser
from egm_core.console import finish
from egm_ros.demo import cast
from egm_ros.demo.asker import Asker
from egm_ros.demo.command import START_SECONDS, add_options, conducted
from egm_ros.demo.processes import Processes
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
        self._asker = Asker("recorder")

    def run(self, shown: list[Shown]) -> None:
        """Record all of it; raises ProcessDied or NothingRecorded."""
        try:
            url = cast.start(self._processes, self._options.model, self._options.live)

            def ready() -> bool:
                return cast.ready(url, lambda: self._asker.heard)

            if not self._spin(ready, START_SECONDS):
                logs = self._options.out / "logs"
                raise NothingRecorded(f"the engine was not ready after {START_SECONDS:g} s; see {logs}")
            for world in shown:
                self._record(world)
        finally:
            self._processes.stop()
            self._asker.close()

    def _record(self, shown: Shown) -> None:
        path = self._options.out / f"{shown.name}.mcap"
        camera = f"camera_{shown.name}"
        self._processes.start(camera, "egm_ros.camera", "--ros-args", *shown.camera, "-p", "transport:=both")
        recorder = Recorder(self._asker.node, path)
        try:
            if not self._spin(lambda: recorder.counts["/camera_info"] > 0, PATIENCE, recorder.look):
                raise NothingRecorded(f"the camera published nothing within {PATIENCE:g} s")
            couples = shown.couples(self._options.instructions)
            for couple in couples:
                before = recorder.counts[BOXES]
                self._asker.say("\n".join(couple))
                # What follows an answer takes its time, too.
                self._spin(partial(self._answered, recorder, before), PATIENCE, recorder.look)
                self._spin(lambda: False, self._options.seconds / len(couples), recorder.look)
            if self._options.live and not self._spin(lambda: recorder.counts[LIFTED] > 0, SPACE, recorder.look):
                LOG.warning("nothing came on %s within %g s; see %s", LIFTED, SPACE, self._options.out / "logs")
        finally:
            self._asker.say("")
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

        def check() -> None:
            look()
            self._processes.check()

        return self._asker.spin_until(condition, seconds, check, LOOK_PERIOD)


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
    add_options(parser, "record", 4)
    return parser


def main(arguments: list[str] | None = None, prog: str = PROG) -> int:
    """Run the command line and return its exit status."""
    return conducted(parser(prog), arguments, lambda options, shown: Recording(options).run(shown))


if __name__ == "__main__":
    sys.exit(finish(main))
