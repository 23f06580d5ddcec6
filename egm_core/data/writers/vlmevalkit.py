"""VLMEvalKit's table of RefCOCO: a row a sentence, parted by tabs, with the picture in base64."""

from __future__ import annotations

import argparse
import base64
import csv
from collections.abc import Iterable
from pathlib import Path

from egm_core.data.readers.kind import Tally
from egm_core.data.writers.internvl import ASK
from egm_core.data.writers.writer import Writer, picture_of, seen
from egm_core.sample import Sample

_EDGES = ("x1", "y1", "x2", "y2")
COLUMNS = (
    "index",
    "image",
    "question",
    "answer",
    "category",
    "split",
    "dataset",
    "width",
    "height",
    *(f"bbox_{edge}" for edge in _EDGES),
    *(f"bbox_{edge}_norm" for edge in _EDGES),
)


def write(samples: Iterable[Sample], out: Path, options: argparse.Namespace, tally: Tally) -> int:
    """Write samples; each row holds its picture."""
    count, last, picture = 0, "", ""
    with out.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, delimiter="\t", lineterminator="\n")
        table.writerow(COLUMNS)
        for sample in seen(samples, tally):
            assert sample.bbox is not None
            if sample.picture != last:
                last, picture = sample.picture, base64.b64encode(picture_of(sample)).decode("ascii")
            name = sample.source or "egm"
            split = f"{name}_{sample.split}" if sample.split else name
            sides = (sample.width, sample.height) * 2
            shares = [edge / side for edge, side in zip(sample.bbox, sides, strict=True)]
            answer = "[" + ", ".join(f"{edge:g}" for edge in sample.bbox) + "]"
            table.writerow(
                (
                    count,
                    picture,
                    ASK.format(sent=" ".join(sample.sent.split())),
                    answer,
                    " ".join(filter(None, (name, sample.split))),
                    split,
                    split,
                    sample.width,
                    sample.height,
                    *sample.bbox,
                    *shares,
                )
            )
            count += 1
    return count


WRITER = Writer(
    "vlmevalkit",
    "VLMEvalKit's table of RefCOCO, with images in base64",
    write,
    "val.jsonl --out RefCOCO.tsv",
    keeps=("source", "split"),
)
