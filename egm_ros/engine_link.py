"""Brings an engine up, watches it, and replaces its process when it dies; never on the executor's thread."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from egm_core.engines.base import Engine, EngineError
from egm_core.engines.openai import OpenAIEngine, Timeouts
from egm_ros.engine_plan import EnginePlan, locate
from egm_ros.engine_process import EngineProcess, free_port, server_command, server_environment

POLL = 0.2
HEALTH_INTERVAL = 2.0
FIRST_BACKOFF = 1.0
LAST_BACKOFF = 30.0
MISSES = 3
# As long as query_timeout may be: the grounder's clock decides, not the connection's.
PATIENCE = 600.0


@dataclass(frozen=True)
class EngineState:
    """What an engine is doing; `reason` is a word (engine_starting, engine_ready, engine_died...)."""

    state: Literal["starting", "ready", "failed", "closed"]
    reason: str
    detail: str


class EngineLink:
    """One engine: `engine` is there while the state is ready, and `changed` is called on every change of state.

    `start` and `close` return at once; a thread of this object's own does the work and calls `changed` and `log`.
    """

    def __init__(
        self, plan: EnginePlan, log: Callable[[str], None], changed: Callable[[EngineLink], None]
    ) -> None:
        self.plan = plan
        self.state = EngineState("starting", "engine_starting", "")
        self.engine: Engine | None = None
        self.restarts = 0
        self._log = log
        self._changed = changed
        self._process: EngineProcess | None = None
        self._ready_at = 0.0
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, predecessors: Iterable[EngineLink] = ()) -> None:
        """Bring the engine up, after closed predecessors have freed what they held."""
        waiting = tuple(predecessors)
        self._thread = threading.Thread(target=self._run, args=(waiting,), name="engine-link", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Begin to free the engine; a query that runs is cut off."""
        self._closing.set()

    def join(self, timeout: float | None = None) -> bool:
        """Wait until a closed engine is gone; False if it still is not after `timeout` seconds."""
        if self._thread is not None:
            self._thread.join(timeout)
            return not self._thread.is_alive()
        return True

    def died(self, patience: float) -> bool:
        """Say whether the engine's process is dead, or dies within `patience` seconds; False for a URL."""
        process = self._process
        return self.state.reason == "engine_died" or (process is not None and process.wait(patience) is not None)

    def _set(self, state: EngineState) -> None:
        if state != self.state:
            self.state = state
            self._changed(self)

    def _run(self, predecessors: Iterable[EngineLink]) -> None:
        for predecessor in predecessors:
            predecessor.join()
        backoff = FIRST_BACKOFF
        while not self._closing.is_set():
            self._ready_at = time.monotonic()
            try:
                self._serve()
            except Exception as error:  # the thread's edge: it must report and go on
                self._set(EngineState("failed", "engine_failed", f"{type(error).__name__}: {error}"))
            if time.monotonic() - self._ready_at > LAST_BACKOFF:
                backoff = FIRST_BACKOFF
            if not self._closing.wait(backoff):
                self.restarts += 1
                backoff = min(2.0 * backoff, LAST_BACKOFF)
        self._set(EngineState("closed", "engine_closed", ""))

    def _serve(self) -> None:
        """Bring the engine up, and stay until it fails or the link closes."""
        try:
            self._bring_up()
            self._ready_at = time.monotonic()
            self._watch()
        except EngineError as error:
            # Told before the engine goes, so that a query that this cuts off can say why.
            self._set(EngineState("failed", error.reason, error.detail))
        finally:
            self._tear_down()

    def _bring_up(self) -> None:
        """Start or reach the server and wait until it is ready; raise EngineError if that fails."""
        if self.plan.info is None:
            self._set(EngineState("starting", "engine_starting", f"fetching {self.plan.model}"))
            self.plan = locate(self.plan, offline=False)
        plan = self.plan
        url = plan.url
        if not url:
            port = free_port()
            command = server_command(plan.command, plan.python, plan.model, port)
            self._process = EngineProcess(command, server_environment(plan.python, os.environ), self._log)
            url = f"http://127.0.0.1:{port}"
        self._set(EngineState("starting", "engine_starting", f"waiting for {plan.model} at {url}"))
        engine = OpenAIEngine(
            url, plan.served_name, plan.api_key_env, plan.dialect, Timeouts(read=PATIENCE, total=PATIENCE)
        )
        self.engine = engine
        engine.start()
        deadline = time.monotonic() + plan.start_timeout
        while not self._closing.is_set():
            health = engine.health()
            if health.state == "ready":
                self._set(EngineState("ready", "engine_ready", f"{health.model or plan.model} at {url}"))
                return
            if self._process is not None and self._process.poll() is not None:
                raise EngineError("engine_died", self._process.obituary())
            if time.monotonic() > deadline:
                raise EngineError(
                    "engine_start_timeout", f"{url} was not ready after {plan.start_timeout:g} s: {health.detail}"
                )
            if health.state == "failed":
                raise EngineError("engine_failed", health.detail)
            self._set(EngineState("starting", "engine_starting", health.detail))
            self._closing.wait(POLL)

    def _watch(self) -> None:
        """Return when the link closes; raise EngineError when the engine is gone."""
        checked, misses = time.monotonic(), 0
        while not self._closing.is_set():
            if self._process is not None:
                if self._process.wait(POLL) is not None:
                    raise EngineError("engine_died", self._process.obituary())
            else:
                self._closing.wait(POLL)
            if self._process is None and self.engine is not None and time.monotonic() - checked > HEALTH_INTERVAL:
                health = self.engine.health()
                misses = 0 if health.state == "ready" else misses + 1
                if misses >= MISSES:
                    raise EngineError("engine_unreachable", health.detail)
                checked = time.monotonic()

    def _tear_down(self) -> None:
        engine, self.engine = self.engine, None
        process, self._process = self._process, None
        try:
            if engine is not None:
                engine.close()
        finally:
            if process is not None:
                process.stop()
