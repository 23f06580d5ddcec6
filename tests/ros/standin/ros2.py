"""Stand-in of `ros2 launch`: executes a launch file of this package, and ends as the real one does.

For example:

    python tests/ros/standin/ros2.py launch egm_ros grounding.launch.py [--show-args] [name:=value ...]
"""

from __future__ import annotations

import importlib.util
import os
import signal
import sys
import time
from pathlib import Path
from types import FrameType, SimpleNamespace

sys.path.insert(0, str(Path(__file__).resolve().parent))

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import DeclareLaunchArgument
from launch.event_handlers import OnProcessExit, OnShutdown
from launch_ros.substitutions import ROOT

KILL_AFTER = 5.0


class Service:
    """Executes a description until all of its processes have ended."""

    def __init__(self, argv: list[str]) -> None:
        self.context = LaunchContext(argv)
        for word in argv:
            # As ros2 launch does.
            if ":=" not in word or word.startswith(":=") or (word.count(":=") == 1 and word.endswith(":=")):
                sys.exit(f"malformed launch argument '{word}', expected format '<name>:=<value>'")
        self.context.launch_configurations = dict(word.split(":=", 1) for word in argv)  # type: ignore[arg-type]
        self.status = 0
        self.interrupted = False
        self.ended_at: float | None = None
        self.again: dict[int, float] = {}

    def run(self, description: LaunchDescription) -> int:
        """Execute it and give the exit status."""
        signal.signal(signal.SIGINT, self._interrupt)
        # The real one leaves its processes alone then, too.
        signal.signal(signal.SIGTERM, lambda number, frame: os._exit(1))
        self._execute(description)
        context = self.context
        while context.processes:
            for node in list(context.processes):
                self._look_at(node)
            if (self.interrupted or context.is_shutdown) and self.ended_at is None:
                self._shut_down()
            time.sleep(0.02)
        return self.status

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        self.interrupted = True

    def _execute(self, entity: LaunchDescriptionEntity) -> None:
        """Execute an entity and what follows from it; one that fails ends the launch."""
        try:
            self._visit(entity)
        except Exception as error:
            self._fail(error)

    def _visit(self, entity: LaunchDescriptionEntity) -> None:
        for following in entity.execute(self.context) or ():
            self._visit(following)

    def _fail(self, error: Exception) -> None:
        print(f"[ERROR] [launch]: Caught exception in launch (see debug for traceback): {error}", flush=True)
        self.status, self.context.is_shutdown = 1, True

    def _look_at(self, node) -> None:
        if id(node) in self.again:
            if self.context.is_shutdown:
                self.context.processes.remove(node)
            elif time.monotonic() >= self.again[id(node)]:
                del self.again[id(node)]
                self._execute(node)
            return
        code = node.return_code
        if code is None:
            if self.ended_at is not None:
                self._hurry(node)
            return
        told = "has finished cleanly" if code == 0 else f"has died [exit code {code}]"
        print(f"[{'ERROR' if code else 'INFO'}] [{node.label}]: process {told}", flush=True)
        for handler in self.context.handlers:
            if isinstance(handler, OnProcessExit) and handler.target_action is node:
                self._call(handler, SimpleNamespace(returncode=code))
        if node.respawn and not self.context.is_shutdown:
            self.again[id(node)] = time.monotonic() + node.respawn_delay
        else:
            self.context.processes.remove(node)

    def _call(self, handler, event: SimpleNamespace) -> None:
        try:
            for following in handler.call(event, self.context) or ():
                self._execute(following)
        except Exception as error:
            self._fail(error)

    def _shut_down(self) -> None:
        self.context.is_shutdown, self.ended_at = True, time.monotonic()
        for handler in self.context.handlers:
            if isinstance(handler, OnShutdown):
                self._call(handler, SimpleNamespace(due_to_sigint=self.interrupted))
        if self.interrupted and not self.context.noninteractive:
            return  # the terminal has told them, it is believed
        for node in self.context.processes:
            if node.return_code is None:
                node.process.send_signal(signal.SIGINT)

    def _hurry(self, node) -> None:
        waited = time.monotonic() - (self.ended_at or 0.0)
        if waited > node.patience + KILL_AFTER:
            node.process.kill()
        elif waited > node.patience:
            node.process.terminate()


def show(description: LaunchDescription) -> None:
    """Print what can be set."""
    print("Arguments (pass arguments as '<name>:=<value>'):")
    for entity in description.entities:
        if isinstance(entity, DeclareLaunchArgument):
            print(f"\n    '{entity.name}':\n        {entity.description}\n        (default: {entity.default_value!r})")


def main() -> int:
    """Run the command line."""
    _, package, name, *rest = sys.argv[1:]
    assert package == "egm_ros"
    path = ROOT / "launch" / name
    spec = importlib.util.spec_from_file_location("launch_file", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    description = module.generate_launch_description()
    if "--show-args" in rest:
        show(description)
        return 0
    return Service(rest).run(description)


if __name__ == "__main__":
    sys.exit(main())
