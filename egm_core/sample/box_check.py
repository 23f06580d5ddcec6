"""What tells that boxes are not what they should be: pixels of corners, no side below one, the whole around the seen.

Training and evaluation look for the same faults, by the same bounds.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from egm_core.boxes import contains
from egm_core.sample.box_layout import Layout
from egm_core.sample.record import Sample

# How far a visible box may stand out of its amodal one: drawn by hand, they seldom agree to the pixel.
SLACK = 0.02


@dataclass(frozen=True)
class Fault:
    """One kind of wrong boxes: the share of records from which on it counts, what it is, and what to do."""

    share: float
    words: str
    remedy: str


FAULTS = {
    "unit": Fault(0.01, "have a box within 0 to 1", "multiply it by the picture's width and height"),
    "thousandths": Fault(0, "are of a file whose boxes all end at 1000 in larger pictures", "turn them into pixels"),
    "xywh": Fault(
        0,
        "are of a file whose boxes all fit as x, y, width, height and none has its centre beyond the middle",
        "convert them with boxes.xywh_to_xyxy",
    ),
    "tiny": Fault(0.05, "have a box with a side below one pixel", "leave them out, or mend the box"),
    "amodal": Fault(0.05, "have an amodal box that does not hold the visible one", "see that they aren't swapped"),
}


def faults(sample: Sample) -> Iterator[tuple[str, str]]:
    """Give the kinds of faults of one record's boxes, each with what was found."""
    for box in filter(None, (sample.bbox, sample.amodal_bbox)):
        if min(box) >= 0 and max(box) <= 1 and min(sample.width, sample.height) > 2:
            yield "unit", f"{list(box)} in {sample.width} x {sample.height} pixels"
        elif min(box[2] - box[0], box[3] - box[1]) < 1:
            yield "tiny", f"{list(box)} in pixels"
    if sample.bbox and sample.amodal_bbox:
        slack = max(2.0, SLACK * max(sample.width, sample.height))
        if not contains(sample.amodal_bbox, sample.bbox, slack):
            yield "amodal", f"the visible {list(sample.bbox)} leaves the amodal {list(sample.amodal_bbox)}"


@dataclass
class BoxCheck:
    """Looks at the boxes of records that pass by, and says at the end what is wrong with them."""

    records: int = 0
    _layouts: dict[str, Layout] = field(default_factory=lambda: defaultdict(Layout))
    _found: dict[str, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))

    def take(self, place: str, sample: Sample) -> None:
        """Look at one record, which stands at `place`, such as `val.jsonl:12`."""
        self.records += 1
        for kind, what in faults(sample):
            self._found[kind].setdefault(place, what)
        self._layouts[place.rpartition(":")[0]].take(sample)

    def words(self) -> list[str]:
        """Say each fault that more records have than its bound allows, with a place and the remedy."""
        told = []
        for kind, places in self._found.items():
            if len(places) > FAULTS[kind].share * self.records:
                place, what = next(iter(places.items()))
                told.append(_line(kind, len(places), self.records, f"{place}: {what}"))
        for file, layout in self._layouts.items():
            told += [_line(kind, layout.records, self.records, f"{file}: {what}") for kind, what in layout.judge()]
        return told


def _line(kind: str, count: int, whole: int, example: str) -> str:
    fault = FAULTS[kind]
    return f"{count:,} of {whole:,} records {fault.words} ({example}); {fault.remedy}"
