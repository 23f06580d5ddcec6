"""`egm curate amodal-train` and `amodal-benchmark` as they are typed, with a teacher over real HTTP."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from scripted_teacher import MODEL, teaching
from set_files import HALF_HIDDEN, coco_amodal, region, tao_amodal

from egm_core.curate.__main__ import main
from egm_core.evaluate.__main__ import main as evaluate
from egm_core.sample import read_samples

SCENE = (
    region(1, "box", (80, 40, 160, 120)),
    region(2, "mug", (20, 50, 120, 110), (20, 50, 80, 110)),
    region(3, "cup", (5, 5, 45, 45), (5, 5, 45, 30)),
)


@pytest.fixture
def teacher():
    with teaching() as server:
        yield server


@pytest.fixture
def training(tmp_path, teacher):
    file = coco_amodal(tmp_path / "coco/COCO_amodal_train2014.json", (7, 8), SCENE)
    frames = tao_amodal(tmp_path / "tao/train.json", HALF_HIDDEN, frames=2)
    return ["amodal-train", "--coco", str(file), "--tao", str(frames), "--teacher-url", teacher.url, "--teacher-terms",
            "Teacher Inc.'s terms", "--out", str(tmp_path / "set"), "--patience", "1", "-q"]  # fmt: skip


def failures(folder: Path, step: str) -> list[dict]:
    return [json.loads(line) for line in (folder / f"{step}.failures.jsonl").read_text().splitlines()]


def test_a_training_set_is_made_and_nothing_is_asked_twice(tmp_path, teacher, training, capsys):
    assert main(training) == 0
    # Two pictures have the same things, and the same texts about them: these are judged once.
    assert teacher.asked == {"express": 6, "verify": 6, "reason": 6, "judge": 3} and set(teacher.pictures) == {2, 0}
    assert sum("must not be taken for it: cup, box." in text for text in teacher.texts) == 2, "the mug's expression"
    samples = list(read_samples(tmp_path / "set/reasoned.jsonl"))
    assert [sample.sent for sample in samples[::2]] == ["red mug in the middle"] * 2 + ["car at the left"]
    assert all("continued" in sample.amodal_reasoning and sample.category != sample.sent for sample in samples)
    printed = " ".join(capsys.readouterr().out.split())
    for words in ("reasoned 6 4 COCO-Amodal train 4 on 2, TAO-Amodal train 2 on 2",
                  "paper 23,698 15,798", "verified: 0 of 6 did not pass (0.0 %)"):  # fmt: skip
        assert words in printed, printed
    line = json.loads((tmp_path / "set/verified.provenance.jsonl").read_text().splitlines()[0])
    assert (line["model"], line["terms"], line["prompt"]) == (MODEL, "Teacher Inc.'s terms", "verify_1")
    assert [one["answer"] for one in line["before"]] == [{"object": "mug", "name": "mug"}]
    whole = [json.loads(one) for one in (tmp_path / "set/reasoned.provenance.jsonl").read_text().splitlines()]
    assert all([step["prompt"] for step in one["before"]] == ["express_1", "verify_1"] for one in whole)
    assert [one["before"][0]["answer"]["name"] for one in whole] == ["mug", "cup"] * 2 + ["car"] * 2
    assert whole[0]["before"][1]["verdicts"] == {"accurate": True, "unique": True}
    assert main(training) == 0
    assert "kept: nothing changed" in capsys.readouterr().out
    (tmp_path / "set/steps.json").unlink()
    assert main(training) == 0
    assert sum(teacher.asked.values()) == 21, "the ledger knows all answers, whatever the steps remember"


def test_a_run_that_the_teacher_ends_goes_on_where_it_was(tmp_path, teacher, training, capsys):
    teacher.fails_after = 9
    assert main([*training, "--concurrency", "1"]) == 1
    assert not (tmp_path / "set/verified.jsonl").exists()
    teacher.fails_after = None
    assert main(training) == 0
    assert sum(teacher.asked.values()) == 21


@pytest.mark.parametrize(
    ("step", "kind", "said", "why"),
    [
        ("expressed", "express", json.dumps({"expression": "cup in the magenta frame", "object": "cup"}), "frame"),
        ("expressed", "express", json.dumps({"expression": "cup at [5, 5, 45, 30]", "object": "cup"}), "numbers"),
        ("expressed", "express", json.dumps({"expression": "cup " * 21, "object": "cup"}), "more than 20 words"),
        ("expressed", "express", "I cannot help with that.", "JSON"),
        ("expressed", "express", json.dumps({"expression": "Red mug in the middle", "object": "cup"}), "same phrase"),
        ("verified", "verify", json.dumps({"why": "Two fit.", "accurate": True, "unique": False}), "Two fit."),
        ("verified", "verify", json.dumps({"why": "No.", "accurate": False, "unique": True}), "No."),
        ("verified", "verify", json.dumps({"accurate": True, "unique": True}), "why"),
        ("reasoned", "reason", "Analysis failed: timeout", "JSON"),
    ],
)
def test_a_mistake_is_a_failure_of_its_step_and_never_a_text(tmp_path, teacher, training, step, kind, said, why):
    teacher.mistakes[kind, "cup"] = said
    assert main(training) == 0
    told = failures(tmp_path / "set", step)
    assert {one["sent"] for one in told} >= {"cup"} or kind != "express" or "same" in why
    assert len(told) in (2, 4), told
    assert [one["why"] for one in told if why not in one["why"]] == []
    written = (tmp_path / "set/reasoned.jsonl").read_text()
    assert "cup" not in written and said not in written and "car at the left" in written


def test_a_trace_may_speak_of_what_is_no_sample(tmp_path, teacher, training):
    trace = "The small cup in the upper corner is cut off from below, left of the box, so it goes on downward a little."
    said = {"reasoning": trace, "object": "cup", "occluders": [], "hidden_sides": ["bottom"]}
    teacher.mistakes["reason", "cup"] = json.dumps(said)
    assert main(training) == 0
    assert not failures(tmp_path / "set", "reasoned"), "the box is a neighbour, and no drawing"
    assert trace in (tmp_path / "set/reasoned.jsonl").read_text()


def test_a_dry_run_says_what_all_steps_cost_and_asks_nothing(tmp_path, teacher, training, capsys):
    assert main([*training, "--dry-run", "--price-in", "2", "--price-out", "8"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "all steps, if every object passes each: 18 of 18 questions to ask of teacher-1" in printed, printed
    assert "dollars" in printed and not teacher.asked
    assert not (tmp_path / "set/expressed.jsonl").exists()
    assert main(["amodal-benchmark", "--coco", training[2], "--coco-split", "val", *training[5:], "--dry-run"]) == 0
    assert ": 8 of 8 questions" in capsys.readouterr().out, "four objects of COCO, which are not reasoned about"


def test_a_dry_run_follows_what_the_ledger_knows(tmp_path, teacher, training, capsys):
    prices = ["--price-in", "2", "--price-out", "8", "--no-budget"]
    dry = [*training, *prices, "--dry-run"]
    teacher.fails_after = 8
    assert main([*training, *prices, "--concurrency", "1"]) == 1
    assert "asked 9 times for $0.0182; " in capsys.readouterr().out
    assert main(dry) == 0
    assert "10 of 18 questions" in capsys.readouterr().out, "six expressions and two verdicts are known"
    teacher.fails_after = None
    teacher.mistakes["verify", "cup"] = json.dumps({"why": "Two fit.", "accurate": True, "unique": False})
    assert main([*training, *prices]) == 0
    capsys.readouterr()
    assert main(dry) == 0
    printed = " ".join(capsys.readouterr().out.split())
    count = 6 + 6 + len(list(read_samples(tmp_path / "set/reasoned.jsonl")))
    assert f"0 of {count} questions" in printed and "$0.00 is spent" not in printed, printed


def test_a_budget_that_ends_leaves_what_was_answered(tmp_path, teacher, training, capsys):
    priced = [*training, "--price-in", "1000", "--price-out", "1000"]
    assert main([*priced, "--budget-usd", "30", "--concurrency", "1"]) == 1
    asked = sum(teacher.asked.values())
    assert 0 < asked < 21
    assert main([*priced, "--budget-usd", "1000"]) == 0
    assert sum(teacher.asked.values()) == 21


def test_what_a_budget_left_out_is_asked_by_the_next_run(tmp_path, teacher, training, capsys):
    priced = [*training, "--price-in", "1000", "--price-out", "1000", "--concurrency", "1"]
    assert main([*priced, "--budget-usd", "30", "--partial"]) == 0
    assert "questions have no answer: run again" in capsys.readouterr().out
    assert 0 < len(list(read_samples(tmp_path / "set/reasoned.jsonl"))) + sum(teacher.asked.values()) < 27
    assert main([*priced, "--budget-usd", "1000"]) == 0
    assert len(list(read_samples(tmp_path / "set/reasoned.jsonl"))) == 6 and sum(teacher.asked.values()) == 21
    capsys.readouterr()
    assert main([*priced, "--budget-usd", "1000"]) == 0
    assert capsys.readouterr().out.count("nothing changed") == 4


def test_the_first_step_needs_no_teacher(tmp_path, training, capsys):
    alone = training[: training.index("--teacher-url")] + training[training.index("--out") :]
    assert main([*alone, "--step", "objects"]) == 0
    assert len(list(read_samples(tmp_path / "set/objects.jsonl"))) == 6
    with pytest.raises(SystemExit, match="2"):
        main(alone)
    assert "name its server with --teacher-url" in capsys.readouterr().err
    assert main([*training, "--step", "verified"]) == 2
    assert "run the step 'expressed' first" in capsys.readouterr().err


def test_evaluation_files_are_refused_and_kept_out(tmp_path, training, capsys):
    other = coco_amodal(tmp_path / "val/COCO_amodal_val2014.json", (8,), SCENE)
    assert main([*training, "--coco", str(other), "--step", "objects"]) == 2
    assert "is of split val by its name" in capsys.readouterr().err
    assert main([*training, "--exclude", str(other), "--step", "objects"]) == 0
    assert "1 images of COCO_amodal_val2014.json are to be kept out" in capsys.readouterr().out
    assert {one.image_id for one in read_samples(tmp_path / "set/objects.jsonl") if "COCO" in one.source} == {"7"}


def test_files_to_keep_out_that_meet_no_object_are_said(tmp_path, training, caplog):
    other = coco_amodal(tmp_path / "val/COCO_amodal_val2014.json", (99,), SCENE)
    assert main([*training, "--exclude", str(other), "--step", "objects"]) == 0
    assert "no object is on an image that --exclude names" in caplog.text
    caplog.clear()
    same = coco_amodal(tmp_path / "test/COCO_amodal_test2014.json", (8,), SCENE)
    assert main([*training, "--exclude", str(same), "--step", "objects"]) == 0
    assert "no object is on an image" not in caplog.text


@pytest.mark.parametrize("verb", ["amodal-train", "amodal-benchmark"])
def test_a_set_of_which_nothing_passed_is_a_failure_that_says_why(verb, tmp_path, teacher, training, caplog, capsys):
    asked, step, why = {
        "amodal-train": ("reason", "reasoned", "formed"), "amodal-benchmark": ("verify", "verified", "verified")
    }[verb]  # fmt: skip
    teacher.mistakes |= {(asked, name): "I cannot help with that." for name in ("mug", "cup", "car")}
    more = [*training[1:3], "--coco-split", "val", *training[5:]] if verb == "amodal-benchmark" else training[1:]
    assert main([verb, *more]) == 1
    assert f"no sample passed the step {step}; {tmp_path / 'set' / step}.failures.jsonl says why" in caplog.text
    assert f"did not pass: {why}, such as: " in capsys.readouterr().out
    assert not (tmp_path / "set/set").exists()


def test_nothing_to_make_a_set_of_is_refused(tmp_path, capsys):
    for verb, words in (("amodal-train", "--coco or --tao"), ("amodal-benchmark", "name files with --coco")):
        with pytest.raises(SystemExit, match="2"):
            main([verb, "--out", str(tmp_path / "x")])
        assert words in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main(["amodal-benchmark"])
    assert "--out FOLDER is missing" in capsys.readouterr().err


def test_a_benchmark_is_made_checked_and_evaluated(tmp_path, teacher, capsys):
    files = [coco_amodal(tmp_path / f"coco/COCO_amodal_{kind}.json", numbers, SCENE, "val2014")
             for kind, numbers in (("val2014", (7, 8)), ("test2014", (9,)))]  # fmt: skip
    teacher.mistakes["verify", "cup"] = json.dumps({"why": "Two fit.", "accurate": True, "unique": False})
    made = ["amodal-benchmark", "--coco", *map(str, files), "--teacher-url", teacher.url, "--out", str(tmp_path / "b")]
    assert main([*made, "-q"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    for words in ("verified 3 3", "paper 11,261 2,474", "verified: 3 of 6 did not pass (50.0 %)"):
        assert words in printed, printed
    folder = tmp_path / "b/set"
    told = json.loads((folder / "manifest.json").read_text())
    assert (told["teachers"], told["prompts"]["verified"]["labels"]) == ([MODEL], ["verify_1"])
    assert told["files"]["amodal_benchmark.jsonl"]["sha256"] in printed
    assert main(["amodal-benchmark", "--check", str(folder)]) == 0
    assert "is whole: amodal benchmark 1.0, 3 samples on 3 images" in capsys.readouterr().out
    file = folder / "amodal_benchmark.jsonl"
    assert evaluate(["amodal", str(file), "--images", str(tmp_path / "coco"), "--without-model", "copy"]) == 0
    assert "| all rows (micro) | 3 | 3 | 100.0" in capsys.readouterr().out
    file.write_text(file.read_text().replace("mug", "cup"))
    assert main(["amodal-benchmark", "--check", str(folder)]) == 1
    assert "amodal_benchmark.jsonl: sha256 is" in capsys.readouterr().out
