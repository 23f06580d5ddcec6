"""Brings what other threads hand over to the executor's thread."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from rclpy.node import Node


class Mail:
    """Letters to a node: each is a function, which the executor's thread calls in the order of their posting.

    `survive` gets what goes wrong in one; the others are called all the same.
    """

    def __init__(self, node: Node, survive: Callable[[Exception], None]) -> None:
        self._survive = survive
        self._letters: deque[Callable[[], None]] = deque()
        self._bell = node.create_guard_condition(self._open)

    def post(self, letter: Callable[[], None]) -> None:
        """Have something done on the executor's thread; any thread may call this."""
        self._letters.append(letter)
        self._bell.trigger()

    def _open(self) -> None:
        while self._letters:
            letter = self._letters.popleft()
            try:
                letter()
            except Exception as error:  # the callback's edge
                self._survive(error)
