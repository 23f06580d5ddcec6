"""What ~/ground_once returns: the answer for each camera as the JSON of `egm ground --json`, and more."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from rclpy.task import Future

from egm_core.grounder.grounder import Grounding
from egm_core.supervise.link import EngineState
from egm_core.targets.board import Place, Target
from egm_ros.common.messages import stamp_text
from egm_ros.grounding.asking.frames import Frame
from egm_ros.grounding.asking.outcomes import Result, judge, remedied
from egm_ros.grounding.asking.way import Query, Way
from egm_ros.interface.settings import Settings

Entry = dict[str, Any]


def obstacle(inactive: str, instruction: str, states: Sequence[EngineState]) -> Grounding | None:
    """Say why nothing can be asked at all now, and what to do about it; None where it can.

    `inactive` says what makes the node active; empty where it is.
    """
    if inactive:
        return failure("not_active", f"the node is not active; {inactive}")
    if not instruction:
        return failure("no_instruction", "there is no instruction; publish one, or set default_instruction")
    state = next((state for state in states if state.state != "ready"), None)
    if state is not None:
        return failure("engine_not_ready", f"{state.words}; wait until ~/status says engine_ready")
    return None


def failure(reason: str, detail: str) -> Grounding:
    """Make an answer that is none; `detail` names the remedy."""
    return Grounding("error", reason, detail)


def ask(
    place: Place,
    topic: str,
    way: Way,
    frame: Frame,
    age_of: Callable[[Frame], float],
    post: Callable[[Callable[[], None]], None],
    settings: Settings,
) -> Future:
    """Begin to ask about a frame; gives the entry to come. `post` has it written on the executor's thread."""
    answer = Future()

    def concluded(result: Result) -> None:
        age = age_of(result.frame)
        grounding = conclude(result, time.monotonic() - result.started, age, settings)
        answer.set_result(entry(place.camera, topic, settings.model, place.target, grounding, result, age))

    way.shoot(Query(place, frame, lambda result: post(lambda: concluded(result))))
    return answer


def conclude(result: Result, elapsed: float, age: float, settings: Settings) -> Grounding:
    """Decide what a result is worth, as for the topics; without boxes where it is worth nothing.

    `elapsed` counts seconds since the query started, `age` since the image's stamp.
    """
    verdict = judge(result, "", elapsed, age, settings)
    grounding = verdict.grounding or Grounding("error")
    if verdict.outcome in ("found", "absent"):
        return grounding
    return replace(grounding, outcome="error", reason=verdict.reason, detail=remedied(verdict))


def entry(
    camera: str,
    topic: str,
    model: str,
    target: Target,
    grounding: Grounding,
    result: Result | None = None,
    age: float = 0.0,
) -> Entry:
    """Lay out the answer for a camera; without a `result` no image was asked about. `age` is the image's in seconds."""
    header = result.frame.message.header if result is not None else None
    width, height = result.size if result is not None else (0, 0)
    return {
        "instruction": target.instruction,
        "camera": camera,
        "image": topic,
        "stamp": stamp_text(header),
        "frame_id": header.frame_id if header is not None else "",
        "age_ms": 1000.0 * age,
        "width": width,
        "height": height,
        "model": model,
        **grounding.to_json(),
    }


def written(entries: Sequence[Entry]) -> tuple[bool, str]:
    """Write the entries for the service's response: whether every one was answered, and the JSON.

    The one target of the one camera without a name gives its entry itself; several, and named cameras, give a list.
    """
    content = entries[0] if len(entries) == 1 and not entries[0]["camera"] else list(entries)
    return all(each["outcome"] != "error" for each in entries), json.dumps(content, ensure_ascii=False)
