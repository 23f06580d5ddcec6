"""Turns SIGINT and SIGTERM into a flag, so that a process ends in order.

rclpy's own handlers shut the context down at any moment, in the middle of a callback or of building a wait set, and
what runs then fails in ways that look like bugs.
"""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from rclpy.executors import Executor

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopRequest:
    """Is true once the process was asked to end; make it in the main thread, before rclpy is initialised."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._wake: Callable[[], object] = _nothing
        self._receiver, self._sender = socket.socketpair()
        self._sender.setblocking(False)
        # A Python handler runs only when the main thread comes back from C; the byte arrives at once.
        signal.set_wakeup_fd(self._sender.fileno(), warn_on_full_buffer=False)
        for number in _SIGNALS:
            signal.signal(number, self._handle)
        threading.Thread(target=self._listen, name="stop-request", daemon=True).start()

    def __bool__(self) -> bool:
        return self._event.is_set()

    @contextmanager
    def waking(self, wake: Callable[[], object]) -> Iterator[None]:
        """Have this called, from a thread of its own, when the request comes within the block, and never after it."""
        with self._lock:
            self._wake = wake
        try:
            yield
        finally:
            with self._lock:
                self._wake = _nothing

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self._event.set()
        # Python takes its handlers down before the process ends: a second signal would kill it there.
        for each in _SIGNALS:
            signal.signal(each, signal.SIG_IGN)

    def _listen(self) -> None:
        while self._receiver.recv(1):
            self._event.set()
            with self._lock:
                self._wake()


def busy(executor: Executor) -> Callable[[], object]:
    """Give the wake that has an executor's `spin_once` return: `executor.wake` alone only has it wait again."""
    return lambda: executor.create_task(_nothing)


def _nothing() -> None:
    pass
