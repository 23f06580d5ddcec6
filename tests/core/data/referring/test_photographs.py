"""Real photographs with real expressions, written in the field's forms and read back with their pictures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from record_files import jsonl
from refer_files import write

from egm_core.data.mirror import mirror
from egm_core.pictures.source import read, read_picture


@pytest.fixture
def rows(photographs: Path) -> list[dict[str, Any]]:
    """Give the records; some tell no size."""
    return json.loads((photographs / "referring/refs.json").read_text())  # type: ignore[no-any-return]


def test_evaluation_rows_of_photographs(photographs: Path, rows: list[dict[str, Any]], tmp_path: Path, convert) -> None:
    written = [
        {"image": row["file"], "sent": row["expr"], "bbox": row["bbox_xyxy"], "width": row["w"], "height": row["h"]}
        for row in rows
    ]
    images = photographs / "referring/images"
    samples = convert("internvl", "--file", jsonl(tmp_path / "x.jsonl", *written), "--images", images, missing=0)
    assert [(s.sent, list(s.bbox), s.image_id) for s in samples] == [
        (" ".join(row["expr"].split()), row["bbox_xyxy"], str(row["image_id"])) for row in rows
    ]
    for sample in samples[:5]:
        shown = read_picture(sample)
        assert shown.shape[:2] == (sample.height, sample.width)
        assert (read_picture(mirror(sample)) == shown[:, ::-1]).all()


def test_references_of_photographs(photographs: Path, rows: list[dict[str, Any]], tmp_path: Path, convert) -> None:
    refs = [
        {
            "ref_id": at,
            "ann_id": at,
            "image_id": row["image_id"],
            "category_id": 1,
            "split": "val",
            "file_name": row["file"],
            "sentences": [{"sent_id": at, "sent": row["expr"]}],
        }
        for at, row in enumerate(rows)
    ]
    boxes = [(row["bbox_xyxy"], row["image_id"]) for row in rows]
    images = {}
    for row in rows:
        height, width = read(str(photographs / "referring/images" / row["file"])).shape[:2]
        images[row["image_id"]] = {"id": row["image_id"], "file_name": row["file"], "width": width, "height": height}
    instances = {
        "images": list(images.values()),
        "annotations": [
            {"id": at, "image_id": image, "category_id": 1, "bbox": [x0, y0, x1 - x0, y1 - y0]}
            for at, ((x0, y0, x1, y1), image) in enumerate(boxes)
        ],
        "categories": [{"id": 1, "name": "thing"}],
    }
    root = write(tmp_path / "refcoco", refs, instances)
    samples = convert("refer", "--root", root, "--images", photographs / "referring/images", missing=0)
    assert [s.bbox for s in samples] == [pytest.approx(row["bbox_xyxy"]) for row in rows]
