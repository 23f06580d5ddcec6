"""lmms-lab's parquet of RefCOCO: a row is an object with all of its sentences, and its picture."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any

from egm_core.data.readers.kind import Tally
from egm_core.data.writers.objects import Object, objects, xywh
from egm_core.data.writers.writer import Writer, picture_of, seen
from egm_core.sample import Sample

QUESTION = "Please carefully observe the area circled in the image and come up with a caption for the area."
BATCH = 64


def write(samples: Iterable[Sample], out: Path, options: argparse.Namespace, tally: Tally) -> int:
    """Write samples; boxes are kept as 32-bit floats, as the originals are."""
    import pyarrow as pa
    from pyarrow.parquet import ParquetWriter

    reals = pa.list_(pa.float32())
    schema = pa.schema(
        [
            ("question_id", pa.string()),
            ("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
            ("question", pa.string()),
            ("answer", pa.list_(pa.string())),
            ("segmentation", reals),
            ("bbox", reals),
            ("iscrowd", pa.int8()),
            ("file_name", pa.string()),
        ]
    )
    found = objects(seen(samples, tally))
    with ParquetWriter(out, schema) as writer:
        for number in range(0, len(found), BATCH):
            rows = [_row(number + at, one) for at, one in enumerate(found[number : number + BATCH])]
            writer.write_table(pa.Table.from_pylist(rows, schema))
    return sum(len(one.sentences) for one in found)


def _row(number: int, one: Object) -> dict[str, Any]:
    x0, y0, x1, y1 = one.box
    name = PurePosixPath(one.sample.image.split("::")[-1])
    return {
        "question_id": str(number),
        "image": {"bytes": picture_of(one.sample), "path": name.name},
        "question": QUESTION,
        "answer": one.sentences,
        "segmentation": [x0, y0, x1, y0, x1, y1, x0, y1],
        "bbox": xywh(one.box),
        "iscrowd": 0,
        "file_name": f"{name.stem}_{number}{name.suffix}",
    }


WRITER = Writer(
    "lmms", "lmms-lab's parquet of RefCOCO, a row an object", write, "val.jsonl --out val-00000-of-00001.parquet"
)
