"""Qwen3-VL: a JSON list in a fenced block, after a reasoning that the Thinking template has already opened."""

from __future__ import annotations

import json
import re
from typing import Any, ClassVar

from egm_core.boxes import Box
from egm_core.families.base import THINK_CLOSE, Family, Task, check_text, read_json, split_reasoning
from egm_core.families.grammar import BOX, STRING, text_without
from egm_core.families.parts import THINK_OPEN, Entry, Refused
from egm_core.families.salvage.absence import denies
from egm_core.families.salvage.doubt import doubted
from egm_core.families.thinking import Opening, Thinking

FENCE = "```"
KEYS = ("bbox_2d", "bbox")
_FORM = "Report bbox coordinates in JSON format."
_BOX_DONE = re.compile(r'\s*```json\n\[\s*\{"bbox_2d": \[[0-9]+, [0-9]+, [0-9]+, [0-9]+\]')


class Qwen3VL(Family):
    """Qwen3-VL, as EGM trains it.

    The Thinking template ends with `<think>`, so that a raw answer begins inside the reasoning; it goes on with
    `</think>`, an empty line, and a block of JSON: `[{"bbox_2d": [x0, y0, x1, y1], "label": "..."}]`, or `[]`
    where the object is absent. Several objects are asked for as the maintainers say that they ask (QwenLM/Qwen3-VL,
    issue 1721); the amodal wording of it is ours, for theirs knows none.
    """

    name = "qwen3_vl"
    thinking = Thinking("open", "open")
    prompts: ClassVar[dict[Task, str]] = {
        "visible": "Locate {sent}, output its bbox coordinates using JSON format",
        "amodal": "Locate {sent} amodally, output its bbox coordinates using JSON format",
    }
    several: ClassVar[dict[Task, str]] = {
        "visible": f'Locate every object that matches the description "{{sent}}" in the image. {_FORM}',
        "amodal": f'Locate every object that matches the description "{{sent}}" in the image amodally. {_FORM}',
    }

    def target(self, sent: str, box: Box | None, reasoning: str, task: Task, opening: Opening | None = None) -> str:
        """Give the text that a model learns to answer; it is the same for both tasks."""
        thought = f"{check_text(reasoning.strip(), THINK_CLOSE)}\n" if reasoning.strip() else ""
        opening = opening or self.thinking.opening(bool(thought))
        if opening == "open":
            thought += f"{THINK_CLOSE}\n\n"
        else:
            thought = f"{THINK_OPEN}\n{thought}{THINK_CLOSE}\n\n" if thought and opening == "plain" else ""
        entry = ""
        if box is not None:
            label = json.dumps(sent, ensure_ascii=False)
            entry = f'\n\t{{"bbox_2d": {self._coordinates(box)}, "label": {label}}}\n'
        return f"{thought}{FENCE}json\n[{entry}]\n{FENCE}"

    def regex(self, reasoning: bool, opening: Opening | None = None, several: bool = False) -> str:
        """Give the regular expression of a whole answer; an Instruct template's has no thought to close."""
        entry = rf'\n\t\{{"bbox_2d": {BOX}, "label": {STRING}\}}'
        more = f"(?:,{entry})*" if several else ""
        answer = rf"{FENCE}json\n\[(?:{entry}{more}\n)?\]\n{FENCE}"
        opening = opening or self.thinking.opening(reasoning)
        if opening == "open":
            thought = rf"(?:{text_without(THINK_CLOSE)}\n)?" if reasoning else ""
            return rf"{thought}{THINK_CLOSE}\n\n{answer}"
        thought = rf"(?:{THINK_OPEN}{text_without(THINK_CLOSE)}{THINK_CLOSE}\n\n)?"
        return thought + answer if reasoning and opening == "plain" else answer

    def json_schema(self, several: bool = False) -> dict[str, Any]:
        """Give the JSON schema of the list in the block: no entry, or one; any number of them for several."""
        coordinate = {"type": "integer", "minimum": 0, "maximum": int(self.frame)}
        box = {"type": "array", "items": coordinate, "minItems": 4, "maxItems": 4}
        entry = {
            "type": "object",
            "properties": {"bbox_2d": box, "label": {"type": "string"}},
            "required": ["bbox_2d", "label"],
            "additionalProperties": False,
        }
        return {"type": "array", "items": entry, **({} if several else {"maxItems": 1})}

    def cut_back(self, text: str) -> str | None:
        """Give a list that was cut off up to its last whole entry, and closed."""
        _, start = split_reasoning(text)
        last = text.rfind("}", start) if start is not None else -1
        if last < 0:
            return None
        return f"{text[: last + 1]}\n]" + (f"\n{FENCE}" if FENCE in text[start:last] else "")

    def closed(self, text: str, opening: Opening | None = None) -> str | None:
        """Give the whole answer without its label, once its box in the format's own words is complete."""
        _, start = split_reasoning(text)
        if start is None or (not start and self.may_begin_inside(opening)):
            return None
        done = _BOX_DONE.match(text, start)
        whole = f"{done[0]}}}\n]\n{FENCE}" if done else ""
        return text[:start] + whole if self.parse(whole).kind == "box" else None

    def _entries(self, text: str, start: int, end: int, thought: bool, sent: str) -> list[Entry]:
        first, last = self._list(text, start, end, thought)
        value = read_json(text, first, last)
        if not isinstance(value, list):
            raise Refused("malformed")
        if any(isinstance(item, (list, dict)) for item in value):
            return [_entry(item) for item in value]
        return [Entry(value)] if value else []

    @staticmethod
    def _list(text: str, start: int, end: int, thought: bool) -> tuple[int, int]:
        """Find the JSON: the one fenced block that ends the answer, or the whole answer.

        Where no `</think>` was seen (a server may cut it off), prose may precede the block, which then begins a line:
        a fence inside a line is a draft.
        """
        fence = text.find(FENCE, start, end)
        before = text[start : fence if fence >= 0 else end]
        if fence < 0:
            if not before.lstrip().startswith("["):
                raise Refused("malformed" if re.search("[\\[{(<]", before) else "no_box")
            return start, end
        if before.strip() and (thought or before.rpartition("\n")[2].strip()):
            raise Refused("malformed")
        introduced = before.rstrip().rpartition("\n")[2]
        if doubted(introduced, introduced) or denies(introduced):
            raise Refused("ambiguous")
        inside = fence + len(FENCE)
        closed = text.rfind(FENCE, inside, end)
        if closed < 0:
            raise Refused("truncated")
        if closed + len(FENCE) < end:
            raise Refused("malformed")
        if text[inside : inside + 4].lower() == "json":
            inside += 4
        return inside, closed


def _entry(item: Any) -> Entry:
    if not isinstance(item, dict):
        return Entry(item)
    boxes = [item[key] for key in KEYS if key in item]
    if len(boxes) > 1:
        raise Refused("ambiguous")
    label = item.get("label", "")
    # Another key may change what the box means: another layout, an object that was not found.
    if not boxes or not isinstance(label, str) or len(item) > 1 + ("label" in item):
        raise Refused("malformed")
    return Entry(boxes[0], label, own=True)
