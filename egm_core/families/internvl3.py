"""InternVL3: `<ref>` and `<box>` tags after a `<think>` that the model opens itself."""

from __future__ import annotations

import itertools
import re
from typing import Any, ClassVar

from egm_core.boxes import Box
from egm_core.families.base import THINK_CLOSE, Family, Task, check_text, read_json, split_reasoning
from egm_core.families.grammar import BOX, text_without
from egm_core.families.parts import THINK_OPEN, Entry, Number, Refused
from egm_core.families.salvage.doubt import doubted
from egm_core.families.thinking import Opening, Thinking

ANSWER_OPEN, ANSWER_CLOSE = "<answer>", "</answer>"
REF_OPEN, REF_CLOSE = "<ref>", "</ref>"
BOX_OPEN, BOX_CLOSE = "<box>", "</box>"

_ENTRY = re.compile(r"\s*(?:<ref>(?P<label>.*?)</ref>\s*)?<box>(?P<box>.*?)</box>[\s,]*", re.DOTALL)


class InternVL3(Family):
    """InternVL3, as EGM trains it.

    `<think>...</think><answer><ref>...</ref><box>[x0, y0, x1, y1]</box></answer>`, and for amodal queries the
    same without `<answer>`; `<box>[]</box>` where the object is absent. The stock model's double brackets are
    read too, and so are answers whose `<ref>` and `<box>` a tokenizer has dropped as special tokens. Several objects
    are asked for in the words of the makers' detection data (OpenGVLab/InternVL, issue 953, where such an answer
    stands too); the amodal wording of it is ours. The models often name one box all the same (issue 997).
    """

    name = "internvl3"
    thinking = Thinking("plain", "plain")
    prompts: ClassVar[dict[Task, str]] = {
        "visible": (
            "Please provide the bounding box coordinate of the region this sentence describes: <ref>{sent}</ref>"
        ),
        "amodal": (
            "Please provide the amodal bounding box coordinate of the region this sentence describes: <ref>{sent}</ref>"
        ),
    }
    several: ClassVar[dict[Task, str]] = {
        "visible": "Please detect and label all <ref>{sent}</ref> in the following image and mark their positions.",
        "amodal": (
            "Please detect and label all <ref>{sent}</ref> in the following image and mark their amodal positions."
        ),
    }

    def target(self, sent: str, box: Box | None, reasoning: str, task: Task, opening: Opening | None = None) -> str:
        """Give the text that a model learns to answer; only the visible one is inside `<answer>`."""
        thought = check_text(reasoning.strip(), THINK_CLOSE)
        opening = opening or self.thinking.opening(bool(thought))
        if opening == "open":
            thought += THINK_CLOSE
        else:
            thought = f"{THINK_OPEN}{thought}{THINK_CLOSE}" if thought and opening == "plain" else ""
        numbers = self._coordinates(box) if box is not None else "[]"
        said = f"{REF_OPEN}{check_text(sent, REF_CLOSE)}{REF_CLOSE}{BOX_OPEN}{numbers}{BOX_CLOSE}"
        return thought + (f"{ANSWER_OPEN}{said}{ANSWER_CLOSE}" if task == "visible" else said)

    def regex(self, reasoning: bool, opening: Opening | None = None, several: bool = False) -> str:
        """Give the regular expression of a whole answer, in which the stock model's double brackets may stand."""
        opening = opening or self.thinking.opening(reasoning)
        thought = f"{THINK_OPEN}{text_without(THINK_CLOSE)}{THINK_CLOSE}"
        if opening == "open":
            thought = rf"{text_without(THINK_CLOSE) if reasoning else ''}{THINK_CLOSE}"
        else:
            thought = f"(?:{thought})?" if reasoning and opening == "plain" else ""
        boxes = rf"(?:{BOX}|\[{BOX}(?:, {BOX})*\]|\[\])"
        said = rf"{REF_OPEN}{text_without(REF_CLOSE)}{REF_CLOSE}{BOX_OPEN}{boxes}{BOX_CLOSE}"
        if several:
            said = rf"{said}(?:\n?{said})*"
        return f"{thought}(?:{ANSWER_OPEN}{said}{ANSWER_CLOSE}|{said})"

    def json_schema(self, several: bool = False) -> dict[str, Any]:
        """Give the JSON schema of what stands inside `<box>`: four whole numbers, or none; for several a list."""
        coordinate = {"type": "integer", "minimum": 0, "maximum": int(self.frame)}
        box = {"type": "array", "items": coordinate, "minItems": 4, "maxItems": 4}
        if several:
            return {"type": "array", "items": box}
        return {"anyOf": [box, {"type": "array", "items": coordinate, "maxItems": 0}]}

    def cut_back(self, text: str) -> str | None:
        """Give an answer that was cut off up to its last whole box, with its brackets and tags closed."""
        _, start = split_reasoning(text)
        last = text.rfind("]", start) if start is not None else -1
        if last < 0:
            return None
        done = max(last + 1, text.rfind(BOX_CLOSE, start) + len(BOX_CLOSE))
        closed = text[:done]
        inside = closed[closed.rfind(BOX_OPEN) :] if closed.rfind(BOX_OPEN) > closed.rfind(BOX_CLOSE) else ""
        closed += "]" * (inside.count("[") - inside.count("]")) + (BOX_CLOSE if inside else "")
        return closed + (ANSWER_CLOSE if ANSWER_OPEN in closed[start:] else "")

    def _entries(self, text: str, start: int, end: int, thought: bool, sent: str) -> list[Entry]:
        start, end = _unwrap(text, start, end)
        tagged = BOX_OPEN in text[start:end]
        places = _tagged(text, start, end) if tagged else _bare(text, start, end, thought, sent)
        lists = [[Entry(box, label) for box in _boxes_of(read_json(text, *place))] for label, place in places]
        if len(lists) > 1 and [] in lists:
            raise Refused("ambiguous")
        return [entry for entries in lists for entry in entries]


def _unwrap(text: str, start: int, end: int) -> tuple[int, int]:
    """Leave off white space and `<answer>`; raises Refused where it was opened and not closed."""
    while start < end and text[start].isspace():
        start += 1
    if text.startswith(ANSWER_OPEN, start, end):
        if not text.endswith(ANSWER_CLOSE, start, end):
            raise Refused("malformed" if ANSWER_CLOSE in text[start:end] else "truncated")
        return start + len(ANSWER_OPEN), end - len(ANSWER_CLOSE)
    return start, end


def _tagged(text: str, start: int, end: int) -> list[tuple[str, tuple[int, int]]]:
    """Find each `<box>`'s label and content; between the tags nothing but `<ref>` may stand."""
    places = []
    while start < end:
        entry = _ENTRY.match(text, start, end)
        if entry is None:
            last_opened = text.rfind(BOX_OPEN, start, end)
            cut = last_opened >= 0 and BOX_CLOSE not in text[last_opened:end]
            raise Refused("truncated" if cut else "malformed")
        places.append((entry["label"] or "", entry.span("box")))
        start = entry.end()
    return places


def _bare(text: str, start: int, end: int, thought: bool, sent: str) -> list[tuple[str, tuple[int, int]]]:
    """Find the lists of an answer without tags, each with the label before it, which touches it.

    A label is one line and names an object: prose before a box is none, for it may say what the box is not.
    Brackets with fewer than three commas belong to a label, but for empty ones and those that end the answer.
    Without a closed reasoning before, several lists can't be told from those of a reasoning.
    """
    groups, depth, opened = [], 0, start
    for i in range(start, end):
        if text[i] == "[":
            opened = i if depth == 0 else opened
            depth += 1
        elif text[i] == "]" and depth:
            depth -= 1
            if not depth:
                groups.append((opened, i + 1))
    if depth:
        raise Refused("truncated")
    boxes = [g for g in groups if g[1] == end or text.count(",", *g) >= 3 or not text[g[0] + 1 : g[1] - 1].strip()]
    if not boxes:
        raise Refused("no_box")
    if boxes[-1][1] != end:
        raise Refused("malformed")
    # A list that touches the next one may be the end of that one's label.
    touching = any(not text[before[1] : box[0]].strip() for before, box in itertools.pairwise(boxes))
    if touching or (len(boxes) > 1 and not thought):
        raise Refused("ambiguous")
    starts = [start, *(group[1] for group in boxes)]
    places = [(text[begin : box[0]].lstrip(" \n,;"), box) for begin, box in zip(starts, boxes, strict=False)]
    if not all(not label or label == sent or _is_label(label) for label, _ in places):
        raise Refused("malformed")
    return places


def _is_label(text: str) -> bool:
    return "\n" not in text and not text[-1].isspace() and text[-1] not in ":=," and not doubted(text, text)


def _boxes_of(value: Any) -> list[Any]:
    """Give the boxes of one list: `[]`, four numbers, or the stock model's list of lists."""
    if not isinstance(value, list):
        raise Refused("malformed")
    if not value or any(isinstance(item, Number) for item in value):
        return [value] if value else []
    return value
