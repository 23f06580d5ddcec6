"""`egm evaluate refer` and `amodal` as they are typed, asking a real server over HTTP."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sample_oracles import BOX, picture, sample, saying

from egm_core.evaluate.__main__ import main
from egm_core.evaluate.results import FORBIDDEN
from egm_core.sample import write_samples

sys.path.insert(0, str(Path(__file__).parents[2] / "engines"))
from misbehaving import Server, running


@contextmanager
def serving(model: str) -> Iterator[Server]:
    with running() as server:
        server.model = model
        yield server


@pytest.fixture
def file(tmp_path):
    image = picture(tmp_path)
    rows = [
        sample(image, f"cup {split} {n}", source="RefCOCO", split=split, ref_id=f"{split}{n // 2}",
               image_id=str(n // 2), amodal_bbox=(20, 20, 170, 120))
        for split in ("val", "testA") for n in range(4)
    ]  # fmt: skip
    write_samples(tmp_path / "refcoco.jsonl", rows)
    return tmp_path / "refcoco.jsonl"


def asked(file: Path, url: str, *more: str, verb: str = "refer") -> int:
    return main([verb, str(file), "--engine-url", url, "--family", "qwen3_vl", *more])


def test_a_served_model_is_asked_scored_and_kept(file, tmp_path, capsys):
    out = tmp_path / "out.json"
    with serving(f"says:{saying(BOX)}") as server:
        assert asked(file, server.url, "--json", str(out)) == 0
        count = len(server.bodies)
        assert count == 8
        assert asked(file, server.url, "--json", str(out)) == 0
        assert len(server.bodies) == count
    printed = capsys.readouterr().out
    for words in ("rows are sentences: 8 of 4 refs on 2 images", "RefCOCO val: 4 rows on 2 images, of 10834 sentences",
                  "IoU above the threshold", "mean of 2 splits (macro)", "| RefCOCO testA | 4 | 2 | 100.0",
                  "32 side by side", "paper_eval"):  # fmt: skip
        assert words in printed, words
    data = json.loads(out.read_text())
    assert data["of"] == "samples"
    assert (data["strict"], data["concurrency"], data["unasked"]) == (True, 32, 0)
    assert data["prompt"] == "Locate {sent}, output its bbox coordinates using JSON format"
    assert {row["outcome"] for row in data["rows"]} == {"found"}
    assert all(row["seconds"] > 0 and row["picture"] for row in data["rows"])
    assert data["figures"]["macro"]["acc@0.9"]["value"] == 1.0


def test_the_head_says_that_reasoning_was_forbidden(file, tmp_path, capsys):
    out = tmp_path / "out.json"
    for more in ([], ["--no-reasoning"]):
        with serving(f"says:{saying(BOX)}") as server:
            assert asked(file, server.url, "--json", str(out), "--answers", str(tmp_path / "kept"), *more) == 0
        head = capsys.readouterr().out.partition("\nanswered ")[0]
        assert (FORBIDDEN in head.splitlines()) == bool(more)
        assert json.loads(out.read_text())["reasoning"] == (not more)
    assert main(["amodal", str(file), "--without-model", "copy"]) == 0
    assert FORBIDDEN not in capsys.readouterr().out


def test_a_budget_ends_the_run_by_name_and_a_larger_one_goes_on(file, tmp_path, capsys):
    with serving(f"says:{saying(BOX)}") as server:
        options = ["--answers", str(tmp_path / "a"), "--budget"]
        assert asked(file, server.url, *options, "requests=5") == 1
        told = capsys.readouterr()
        assert "PART ONLY: 3 of 8 questions were not asked" in told.out
        assert "the budget is used up (5 requests" in told.err
        assert asked(file, server.url, *options, "requests=8") == 0
        assert len(server.bodies) == 8


def test_amodal_questions_have_the_amodal_prompt_and_baselines(file, tmp_path, capsys):
    with serving(f"says:{saying(BOX)}") as server:
        assert asked(file, server.url, "--answers", str(tmp_path / "a"), verb="amodal") == 0
        assert "amodally" in json.dumps(server.bodies[0])
    printed = capsys.readouterr().out
    for words in ("true visible box copied", "visible box enlarged", "Where the visible box fails at 0.75"):
        assert words in printed, words


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--engine-url", "http://127.0.0.1:1"], "nothing would be kept"),
        (["--json", "no/such/folder/x.json"], "there is no folder"),
        (["--engine-model", "x", "--answers", "a"], "--engine-model is about a server"),
        (["--budget", "dollars=3", "--answers", "a"], "must be requests=N or tokens=N"),
    ],
)
def test_senseless_commands_are_refused(file, options, words, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["refer", str(file), *options])
    assert words in capsys.readouterr().err


def test_a_file_without_amodal_truth_says_so(tmp_path, capsys):
    write_samples(tmp_path / "s.jsonl", [sample(picture(tmp_path))])
    assert main(["amodal", str(tmp_path / "s.jsonl"), "--answers", str(tmp_path / "a")]) == 2
    told = capsys.readouterr().err
    assert "left out: 1 records: its amodal box is not known" in told
    assert "has no amodal question" in told


def test_a_server_that_is_not_there_is_an_error_of_the_run(file, tmp_path, capsys):
    assert asked(file, "http://127.0.0.1:1", "--answers", str(tmp_path / "a"), "--wait", "0.1") == 1
    assert "nothing answers at" in capsys.readouterr().err


def test_another_vendors_frame_is_asked_read_and_told(file, tmp_path):
    out = tmp_path / "out.json"
    # y before x, in thousandths: BOX in a picture of 400 x 200.
    text = '[{"box_2d": [100, 50, 600, 300], "label": "cup"}]'
    with serving(f"says:{text}") as server:
        assert main(["refer", str(file), "--engine-url", server.url, "--family", "gemini", "--json", str(out)]) == 0
    data = json.loads(out.read_text())
    assert (data["family"], data["mode"], data["temperature"]) == ("gemini", "salvage", 0.5)
    assert "ymin" in data["prompt"].lower() or "y" in data["frame"]
    assert {row["iou"] for row in data["rows"]} == {1.0}


def test_reading_rules_that_a_vendor_has_not_are_refused(file, tmp_path, capsys):
    with serving("says:x") as server:
        options = ["--engine-url", server.url, "--family", "gemini", "--answers", str(tmp_path / "a")]
        assert main(["refer", str(file), *options, "--mode", "paper"]) == 2
        assert not server.bodies
    assert "salvage" in capsys.readouterr().err


def test_finer_tables_are_printed_on_request_alone(file, tmp_path, capsys):
    with serving(f"says:{saying(BOX)}") as server:
        words = ["--answers", str(tmp_path / "a")]
        assert asked(file, server.url, *words, verb="amodal") == 0
        short = capsys.readouterr().out
        assert asked(file, server.url, *words, "--all", verb="amodal") == 0
        whole = capsys.readouterr().out
    heads = [[line for line in printed.splitlines() if "| rows |" in line] for printed in (short, whole)]
    assert len(heads[0]) == 2 and len(heads[1]) > 2
    assert "are printed with --all" in short and "--all" not in whole
    assert short.index("true visible box copied") < short.index("| split |")
    assert "Acc@0.5 (>)" in heads[0][0]
