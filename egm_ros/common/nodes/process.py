"""Runs a node as a process: starts it, spins it, and ends quietly when it is told to."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from egm_ros.common.nodes.remaps import without_effect
from egm_ros.common.nodes.usage import answered
from egm_ros.common.python_log import python_log
from egm_ros.common.stopping import StopRequest, busy
from egm_ros.interface.parameter import ParameterSpec
from egm_ros.interface.tables import NAMES


def run(
    make: type[Node],
    arguments: list[str] | None,
    parameters: Sequence[ParameterSpec],
    failures: tuple[type[Exception], ...] = (ValueError,),
    done: Callable[[Any], bool] = lambda node: False,
    begin: Callable[[Any], bool] = lambda node: True,
    survive: Callable[[Any, Exception], None] | None = None,
    end: Callable[[Any], None] = lambda node: None,
) -> int:
    """Spin a node until it is `done` or told to stop; a failure it names itself is printed, and the result is 2.

    The result is 1 where the node cannot `begin`. `survive` gets what goes wrong in a callback, and the node lives on;
    without it that ends the node. `end` is called before the node is destroyed. `--help` prints the docstring of the
    node's module and its parameters, and starts nothing.
    """
    status = answered(sys.modules[make.__module__].__doc__ or "", parameters, arguments)
    if status is not None:
        return status
    stop, kind = StopRequest(), make.__name__.removesuffix("Node").lower()
    rclpy.init(args=arguments, signal_handler_options=SignalHandlerOptions.NO)
    with python_log() as log:
        try:
            node = make()
        except failures as error:
            print(f"{kind}: {error}", file=sys.stderr)
            rclpy.shutdown()
            return 2
        log.belong_to(node)
        for said in without_effect(arguments, node.get_name(), node.get_namespace(), NAMES.get(kind, ())):
            node.get_logger().warning(said)
        executor = SingleThreadedExecutor()
        try:
            if not begin(node):
                return 1
            executor.add_node(node)
            with stop.waking(busy(executor)):
                while not stop and not done(node):
                    try:
                        executor.spin_once()
                    except Exception as error:  # the process's edge
                        if survive is None:
                            raise
                        survive(node, error)
            return 0
        except failures as error:
            print(f"{node.get_name()}: {error}", file=sys.stderr)
            return 2
        finally:
            end(node)
            executor.shutdown()
            node.destroy_node()
            rclpy.shutdown()
