"""Makes training samples of a robot's own pictures, and checks them: from a table of labels to JSONL for `sft`.

    python examples/own_samples.py PICTURES/labels.csv --out data/robot/samples.jsonl
    egm train sft --config training/robot/sft.yaml data=[data/robot/samples.jsonl]

The table has the columns picture, expression, visible, amodal, reasoning, amodal_reasoning. A box is "x0 y0 x1 y1" in
pixels; an empty visible box says that nothing in the picture fits the expression, an empty amodal one that nobody knows
it. Pictures are looked for beside the table.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Iterator
from pathlib import Path

from egm_core.boxes import Box
from egm_core.pictures.pixels import read_image
from egm_core.sample import Sample, SampleError, read_samples, write_samples

NEEDED = ("picture", "expression", "visible", "amodal")


def box(text: str | None) -> Box | None:
    """Read "x0 y0 x1 y1"; None where it is empty."""
    if not (text or "").strip():
        return None
    try:
        x0, y0, x1, y1 = (float(edge) for edge in str(text).split())
    except ValueError as error:
        raise ValueError(f'{text!r} is no box; write "x0 y0 x1 y1" in pixels, or leave it empty') from error
    return x0, y0, x1, y1


def samples(table: Path) -> Iterator[Sample]:
    """Give a sample for each row; ValueError says which row is wrong."""
    # A spreadsheet may begin its file with a mark of UTF-8.
    with table.open(newline="", encoding="utf-8-sig") as file:
        rows = csv.DictReader(file)
        missing = [name for name in NEEDED if name not in (rows.fieldnames or ())]
        if missing:
            raise ValueError(f"{table}:1: there is no column {', '.join(missing)}; the first line names the columns")
        for number, row in enumerate(rows, 2):
            if not row["picture"] or not row["expression"]:
                raise ValueError(f"{table}:{number}: the picture or the expression is empty; fill it in")
            picture = table.parent / row["picture"]
            try:
                # The size as it is shown: a phone's or a camera's EXIF may turn a picture.
                height, width = read_image(picture).shape[:2]
                visible, amodal = box(row["visible"]), box(row["amodal"])
            except (OSError, ValueError) as error:
                raise ValueError(f"{table}:{number}: {error}") from error
            yield Sample(
                str(picture.resolve()), row["expression"], visible, amodal, None, height, width,
                reasoning=row.get("reasoning") or "", amodal_reasoning=row.get("amodal_reasoning") or "",
                source="my_robot", split="train",
            )  # fmt: skip


def main() -> int:
    """Write the file, and read it as training will."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("table", type=Path, help="CSV file beside the pictures")
    parser.add_argument("--out", type=Path, default=Path("data/robot/samples.jsonl"), help="file to write")
    options = parser.parse_args()
    try:
        count = write_samples(options.out, samples(options.table))
        absent = sum(sample.bbox is None for sample in read_samples(options.out))
    except SampleError as error:
        print(f"own_samples: {error} (record N is line N + 1 of {options.table})", file=sys.stderr)
        return 2
    except UnicodeDecodeError:
        print(f"own_samples: {options.table} is no text in UTF-8; save it as CSV in UTF-8", file=sys.stderr)
        return 2
    except (OSError, ValueError, csv.Error) as error:
        print(f"own_samples: {error}", file=sys.stderr)
        return 2
    print(f"{options.out}: {count} samples, {absent} of them of objects that are not there")
    return 0


if __name__ == "__main__":
    sys.exit(main())
