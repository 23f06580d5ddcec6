"""What the grounding node tells in the terminal: each instruction, each change of outcome, and a summary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from egm_core.grounder.explained import explained
from egm_core.grounder.several.wanted import UNTRAINED
from egm_core.targets.board import Target
from egm_ros.common.notices import Level, Notices
from egm_ros.grounding.asking.orders import Orders
from egm_ros.grounding.asking.outcomes import Result, Verdict, remedied

# Seconds between two summaries.
SUMMARY = 10.0
# The answer came in vain because of what was told here before.
EXPECTED = ("instruction_changed", "disabled", "enabled", "activated", "deactivated", "reset")


def order_line(orders: Orders, images: Sequence[str], instructions: str) -> str:
    """Say what is asked from now on, and why; `images` and `instructions` are topics."""
    what = _lines(orders.board.common)
    own = "; ".join(f"for {camera} alone {_lines(targets)}" for camera, targets in sorted(orders.board.own.items()))
    if not what:
        what = f"no instruction, nothing is asked until one comes on {instructions}"
        what = f"no instruction for the other cameras; {own}" if own else what
    elif own:
        what = f"{what}; {own}"
    if not orders.active:
        return "deactivated, nothing is asked" if orders.void == "deactivated" else f"{what} (once the node is active)"
    if orders.void == "activated":
        what = f"activated, images from {', '.join(images)}; {what}"
    elif orders.void in ("enabled", "disabled", "reset"):
        what = f"{orders.void}; {what}"
    return what if orders.enabled else f"{what} (nothing is asked until ~/enable is called with true)"


def _lines(targets: Sequence[Target]) -> str:
    """Name targets with their numbers; empty where there are none."""
    named = ", ".join(f"{target.sequence}: {target.instruction!r}" for target in targets)
    return f"instruction{'s' if len(targets) > 1 else ''} {named}" if named else ""


def verdict_line(topic: str, verdict: Verdict, seconds: float) -> str:
    """Say what an answer was worth; `seconds` passed from the image to now."""
    place = f"on {topic}, {seconds:.2f} s after the image came"
    if verdict.outcome in ("error", "stale"):
        return f"{verdict.outcome}, {verdict.reason}: {remedied(verdict)} ({place})"
    reason = f", {verdict.reason}" if verdict.reason else ""
    grounding = verdict.grounding
    if verdict.outcome == "absent" or grounding is None or grounding.visible is None:
        return f"absent{reason}: {verdict.message} ({place})"
    box = ", ".join(f"{value:.0f}" for value in grounding.visible)
    kind = "probability" if "visible" in grounding.calibrated else "raw score"
    score = f"{kind} {grounding.score:.2g}" if grounding.score_available else "without a score"
    return f"{verdict.message}: visible box ({box}), {score} ({place})"


class Story:
    """Tells it; all times are monotonic seconds."""

    def __init__(self, notices: Notices) -> None:
        self._notices = notices
        self._counts: Counter[str] = Counter()
        self._since = 0.0
        self._engine_ms = 0.0
        self._age = 0.0

    def ordered(self, orders: Orders, images: Sequence[str], instructions: str) -> None:
        """Tell of another instruction, and of the switches."""
        line = order_line(orders, images, instructions)
        # What runs when the node is configured or freed may change nothing that anybody sees.
        self._notices.change("orders", (orders.changes, line), line)

    def concluded(
        self, now: float, topic: str, result: Result, verdict: Verdict, seconds: float, age: float, line_number: int = 0
    ) -> None:
        """Tell of an answer for a camera's topic, if it is of another sort than the one before; count it otherwise.

        `line_number` is the target's among the lines that its camera is asked about.
        """
        line = verdict_line(topic, verdict, seconds)
        self._count(now, verdict, age)
        if verdict.grounding is not None and UNTRAINED in verdict.grounding.warnings:
            self._notices.once(UNTRAINED, f"{explained(UNTRAINED)}, or set max_objects to 1")
        details = f"seq {result.target.sequence}, waited {result.queue_ms:.0f} ms"
        if verdict.grounding is not None:
            said = [*verdict.grounding.warnings, *verdict.grounding.repairs]
            details += f", engine {verdict.grounding.engine_ms:.0f} ms" + (f", {'; '.join(said)}" if said else "")
        self._notices.logger.debug(f"{line}; {details}")
        if verdict.outcome == "stale" and verdict.reason in EXPECTED:
            return
        key, state = ("verdict", topic, line_number), (result.target.sequence, verdict.outcome, verdict.reason)
        failed = verdict.outcome in ("error", "stale")
        level: Level = "warning" if failed or verdict.doubtful else "info"
        if not self._notices.change(key, state, line, level) and failed:
            self._notices.seldom(key, line)

    def summarise(self, now: float) -> None:
        """Say what came of the queries of late, if there were any and it is time; call it every second or so."""
        if not self._counts or now - self._since < SUMMARY:
            return
        answered = self._counts["found"] + self._counts["absent"]
        counted = ", ".join(f"{count} {name}" for name, count in self._counts.most_common())
        means = (
            (
                f"; on average the engine took {self._engine_ms / answered / 1000.0:.2f} s, and an image was"
                f" {self._age / answered:.2f} s old when its answer was published"
            )
            if answered
            else ""
        )
        self._notices.logger.info(f"in the last {now - self._since:.0f} s: {counted}{means}")
        self._counts.clear()

    def _count(self, now: float, verdict: Verdict, age: float) -> None:
        if not self._counts:
            self._since, self._engine_ms, self._age = now, 0.0, 0.0
        reason = f" ({verdict.reason})" if verdict.outcome in ("error", "stale") else ""
        self._counts[f"{verdict.outcome}{reason}"] += 1
        if verdict.outcome in ("found", "absent") and verdict.grounding is not None:
            self._engine_ms += verdict.grounding.engine_ms
            self._age += age
