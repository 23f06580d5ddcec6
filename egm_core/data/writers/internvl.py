"""JSONL of InternVL and Qwen-VL: evaluation rows with pixels, or conversations with thousandths."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

from egm_core.boxes import FRAME
from egm_core.data.readers.kind import Tally
from egm_core.data.writers.writer import Placed, Writer, add_copy, seen
from egm_core.sample import Sample

ASK = "Please provide the bounding box coordinate of the region this sentence describes: <ref>{sent}</ref>"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Choose the kind of rows."""
    parser.add_argument(
        "--rows",
        choices=("evaluation", "training"),
        default="evaluation",
        help="one row a sentence with pixels, or conversations whose boxes are rounded to thousandths",
    )
    add_copy(parser)


def write(samples: Iterable[Sample], out: Path, options: argparse.Namespace, tally: Tally) -> int:
    """Write samples; in training rows, those of one picture that follow each other are turns of one conversation."""
    placed, count = Placed(out.parent, options.copy), 0
    with out.open("w", encoding="utf-8") as file:
        rows = _talks if options.rows == "training" else _rows
        for row, sentences in rows(seen(samples, tally), placed):
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
            count += sentences
    return count


def _rows(samples: Iterable[Sample], placed: Placed) -> Iterator[tuple[dict[str, Any], int]]:
    for sample in samples:
        yield (
            {
                "image": placed.name(sample),
                "sent": sample.sent,
                "bbox": list(sample.bbox or ()),
                "height": sample.height,
                "width": sample.width,
            },
            1,
        )


def _talks(samples: Iterable[Sample], placed: Placed) -> Iterator[tuple[dict[str, Any], int]]:
    for number, (_, group) in enumerate(groupby(samples, key=lambda sample: sample.picture)):
        turns: list[dict[str, str]] = []
        for sample in group:
            head = "" if turns else "<image>\n"
            turns.append({"from": "human", "value": head + ASK.format(sent=sample.sent)})
            turns.append({"from": "gpt", "value": f"<ref>{sample.sent}</ref><box>[{_thousandths(sample)}]</box>"})
        yield (
            {
                "id": number,
                "image": placed.name(sample),
                "width": sample.width,
                "height": sample.height,
                "conversations": turns,
            },
            len(turns) // 2,
        )


def _thousandths(sample: Sample) -> list[int]:
    assert sample.bbox is not None
    sides = (sample.width, sample.height) * 2
    return [round(edge / side * FRAME) for edge, side in zip(sample.bbox, sides, strict=True)]


WRITER = Writer(
    "internvl",
    "JSONL of InternVL or Qwen-VL: evaluation rows, or conversations",
    write,
    "val.jsonl --out internvl.jsonl",
    arguments,
)
