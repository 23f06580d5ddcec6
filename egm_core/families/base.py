"""What every model family has in common: its prompts, its answers' format, and how an answer is read.

A family is pure text: it knows neither engines nor images. Boxes are in its frame, 0 to 1000 with both ends,
relative to the image.
"""

from __future__ import annotations

import json
import math
import re
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, NoReturn, TypeAlias, get_args

from egm_core.boxes import FRAME, Box, sort_corners
from egm_core.families.paper import Reading, read_for_evaluation, read_for_reward
from egm_core.families.parts import THINK_CLOSE as THINK_CLOSE
from egm_core.families.parts import THINK_OPEN, Entry, Listed, Number, Reason, Refused
from egm_core.families.salvage.labels import names_nothing
from egm_core.families.salvage.salvage import salvage
from egm_core.families.thinking import Opening, Thinking

Task: TypeAlias = Literal["visible", "amodal"]
Mode: TypeAlias = Literal["strict", "salvage", "paper", "paper_eval"]
TASKS: tuple[Task, ...] = get_args(Task)
LARGEST_SHARE = 100.0
EDGE = 1.0

END_TOKENS = ("<|im_end|>", "<|endoftext|>", "</s>")

_STRING_OR_NUMBER = re.compile(r'"(?:[^"\\]|\\.)*"|(-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)', re.DOTALL)


@dataclass(frozen=True)
class Answer:
    """What one raw answer says.

    `box` is in the family's frame; `reasoning` is the text inside `<think>`; `reason` names what is wrong with
    an invalid answer and is empty otherwise. Of several boxes the first counts, `boxes_seen` tells that there were
    more, and `listed` has each of them, also those that cannot be read; `label` is what the model calls it. `span` are
    the characters of the raw text from the first digit of the box to the last one. `salvaged` names by what an answer
    broke the format, where a salvage reading took it.
    """

    kind: Literal["box", "absent", "invalid"]
    box: Box | None = None
    reasoning: str = ""
    reason: Reason = ""
    boxes_seen: int = 0
    span: tuple[int, int] | None = None
    label: str = ""
    salvaged: tuple[str, ...] = ()
    listed: tuple[Listed, ...] = ()


class Speaker(ABC):
    """A kind of model as evaluation asks it: its prompts, the frame of its boxes, and how its answers are read.

    `thinking` is how its chat template begins an answer where a checkpoint does not say. `box_keys` are the keys of
    its own boxes, in small letters and without punctuation, beside those that every careful reading knows.
    """

    name: ClassVar[str]
    thinking: ClassVar[Thinking]
    prompts: ClassVar[dict[Task, str]]
    frame: ClassVar[float] = FRAME
    frame_words: ClassVar[str] = "[x0, y0, x1, y1] in thousandths of the picture"
    modes: ClassVar[tuple[Mode, ...]] = get_args(Mode)
    box_keys: ClassVar[frozenset[str]] = frozenset()
    temperature: ClassVar[float] = 0.0

    @property
    def begins_inside_reasoning(self) -> bool:
        """Whether the family's template may have opened `<think>` before the answer's first word."""
        return self.may_begin_inside(None)

    def may_begin_inside(self, opening: Opening | None) -> bool:
        """Tell whether an answer may begin inside the reasoning; None where its template is not known."""
        return (opening or self.thinking.wanted) == "open"

    def prompt(self, sent: str, task: Task) -> str:
        """Give the prompt for an expression, without the image; for our own families that of the paper's Fig. 7."""
        return self.prompts[task].replace("{sent}", sent)

    @property
    def schema(self) -> dict[str, Any] | None:
        """The JSON schema that a server is asked to hold the answer to; None where the model writes freely."""
        return None

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Give the width and height at which a picture is sent; most are sent as they are."""
        return width, height

    def seeing(self, width: int, height: int) -> Speaker:
        """Give the speaker for a picture that is sent with that size; it matters where boxes are in pixels."""
        return self

    def about(self) -> dict[str, Any]:
        """Say how it is asked, as JSON values: what a score has to be read with."""
        return {
            "family": self.name,
            "frame": self.frame_words,
            "prompts": dict(self.prompts),
            "pictures": "sent as they are",
        }

    @abstractmethod
    def parse(self, text: str, mode: Mode = "strict", opening: Opening | None = None, sent: str = "") -> Answer:
        """Read any text: a box, the model's word that the object is absent, or a named reason.

        `opening` tells where the chat template left off (None: as the family's own may), and `sent` what was asked: it
        tells what an answer speaks of, and chooses nothing among equals. No text makes it raise, and boxes are sorted,
        finite and inside the frame.
        """

    def _salvage(self, text: str, reasoning: str, start: int | None, begins_inside: bool, sent: str) -> Answer:
        seen, listed = 0, tuple[Listed, ...]()
        try:
            if start is None:
                raise Refused("truncated")
            end = answer_end(text, start)
            whole = start > 0 or not begins_inside
            found = salvage(text, start, end, whole, sent, self.box_keys)
            if not found.entries:
                return Answer("absent", reasoning=reasoning, salvaged=found.mended)
            seen = len(found.entries)
            listed = tuple(map(self._listed, found.entries))
            box, span, on_edge = self._placed(found.entries[0])
        except Refused as refused:
            return Answer("invalid", reasoning=reasoning, reason=refused.reason, boxes_seen=seen, listed=listed)
        salvaged = (*found.mended, "edge") if on_edge else found.mended
        label = found.entries[0].label
        return Answer("box", box, reasoning, "", seen, span, label, salvaged, listed)

    def _listed(self, entry: Entry) -> Listed:
        try:
            box, span, _ = self._placed(entry)
        except Refused as refused:
            return Listed(None, label=entry.label, reason=refused.reason)
        return Listed(box, span, entry.label)

    def _placed(self, entry: Entry) -> tuple[Box, tuple[int, int], bool]:
        """Give a salvaged object's box, its span, and whether it was moved onto the frame's edge; raises Refused."""
        item, on_edge = _to_edge(entry.box, self.frame)
        return *self._box(item), on_edge

    def _box(self, item: Any) -> tuple[Box, tuple[int, int]]:
        item = four_numbers(item)
        if not all(0 <= n.value <= self.frame for n in item):
            raise Refused("out_of_range")
        # Thousandths are whole: what has decimals may be shares of the picture or per cent, a silent wrong box in its
        # corner.
        largest = max(n.value for n in item)
        if largest <= LARGEST_SHARE and not all(n.whole for n in item):
            raise Refused("fractions")
        x0, y0, x1, y1 = (abs(n.value) for n in item)
        if x0 == x1 or y0 == y1:
            raise Refused("degenerate")
        if largest <= 1:
            raise Refused("fractions")
        return sort_corners((x0, y0, x1, y1)), (min(n.start for n in item), max(n.end for n in item))


class Family(Speaker):
    """A family that is trained here: besides, the text that it learns to answer, and the grammar of its answers.

    `several` are the prompts for every object that matches, in the words of the models' makers.
    """

    several: ClassVar[dict[Task, str]]

    def prompt_for_several(self, sent: str, task: Task) -> str:
        """Give the prompt for every object that an expression describes, without the image."""
        return self.several[task].replace("{sent}", sent)

    @abstractmethod
    def target(self, sent: str, box: Box | None, reasoning: str, task: Task, opening: Opening | None = None) -> str:
        """Give the text that a model learns to answer; without a box it says that the object is absent.

        `opening` tells where the chat template leaves off (None: as the family's own does, with that reasoning or
        without); behind a `shut` one there is no place for a reasoning, and it is left out.
        The box is in the family's frame, and is rounded to whole numbers. ValueError for a box outside the frame
        or for texts that would break the format.
        """

    @abstractmethod
    def regex(self, reasoning: bool, opening: Opening | None = None, several: bool = False) -> str:
        """Give the regular expression of a whole answer, for constrained decoding; see `grammar`.

        `reasoning=False` forbids to think; `opening` tells where the chat template leaves off (None: as the family's
        own does). `several` allows any number of objects.
        """

    @abstractmethod
    def json_schema(self, several: bool = False) -> dict[str, Any]:
        """Give the JSON schema of the answer's JSON part."""

    @abstractmethod
    def cut_back(self, text: str) -> str | None:
        """Give an answer that was cut off up to its last whole object, and closed; None where none is whole."""

    def closed(self, text: str, opening: Opening | None = None) -> str | None:
        """Give the whole answer that `text` begins, where its box is complete and only a label could follow.

        None where it is not, and for families whose label comes before the box. See `ModelInfo.stop_at_box`.
        """
        return None

    @abstractmethod
    def _entries(self, text: str, start: int, end: int, thought: bool, sent: str) -> list[Entry]:
        """Find the answer's objects in text[start:end] strictly; none means absent.

        `thought` tells that a closed reasoning came before, `sent` what was asked. Raises Refused.
        """

    def parse(self, text: str, mode: Mode = "strict", opening: Opening | None = None, sent: str = "") -> Answer:
        """Read any text: a box, the model's word that the object is absent, or a named reason.

        `strict` accepts the family's format only, and nothing that the reasoning mentions. `salvage` takes what
        `strict` takes, and besides an answer that broke the format but leaves no doubt, see `salvage`. `paper` is the
        reward of the released code, `paper_eval` its evaluation script, see `paper`. `opening` tells where the chat
        template left off (None: as the family's own may), and `sent` what was asked: it tells what an answer speaks of,
        and chooses nothing among equals. Never raises, and strict and salvaged boxes are sorted, finite and inside the
        frame.
        """
        reasoning, start = split_reasoning(text)
        if mode == "strict":
            return self._parse_strictly(text, reasoning, start, sent)
        if mode == "salvage":
            strict = self._parse_strictly(text, reasoning, start, sent)
            if strict.kind != "invalid":
                return strict
            return self._salvage(text, reasoning, start, self.may_begin_inside(opening), sent)
        reading = read_for_reward(text) if mode == "paper" else read_for_evaluation(text)
        if isinstance(reading, Reading):
            return Answer("box", reading.box, reasoning, boxes_seen=reading.lists, span=reading.span)
        return Answer("invalid", reasoning=reasoning, reason=reading if text.strip() else "no_answer")

    def _parse_strictly(self, text: str, reasoning: str, start: int | None, sent: str) -> Answer:
        seen, listed = 0, tuple[Listed, ...]()
        try:
            if start is None:
                raise Refused("truncated")
            end = answer_end(text, start)
            if not text[start:end].strip():
                raise Refused("no_answer")
            entries = self._entries(text, start, end, start > 0, sent)
            if not entries:
                return Answer("absent", reasoning=reasoning)
            seen = len(entries)
            if any(entry.box is not None and names_nothing(entry.label, sent) for entry in entries):
                raise Refused("ambiguous")
            if seen > 1 and any(entry.box is None or entry.box == [] for entry in entries):
                raise Refused("ambiguous")
            listed = tuple(map(self._listed_strictly, entries))
            box, span = self._box(entries[0].box)
        except Refused as refused:
            return Answer("invalid", reasoning=reasoning, reason=refused.reason, boxes_seen=seen, listed=listed)
        return Answer("box", box, reasoning, boxes_seen=seen, span=span, label=entries[0].label, listed=listed)

    def _listed_strictly(self, entry: Entry) -> Listed:
        try:
            return Listed(*self._box(entry.box), entry.label)
        except Refused as refused:
            return Listed(None, label=entry.label, reason=refused.reason)

    def _coordinates(self, box: Box) -> str:
        """Write a box as four whole numbers that are at least one unit apart; ValueError outside the frame."""
        if not all(math.isfinite(v) and 0 <= v <= self.frame for v in box) or box[0] > box[2] or box[1] > box[3]:
            raise ValueError(f"{box} is no sorted box inside 0..{self.frame:g}; convert it with boxes.to_relative")
        x0, y0, x1, y1 = (round(v) for v in box)
        last = int(self.frame)
        x0, x1 = (x0, x1) if x1 > x0 else (min(x0, last - 1), min(x0, last - 1) + 1)
        y0, y1 = (y0, y1) if y1 > y0 else (min(y0, last - 1), min(y0, last - 1) + 1)
        return f"[{x0}, {y0}, {x1}, {y1}]"


def four_numbers(item: Any) -> list[Number]:
    """Give an entry's box as four finite numbers; raises Refused for anything else."""
    if not isinstance(item, list) or not all(isinstance(n, Number) for n in item):
        raise Refused("malformed")
    if len(item) != 4:
        raise Refused("not_four_numbers")
    if not all(math.isfinite(n.value) for n in item):
        raise Refused("not_finite")
    return item


def split_reasoning(text: str) -> tuple[str, int | None]:
    """Split off the text inside `<think>`, and give where the answer begins (None: thinking was never closed).

    The opening tag may be missing, for some chat templates write it into the prompt.
    """
    closed = text.find(THINK_CLOSE)
    opened = text.find(THINK_OPEN)
    if closed < 0:
        return ("", 0) if opened < 0 else (text[opened + len(THINK_OPEN) :].strip(), None)
    return text[:closed].strip().removeprefix(THINK_OPEN).strip(), closed + len(THINK_CLOSE)


def _to_edge(item: Any, frame: float) -> tuple[Any, bool]:
    """Move coordinates that lie one beyond the frame, as rounding gives them, onto its edge."""
    if not isinstance(item, list):
        return item, False
    moved = [replace(n, value=frame) if isinstance(n, Number) and frame < n.value <= frame + EDGE else n for n in item]
    return moved, moved != item


def answer_end(text: str, start: int) -> int:
    """Find where an answer ends when white space and end-of-turn tokens are left off."""
    body = text[start:].rstrip()
    while ended := next((t for t in END_TOKENS if body.endswith(t)), None):
        body = body.removesuffix(ended).rstrip()
    return start + len(body)


def read_json(text: str, start: int, end: int) -> Any:
    """Read text[start:end] as JSON whose numbers come as `Number`; raises Refused, and nothing else."""
    body = text[start:end]
    offset = start + len(body) - len(body.lstrip())
    body = body.strip()
    places = (m.span(1) for m in _STRING_OR_NUMBER.finditer(body) if m.group(1) is not None)

    def number(written: str) -> Number:
        # The decoder hands over a text's numbers in the order in which they stand there.
        place = next(places, None)
        if place is None or body[slice(*place)] != written:
            raise Refused("malformed")
        return Number.read(written, offset + place[0])

    def constant(_: str) -> NoReturn:
        raise Refused("not_finite")

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        fields = dict(pairs)
        if len(fields) < len(pairs):
            # JSON keeps the last of two equal keys, and so a box that nobody chose.
            raise Refused("ambiguous")
        return fields

    try:
        return json.loads(
            body, strict=False, parse_int=number, parse_float=number, parse_constant=constant, object_pairs_hook=once
        )
    except json.JSONDecodeError as error:
        cut = error.pos >= len(body) or error.msg.startswith("Unterminated string")
        raise Refused("truncated" if cut else "malformed") from error
    except RecursionError as error:
        raise Refused("malformed") from error


def check_text(text: str, *forbidden: str) -> str:
    """Return a text that may stand inside an answer; ValueError where it holds one of the format's own tags."""
    for tag in forbidden:
        if tag in text:
            raise ValueError(f"{text!r} holds {tag!r}, which ends this part of an answer; take it out")
    return text
