"""Says once a second on /diagnostics how the grounding node is: its engine, each camera, its answers.

Levels follow REP-107's use: OK, WARN (works, but look at it), ERROR (does not work), STALE (nothing known).
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from diagnostic_msgs.msg import DiagnosticStatus

from egm_core.grounder.grounder import OUT_OF_DOMAIN
from egm_core.grounder.score_bound import LOW_SCORE
from egm_core.supervise.link import EngineLink, EngineState
from egm_core.targets.board import Place
from egm_core.targets.lines import written
from egm_core.targets.states import States
from egm_ros.common import messages
from egm_ros.common.memory import resident, resident_tree
from egm_ros.grounding.asking.frames import Slot
from egm_ros.grounding.telling.tally import Answers
from egm_ros.interface.settings import Settings

OK: bytes
WARN: bytes
ERROR: bytes
STALE: bytes
OK, WARN, ERROR, STALE = (DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR, DiagnosticStatus.STALE)
PERIOD = 1.0
MEGABYTE = 1e6
TAKEN_BACK = (LOW_SCORE, OUT_OF_DOMAIN)


@dataclass(frozen=True)
class EngineView:
    """What is to be told of the engines: their states, and counts; memory in bytes, of the engines' processes too."""

    states: Sequence[EngineState]
    restarts: int
    node_memory: int
    engine_memory: int

    @classmethod
    def of(cls, links: Sequence[EngineLink]) -> EngineView:
        """Look at the engines, and at the memory of this process and theirs."""
        return cls(
            [link.state for link in links],
            sum(link.restarts for link in links),
            resident(os.getpid()),
            sum(resident_tree(link.pid) for link in links),
        )


@dataclass(frozen=True)
class InputView:
    """What is to be told of one camera: where its images come from, how many, how old; times in seconds.

    `age` is the newest image's now, `silent` how long none has come; `answers` counts the answered ones. `obstacle`
    says why none can come, where that is known.
    """

    camera: str
    topic: str
    quality: str
    publishers: int
    rate: float
    age: float
    received: int
    dropped: int
    silent: float
    answers: int = 0
    obstacle: str = ""
    stamps: str = ""


def engine_status(node: str, hardware: str, view: EngineView) -> DiagnosticStatus:
    """Tell the state of the worst engine, how often it was started anew, and who holds how much memory."""
    levels = [_level(state) for state in view.states]
    if not levels:
        level, text, state = STALE, "not configured, or freed", "closed"
    else:
        worst = max(range(len(levels)), key=lambda number: levels[number])
        level, chosen = levels[worst], view.states[worst]
        text, state = chosen.words.splitlines()[0], chosen.state
    values = {
        "state": state,
        "restarts": view.restarts,
        "node_memory_mb": view.node_memory / MEGABYTE,
        "engine_memory_mb": view.engine_memory / MEGABYTE,
    }
    return messages.status(f"{node}: engine", hardware, level, text, values)


def _level(state: EngineState) -> bytes:
    if state.state == "failed":
        return ERROR
    return OK if state.reason == "engine_ready" else WARN


def input_status(node: str, hardware: str, view: InputView, image_timeout: float, max_age: float) -> DiagnosticStatus:
    """Tell whether a camera's images come, how often, and how old they are; 0 for `max_age` means no limit."""
    if view.silent > image_timeout:
        level, text = ERROR, silence(view)
    elif max_age and view.age > max_age:
        level = WARN
        text = (
            f"images on {view.topic} are {view.age:.1f} s old by their stamps, over max_result_age;"
            " set use_sim_time with a bag or a simulation"
        )
    elif view.stamps:
        level, text = WARN, f"{view.stamps}; ages are counted from arrival"
    else:
        level, text = OK, f"{view.rate:.1f} images per second on {view.topic}"
    values = {
        "topic": view.topic,
        "rate_hz": view.rate,
        "age_ms": 1000.0 * view.age,
        "received": view.received,
        "dropped": view.dropped,
        "answers": view.answers,
        "publishers": view.publishers,
        "camera": view.camera,
    }
    name = f"{node}: input {view.camera}".rstrip()
    return messages.status(name, hardware, level, text, values)


def slow(view: InputView, image_timeout: float) -> str:
    """Say that a camera whose images came is slower than image_timeout, with the remedy."""
    return (
        f"no_image: no image on {view.topic} for {view.silent:.1f} s, which is over image_timeout"
        f" ({image_timeout:g} s), though images came before: set image_timeout above the camera's period, or look why"
        " its images come late; shorter gaps than five times that are not logged again"
    )


def silence(view: InputView) -> str:
    """Say that no image comes, on which topic, and with which quality of service the node asks for them."""
    cause = f": {view.obstacle}" if view.obstacle else ""
    return (
        f"no image on {view.topic} for {view.silent:.1f} s{cause}; {view.publishers} publisher(s) there, and this"
        f" node asks for {view.quality}"
    )


def answers_now(
    node: str, settings: Settings, places: Sequence[Place], slots: Iterable[Slot], answers: Answers, quiet: float
) -> DiagnosticStatus:
    """Say what comes of the queries, of which none has ended for `quiet` seconds."""
    instruction = written(dict.fromkeys(place.target.instruction for place in places))
    waiting = sum(slot.waiting is not None for slot in slots)
    return answers_status(node, settings.model, instruction, waiting, answers, quiet, _patience(settings) + PERIOD)


def _patience(settings: Settings) -> float:
    """How long the query whose turn it is may take until it is answered (seconds)."""
    return settings.query_timeout + (1.0 / settings.max_rate if settings.max_rate else 0.0)


def target_statuses(
    node: str, settings: Settings, places: Sequence[Place], states: States, now: float, since: float
) -> list[DiagnosticStatus]:
    """Tell of each target before each camera what became of its newest query; nothing where there is one alone.

    They are named by their line, so that a changed instruction leaves no rows behind. Times are monotonic seconds;
    none is missed before `since`.
    """
    if len({place.target for place in places}) < 2:
        return []
    rows, lines = [], Counter[str]()
    for place in places:
        lines[place.camera] += 1
        state = states.of(place)
        quiet = now - max(since, state.at or 0.0)
        if state.at is None or quiet > len(places) * _patience(settings) + PERIOD:
            level, text = STALE, f"no answer for {quiet:.1f} s: {place.target.instruction}"
        else:
            level, text = {"error": ERROR, "stale": WARN}.get(state.outcome, OK), state.message.splitlines()[0]
        values = {
            "camera": place.camera,
            "seq": place.target.sequence,
            "instruction": place.target.instruction,
            "state": state.outcome,
            "reason": state.reason,
            "stamp": state.stamp,
            "answers": state.answers,
        }
        name = f"{node}: target {lines[place.camera]} {place.camera}".rstrip()
        rows.append(messages.status(name, settings.model, level, text, values))
    return rows


def answers_status(
    node: str, hardware: str, instruction: str, queue: int, answers: Answers, quiet: float, limit: float
) -> DiagnosticStatus:
    """Tell what became of the queries, and what was repaired.

    `queue` images wait; `quiet` seconds passed since the last verdict while there was something to ask, and over
    `limit` that is stale.
    """
    outcome, message = answers.last
    if not instruction:
        level, text = OK, "no instruction is served"
    elif outcome == "" or quiet > limit:
        level, text = STALE, f"no answer for {quiet:.1f} s: {instruction}"
    else:
        level, text = {"error": ERROR, "stale": WARN}.get(outcome, OK), message.splitlines()[0]
        level = WARN if answers.doubtful else level
    values: Mapping[str, object] = {
        "instruction": instruction,
        "queue": queue,
        **{name: answers.outcomes[name] for name in ("found", "absent", *TAKEN_BACK, "stale", "error")},
        "deadline_missed": answers.missed,
        "thought": answers.thoughts["yes"],
        "thought_late": answers.thoughts["late"],
        "amodal_disagrees": answers.repairs["amodal_disagrees"],
        "amodal_union": answers.repairs["amodal_union"],
        "amodal_as_visible": answers.repairs["amodal_as_visible"],
        "salvaged": sum(count for name, count in answers.repairs.items() if "salvaged: " in name),
    }
    return messages.status(f"{node}: answers", hardware, level, text, values)
