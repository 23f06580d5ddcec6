"""Brings an engine up, watches it, and replaces its process when it dies, hangs or answers nothing of use.

All of it happens on a thread of its own, never on the executor's.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Literal

from egm_core.calibration import note
from egm_core.engines.base import Engine, EngineError, Health
from egm_core.engines.openai import OpenAIEngine, Timeouts
from egm_ros.engine_plan import EnginePlan, locate
from egm_ros.engine_policy import Care, Event, Record, after, after_death, out_of_memory, pause_before
from egm_ros.engine_process import EngineProcess, free_port, server_command, server_environment

POLL = 0.2
HEALTH_INTERVAL = 1.0
# However long they took: one poll may fail because this process itself did not run.
MISSES = 2
# As long as query_timeout may be: the grounder's clock decides, not the connection's.
PATIENCE = 600.0


@dataclass(frozen=True)
class EngineState:
    """What an engine is doing; `reason` is a word for programs.

    Ready: engine_ready, engine_degraded.  Failed: engine_died, engine_hung, engine_out_of_memory, engine_unusable,
    engine_unreachable, engine_start_timeout, engine_failed.
    """

    state: Literal["starting", "ready", "failed", "closed"]
    reason: str
    detail: str


class EngineLink:
    """One engine: `engine` is there while the state is ready, and `changed` is called on every change of state.

    `start` and `close` return at once; a thread of this object's own does the work and calls `changed` and `log`.
    `care` may be set at any time; `record` tells what the queries came to.
    """

    def __init__(
        self,
        plan: EnginePlan,
        log: Callable[[str], None],
        changed: Callable[[EngineLink], None],
        care: Care | None = None,
    ) -> None:
        self.plan = plan
        self.care = care or Care()
        self.record = Record()
        self.state = EngineState("starting", "engine_starting", "")
        self.engine: Engine | None = None
        self.restarts = 0
        self._log = log
        self._changed = changed
        self._process: EngineProcess | None = None
        self._ready_at: float | None = None
        self._heard = 0.0
        self._doomed: EngineError | None = None
        self._model = ""
        self._told_of_scores = False
        self._judging = threading.Lock()
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

    def cause(self, patience: float) -> str:
        """Say why the engine went away (engine_died, engine_hung...), or goes within `patience` seconds; else ""."""
        process = self._process
        if self.state.state == "failed":
            return self.state.reason
        return "engine_died" if process is not None and process.wait(patience) is not None else ""

    @property
    def pid(self) -> int:
        """Process id above everything that belongs to the engine here; 0 for a server at a URL, or without one."""
        process = self._process
        return process.pid if process is not None else 0

    def observe(self, engine: Engine | None, event: Event, detail: str = "") -> None:
        """Note what a query of this `engine` came to, and have the engine replaced if that is what it takes.

        `detail` says what was wrong.  What is said of an engine that is gone already is ignored.
        """
        with self._judging:
            if engine is None or engine is not self.engine or self._doomed or self.state.state != "ready":
                return
            if event in ("usable", "fitted"):
                self._heard = time.monotonic()
            # A server at a URL has no process here that could be replaced.
            care = replace(self.care, restart_limit=0) if self.plan.url else self.care
            before = self.record
            self.record, replaced = after(before, event, care)
            if replaced:
                reason = "engine_out_of_memory" if event == "no_memory" else "engine_unusable"
                text = f"{before.failures + 1} queries in a row without a usable answer, the last one: {detail}"
                self._doomed = EngineError(reason, text)
            elif self.record.degraded and not before.degraded:
                self._set(EngineState("ready", "engine_degraded", f"{detail}; a new process did not help"
                                      if self._process is not None else detail))
            elif self.record.smaller and not before.smaller:
                self._set(EngineState("ready", "engine_degraded", "memory is short: pictures are halved from now on"))
            elif before.degraded and not self.record.degraded and not self.record.smaller:
                self._set(EngineState("ready", "engine_ready", "usable answers again"))

    def forgive(self) -> None:
        """Begin a new record, for what did not fit before may fit now."""
        with self._judging:
            self.record = Record()
            if self.state.reason == "engine_degraded":
                self._set(EngineState("ready", "engine_ready", "tried anew"))

    def _set(self, state: EngineState) -> None:
        if state != self.state:
            self.state = state
            self._changed(self)

    def _run(self, predecessors: Iterable[EngineLink]) -> None:
        for predecessor in predecessors:
            predecessor.join()
        pause = 0.0
        while not self._closing.is_set():
            self._ready_at = None
            try:
                self._serve()
            except Exception as error:  # the thread's edge: it must report and go on
                self._set(EngineState("failed", "engine_failed", f"{type(error).__name__}: {error}"))
            healthy = time.monotonic() - self._ready_at if self._ready_at is not None else 0.0
            pause = pause_before(pause, healthy, self.care.restart_backoff)
            if not self._closing.wait(pause):
                self.restarts += 1
        self._set(EngineState("closed", "engine_closed", ""))

    def _serve(self) -> None:
        """Bring the engine up, and stay until it fails or the link closes."""
        try:
            self._bring_up()
            self._watch()
        except EngineError as error:
            with self._judging:
                if error is not self._doomed:
                    self.record = after_death(self.record, error.detail)
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
            url, plan.served, plan.api_key_env, plan.dialect, Timeouts(read=PATIENCE, total=PATIENCE)
        )
        self.engine = engine
        engine.start()
        deadline = time.monotonic() + plan.start_timeout
        while not self._closing.is_set():
            health = engine.health()
            if health.state == "ready":
                self._heard = self._ready_at = time.monotonic()
                self._doomed = None
                self._model = health.model
                self._set(self._able(health))
                self._tell_of_scores(engine)
                return
            if self._process is not None and self._process.poll() is not None:
                raise self._death(self._process)
            if time.monotonic() > deadline:
                raise EngineError(
                    "engine_start_timeout", f"{url} was not ready after {plan.start_timeout:g} s: {health.detail}"
                )
            if health.state == "failed":
                raise EngineError("engine_failed", health.detail)
            self._set(EngineState("starting", "engine_starting", health.detail))
            self._closing.wait(POLL)

    def _able(self, health: Health) -> EngineState:
        reason = "engine_degraded" if self.record.smaller else "engine_ready"
        return EngineState("ready", reason, f"{health.model or self.plan.model}: {health.detail}")

    def _recognise(self, health: Health) -> None:
        """Say so where a server that was away, or could not serve, is back, and where its model has another name."""
        if health.model != self._model:
            self._log(f"the server that had {self._model} has {health.model} now; is it the same model?")
        elif self.state.state == "ready":
            return
        self._model = health.model
        with self._judging:
            self._set(self._able(health))

    def _tell_of_scores(self, engine: Engine) -> None:
        """Log once why scores are no probabilities; this reads large weights here, and not in the first query."""
        if not self._told_of_scores and self.plan.info is not None:
            self._told_of_scores = True
            reason = note(self.plan.info.path, engine.kind())
            if reason:
                self._log(reason)

    def _watch(self) -> None:
        """Return when the link closes; raise EngineError when the engine is gone, hangs or is to be replaced."""
        due, misses = time.monotonic() + HEALTH_INTERVAL, 0
        while not self._closing.is_set():
            if self._process is not None:
                if self._process.wait(POLL) is not None:
                    raise self._death(self._process)
            else:
                self._closing.wait(POLL)
            if self._doomed is not None:
                raise self._doomed
            if self.engine is None or time.monotonic() < due:
                continue
            health = self.engine.health()
            due = time.monotonic() + HEALTH_INTERVAL
            if health.state == "ready":
                self._heard, misses = time.monotonic(), 0
                self._recognise(health)
                continue
            if health.state == "failed" and self._process is None:
                # It answers, and says that it cannot serve: there is nothing to replace, and it may mend.
                self._set(EngineState("failed", "engine_failed", health.detail))
                self._heard, misses = time.monotonic(), 0
                continue
            misses += 1
            unheard = time.monotonic() - self._heard
            if misses >= MISSES and unheard > self.care.health_timeout and not self._closing.is_set():
                if self._process is not None and self._process.wait(POLL) is not None:
                    raise self._death(self._process)
                reason = "engine_hung" if self._process is not None else "engine_unreachable"
                raise EngineError(reason, f"no health for {unheard:.1f} s: {health.detail}")

    @staticmethod
    def _death(process: EngineProcess) -> EngineError:
        """Say how the process ended: for want of memory, by its last words, or otherwise."""
        last_words = process.obituary()
        return EngineError("engine_out_of_memory" if out_of_memory(last_words) else "engine_died", last_words)

    def _tear_down(self) -> None:
        engine, self.engine = self.engine, None
        process, self._process = self._process, None
        try:
            if engine is not None:
                engine.close()
        finally:
            if process is not None:
                process.stop()
