"""Turns SIGINT and SIGTERM into a flag, so that a process ends in order.

rclpy's own handlers shut the context down at any moment, in the middle of a callback or of building a wait set, and
what runs then fails in ways that look like bugs.
"""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Callable
from types import FrameType


class StopRequest:
    """Is true once the process was asked to end; make it in the main thread, before rclpy is initialised."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._wake: Callable[[], None] = lambda: None
        self._receiver, self._sender = socket.socketpair()
        self._sender.setblocking(False)
        # A Python handler runs only when the main thread comes back from C; the byte arrives at once.
        signal.set_wakeup_fd(self._sender.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._handle)
        threading.Thread(target=self._listen, name="stop-request", daemon=True).start()

    def __bool__(self) -> bool:
        return self._event.is_set()

    def wakes(self, wake: Callable[[], None]) -> None:
        """Have this called, from a thread of its own, when the request comes."""
        self._wake = wake

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self._event.set()

    def _listen(self) -> None:
        while self._receiver.recv(1):
            self._event.set()
            self._wake()
