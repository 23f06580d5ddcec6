"""Figures on what models are trained on say so, once and by name: in the terminal, the JSON and the report's head."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from egm_core.evaluate.__main__ import main
from egm_core.evaluate.reports import learnt
from egm_core.sample import Sample, write_samples
from egm_core.scenes.files.names import picture_name, seed_of
from egm_core.scenes.truth import EVALUATION_FIRST_SEED as FLOOR

sys.path.insert(0, str(Path(__file__).parents[2] / "engines"))
from misbehaving import running

RULE = ["--without-model", "copy"]


def written(folder: Path, *named: tuple[str, str, str]) -> Path:
    """A sample for each source, split and name of a picture."""
    samples = []
    for number, (source, split, name) in enumerate(named):
        cv2.imwrite(str(folder / name), np.full((60, 80, 3), 90, np.uint8))
        box = (10.0, 10.0, 40.0, 40.0)
        samples.append(Sample(str(folder / name), f"cup {number}", box, box, 1.0, 60, 80, source=source, split=split))
    write_samples(folder / "s.jsonl", samples)
    return folder / "s.jsonl"


def test_samples_of_a_training_split_are_named_with_the_remedy_once(tmp_path, capsys):
    file = written(tmp_path, ("RefCOCO", "train", "a.png"), ("RefCOCO", "val", "b.png"))
    out = tmp_path / "o.json"
    assert main(["amodal", str(file), *RULE, "--json", str(out)]) == 0
    told = capsys.readouterr()
    words = "1 of 2 questions are of a training split (RefCOCO train 1)"
    assert (told.out + told.err).count(words) == 1
    assert "val or test split" in told.err and "egm_tiny" not in told.err
    (stored,) = json.loads(out.read_text())["warnings"]
    assert stored.startswith(words)


@pytest.mark.parametrize("split", ["train", ""])
def test_generated_scenes_below_the_floor_are_known_by_split_or_by_picture(tmp_path, capsys, split):
    names = [picture_name("street", seed) for seed in (7, FLOOR)]
    file = written(tmp_path, ("egm_scenes_v1", split, names[0]), ("egm_scenes_v1", split and "evaluation", names[1]))
    assert main(["amodal", str(file), *RULE, "--json", str(tmp_path / "o.json")]) == 0
    told = capsys.readouterr().err
    assert "1 of 2 questions are of a training split" in told
    assert "egm_tiny" in told and f"egm scenes export --first-seed {FLOOR}" in told


def test_held_out_samples_and_seeds_are_not_warned_of(tmp_path, capsys):
    file = written(tmp_path, ("egm_scenes_v1", "evaluation", picture_name("street", FLOOR)), ("mine", "", "b.png"))
    assert main(["amodal", str(file), *RULE, "--json", str(tmp_path / "o.json")]) == 0
    assert "training split" not in capsys.readouterr().err
    assert json.loads((tmp_path / "o.json").read_text())["warnings"] == []
    assert learnt.of_seeds(FLOOR, 10) == []
    assert seed_of("street-00000007.png") is None and seed_of("kitchen-000000007.png") is None


def test_seeds_below_the_floor_are_counted():
    (words,) = learnt.of_seeds(FLOOR - 3, 10)
    assert words.startswith("3 of 10 scenes have seeds below 500,000,000") and f"--first-seed {FLOOR}" in words


@pytest.mark.long
def test_scenes_say_it_before_they_ask(tmp_path, capsys):
    out = tmp_path / "o.json"
    asked = ["--scenes", "1", "--queries-per-scene", "1", "--threads", "1", "--json", str(out)]
    assert main(["scenes", "--first-seed", "5", *asked]) == 0
    told = capsys.readouterr().err
    assert told.count("1 of 1 scenes have seeds below 500,000,000") == 1
    assert json.loads(out.read_text())["warnings"]


def stored(folder: Path, **about: object) -> Path:
    row = {"seed": 5, "task": "visible", "kind": "plain", "text": "cup", "correct": False, "outcome": "found",
           "truth": [10, 10, 40, 40], "box": [1, 1, 5, 5], "thinking": None, "id": "q"}  # fmt: skip
    if about["of"] == "samples":
        row |= {"image": str(folder / "a.png"), "dataset": "RefCOCO", "split": "train"}
    data = {"task": "visible", "questions": 1, "strict": True, "reasoning": True, "model": "m", "version": "", **about}
    (folder / "r.json").write_text(json.dumps(data | {"rows": [row]}))
    return folder / "r.json"


@pytest.mark.parametrize(
    ("about", "words"),
    [
        ({"of": "samples"}, "1 of 1 questions are of a training split (RefCOCO train 1)"),
        ({"of": "scenes", "first_seed": 5, "scenes": 1}, "1 of 1 scenes have seeds below 500,000,000"),
    ],
)
def test_a_reports_head_says_it_also_of_results_that_do_not_say_it(tmp_path, capsys, about, words):
    written(tmp_path, ("RefCOCO", "train", "a.png"))
    out = tmp_path / "r.html"
    assert main(["report", str(stored(tmp_path, **about)), "--out", str(out), "--no-pictures"]) == 0
    page = out.read_text()
    assert 0 < page.index(words) < page.index('<section class="runs">')
    assert capsys.readouterr().err.count(words) == 1


def test_judged_failures_say_it_in_the_terminal_and_the_json(tmp_path, capsys):
    written(tmp_path, ("RefCOCO", "train", "a.png"))
    out = tmp_path / "judged.json"
    with running() as server:
        server.model = 'says:{"reason": "OTHER"}'
        judge = ["--judge", f"a={server.url}", "--json", str(out)]
        assert main(["failures", str(stored(tmp_path, of="samples")), *judge]) == 0
    words = "1 of 1 questions are of a training split (RefCOCO train 1)"
    assert capsys.readouterr().err.count(words) == 1
    assert json.loads(out.read_text())["warnings"][0].startswith(words)
