"""`egm ground --bag` with the embedded model: all that was recorded stays, and boxes stand beside it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kept_bags import (
    COMPRESSED,
    IMAGE,
    MUG,
    RED_MUG,
    START,
    STEP,
    TRUTH,
    edges,
    jpeg,
    on,
    raw,
    read,
    rows,
    values,
    write,
)

from egm_core.boxes import iou
from egm_core.command.entry import main

FRAMES = range(25)
NEW = {
    "/grounding/visible": "vision_msgs/msg/Detection2DArray",
    "/grounding/amodal": "vision_msgs/msg/Detection2DArray",
    "/grounding/status": "diagnostic_msgs/msg/DiagnosticStatus",
    "/grounding/instruction_active": "std_msgs/msg/String",
    "/propagation/visible": "vision_msgs/msg/Detection2DArray",
    "/propagation/amodal": "vision_msgs/msg/Detection2DArray",
    "/overlay/annotations": "foxglove_msgs/msg/ImageAnnotations",
}


@pytest.mark.parametrize(("plugin", "kind"), [("MCAP", IMAGE), ("SQLITE3", COMPRESSED)])
def test_a_recording_gets_boxes_and_keeps_all_that_it_had(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], plugin: str, kind: str
) -> None:
    entries = rows(FRAMES, make=raw if kind == IMAGE else jpeg)
    bag, out = write(tmp_path / "bag", entries, plugin), tmp_path / "out.mcap"
    words = ["ground", "--bag", str(bag), "--out", str(out), MUG, "the purple can", "--threads", "1", "--json"]
    assert main(words) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["images"], report["asked"], report["questions"]) == (25, 3, 6)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bag", "out.mcap"]

    before, after = read(bag), read(out)
    assert [row for row in after[2] if row[0] not in NEW] == before[2]
    assert {topic: after[0][topic] for topic in before[0]} == before[0]
    assert {topic: told[0] for topic, told in after[0].items() if topic in NEW} == NEW

    answers, now = on(after[1], "/grounding/visible"), on(after[1], "/propagation/visible")
    assert [stamp(one) for one in answers] == [START, START + 10 * STEP, START + 20 * STEP]
    assert [stamp(one) for one in now] == [START + place * STEP for place in FRAMES]
    # Which answers hold the mug is the model's part; from such an answer on every image has it, until the next one.
    held = [mug_in(array) is not None for array in answers]
    assert held[0] and sum(held) >= 2
    mugs = {place: mug for place, array in zip(FRAMES, now, strict=True) if (mug := mug_in(array))}
    assert list(mugs) == [place for place in FRAMES if held[place // 10]]
    assert {mug.id for mug in mugs.values()} == {"1:t1"}
    truth = {place: TRUTH["frames"][place]["objects"][RED_MUG]["visible"] for place in FRAMES}
    # Between two answers boxes move as their object does; how well they fit is the model's part.
    moved = [middle(ends[1]) - middle(ends[0]) for ends in ([edges(mugs[0]), edges(mugs[9])], [truth[0], truth[9]])]
    assert moved[1] < -6 and moved[0] == pytest.approx(moved[1], abs=4)
    assert np.mean([iou(edges(mug), tuple(truth[place])) for place, mug in mugs.items()]) > 0.6
    assert {values(one)["instruction"] for one in on(after[1], "/grounding/status")} == {MUG, "the purple can"}
    assert [one.data for one in on(after[1], "/grounding/instruction_active")] == [f"{MUG}\nthe purple can"]

    drawn = on(after[1], "/overlay/annotations")
    assert [one.points[0].timestamp.nanosec for one in drawn] == [place * STEP % 10**9 for place in FRAMES]
    for one, array in zip(drawn, now, strict=True):
        loops = [lines for lines in one.points if lines.type == 2]
        assert len(loops) == len(array.detections) == len(one.texts)
        if not loops:
            continue
        x0, y0, x1, y1 = edges(array.detections[0])
        around = [edge for point in loops[0].points for edge in (point.x, point.y)]
        assert around == pytest.approx([x0, y0, x1, y0, x1, y1, x0, y1])


def mug_in(array: Any) -> Any:
    """Give the detection of the mug, None where an array holds none."""
    found = [one for one in array.detections if one.results[0].hypothesis.class_id == MUG]
    assert len(found) <= 1
    return found[0] if found else None


def middle(box: Sequence[float]) -> float:
    return (box[0] + box[2]) / 2


def stamp(array: object) -> int:
    at = array.header.stamp  # type: ignore[attr-defined]
    return int(at.sec * 10**9 + at.nanosec)
