"""Runs a node as a process: starts it, spins it, and ends quietly when it is told to."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any, NoReturn

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node


def run(
    make: Callable[[], Node],
    arguments: list[str] | None,
    failures: tuple[type[Exception], ...] = (ValueError,),
    done: Callable[[Any], bool] = lambda node: False,
) -> int:
    """Spin a node until it is `done` or told to stop; a failure it names itself is printed, and the result is 2."""
    signal.signal(signal.SIGINT, _interrupt)
    rclpy.init(args=arguments)
    try:
        node = make()
    except failures as error:
        print(f"{make.__name__}: {error}", file=sys.stderr)
        rclpy.try_shutdown()
        return 2
    except (KeyboardInterrupt, ExternalShutdownException):
        rclpy.try_shutdown()
        return 0
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    try:
        while not done(node):
            executor.spin_once()
        return 0
    except failures as error:
        print(f"{node.get_name()}: {error}", file=sys.stderr)
        return 2
    except (KeyboardInterrupt, ExternalShutdownException):
        return 0
    except RuntimeError:
        # A signal takes the context away from under a callback that is just publishing.
        if rclpy.ok():
            raise
        return 0
    finally:
        executor.shutdown()
        node.destroy_node()
        rclpy.try_shutdown()


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    """End the process, once: a launch file's signal and the terminal's may both come, the second while it ends."""
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt
