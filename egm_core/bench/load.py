"""Keeping an engine under a load: so many questions are always in flight, each next one as one is answered."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from egm_core.bench.timing import Timed, timed
from egm_core.engines.base import Engine, Request


@dataclass(frozen=True)
class Run:
    """The answers of one load, the seconds from the first question to the last answer, and what else ran meanwhile.

    `busy` is the machine's load average of the last minute as it began: how many programs wanted a core.
    """

    answers: tuple[Timed, ...]
    seconds: float
    busy: float


def under_load(
    engine: Engine,
    questions: Sequence[Callable[[], Request]],
    at_once: int,
    tick: Callable[[], object] = lambda: None,
) -> Run:
    """Put all questions, `at_once` of them side by side, and time each.

    Ctrl-C ends it: KeyboardInterrupt, once those in flight were given up.
    """
    left = iter(questions)
    taking = threading.Lock()
    answers: list[Timed] = []
    stop = threading.Event()
    posed: set[str] = set()

    def named(question: Callable[[], Request]) -> Callable[[], Request]:
        def pose() -> Request:
            request = question()
            posed.add(request.id)
            return request

        return pose

    def work() -> None:
        while not stop.is_set():
            with taking:
                question = next(left, None)
            if question is None:
                return
            found = timed(engine, named(question))
            with taking:
                answers.append(found)
            tick()

    busy = os.getloadavg()[0]
    threads = [threading.Thread(target=work, name=f"bench-{number}", daemon=True) for number in range(at_once)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            while thread.is_alive():
                thread.join(0.2)
    except KeyboardInterrupt:
        stop.set()
        for request in list(posed):
            engine.abort(request)
        raise
    return Run(tuple(answers), time.perf_counter() - began, busy)
