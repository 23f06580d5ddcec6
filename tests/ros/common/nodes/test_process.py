"""A node's process: it ends quietly, however often it is told to."""

from __future__ import annotations

import signal
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
