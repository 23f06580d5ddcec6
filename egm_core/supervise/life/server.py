"""An engine's own server on this machine: launched as it was planned, waited for, and told why it ended."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from egm_core.engines.base import EngineError, Health
from egm_core.supervise.plan import EnginePlan
from egm_core.supervise.policy import out_of_memory
from egm_core.supervise.process import EngineProcess, free_port, server_environment

POLL = 0.2


def launched(plan: EnginePlan, log: Callable[[str], None]) -> tuple[EngineProcess, str]:
    """Launch the server of a plan on a free port; gives its process, and the URL that it will answer at."""
    port = free_port()
    environment = server_environment(plan.python, os.environ, plan.environment(port))
    return EngineProcess(plan.words(port), environment, log), f"http://127.0.0.1:{port}"


def death(process: EngineProcess) -> EngineError:
    """Say how the process ended: for want of memory, by its last words, or otherwise."""
    last_words = process.obituary()
    return EngineError("engine_out_of_memory" if out_of_memory(last_words) else "engine_died", last_words)


def check_start(plan: EnginePlan, url: str, health: Health, process: EngineProcess | None, deadline: float) -> None:
    """Raise EngineError where a server that is not ready yet has died, has failed, or took too long.

    `deadline` is when it should have been ready (monotonic seconds).
    """
    if process is not None and process.poll() is not None:
        raise death(process)
    if time.monotonic() > deadline:
        raise EngineError(
            "engine_start_timeout", f"{url} was not ready after {plan.start_timeout:g} s: {health.detail}"
        )
    if health.state == "failed":
        raise EngineError("engine_failed", health.detail)
