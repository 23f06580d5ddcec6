"""Engines that a command starts for itself: up before it asks, and gone when it ends."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from egm_core.engines.base import EngineError
from egm_core.engines.openai import OpenAIEngine
from egm_core.supervise.plan import EnginePlan, locate
from egm_core.supervise.policy import out_of_memory
from egm_core.supervise.process import EngineProcess, free_port, server_environment

POLL = 0.2
_log = logging.getLogger("egm.engine")


@dataclass(frozen=True)
class Running:
    """A server that was started: its address, and what it was started for."""

    url: str
    plan: EnginePlan


@contextmanager
def started(plans: list[EnginePlan], log: Callable[[str], None] = _log.debug) -> Iterator[list[Running]]:
    """Start a server for each plan and wait until all are ready; raises EngineError where one cannot be.

    Every server ends with the block, and with this process however that ends.
    """
    with ExitStack() as stack:
        yield [stack.enter_context(_running(plan, log)) for plan in plans]


@contextmanager
def _running(plan: EnginePlan, log: Callable[[str], None]) -> Iterator[Running]:
    if plan.info is None:
        plan = locate(plan, offline=False)
    port = free_port()
    words = plan.words(port)
    _log.info("starting %s for %s", plan.engine or words[0], plan.model)
    process = EngineProcess(words, server_environment(plan.python, os.environ, plan.environment(port)), log)
    url = f"http://127.0.0.1:{port}"
    try:
        _await(plan, process, url)
        yield Running(url, plan)
    finally:
        process.stop()


def _await(plan: EnginePlan, process: EngineProcess, url: str) -> None:
    """Wait until a server is ready; EngineError where it dies, fails or takes too long."""
    began = time.monotonic()
    with OpenAIEngine(url, plan.served, "", plan.dialect) as engine:
        while True:
            health = engine.health()
            if health.state == "ready":
                _log.info("%s is ready after %.0f s", plan.engine or url, time.monotonic() - began)
                return
            if process.poll() is not None:
                words = process.obituary()
                raise EngineError("engine_out_of_memory" if out_of_memory(words) else "engine_died", words)
            if health.state == "failed":
                raise EngineError("engine_failed", health.detail)
            if time.monotonic() - began > plan.start_timeout:
                raise EngineError(
                    "engine_start_timeout", f"{url} was not ready after {plan.start_timeout:g} s: {health.detail}"
                )
            time.sleep(POLL)
