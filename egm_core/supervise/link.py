"""Brings an engine up, watches it, and replaces its process when it dies, hangs or answers nothing of use.

All of it happens on a thread of its own, never on the executor's.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import replace

from egm_core.engines.base import Engine, EngineError, Health
from egm_core.engines.http.failures import Timeouts
from egm_core.engines.http.keys import key_refusal
from egm_core.engines.openai import OpenAIEngine
from egm_core.models.calibration import note
from egm_core.supervise.ear import EngineEar
from egm_core.supervise.life.judgement import judge
from egm_core.supervise.life.server import POLL, check_start, death, launched
from egm_core.supervise.life.state import EngineState as EngineState
from egm_core.supervise.plan import EnginePlan, locate
from egm_core.supervise.policy import Care, Event, Record, Restarts, after_death, pause_before
from egm_core.supervise.process import EngineProcess

HEALTH_INTERVAL = 1.0
# However long they took: one poll may fail because this process itself did not run.
MISSES = 2
# As long as query_timeout may be: the grounder's clock decides, not the connection's.
PATIENCE = 600.0


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
        self.engine: EngineEar | None = None
        self.restarts = 0
        self._replaced = Restarts()
        self._log = log
        self._changed = changed
        self._process: EngineProcess | None = None
        self._ready_at: float | None = None
        self._heard = 0.0
        self._started = 0
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
            ear = self.engine
            if ear is None or engine is not ear or self._doomed or self.state.state != "ready":
                return
            if event in ("usable", "fitted", "partial", "unreadable"):
                self._heard = time.monotonic()
            # A server at a URL has no process here that could be replaced.
            allowed = not self.plan.url and self._replaced.wait(time.monotonic(), self.care) <= 0.0
            judged = judge(self.record, event, detail, self.care, allowed, self.plan.url, ear.longest)
            self.record, self._doomed = judged.record, judged.doomed
            if judged.state is not None:
                self._set(judged.state)

    def rest(self) -> None:
        """Abort what was left to run in the engine, for nothing is to be asked now."""
        if self.engine is not None:
            self.engine.hush()

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
            started = self._started
            try:
                self._serve()
            except Exception as error:  # the thread's edge: it must report and go on
                self._set(EngineState("failed", "engine_failed", f"{type(error).__name__}: {error}"))
            healthy = time.monotonic() - self._ready_at if self._ready_at is not None else 0.0
            pause = pause_before(pause, healthy, self.care.restart_backoff)
            if self._closing.wait(pause):
                break
            if self._started > started:
                self._hold_back()
                self._replaced = self._replaced.at(time.monotonic())
            self.restarts += 0 if self._closing.is_set() else 1
        self._set(EngineState("closed", "engine_closed", ""))

    def _hold_back(self) -> None:
        """Wait until another process may be started; say so where that is not now."""
        failed, told = self.state, False
        while not self._closing.is_set():
            wait = self._replaced.wait(time.monotonic(), self.care)
            if wait <= 0.0:
                return
            if not told:
                told = True
                limits = f"restart_limit {self.care.restart_limit} within restart_window {self.care.restart_window:g} s"
                when = f"the next start is in {wait:.0f} s" if wait < 1e9 else "it is not started again"
                self._set(
                    replace(
                        failed,
                        state="failed",
                        detail=f"{failed.detail}; {limits} is reached: {when}; raise restart_limit to start it now",
                    )
                )
            self._closing.wait(POLL)

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
            self._started += 1
            self._process, url = launched(plan, self._log)
        self._set(EngineState("starting", "engine_starting", f"waiting for {plan.model} at {url}"))
        self.engine = self._reached(url)
        self.engine.start()
        self._await(self.engine, url)

    def _reached(self, url: str) -> EngineEar:
        plan = self.plan
        refused = key_refusal(url, plan.api_key_env, plan.clear_hosts)
        if refused:
            self._log(refused)
        engine = OpenAIEngine(
            url,
            plan.served,
            plan.api_key_env,
            plan.dialect,
            Timeouts(read=PATIENCE, total=PATIENCE),
            image_format=plan.image_format,
            clear_hosts=plan.clear_hosts,
            precision=plan.precision,
        )
        return EngineEar(engine, self.care.query_timeout)

    def _await(self, engine: EngineEar, url: str) -> None:
        """Wait until the engine is ready, or the link closes; raise EngineError where it will not be."""
        deadline = time.monotonic() + self.plan.start_timeout
        while not self._closing.is_set():
            health = engine.health()
            if health.state == "ready":
                self._heard = self._ready_at = time.monotonic()
                self._doomed = None
                self._note_name(health.model)
                self._set(self._able(health))
                self._tell_of_scores(engine)
                return
            check_start(self.plan, url, health, self._process, deadline)
            self._set(EngineState("starting", "engine_starting", health.detail))
            self._closing.wait(POLL)

    def _listen(self, engine: EngineEar) -> None:
        """Judge an engine that answers health polls and nothing else."""
        engine.patience = self.care.query_timeout
        silent = engine.unanswered()
        # A poll that was missed says that it may hang; that is judged by the polls alone.
        if silent >= self.care.mute_after and time.monotonic() - self._heard < 2.0 * HEALTH_INTERVAL:
            engine.hush()
            self.observe(engine, "mute", f"no piece of any answer for {silent:.1f} s, though it says that it is ready")

    def _able(self, health: Health) -> EngineState:
        reason = "engine_degraded" if self.record.smaller else "engine_ready"
        return EngineState("ready", reason, f"{health.model or self.plan.model}: {health.detail}")

    def _note_name(self, name: str) -> bool:
        """Keep what the server calls its model; say so, and give True, where it had another one before."""
        other = self._model not in ("", name)
        if other:
            self._log(f"the server that had {self._model} has {name} now; is it the same model?")
        self._model = name
        return other

    def _recognise(self, health: Health) -> None:
        """Say so where a server that was away, or could not serve, is back, and where its model has another name."""
        if not self._note_name(health.model) and self.state.state == "ready":
            return
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
                    raise death(self._process)
            else:
                self._closing.wait(POLL)
            if self._doomed is not None:
                raise self._doomed
            if self.engine is None:
                continue
            self._listen(self.engine)
            if time.monotonic() < due:
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
                    raise death(self._process)
                reason = "engine_hung" if self._process is not None else "engine_unreachable"
                raise EngineError(reason, f"no health for {unheard:.1f} s: {health.detail}")

    def _tear_down(self) -> None:
        engine, self.engine = self.engine, None
        process, self._process = self._process, None
        try:
            if engine is not None:
                engine.close()
        finally:
            if process is not None:
                process.stop()
