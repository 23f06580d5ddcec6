"""Turns SIGINT, SIGTERM and the end of the parent process into a flag, so that a process ends in order.

rclpy's own handlers shut the context down at any moment, in the middle of a callback or of building a wait set, and
what runs then fails in ways that look like bugs.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from rclpy.executors import Executor

from egm_ros.common.parent import ends_with_parent, parent_gone

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
# How often is looked whether the parent lives, in seconds.
_WATCH = 0.5
_ORPHANED = b"the process that started this node has ended, so the node ends as well\n"


class StopRequest:
    """Is true once the process was asked to end, or its parent has ended (see `egm_ros.common.parent`).

    Make it in the main thread, before rclpy is initialised.
    """

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
        watched = ends_with_parent()
        while True:
            if select.select([self._receiver], [], [], _WATCH if watched else None)[0]:
                number = self._receiver.recv(1)
                if not number:
                    return
                # Every signal for which anything in the process has a handler of Python comes along here.
                if number[0] not in _SIGNALS:
                    continue
            elif watched and parent_gone():
                watched = False
                _say(_ORPHANED)
            else:
                continue
            self._event.set()
            with self._lock:
                self._wake()


def busy(executor: Executor) -> Callable[[], object]:
    """Give the wake that has an executor's `spin_once` return: `executor.wake` alone only has it wait again."""
    return lambda: executor.create_task(_nothing)


def _say(line: bytes) -> None:
    """Write to standard error, which may have ended with the parent that read it."""
    with suppress(OSError):
        os.write(2, line)


def _nothing() -> None:
    pass
