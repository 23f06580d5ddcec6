"""Grounds an instruction from a behaviour tree: a leaf that is ticked, and halted where the tree turns elsewhere.

    source tools/env.sh          # or a ROS 2 workspace with egm_msgs and this package
    python examples/behaviour_tree.py "the red mug" --give-up 5

`Ground` is the leaf: `tick` never waits, `halt` cancels the goal, and the node aborts its engine's work. It does what
BtActionNode of Nav2 does, and fits py_trees and BehaviorTree.CPP in the same way. The tree here is a leaf and a limit
of time.
"""

from __future__ import annotations

import argparse
import enum
import sys
import time
from typing import Any

import rclpy
from egm_msgs.action import Ground as GroundAction
from rclpy.action import ActionClient
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.utilities import remove_ros_args

# Seconds from one tick to the next, and until a server that is not there counts as missing.
TICK, PATIENCE = 0.1, 20.0


class Status(enum.Enum):
    """What a tick tells the tree."""

    RUNNING = enum.auto()
    SUCCESS = enum.auto()
    FAILURE = enum.auto()


class Ground:
    """A leaf: SUCCESS once the object is found, FAILURE where it is absent or nothing can be said; see `said`."""

    def __init__(self, node: Node, instruction: str, name: str = "behaviour_tree", **fields: Any) -> None:
        # A new goal of the same client takes the place of one that a tree has lost hold of.
        self._goal = GroundAction.Goal(instruction=instruction, client=name, **fields)
        self._client = ActionClient(node, GroundAction, "grounding/ground")
        self._forget()

    def _forget(self) -> None:
        self._began = time.monotonic()
        self._sent: Any = None
        self._handle: Any = None
        self._result: Any = None
        self.first: Any = None
        self.result: GroundAction.Result | None = None
        self.said = "not ticked yet"

    def tick(self) -> Status:
        """Go on; the first tick, and the first after an end, sends the goal."""
        if self.result is not None:
            self._forget()
        if self._sent is None:
            if not self._client.server_is_ready():
                self.said = "no node offers ~/ground yet; still looking"
                if time.monotonic() - self._began < PATIENCE:
                    return Status.RUNNING
                self.said = "there is no ~/ground: does the node run, and is egm_msgs built where it does?"
                return Status.FAILURE
            self.said = "the goal was sent"
            self._sent = self._client.send_goal_async(self._goal, feedback_callback=self._on_feedback)
            self._began = time.monotonic()
        if self._handle is None and self._sent.done():
            self._handle = self._sent.result()
            self._result = self._handle.get_result_async()
        elif self._handle is None and time.monotonic() - self._began > PATIENCE:
            # What gets lost between two processes that have just met: the next tick sends it anew.
            self._forget()
            self.said = "the node does not take the goal"
            return Status.FAILURE
        if self._result is None or not self._result.done():
            return Status.RUNNING
        self.result = self._result.result().result
        self.said = f"{self.result.outcome} {self.result.reason} {self.result.detail}".strip()
        return Status.SUCCESS if self.result.outcome == GroundAction.Result.FOUND else Status.FAILURE

    def halt(self) -> None:
        """Cancel what runs; the next tick begins anew."""
        if self._sent is not None and self.result is None:
            # At once where the server has taken the goal, else as soon as it has.
            self._sent.add_done_callback(lambda sent: sent.result().cancel_goal_async())
        self._forget()

    def _on_feedback(self, message: Any) -> None:
        self.said = message.feedback.state
        if message.feedback.first.detections:
            self.first = message.feedback.first


def run(node: Node, leaf: Ground, limit: float) -> Status:
    """Tick a leaf until it ends, or halt it after so many seconds (0: never)."""
    began, told = time.monotonic(), ""
    while True:
        status = leaf.tick()
        if leaf.said != told:
            told = leaf.said
            print(f"{time.monotonic() - began:6.2f} s  {status.name:7}  {told}", flush=True)
        if status is not Status.RUNNING:
            return status
        if limit and time.monotonic() - began > limit:
            leaf.halt()
            rclpy.spin_once(node, timeout_sec=TICK)
            print(f"{time.monotonic() - began:6.2f} s  halted", flush=True)
            return Status.FAILURE
        rclpy.spin_once(node, timeout_sec=TICK)


def main() -> int:
    """Tick the leaf of the command line; 1 where it fails."""
    parser = argparse.ArgumentParser(description="Grounds an instruction from a behaviour tree.")
    parser.add_argument("instruction", help="what to find, in words")
    parser.add_argument("--camera", default="", help="the camera's name; empty for the only one (default: empty)")
    parser.add_argument(
        "--give-up", type=float, default=0.0, help="seconds until the leaf is halted (default: 0, never)"
    )
    rclpy.init()
    options = parser.parse_args(remove_ros_args(sys.argv)[1:])
    node = rclpy.create_node("behaviour_tree")
    leaf = Ground(node, options.instruction, camera=options.camera)
    try:
        status = run(node, leaf, options.give_up)
        for box in leaf.result.visible.detections if leaf.result else ():
            middle = box.bbox.center.position
            print(f"{box.results[0].hypothesis.class_id!r} around ({middle.x:.0f}, {middle.y:.0f})", flush=True)
        return int(status is not Status.SUCCESS)
    except (KeyboardInterrupt, ExternalShutdownException):
        leaf.halt()
        return 1
    finally:
        node.destroy_node()
        rclpy.try_shutdown()


if __name__ == "__main__":
    sys.exit(main())
