"""Real photographs through the commands: shown, counted, written, read, and asked about with the embedded model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import pytest

from egm_core.command.data import main as data
from egm_core.evaluate.__main__ import main as evaluate
from egm_core.sample import Sample, read_samples, write_samples


def of(photographs: Path, part: str, file: str, sent: str, visible: Any, amodal: Any = None) -> Sample:
    path = photographs / part / "images" / file
    height, width = cv2.imread(str(path)).shape[:2]
    return Sample(str(path), sent, visible, amodal, 1.0 if amodal else None, height, width, source=part, split="val")


@pytest.fixture
def file(photographs: Path, tmp_path: Path) -> Path:
    """Three records of people's expressions, three of a street, and three of amodal boxes, whose names are made up."""
    referring, driving, amodal = (
        json.loads((photographs / part).read_text())
        for part in ("referring/refs.json", "driving/refs.json", "amodal/boxes.json")
    )
    samples = [of(photographs, "referring", row["file"], row["expr"], row["bbox_xyxy"]) for row in referring[:3]]
    samples += [of(photographs, "driving", row["file"], row["expr"], row["bbox_xyxy"]) for row in driving[:3]]
    samples += [
        of(photographs, "amodal", row["file"], f"thing {n}", row["amodal_xyxy"], row["amodal_xyxy"])
        for n, row in enumerate(amodal[:3])
    ]
    write_samples(tmp_path / "s.jsonl", samples)
    return tmp_path / "s.jsonl"


def test_they_are_shown_counted_and_written(file: Path, tmp_path: Path, capsys: Any) -> None:
    assert data(["show", str(file), "--out", str(tmp_path / "sheet.png"), "--columns", "3", "--tile", "200"]) == 0
    assert data(["stats", str(file)]) == 0
    assert "9" in capsys.readouterr().out and cv2.imread(str(tmp_path / "sheet.png")).shape[1] > 600
    boxes = sorted(sample.bbox for sample in read_samples(file))
    for kind, name, option in (("internvl", "rows.jsonl", "--file"), ("vlmevalkit", "R.tsv", "--file"),
                               ("refer", "mine", "--root"), ("coco", "c.json", "--file")):  # fmt: skip
        written, back = tmp_path / kind / name, tmp_path / f"{kind}.jsonl"
        assert data(["write", kind, str(file), "--out", str(written)]) == 0
        images = ["--images", str(written)] if kind == "refer" else []
        assert data(["convert", kind, option, str(written), *images, "--out", str(back)]) == 0
        assert [pytest.approx(box, abs=1e-3) for box in boxes] == sorted(s.bbox for s in read_samples(back)), kind


def test_drivelm_reads_a_street_from_them(photographs: Path, tmp_path: Path) -> None:
    rows = json.loads((photographs / "driving/refs.json").read_text())
    frames: dict[str, Any] = {}
    for n, row in enumerate(rows):
        frame = frames.setdefault(row["frame"], {"key_object_infos": {}, "QA": {}, "image_paths": {}})
        frame["image_paths"][row["cam"]] = f"../nuscenes/samples/{row['cam']}/{row['file']}"
        frame["key_object_infos"][f"<c{n},{row['cam']},1,2>"] = {
            "Category": row["category"], "Status": row["status"], "Visual_description": row["expr"],
            "2d_bbox": row["bbox_xyxy"],
        }  # fmt: skip
    (tmp_path / "x.json").write_text(json.dumps({"scene": {"scene_description": "", "key_frames": frames}}))
    arguments = ["convert", "drivelm", "--file", str(tmp_path / "x.json"), "--names", "all", "--missing-share", "0"]
    images = ["--images", str(photographs / "driving/images"), "--out", str(tmp_path / "x.jsonl")]
    assert data([*arguments, *images]) == 0
    found = list(read_samples(tmp_path / "x.jsonl"))
    assert [list(s.bbox) for s in found] == [row["bbox_xyxy"] for row in rows]


@pytest.mark.long
def test_the_embedded_model_is_asked_both_questions(file: Path, tmp_path: Path, capsys: Any) -> None:
    for verb, count in (("refer", 9), ("amodal", 3)):
        out = tmp_path / f"{verb}.json"
        assert evaluate([verb, str(file), "--json", str(out), "--no-reasoning"]) == 0
        rows = json.loads(out.read_text())["rows"]
        assert len(rows) == count and all(row["picture"] for row in rows)
        # A photograph is nothing that this model knows: what matters is that each question ends in an outcome.
        assert {row["outcome"] for row in rows} <= {"found", "malformed", "absent", "truncated"}
    assert "true visible box copied" in capsys.readouterr().out
