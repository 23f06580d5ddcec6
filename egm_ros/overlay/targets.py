"""Which target a box answers, and answers of several targets in one picture."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from vision_msgs.msg import Detection2DArray

from egm_core.streams.joining import Answer
from egm_core.targets.lines import taken_apart


def label_of(array: Detection2DArray | None) -> str:
    """Give the instruction that boxes answer; empty where there are none."""
    return name_of(array.detections[0]) if array is not None and array.detections else ""


def name_of(entry: Any) -> str:
    """Give the instruction that a detection answers."""
    return str(entry.results[0].hypothesis.class_id) if entry.results else ""


def words_of(entry: Any) -> str:
    """Give what tells a detection from others: its id and its instruction."""
    return f"{entry.id} {name_of(entry)}".strip()


def summary(array: Detection2DArray) -> list[str]:
    """Say of each target what boxes stand for it: its score, or how many objects there are."""
    scores: dict[str, list[float]] = {}
    for entry in array.detections:
        if name := name_of(entry):
            scores.setdefault(name, []).append(entry.results[0].hypothesis.score)
    return [f"{name} {some[0]:.2f}" if len(some) == 1 else f"{name}: {len(some)}" for name, some in scores.items()]


def only(answer: Answer, served: tuple[str, ...]) -> Answer:
    """Give an answer with the boxes of these targets alone."""

    def left(array: Detection2DArray) -> Detection2DArray:
        return Detection2DArray(header=array.header, detections=[e for e in array.detections if name_of(e) in served])

    return replace(answer, visible=left(answer.visible), amodal=left(answer.amodal))


def served(answer: Answer | None, instruction: str | None) -> Answer | None:
    """Give what an answer says of an instruction (None: not known); None where it is to another one, or to none.

    Boxes and instruction come on topics of their own, so that an answer may come after its instruction has gone.
    """
    if answer is None or instruction is None:
        return answer
    lines = taken_apart(instruction)
    left = only(answer, lines)
    return left if lines and (left.visible.detections or not answer.visible.detections) else None


def together(before: Answer, answer: Answer) -> Answer:
    """Give an answer with the boxes of another one for the same picture, where they are of other targets."""
    labels = {label_of(array) for array in (answer.visible, answer.amodal) if array.detections}

    def both(earlier: Detection2DArray, array: Detection2DArray) -> Detection2DArray:
        kept = [entry for entry in earlier.detections if name_of(entry) not in labels]
        return Detection2DArray(header=array.header, detections=[*kept, *array.detections])

    return replace(answer, visible=both(before.visible, answer.visible), amodal=both(before.amodal, answer.amodal))
