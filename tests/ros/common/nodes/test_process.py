"""A node's process: it ends quietly, however often it is told to."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from typing import Any

import pytest

pytest.importorskip("vision_msgs", reason="no ROS 2 with vision_msgs")

pytestmark = [pytest.mark.ros, pytest.mark.clock]


@pytest.mark.parametrize("pause", [0.0, 0.005, 0.05])
def test_a_second_signal_does_not_cut_the_end_short(bench: Any, pause: float) -> None:
    process = bench.start("egm_ros.propagation")
    bench.until(lambda: bench.node.count_publishers("/propagation/visible"))
    process.send_signal(signal.SIGINT)
    time.sleep(pause)
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 0, bench.output()
    assert "Traceback" not in bench.output()


def test_a_signal_while_the_node_is_made_ends_it_too(bench: Any) -> None:
    process = bench.start("egm_ros.propagation")
    bench.until(lambda: "propagation" in bench.node.get_node_names())
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 0, bench.output()
    assert "Traceback" not in bench.output()


def test_a_remapping_that_renames_nothing_is_said(bench: Any) -> None:
    bench.start("egm_ros.propagation", "--ros-args", "-r", "imag:=/eye", "-r", "image:=/eye")
    bench.until(lambda: "the remapping imag:=/eye renames nothing" in bench.output())
    bench.until(lambda: "did you mean image?" in bench.output())
    assert bench.output().count("renames nothing") == 1


STUCK = """
import ctypes, os, signal
from egm_ros.common.nodes import process
from egm_ros.overlay.node import OverlayNode

class Stuck(OverlayNode):
    def begin(self):
        os.kill(os.getpid(), signal.SIGTERM)
        return True

    def destroy_node(self):
        ctypes.PyDLL(None).sleep(60)  # As C code that never gives the interpreter back.

Stuck.__module__ = OverlayNode.__module__
process.LETTING_GO = 0.5
process.run(Stuck, [])
"""


def test_a_middleware_that_never_lets_go_of_the_node_does_not_keep_the_process(domain: int) -> None:
    ended = subprocess.run([sys.executable, "-c", STUCK], capture_output=True, text=True, timeout=50, check=False)
    assert ended.returncode == 1
    assert "Timeout" in ended.stderr and "destroy_node" in ended.stderr
