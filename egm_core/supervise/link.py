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

from egm_core.engines.base import Engine, EngineError, Health
from egm_core.engines.http.failures import Timeouts
from egm_core.engines.http.keys import key_refusal
from egm_core.engines.openai import OpenAIEngine
from egm_core.models.calibration import note
from egm_core.supervise.ear import EngineEar
from egm_core.supervise.plan import EnginePlan, locate
from egm_core.supervise.policy import Care, Event, Record, Restarts, after, after_death, out_of_memory, pause_before
from egm_core.supervise.process import EngineProcess, free_port, server_environment

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

    @property
    def words(self) -> str:
        """Say it to a person; the words of an engine that only starts are not those of a failure."""
        plain = {"engine_starting": "the engine is starting", "engine_ready": "the engine is ready"}
        return f"{plain.get(self.reason, self.reason)}: {self.detail}".removesuffix(": ")


def told(event: Event, count: int, detail: str) -> str:
    """Say what was wrong with so many queries in a row."""
    if event in ("mute", "no_memory"):
        return detail
    what = {
        "unreadable": "answers in a row that cannot be read",
        "late": "answers in a row later than query_timeout",
        "partial": "amodal queries in a row that failed, while visible ones succeed",
    }
    return f"{count} {what.get(event, 'failures in a row')}, the last one: {detail}"


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
            if engine is None or engine is not self.engine or self._doomed or self.state.state != "ready":
                return
            if event in ("usable", "fitted", "partial", "unreadable"):
                self._heard = time.monotonic()
            # A server at a URL has no process here that could be replaced.
            allowed = not self.plan.url and self._replaced.wait(time.monotonic(), self.care) <= 0.0
            before = self.record
            self.record, replaced = after(before, event, self.care, allowed)
            if replaced:
                reason = "engine_out_of_memory" if event == "no_memory" else "engine_unusable"
                self._doomed = EngineError(reason, told(event, before.broken + 1, detail))
            elif self.record.trouble not in ("", before.trouble):
                counts = {
                    "unreadable": self.record.unreadable,
                    "late": self.record.late,
                    "partial": self.record.partial,
                }
                text = told(event, counts.get(event, self.record.broken), detail)
                self._set(EngineState("ready", "engine_degraded", f"{text}; {self._remedy(event)}"))
            elif self.record.smaller and not before.smaller:
                self._set(EngineState("ready", "engine_degraded", "memory is short: pictures are halved from now on"))
            elif before.degraded and not self.record.degraded and not self.record.smaller:
                self._set(EngineState("ready", "engine_ready", "usable answers again"))

    def _remedy(self, event: Event) -> str:
        """Say what a person can do about an engine that lives and is of little use."""
        if event == "unreadable":
            return (
                "the engine is healthy and stays: see whether `family` fits the model, and what it says"
                " (raw_visible of ~/ground_once)"
            )
        if event == "partial":
            return (
                "the engine stays, and amodal boxes are missing: see its own log for this prompt, or name another"
                " model for them (amodal_model)"
            )
        if event == "late":
            longest = self.engine.longest if self.engine is not None else 0.0
            known = f" (an answer took {longest:.1f} s)" if longest > self.care.query_timeout else ""
            return (
                f"the engine is healthy and stays: raise query_timeout above what answers take{known}, lower"
                " max_pixels, or set reasoning to false"
            )
        if self.plan.url:
            return "a server at engine_url is not replaced: see its own log"
        if not self.care.failure_limit:
            return "failure_limit 0 lets it be"
        return (
            f"restart_limit {self.care.restart_limit} within {self.care.restart_window:g} s is reached, and no new"
            " process helped: see the engine's own log"
        )

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
            port = free_port()
            self._started += 1
            environment = server_environment(plan.python, os.environ, plan.environment(port))
            self._process = EngineProcess(plan.words(port), environment, self._log)
            url = f"http://127.0.0.1:{port}"
        self._set(EngineState("starting", "engine_starting", f"waiting for {plan.model} at {url}"))
        engine = EngineEar(
            OpenAIEngine(
                url,
                plan.served,
                plan.api_key_env,
                plan.dialect,
                Timeouts(read=PATIENCE, total=PATIENCE),
                image_format=plan.image_format,
                clear_hosts=plan.clear_hosts,
                precision=plan.precision,
            ),
            self.care.query_timeout,
        )
        refused = key_refusal(url, plan.api_key_env, plan.clear_hosts)
        if refused:
            self._log(refused)
        self.engine = engine
        engine.start()
        deadline = time.monotonic() + plan.start_timeout
        while not self._closing.is_set():
            health = engine.health()
            if health.state == "ready":
                self._heard = self._ready_at = time.monotonic()
                self._doomed = None
                self._note_name(health.model)
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
                    raise self._death(self._process)
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
