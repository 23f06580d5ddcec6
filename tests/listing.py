"""A tiny checkpoint that has learnt to list every object: two red mugs, and no dragon."""

from __future__ import annotations

from pathlib import Path

from checkpoints import AMODAL_BOX, FOUND, TRACES, VISIBLE_BOX, make_memorising

from egm_core.boxes import Box
from egm_core.families import Task, family

BOXES: dict[Task, tuple[Box, ...]] = {
    "visible": (VISIBLE_BOX, (500.0, 300.0, 700.0, 600.0)),
    "amodal": ((500.0, 300.0, 800.0, 600.0), AMODAL_BOX),
}


def listed_answers() -> dict[tuple[str, Task], str]:
    """Give the answers about every object, by (sent, task), in Qwen3-VL's format."""
    made: dict[tuple[str, Task], str] = {}
    for (sent, task), trace in TRACES.items():
        boxes = [list(map(round, box)) for box in BOXES[task]] if sent == FOUND else []
        entries = [f'\n\t{{"bbox_2d": {box}, "label": "{sent}"}}' for box in boxes]
        body = f"[{','.join(entries)}\n]" if entries else "[]"
        made[sent, task] = f"{trace}\n</think>\n\n```json\n{body}\n```"
    return made


def make_listing(folder: Path) -> None:
    """Write a Qwen3-VL checkpoint that knows `listed_answers` by heart, asked by the prompt for several."""
    make_memorising(folder, steps=480, whole=listed_answers(), ask=family("qwen3_vl").prompt_for_several)
    file = folder / "egm.json"
    file.write_text(file.read_text().replace('"max_tokens": 96', '"max_tokens": 192'))
