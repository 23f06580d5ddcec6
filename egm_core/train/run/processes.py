"""Local processes of one distributed run, for a CPU or a machine with several devices and no launcher.

Under `accelerate launch` or torchrun, which set WORLD_SIZE, nothing is started: this process is one of theirs.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from typing import Any

from egm_core import notes
from egm_core.console import GIVEN, in_words

_log = logging.getLogger("egm.train")
INTERRUPTED = 130


def launched() -> bool:
    """Tell whether a launcher has started this process as one of several."""
    return "WORLD_SIZE" in os.environ


def run_processes(function: Callable[..., None], count: int, *arguments: Any) -> None:
    """Run `function(rank, *arguments)` in `count` processes that find each other by torch's `env://` rendezvous.

    One process, or one that a launcher started, is this one. SIGINT and SIGTERM are passed on, so that each process
    may end in order. Raises the first error of a process, in its words; exits with the status that one exited with.
    """
    if launched() or count == 1:
        function(int(os.environ.get("RANK", "0")), *arguments)
        return
    import torch.multiprocessing as processes

    errors = processes.get_context("spawn").SimpleQueue()
    told = (function, count, free_port(), notes.LOG.level, errors, arguments)
    context = processes.spawn(_process, told, nprocs=count, join=False)

    asked: list[int] = []

    def pass_on(number: int, frame: Any) -> None:
        asked.append(number)
        for pid in context.pids():
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue

    before = {number: signal.signal(number, pass_on) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        while not context.join():
            pass
    except processes.ProcessExitedException as error:
        if asked:
            sys.exit(INTERRUPTED)
        if not errors.empty():
            usable, words = errors.get()
            raise (RuntimeError if usable else ValueError)(words) from None
        if error.exit_code > 0:
            sys.exit(error.exit_code)
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def free_port() -> int:
    """Find a TCP port that nobody listens on at this machine."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _process(
    rank: int, function: Callable[..., None], count: int, port: int, level: int, errors: Any, arguments: tuple[Any, ...]
) -> None:
    if level:
        notes.speak(level)
    os.environ.update(
        RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE=str(count), MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port)
    )
    # Where this is unset, accelerate gives every process as many threads as there are cores.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    try:
        function(rank, *arguments)
    except KeyboardInterrupt:
        # torch's spawn would take it for a good end.
        sys.exit(INTERRUPTED)
    except (OSError, ValueError, ArithmeticError, RuntimeError) as error:
        # torch's spawn would show it as two tracebacks.
        _log.debug("%s", traceback.format_exc())
        errors.put((not isinstance(error, GIVEN), in_words(error)))
        sys.exit(1)
    _leave()


def _leave() -> None:
    """Leave the group of processes, if this one is in it: its threads abort a process that ends beside them."""
    from torch import distributed

    if distributed.is_available() and distributed.is_initialized():
        distributed.destroy_process_group()
