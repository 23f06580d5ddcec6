"""Runs a node as a process: starts it, spins it, and ends quietly when it is told to."""

from __future__ import annotations

import faulthandler
import sys

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.signals import SignalHandlerOptions

from egm_ros.common.nodes.base import BaseNode
from egm_ros.common.nodes.remaps import without_effect
from egm_ros.common.nodes.usage import answered
from egm_ros.common.python_log import python_log
from egm_ros.common.stopping import StopRequest, busy
from egm_ros.interface.tables import NAMES, TABLES

# How long the middleware may take to let go of a node (seconds); Fast DDS now and then never comes back from it.
LETTING_GO = 8.0


def run(make: type[BaseNode], arguments: list[str] | None) -> int:
    """Spin a node until it is `finished` or told to stop; one of its `FAILURES` is printed, and the result is 2.

    The result is 1 where the node cannot `begin`. `survive` gets what goes wrong in a callback. `--help` prints the
    docstring of the node's module and its parameters, and starts nothing.
    """
    status = answered(sys.modules[make.__module__].__doc__ or "", TABLES[make.NODE], arguments)
    if status is not None:
        return status
    stop = StopRequest()
    rclpy.init(args=arguments, signal_handler_options=SignalHandlerOptions.NO)
    with python_log() as log:
        try:
            node = make()
        except make.FAILURES as error:
            print(f"{make.NODE}: {error}", file=sys.stderr)
            rclpy.shutdown()
            return 2
        log.belong_to(node)
        for said in without_effect(arguments, node.get_name(), node.get_namespace(), NAMES[make.NODE]):
            node.get_logger().warning(said)
        executor = SingleThreadedExecutor()
        try:
            if not node.begin():
                return 1
            executor.add_node(node)
            with stop.waking(busy(executor)):
                while not stop and not node.finished:
                    try:
                        executor.spin_once()
                    except Exception as error:  # the process's edge
                        node.survive(error)
            return 0
        except make.FAILURES as error:
            print(f"{node.get_name()}: {error}", file=sys.stderr)
            return 2
        finally:
            node.close()
            # Nothing of Python runs while the middleware keeps the interpreter; this watch needs none.
            faulthandler.dump_traceback_later(LETTING_GO, exit=True)
            executor.shutdown()
            node.destroy_node()
            rclpy.shutdown()
            faulthandler.cancel_dump_traceback_later()
