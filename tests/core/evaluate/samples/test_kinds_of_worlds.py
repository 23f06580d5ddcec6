"""A world's kind is a kind, and no split: generated scenes through a sample file and through COCO-Amodal's layout."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sample_oracles import BOX, picture, sample

from egm_core.command.data import main as data_main
from egm_core.evaluate.__main__ import main
from egm_core.evaluate.samples.figures import Summary
from egm_core.evaluate.samples.questions import Question
from egm_core.evaluate.samples.rows import Scored
from egm_core.evaluate.samples.text import text
from egm_core.scenes import VERSION
from egm_core.scenes.files.export import Taste, export, rendered
from egm_core.scenes.truth import EVALUATION_FIRST_SEED

OLD = "egm_scenes_v3/{world}/{kind}"


@pytest.fixture(scope="module")
def scenes(tmp_path_factory) -> Path:
    """One scene of each kind of world, as a sample file."""
    folder = tmp_path_factory.mktemp("scenes")
    found = [next(rendered(EVALUATION_FIRST_SEED, 1, world)) for world in ("tabletop", "street")]
    export(folder, found, Taste(amodal_share=1.0))
    return folder / "samples.jsonl"


def figures(file: Path, out: Path, verb: str = "amodal") -> dict:
    rule = ["--without-model", "copy"]
    assert main([verb, str(file), *rule, "--all", "--json", str(out)]) == 0
    return json.loads(out.read_text())


def kinds(stored: dict) -> set[str]:
    return {row["world"] for row in stored["rows"]}


def test_two_worlds_are_one_split_and_no_mean_of_splits(scenes, tmp_path, capsys):
    stored = figures(scenes, tmp_path / "a.json")
    printed = capsys.readouterr().out
    assert [line["name"] for line in stored["figures"]["splits"]] == [f"egm_scenes_v{VERSION} evaluation"]
    assert "(macro)" not in printed
    assert kinds(stored) == {"tabletop", "street"}
    assert {line["name"] for line in stored["figures"]["groups"]["world"]} == {"tabletop", "street"}
    assert "kind of expression, as the files tell" in stored["figures"]["groups"]


def test_their_records_name_our_licence(scenes):
    assert {json.loads(line)["licence"] for line in scenes.read_text().splitlines()} == {"Apache-2.0"}


def test_they_still_are_after_coco_amodals_layout(scenes, tmp_path, capsys):
    layout, back = tmp_path / "ev.coco.json", tmp_path / "back.jsonl"
    assert data_main(["write", "coco-amodal", str(scenes), "--out", str(layout)]) == 0
    assert data_main(["convert", "coco-amodal", "--file", str(layout), "--names", "all", "--out", str(back)]) == 0
    said = capsys.readouterr()
    assert "egm_scenes_v1/" not in said.out
    assert "licence of the data: Apache-2.0" in said.out
    stored = figures(back, tmp_path / "b.json")
    assert [line["name"] for line in stored["figures"]["splits"]] == [f"egm_scenes_v{VERSION} evaluation"]
    assert kinds(stored) == {"tabletop", "street"}
    assert "(macro)" not in capsys.readouterr().out


def test_files_of_earlier_versions_are_read_the_same_way(tmp_path, capsys):
    rows = [
        {"image": str(picture(tmp_path)), "sent": f"cup {kind}", "bbox": BOX, "amodal_bbox": BOX, "height": 200,
         "width": 400, "source": OLD.format(world=world, kind=kind), "split": "evaluation"}
        for world in ("tabletop", "street") for kind in ("category", "spatial")
    ]  # fmt: skip
    (tmp_path / "old.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    stored = figures(tmp_path / "old.jsonl", tmp_path / "o.json")
    assert [line["name"] for line in stored["figures"]["splits"]] == ["egm_scenes_v3 evaluation"]
    assert kinds(stored) == {"tabletop", "street"}
    assert {row["expression_kind"] for row in stored["rows"]} == {"category", "spatial"}


def scored(number: int, box=BOX, **fields) -> Scored:
    return Scored(
        Question(f"q{number}", "visible", sample(f"{number}.png", **fields)), "found", "", box, float(bool(box))
    )


def test_data_sets_without_a_split_are_told_apart_and_in_no_mean_of_splits():
    rows = [scored(1, source="kitchen"), scored(2, None, source="office"), scored(3, source="RefCOCO", split="val")]
    summary = Summary(rows)
    assert [line.name for line in summary.splits] == ["RefCOCO val"]
    assert [line.name for line in summary.whole_sets] == ["kitchen", "office"]
    told = text(summary)
    assert "| kitchen |" in told and "(macro)" not in told
    more = Summary([*rows, scored(4, None, source="RefCOCO", split="testA")])
    assert more.macro.accuracies[0].value == 0.5
    assert more.macro.count == 2
    assert "mean of 2 splits (macro), without 2 rows of no split" in text(more)
