"""Statistics of a sample file: Table 3's columns, kinds, histograms, and where bins end."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import cv2
import pytest

from egm_core.command.data import main
from egm_core.data.stats import Stats, bars, gathered, histograms, kinds, table
from egm_core.sample import Sample, write_samples

ONE = Sample("a.png", "the red mug", (0, 0, 30, 40), None, None, 100, 200, source="A", split="val")


@pytest.fixture
def samples() -> list[Sample]:
    """Six samples on three pictures of two sets."""
    return [
        ONE,
        ONE,
        dataclasses.replace(ONE, sent="a mug", amodal_bbox=(-9, 0, 30, 40), visible_fraction=0.4),
        dataclasses.replace(ONE, image="b.png", width=400, bbox=None, sent="a cat"),
        dataclasses.replace(ONE, image="b.png", width=400, bbox=None, amodal_bbox=(1, 1, 9, 9), visible_fraction=0.0),
        dataclasses.replace(ONE, image="c.png", source="B", bbox=(0, 0, 200, 100), visible_fraction=1.0, reasoning="x"),
    ]


def test_the_columns_of_table_3(samples: list[Sample]) -> None:
    found = gathered(samples)
    assert list(found) == ["all", "A val", "B val"]
    assert found["all"].columns == {
        "samples": "6",
        "images": "3",
        "avg. boxes": "2.00",
        "avg. width": "266.7",
        "avg. height": "100.0",
        "objects": "3",
        "avg. words": "2.67",
    }
    assert [line.split()[0] for line in table(found).splitlines()[1:]] == ["all", "A", "B"]
    assert [line.split()[0] for line in table(gathered([ONE])).splitlines()[1:]] == ["A"]


def test_kinds_of_samples(samples: list[Sample]) -> None:
    assert kinds(gathered(samples)["all"]) == (
        "1 absent; 1 wholly hidden; 2 with an amodal box; 1 whose amodal box leaves the picture; 1 with reasoning; "
        "1 asked twice"
    )
    assert kinds(gathered([ONE])["all"]) == "all seen, without amodal boxes"


def test_histograms(samples: list[Sample]) -> None:
    found = histograms(gathered(samples)["all"])
    sizes, words, shares = found.values()
    assert dict(sizes) == {"to 0.1%": 0, "to 1.0%": 0, "to 3.0%": 0, "to 10.0%": 3, "to 30.0%": 0, "over 30.0%": 1}
    assert dict(words)["to 2"] == 2 and dict(words)["to 3"] == 4
    assert dict(shares) == {"0 %": 1, "to 10 %": 0, "to 40 %": 1, "to 80 %": 0, "below 100 %": 0, "100 %": 1}
    assert list(found)[2] == "visible share of the object (not known of 2)"
    assert "#" * 30 + "  3 (75.0%)" in bars("sizes", sizes)
    assert "visible share" not in " ".join(histograms(Stats()))


def test_the_command(samples: list[Sample], tmp_path: Path, capsys: Any) -> None:
    write_samples(tmp_path / "s.jsonl", samples)
    assert main(["stats", str(tmp_path / "s.jsonl"), "--png", str(tmp_path / "h.png")]) == 0
    said = capsys.readouterr().out
    assert "avg. boxes" in said and "words of the expression" in said and "histograms -> " in said
    assert cv2.imread(str(tmp_path / "h.png")) is not None
    (tmp_path / "e.jsonl").write_text("")
    assert main(["stats", str(tmp_path / "e.jsonl")]) == 2
    assert "holds no sample" in capsys.readouterr().err


def test_the_command_prints_the_licences(tmp_path: Path, capsys: Any, samples: list[Sample]) -> None:
    rows = [dataclasses.replace(one, licence="CC0" if number else "") for number, one in enumerate(samples)]
    write_samples(tmp_path / "s.jsonl", rows)
    assert main(["stats", str(tmp_path / "s.jsonl")]) == 0
    printed = capsys.readouterr().out
    assert "licence of 5 of 6 records: CC0" in printed
    assert "licence of 1 of 6 records: unknown" in printed


def test_generated_scenes_are_under_our_own_licence(tmp_path: Path, capsys: Any) -> None:
    """Also those of files that were written before records had it."""
    assert (Path(__file__).parents[3] / "LICENSE").read_text().split()[:4] == ["Apache", "License", "Version", "2.0,"]
    write_samples(tmp_path / "s.jsonl", [dataclasses.replace(ONE, source="egm_scenes_v1", split="evaluation")])
    assert main(["stats", str(tmp_path / "s.jsonl")]) == 0
    assert "licence of the data: Apache-2.0" in capsys.readouterr().out
