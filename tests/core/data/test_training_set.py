"""The paper's training set: training expressions whose image is in no evaluation split, and their mirror images."""

from __future__ import annotations

from pathlib import Path

import pytest
from refer_files import pictures, ref, write

from egm_core.command.data import main
from egm_core.sample import Sample, read_samples


@pytest.fixture
def roots(tmp_path: Path) -> list[Path]:
    """Three data sets: image 3 is evaluated in RefCOCO+ only, image 4 in RefCOCOg's test."""
    shown = pictures(1, 2, 3, 4)
    sents = ("left mug", "bright mug")
    first = [ref(0, "train", sents, 1), ref(1, "train", ("a",), 3), ref(2, "val", ("b",), 2)]
    return [
        write(tmp_path / "refcoco", first, shown),
        write(tmp_path / "refcoco+", [ref(0, "train", ("c",), 4), ref(1, "testA", ("d",), 3)], shown),
        write(
            tmp_path / "refcocog",
            [ref(0, "train", ("right behind",), 1), ref(1, "test", ("f",), 4)],
            shown,
            "refs(umd).p",
        ),
    ]


def rebuilt(roots: list[Path], out: Path, *more: str) -> list[Sample]:
    arguments = ["--root", *map(str, roots), "--missing-share", "1", "--out", str(out), *more]
    assert main(["training-set", *arguments]) == 0
    return list(read_samples(out))


def test_images_of_any_evaluation_split_are_kept_out(roots: list[Path], tmp_path: Path, capsys) -> None:
    samples = rebuilt(roots, tmp_path / "x.jsonl", "--no-mirror")
    assert [(s.source, s.sent) for s in samples] == [
        ("RefCOCO", "left mug"),
        ("RefCOCO", "bright mug"),
        ("RefCOCOg", "right behind"),
    ]
    said = capsys.readouterr().out
    assert "3 expressions on 1 images; the paper's set: 287,604 on 24,407" in said and "-287,601, -24,406" in said
    assert "RefCOCO: 2 training expressions, 1 left out" in said and "RefCOCO+: 0 training expressions, 1 left" in said


def test_each_has_its_mirror_image(roots: list[Path], tmp_path: Path, capsys) -> None:
    samples = rebuilt(roots, tmp_path / "x.jsonl")
    pairs = [("left mug", "right mug"), ("bright mug", "bright mug"), ("right behind", "left behind")]
    assert [s.sent for s in samples] == [sent for pair in pairs for sent in pair]
    assert [s.mirrored for s in samples] == [False, True] * 3
    first, second = samples[:2]
    assert second.bbox == pytest.approx((427 - first.bbox[2], first.bbox[1], 427 - first.bbox[0], first.bbox[3]))
    assert "1 times 'right behind'" in capsys.readouterr().err


def test_a_data_set_of_its_own_keeps_its_own_ids(roots: list[Path], tmp_path: Path, capsys) -> None:
    """Its image 3 is none of COCO's, so the evaluation of COCO's image 3 does not keep it out."""
    own = write(tmp_path / "kitchen", [ref(0, "train", ("g",), 3), ref(1, "train", ("h",), 1)], pictures(1, 3))
    samples = rebuilt([*roots, own], tmp_path / "x.jsonl", "--no-mirror")
    assert [s.sent for s in samples if s.source == "kitchen"] == ["g", "h"]
    assert "5 expressions on 3 images" in capsys.readouterr().out


def test_what_is_not_given_is_said(roots: list[Path], tmp_path: Path, capsys) -> None:
    rebuilt(roots[:1], tmp_path / "x.jsonl")
    assert "not given: RefCOCO+, RefCOCOg." in capsys.readouterr().err


def test_a_set_that_is_refused_has_its_counts_told(roots: list[Path], tmp_path: Path, capsys) -> None:
    """Whether the files are the right ones must not be guessed from the refusal alone."""
    arguments = ["--root", *map(str, roots), "--out", str(tmp_path / "x.jsonl")]
    assert main(["training-set", *arguments]) == 2
    said = capsys.readouterr()
    assert "RefCOCO: 2 training expressions, 1 left out" in said.out and "pictures are missing" in said.err
    assert not (tmp_path / "x.jsonl").exists()
