"""Generated worlds written as the field's files and read back, box by box; and what each kind has no place for."""

from __future__ import annotations

import csv
import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from pyarrow import parquet
from pycocotools import mask as masks
from record_files import picture

from egm_core.command.data import main
from egm_core.data.kinds import kinds
from egm_core.pictures.source import read, read_picture
from egm_core.sample import Sample, read_samples, write_samples

NEAR = 1e-4


@pytest.fixture
def samples(tmp_path: Path) -> Path:
    """Samples of two pictures, one mirrored in an archive; of an object that is asked for twice, and of none."""
    import zipfile

    plain = picture(tmp_path / "data/images/a.png")
    with zipfile.ZipFile(tmp_path / "data/more.zip", "w") as archive:
        archive.write(plain, "b.png")
    base = Sample(
        str(plain),
        "the red mug",
        (1.25, 2.0, 30.5, 40.0),
        None,
        0.4,
        48,
        64,
        source="mine",
        split="val",
        category="mug",
    )
    far = dataclasses.replace(
        base,
        image=f"{tmp_path}/data/more.zip::b.png",
        sent="die Tür",
        mirrored=True,
        bbox=(3.0, 4.0, 50.0, 44.0),
        category="door",
        reasoning="It is there.",
    )
    write_samples(
        tmp_path / "data/s.jsonl",
        [
            dataclasses.replace(base, amodal_bbox=(-4.0, 2.0, 30.5, 48.0)),
            dataclasses.replace(base, sent='a "mug"\tof tea'),
            dataclasses.replace(base, sent="the lid", bbox=(5.0, 6.0, 7.0, 8.0)),
            far,
            dataclasses.replace(base, sent="a cat", bbox=None, visible_fraction=None),
            dataclasses.replace(base, sent="the key", bbox=None, amodal_bbox=(1, 1, 9, 9), visible_fraction=0.0),
        ],
    )
    return tmp_path / "data/s.jsonl"


def write(kind: str, file: Path, out: Path, *more: str) -> None:
    assert main(["write", kind, str(file), "--out", str(out), *more]) == 0


def back(tmp_path: Path, kind: str, *arguments: object) -> list[Sample]:
    out = tmp_path / "back.jsonl"
    assert main(["convert", kind, *map(str, arguments), "--out", str(out)]) == 0
    return list(read_samples(out))


# A kind with its name of file, the arguments of its reader, and how far a box may move.
def ways() -> dict[str, tuple[str, Any, float, tuple[str, ...]]]:
    return {
        "refer": ("mine", lambda out: ("--root", out, "--images", out), NEAR, ()),
        "internvl": ("rows.jsonl", lambda out: ("--file", out), NEAR, ()),
        "internvl-talks": ("talks.jsonl", lambda out: ("--file", out), 0.5, ("--rows", "training")),
        "vlmevalkit": ("RefCOCO.tsv", lambda out: ("--file", out), NEAR, ()),
        "lmms": ("val.parquet", lambda out: ("--file", out), NEAR, ()),
        "coco-amodal": ("COCO_amodal_val2014.json", lambda out: ("--file", out), 0.5, ()),
        "coco": ("coco.json", lambda out: ("--file", out), NEAR, ()),
    }


def roundtrip(tmp_path: Path, way: str, file: Path) -> None:
    """Write a file of samples in a way and read it back: every box, expression and picture comes again."""
    name, reading, near, more = ways()[way]
    kind = way.removesuffix("-talks")
    if kind not in kinds():
        pytest.skip(f"there is no reader of {kind} yet")
    out = tmp_path / "written" / name
    write(kind, file, out, *more)
    found = {(s.sent, s.bbox and tuple(round(e) for e in s.bbox)): s for s in back(tmp_path, kind, *reading(out))}
    amodal = kind in ("coco", "coco-amodal")
    wanted = [
        s
        for s in read_samples(file)
        if (s.truth("amodal") if kind == "coco-amodal" else s.bbox or (kind == "coco" and not s.absent))
    ]
    assert len(found) == len({(s.sent, s.picture, s.bbox) for s in wanted})
    unseen = dict(found)
    for sample in wanted:
        key = next(k for k in found if k[0].split() == sample.sent.split() and _close(found[k].bbox, sample.bbox, near))
        again = found[key]
        unseen.pop(key, None)
        assert (again.width, again.height) == (sample.width, sample.height)
        assert np.array_equal(read_picture(again), read_picture(sample))
        if amodal:
            assert again.visible_fraction == pytest.approx(sample.visible_fraction, abs=1e-6)
            whole = sample.truth("amodal") if kind == "coco-amodal" else sample.amodal_bbox
            assert _close(again.amodal_bbox, whole, NEAR)
    assert not unseen


def _close(box: Any, other: Any, near: float) -> bool:
    return box == other or (bool(box) and bool(other) and bool(np.allclose(box, other, atol=near, rtol=0)))


@pytest.mark.parametrize("way", ways())
def test_what_is_written_is_read_again(samples: Path, tmp_path: Path, way: str) -> None:
    roundtrip(tmp_path, way, samples)


@pytest.mark.long
@pytest.mark.parametrize("way", ways())
def test_generated_worlds_come_back_box_by_box(worlds: Path, tmp_path: Path, way: str) -> None:
    roundtrip(tmp_path, way, worlds)


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Samples of twelve generated scenes, with amodal boxes, absent objects and several questions a scene."""
    from egm_core.scenes.files.export import Taste, export, rendered

    folder = tmp_path_factory.mktemp("worlds")
    export(folder, rendered(900_000_000, 12), Taste(6, 1.0, 0.0, None), False, "samples.jsonl", 12)
    return folder / "samples.jsonl"


def test_refer_writes_what_refer_py_reads(samples: Path, tmp_path: Path, capsys: Any) -> None:
    write("refer", samples, tmp_path / "out", "--copy")
    said = capsys.readouterr().err
    assert "left out 1: absent objects: this kind of file has none (sample 5)" in said
    assert "left out 1: wholly hidden objects" in said and "no place for them: amodal boxes (2)" in said
    import pickle

    refs = pickle.loads((tmp_path / "out/refs(unc).p").read_bytes())
    assert [said["sent"] for said in refs[0]["sentences"]] == ["the red mug", 'a "mug"\tof tea']
    assert refs[0].keys() == {
        "ref_id",
        "ann_id",
        "image_id",
        "category_id",
        "split",
        "file_name",
        "sent_ids",
        "sentences",
    }
    known = json.loads((tmp_path / "out/instances.json").read_text())
    assert known["annotations"][0]["bbox"] == [1.25, 2.0, 29.25, 38.0] and len(known["images"]) == 2
    for image in known["images"]:
        assert read(str(tmp_path / "out" / image["file_name"])).shape == (48, 64, 3)


def test_files_that_are_there_are_kept(samples: Path, tmp_path: Path, capsys: Any) -> None:
    """A real folder of REFER's may be the one that is named, and its partitions share one file of annotations."""
    real = tmp_path / "refcoco"
    real.mkdir()
    for name in ("instances.json", "refs(unc).p"):
        (real / name).write_text("real")
        (tmp_path / "rows.jsonl").write_text("real")
        for kind, out in (("refer", real), ("internvl", tmp_path / "rows.jsonl")):
            assert main(["write", kind, str(samples), "--out", str(out)]) == 2
            assert "is there already; give another name, or --overwrite" in capsys.readouterr().err
    assert {path.read_text() for path in (*real.iterdir(), tmp_path / "rows.jsonl")} == {"real"}
    assert main(["write", "refer", str(samples), "--out", str(real), "--partition", "umd", "--overwrite"]) == 2
    assert "has refs(unc).p, whose annotations are those of its instances.json" in capsys.readouterr().err
    assert {path.read_text() for path in real.iterdir()} == {"real"} and len(list(real.iterdir())) == 2
    write("refer", samples, real, "--overwrite")
    assert json.loads((real / "instances.json").read_text())["annotations"]


def test_pictures_of_other_samples_are_kept(samples: Path, tmp_path: Path) -> None:
    write("internvl", samples, tmp_path / "one.jsonl", "--copy")
    first = {path: path.read_bytes() for path in (tmp_path / "pictures").iterdir()}
    cv2.imwrite(str(samples.parent / "images/a.png"), np.full((48, 64, 3), 9, np.uint8))
    write("internvl", samples, tmp_path / "two.jsonl", "--copy")
    assert all(path.read_bytes() == data for path, data in first.items())
    assert len(list((tmp_path / "pictures").iterdir())) == len(first) + 1


def test_conversations_hold_the_turns_of_a_picture(samples: Path, tmp_path: Path) -> None:
    write("internvl", samples, tmp_path / "t.jsonl", "--rows", "training")
    rows = [json.loads(line) for line in (tmp_path / "t.jsonl").read_text().splitlines()]
    assert [len(row["conversations"]) for row in rows] == [6, 2]
    assert [turn["value"].count("<image>") for turn in rows[0]["conversations"]] == [1, 0, 0, 0, 0, 0]
    assert rows[0]["conversations"][1]["value"] == "<ref>the red mug</ref><box>[[20, 42, 477, 833]]</box>"


def test_the_table_of_vlmevalkit(samples: Path, tmp_path: Path) -> None:
    write("vlmevalkit", samples, tmp_path / "t.tsv")
    csv.field_size_limit(sys.maxsize)
    with (tmp_path / "t.tsv").open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert len({row["index"] for row in rows}) == len(rows) == 4
    assert rows[0]["category"] == "mine val" and rows[0]["split"] == "mine_val"
    assert [float(rows[0][f"bbox_{edge}"]) for edge in ("x1", "y1", "x2", "y2")] == [1.25, 2.0, 30.5, 40.0]
    assert float(rows[0]["bbox_x2_norm"]) == pytest.approx(30.5 / 64)


def test_a_row_of_lmms_is_an_object(samples: Path, tmp_path: Path) -> None:
    write("lmms", samples, tmp_path / "t.parquet")
    rows = parquet.read_table(tmp_path / "t.parquet").to_pylist()
    assert [row["answer"] for row in rows] == [["the red mug", 'a "mug"\tof tea'], ["the lid"], ["die Tür"]]
    assert rows[0]["bbox"] == [1.25, 2.0, 29.25, 38.0] and rows[0]["image"]["bytes"].startswith(b"\x89PNG")


def test_coco_keeps_amodal_boxes_and_the_pictures_of_absent_objects(samples: Path, tmp_path: Path, capsys: Any) -> None:
    write("coco", samples, tmp_path / "c.json")
    assert "left out 1: absent objects: their pictures stay" in capsys.readouterr().err
    known = json.loads((tmp_path / "c.json").read_text())
    assert known["annotations"][0]["amodal_bbox"] == [-4.0, 2.0, 34.5, 46.0]
    assert {one["name"] for one in known["categories"]} == {"mug", "door"}
    assert [one["file_name"] for one in known["images"]] == ["data/images/a.png", "pictures/b-000001.png"]


def test_coco_amodal_has_masks_of_what_is_seen_and_hidden(samples: Path, tmp_path: Path, capsys: Any) -> None:
    write("coco-amodal", samples, tmp_path / "c.json")
    said = capsys.readouterr()
    assert "2 samples" in said.out and "left out 1: absent objects" in said.err
    assert "left out 3: objects whose amodal box is not known" in said.err
    assert "left out 1: parts of amodal boxes beyond the picture: outlines end there (sample 1)" in said.err
    (annotation,) = json.loads((tmp_path / "c.json").read_text())["annotations"]
    mug, key = annotation["regions"]
    assert mug["segmentation"] == [0.0, 2.0, 30.5, 2.0, 30.5, 48.0, 0.0, 48.0] and mug["occlude_rate"] == 0.6
    seen = masks.decode(mug["visible_mask"]).astype(bool)
    assert seen[2:40, 1:30].all() and seen.sum() == 38 * 29
    assert not masks.area(key["visible_mask"]) and key["order"] == 2
    # What hides them is not known, and readers would take whatever overlaps the hidden part.
    assert "invisible_mask" not in mug and "invisible_mask" not in key


def test_a_split_that_refer_does_not_know_is_said(samples: Path, tmp_path: Path, capsys: Any) -> None:
    write_samples(tmp_path / "s.jsonl", (dataclasses.replace(s, split="") for s in read_samples(samples)))
    write("refer", tmp_path / "s.jsonl", tmp_path / "out", "--split", "testA", "--partition", "umd")
    assert "split '' is none of REFER's: written as testA (--split)" in capsys.readouterr().err
    assert (tmp_path / "out/refs(umd).p").is_file()


def test_wrong_calls_are_named(samples: Path, tmp_path: Path, capsys: Any) -> None:
    assert main(["write", "coco", str(tmp_path / "gone.jsonl"), "--out", str(tmp_path / "c.json")]) == 2
    assert "no such file" in capsys.readouterr().err
    one = next(s for s in read_samples(samples) if s.absent)
    write_samples(tmp_path / "absent.jsonl", [one])
    assert main(["write", "internvl", str(tmp_path / "absent.jsonl"), "--out", str(tmp_path / "i.jsonl")]) == 2
    assert "none of its samples has a place" in capsys.readouterr().err
    Path(one.image).unlink()
    assert main(["write", "lmms", str(samples), "--out", str(tmp_path / "l.parquet")]) == 2
    assert "a.png is not there" in capsys.readouterr().err
    assert not list(tmp_path.glob("l.*")) and not list(tmp_path.glob("i.*"))


def test_coco_amodal_keeps_what_hides_an_object_and_the_depth(tmp_path: Path, capsys: Any) -> None:
    plain = str(picture(tmp_path / "a.png"))
    front = Sample(plain, "the box", (10, 10, 30, 40), (10, 10, 30, 40), 1.0, 48, 64, depth_order=2, category="box")
    mug = dataclasses.replace(
        front, sent="the mug", bbox=(30, 10, 50, 40), amodal_bbox=(20, 10, 50, 40), visible_fraction=2 / 3,
        depth_order=5, occluders=("the box",), category="mug",
    )  # fmt: skip
    # It lies where the mug is hidden, and does not hide it.
    cat = dataclasses.replace(front, sent="the cat", bbox=(15, 15, 28, 38), amodal_bbox=(15, 15, 28, 38), depth_order=1)
    lid = dataclasses.replace(mug, sent="the lid", depth_order=7, occluders=("the arm",))
    write_samples(tmp_path / "s.jsonl", [mug, front, cat, lid])
    write("coco-amodal", tmp_path / "s.jsonl", tmp_path / "c.json")
    said = capsys.readouterr().err
    assert "1 names of what hides an object belong to no region" in said and "(sample 4: the arm)" in said
    regions = json.loads((tmp_path / "c.json").read_text())["annotations"][0]["regions"]
    hidden = masks.decode(regions[0]["invisible_mask"]).astype(bool)
    assert hidden[10:40, 20:30].all() and hidden.sum() == 300
    found = {one.sent: one for one in back(tmp_path, "coco-amodal", "--file", tmp_path / "c.json")}
    assert [found[name].depth_order for name in ("the cat", "the box", "the mug", "the lid")] == [1, 2, 5, 7]
    assert found["the mug"].occluders == ("the box",) and found["the box"].occluders == ()
    assert found["the lid"].occluders == ("the arm",)


@pytest.mark.parametrize(("kind", "name"), [("vlmevalkit", "t.tsv"), ("lmms", "val-00000-of-00001.parquet")])
@pytest.mark.parametrize(("source", "split"), [("mine_set", "val"), ("mine", "evaluation"), ("mine_set", "")])
def test_rows_of_one_picture_stay_rows_of_one(tmp_path, kind, name, source, split) -> None:
    """Intervals are over pictures, so rows that share one must be known to; and its set and split keep their names."""
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((48, 64, 3), np.uint8))
    cv2.imwrite(str(tmp_path / "b.png"), np.full((48, 64, 3), 9, np.uint8))
    rows = [
        Sample(f"{tmp_path}/{'ab'[n % 2]}.png", f"cup {n}", (n, 1, n + 9, 9), None, None, 48, 64, "", source, split)
        for n in range(6)
    ]  # fmt: skip
    write_samples(tmp_path / "s.jsonl", rows)
    write(kind, tmp_path / "s.jsonl", tmp_path / name)
    found = back(tmp_path, kind, "--file", tmp_path / name)
    assert len(found) == 6 and len({s.picture for s in found}) == 2
    if kind == "vlmevalkit":
        assert {(s.source, s.split) for s in found} == {(source, split)}


@pytest.mark.parametrize("kind", ["coco", "coco-amodal", "refer", "internvl"])
def test_pictures_that_are_not_there_are_named(samples: Path, tmp_path: Path, capsys: Any, kind: str) -> None:
    """The file was written and named pictures that nobody has, and nothing was said."""
    (tmp_path / "data/images/a.png").unlink()
    write(kind, samples, tmp_path / ("written" if kind == "refer" else "c.json"))
    assert f"1 pictures are missing ({tmp_path / 'data/images/a.png'}" in capsys.readouterr().err
