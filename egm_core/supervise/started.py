"""Engines that a command starts for itself: up before it asks, and gone when it ends."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from egm_core.engines.openai import OpenAIEngine
from egm_core.supervise.life.server import POLL, check_start, launched
from egm_core.supervise.plan import EnginePlan, locate
from egm_core.supervise.process import EngineProcess

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
    process, url = launched(plan, log)
    _log.info("starting %s for %s", plan.engine or process.command[0], plan.model)
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
            check_start(plan, url, health, process, began + plan.start_timeout)
            time.sleep(POLL)
