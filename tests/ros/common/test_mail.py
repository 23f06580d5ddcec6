"""What other threads hand over is done by the executor's thread, in order, and one that fails stops no other."""

from __future__ import annotations

import threading

import pytest

pytest.importorskip("rclpy", reason="no ROS 2")

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

from egm_ros.common.mail import Mail

pytestmark = pytest.mark.ros


def test_letters_are_opened_in_order_on_the_executors_thread() -> None:
    context = rclpy.Context()
    rclpy.init(context=context)
    node = Node("receiver", context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    failed: list[Exception] = []
    seen: list[tuple[int, int]] = []
    mail = Mail(node, failed.append)

    def letter(number: int) -> None:
        seen.append((number, threading.get_ident()))
        if number == 2:
            raise ValueError("two")

    def post() -> None:
        for number in range(5):
            mail.post(lambda number=number: letter(number))

    try:
        sender = threading.Thread(target=post)
        sender.start()
        sender.join()
        assert not seen
        for _ in range(200):
            executor.spin_once(timeout_sec=0.05)
            if len(seen) == 5:
                break
    finally:
        executor.shutdown()
        node.destroy_node()
        rclpy.shutdown(context=context)
    assert seen == [(number, threading.get_ident()) for number in range(5)]
    assert [str(error) for error in failed] == ["two"]
