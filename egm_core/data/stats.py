"""What a sample file holds, in numbers: the columns of the paper's Table 3, and histograms."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from egm_core.boxes import area
from egm_core.sample import Sample

# Upper edges; the last bin is open.
SIZES = (0.001, 0.01, 0.03, 0.1, 0.3)
SHARES = (0.0, 0.1, 0.4, 0.8, 0.999)
WORDS = (1, 2, 3, 5, 8, 13, 24)
BAR = 30


@dataclass
class Stats:
    """Counts of samples, as they pass by, of one data set or of all."""

    samples: int = 0
    absent: int = 0
    hidden: int = 0
    amodal: int = 0
    beyond: int = 0
    reasoned: int = 0
    mirrored: int = 0
    words: int = 0
    pictures: dict[str, tuple[int, int]] = field(default_factory=dict)
    expressions: set[tuple[str, str]] = field(default_factory=set)
    objects: set[tuple[str, object]] = field(default_factory=set)
    by_size: Counter[int] = field(default_factory=Counter)
    by_share: Counter[int] = field(default_factory=Counter)
    by_words: Counter[int] = field(default_factory=Counter)
    shares_unknown: int = 0
    licences: Counter[str] = field(default_factory=Counter)

    def take(self, sample: Sample) -> None:
        """Count a sample."""
        self.samples += 1
        self.absent += sample.absent
        self.hidden += sample.hidden
        self.amodal += sample.amodal_bbox is not None
        self.beyond += sample.amodal_bbox is not None and _beyond(sample)
        self.reasoned += bool(sample.reasoning or sample.amodal_reasoning)
        self.mirrored += sample.mirrored
        self.licences[sample.licence] += 1
        self.pictures.setdefault(sample.picture, (sample.width, sample.height))
        self.expressions.add((sample.picture, sample.sent))
        if not sample.absent:
            self.objects.add((sample.picture, sample.bbox or sample.amodal_bbox))
        count = len(sample.sent.split())
        self.words += count
        self.by_words[_bin(count, WORDS)] += 1
        if sample.bbox is not None:
            self.by_size[_bin(area(sample.bbox) / (sample.width * sample.height), SIZES)] += 1
        if sample.visible_fraction is not None:
            self.by_share[_bin(sample.visible_fraction, SHARES)] += 1
        elif not sample.absent:
            self.shares_unknown += 1

    @property
    def columns(self) -> dict[str, str]:
        """The columns of the paper's Table 3 by their names, and what it does not tell.

        The paper's average number of boxes is read as samples divided by pictures.
        """
        count = max(len(self.pictures), 1)
        wide, high = (sum(size[axis] for size in self.pictures.values()) / count for axis in (0, 1))
        return {
            "samples": f"{self.samples:,}",
            "images": f"{len(self.pictures):,}",
            "avg. boxes": f"{self.samples / count:.2f}",
            "avg. width": f"{wide:.1f}",
            "avg. height": f"{high:.1f}",
            "objects": f"{len(self.objects):,}",
            "avg. words": f"{self.words / max(self.samples, 1):.2f}",
        }


def gathered(samples: Iterable[Sample]) -> dict[str, Stats]:
    """Count samples by data set and split; the first entry, "all", counts every one."""
    found = {"all": Stats()}
    for sample in samples:
        found["all"].take(sample)
        name = f"{sample.source} {sample.split}".strip() or "of no source"
        found.setdefault(name, Stats()).take(sample)
    return found


def table(found: dict[str, Stats]) -> str:
    """Write the table: a row for each data set and split, and one for all where there are several."""
    rows = {name: stats.columns for name, stats in found.items() if name != "all" or len(found) != 2}
    heads = ["", *next(iter(rows.values()))]
    lines = [heads, *([name, *columns.values()] for name, columns in rows.items())]
    widths = [max(len(line[at]) for line in lines) for at in range(len(heads))]
    return "\n".join(
        "  ".join(
            cell.ljust(wide) if not at else cell.rjust(wide)
            for at, (cell, wide) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def kinds(stats: Stats) -> str:
    """Say how many samples are of which kind."""
    named = {
        "absent": stats.absent,
        "wholly hidden": stats.hidden,
        "with an amodal box": stats.amodal,
        "whose amodal box leaves the picture": stats.beyond,
        "with reasoning": stats.reasoned,
        "mirrored": stats.mirrored,
        "asked twice": stats.samples - len(stats.expressions),
    }
    return "; ".join(f"{count:,} {what}" for what, count in named.items() if count) or "all seen, without amodal boxes"


def histograms(stats: Stats) -> dict[str, list[tuple[str, int]]]:
    """Give the histograms by their titles, each a list of a bin's name and its count."""
    found = {
        "visible box, share of the picture": _named(stats.by_size, SIZES, lambda edge: f"{edge:.1%}"),
        "words of the expression": _named(stats.by_words, WORDS, str),
    }
    if stats.by_share:
        title = "visible share of the object"
        title += f" (not known of {stats.shares_unknown:,})" if stats.shares_unknown else ""
        names = ["0 %", "to 10 %", "to 40 %", "to 80 %", "below 100 %", "100 %"]
        found[title] = [(name, stats.by_share[at]) for at, name in enumerate(names)]
    return found


def bars(title: str, bins: list[tuple[str, int]]) -> str:
    """Draw a histogram in characters."""
    most, whole = max((count for _, count in bins), default=0), sum(count for _, count in bins)
    wide = max(len(name) for name, _ in bins)
    lines = [title]
    for name, count in bins:
        bar = "#" * math.ceil(BAR * count / most) if most else ""
        lines.append(f"  {name:>{wide}}  {bar:<{BAR}}  {count:,} ({count / whole if whole else 0:.1%})")
    return "\n".join(lines)


def _named(counts: Counter[int], edges: tuple[float, ...], shown: object) -> list[tuple[str, int]]:
    assert callable(shown)
    names = [f"to {shown(edge)}" for edge in edges] + [f"over {shown(edges[-1])}"]
    return [(name, counts[at]) for at, name in enumerate(names)]


def _bin(value: float, edges: tuple[float, ...]) -> int:
    return next((at for at, edge in enumerate(edges) if value <= edge), len(edges))


def _beyond(sample: Sample) -> bool:
    assert sample.amodal_bbox is not None
    x0, y0, x1, y1 = sample.amodal_bbox
    return min(x0, y0) < 0 or x1 > sample.width or y1 > sample.height
