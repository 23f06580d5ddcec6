"""What a query says of the engine that lives: it goes on as it is, is degraded, or is to be replaced."""

from __future__ import annotations

from dataclasses import dataclass

from egm_core.engines.base import EngineError
from egm_core.supervise.life.state import EngineState
from egm_core.supervise.policy import Care, Event, Record, after


@dataclass(frozen=True)
class Judged:
    """What follows from a query: the engine's record, why it is to be replaced, and what is told of it; None: as is."""

    record: Record
    doomed: EngineError | None = None
    state: EngineState | None = None


def judge(before: Record, event: Event, detail: str, care: Care, allowed: bool, url: str, longest: float) -> Judged:
    """Judge an engine by what a query came to; `detail` says what was wrong with it.

    `allowed` tells whether it may be replaced now. `url` is that of a server that nobody here can replace, else "".
    `longest` is how many seconds its slowest answer took.
    """
    record, replaced = after(before, event, care, allowed)
    if replaced:
        reason = "engine_out_of_memory" if event == "no_memory" else "engine_unusable"
        return Judged(record, EngineError(reason, _told(event, before.broken + 1, detail)))
    if record.trouble not in ("", before.trouble):
        counts = {"unreadable": record.unreadable, "late": record.late, "partial": record.partial}
        text = _told(event, counts.get(event, record.broken), detail)
        return Judged(record, state=_degraded(f"{text}; {_remedy(event, care, url, longest)}"))
    if record.smaller and not before.smaller:
        return Judged(record, state=_degraded("memory is short: pictures are halved from now on"))
    if before.degraded and not record.degraded and not record.smaller:
        return Judged(record, state=EngineState("ready", "engine_ready", "usable answers again"))
    return Judged(record)


def _degraded(detail: str) -> EngineState:
    return EngineState("ready", "engine_degraded", detail)


def _told(event: Event, count: int, detail: str) -> str:
    """Say what was wrong with so many queries in a row."""
    if event in ("mute", "no_memory"):
        return detail
    what = {
        "unreadable": "answers in a row that cannot be read",
        "late": "answers in a row later than query_timeout",
        "partial": "amodal queries in a row that failed, while visible ones succeed",
    }
    return f"{count} {what.get(event, 'failures in a row')}, the last one: {detail}"


def _remedy(event: Event, care: Care, url: str, longest: float) -> str:
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
        known = f" (an answer took {longest:.1f} s)" if longest > care.query_timeout else ""
        return (
            f"the engine is healthy and stays: raise query_timeout above what answers take{known}, lower"
            " max_pixels, or set reasoning to false"
        )
    if url:
        return "a server at engine_url is not replaced: see its own log"
    if not care.failure_limit:
        return "failure_limit 0 lets it be"
    return (
        f"restart_limit {care.restart_limit} within {care.restart_window:g} s is reached, and no new"
        " process helped: see the engine's own log"
    )
