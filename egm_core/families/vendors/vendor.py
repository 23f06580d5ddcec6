"""What the families of other vendors have in common: a frame of their own, and the careful reading of their answers."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from egm_core.boxes import Box
from egm_core.families.base import (
    LARGEST_SHARE,
    Answer,
    Mode,
    Speaker,
    Task,
    four_numbers,
    split_reasoning,
)
from egm_core.families.parts import POINTS, SIDES, Entry, Number, Refused
from egm_core.families.thinking import Opening, Thinking
from egm_core.families.vendors.frame import Frame

if TYPE_CHECKING:
    from typing import Self

# What a careful reading calls a break of the format, and is the way in which vendors write.
_OWN_WAYS = ("format", "keys", "nested", "tags")


class Vendor(Speaker):
    """A family whose models are asked and scored here, and never trained.

    Its answers are read carefully, in its own frame alone: what does not fit is malformed, and never tried in another
    frame. `served` is the pattern of its models' names.
    """

    thinking: ClassVar[Thinking] = Thinking("plain", "plain")
    modes: ClassVar[tuple[Mode, ...]] = ("salvage", "strict")
    written: ClassVar[Frame]
    served: ClassVar[str]
    _sent: tuple[int, int] | None = None

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "written" in cls.__dict__:
            cls.frame_words = cls.written.words

    def seeing(self, width: int, height: int) -> Self:
        """Give the speaker for a picture that is sent with that size."""
        other = copy.copy(self)
        other._sent = (width, height)
        return other

    def prompt(self, sent: str, task: Task) -> str:
        """Give the prompt for an expression; it states the picture's size where the frame needs that."""
        text = self.prompts[task]
        if "{width}" in text:
            width, height = self._size_sent()
            text = text.replace("{width}", str(width)).replace("{height}", str(height))
        return text.replace("{sent}", sent)

    def about(self) -> dict[str, Any]:
        """Say how it is asked, as JSON values."""
        return super().about() | {
            "pictures": self.pictures,
            "schema": self.schema is not None,
            "temperature": self.temperature,
        }

    @property
    def pictures(self) -> str:
        """How pictures are sent, in words."""
        return "sent as they are"

    def parse(self, text: str, mode: Mode = "salvage", opening: Opening | None = None, sent: str = "") -> Answer:
        """Read an answer carefully; `strict` is the same here, for no format was taught to these models.

        ValueError for the paper's rules, which know one frame only.
        """
        if mode not in self.modes:
            raise ValueError(
                f"answers of {self.name} cannot be read by the rules {mode!r}, which know thousandths only; "
                f"read them by {' or '.join(self.modes)}"
            )
        reasoning, start = split_reasoning(text)
        answer = self._salvage(text, reasoning, start, self.may_begin_inside(opening), sent)
        return replace(answer, salvaged=tuple(word for word in answer.salvaged if word not in _OWN_WAYS))

    def _placed(self, entry: Entry) -> tuple[Box, tuple[int, int], bool]:
        """Give a box in thousandths from the numbers of the vendor's frame; raises Refused."""
        numbers = self._in_order(four_numbers(entry.box), entry.under)
        values = [n.value for n in numbers]
        largest = max(values)
        self._check_unit(largest, all(n.whole for n in numbers))
        width, height = self._size_sent() if self.written.unit == "pixels" else (1, 1)
        right, lower = self.written.ends(width, height)
        ends = (right, lower, right, lower)
        if not all(0 <= v <= end + self.written.overhang(end) for v, end in zip(values, ends, strict=True)):
            raise Refused("out_of_range")
        box = Frame(self.written.unit).relative(values, width, height)
        if box is None:
            raise Refused("degenerate")
        on_edge = any(v > end for v, end in zip(values, ends, strict=True))
        return box, (min(n.start for n in numbers), max(n.end for n in numbers)), on_edge

    def _in_order(self, numbers: list[Number], under: str) -> list[Number]:
        """Put x before y; raises Refused where nothing tells which of them comes first."""
        if self.written.order == "xyxy" or under == SIDES:
            return numbers
        # A model that writes y first does so under its own key or in a bare list; other keys may hold either order.
        if under == POINTS or (under and under not in self.box_keys):
            raise Refused("ambiguous")
        y0, x0, y1, x1 = numbers
        return [x0, y0, x1, y1]

    def _check_unit(self, largest: float, whole: bool) -> None:
        """Refuse numbers that look as if they counted something smaller than they should."""
        unit = self.written.unit
        shares = unit in ("thousandths", "pixels") and largest <= LARGEST_SHARE and not whole
        if shares or (unit != "fractions" and largest <= 1):
            raise Refused("fractions")

    def _size_sent(self) -> tuple[int, int]:
        if self._sent is None:
            raise ValueError(f"{self.name} speaks of a picture's size: take speaker.seeing(width, height) for each one")
        return self._sent
