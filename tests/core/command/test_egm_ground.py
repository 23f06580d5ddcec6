"""`egm ground` with the embedded model: one line for a reader, JSON for a program, and a picture."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from command_line import PICTURE, egm

from egm_core import ground
from egm_core.command.entry import main
from egm_core.command.ground import line, parser
from egm_core.command.grounding.models import lacks
from egm_core.families import Task
from egm_core.grounder.grounding import Found, Grounding
from egm_core.models.calibration import DIRECT
from egm_core.models.folder import ModelInfo, load_info, resolve
from egm_core.pictures.pixels import read_image

MUG = "the red mug"
TIMES = {"engine_ms", "total_ms"}


def test_one_line_tells_the_answer_and_the_picture_shows_it(tmp_path: Path) -> None:
    drawn = tmp_path / "drawn.png"
    # As its users do, in a process of its own.
    done = egm("ground", PICTURE, MUG, "--threads", "1", "--draw", str(drawn))
    assert done.returncode == 0, done.stderr
    box = r"\[\d+ \d+ \d+ \d+\]"
    scores = r"score 0\.\d\d, amodal score 0\.\d\d"
    told = rf"found: {MUG} \| visible {box} \| amodal {box} \| {scores} \| egm_tiny in \d+ ms\n"
    assert re.fullmatch(told, done.stdout), done.stdout
    before, after = read_image(Path(PICTURE)), read_image(drawn)
    assert before.shape == after.shape and (before != after).any()


def alike(one: Any, other: Any) -> bool:
    """Compare what JSON holds; the last digits of a probability differ from one run to the next."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(alike(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(alike, one, other))
    return bool(one == (pytest.approx(other, rel=1e-4) if isinstance(other, float) else other))


def test_json_is_what_the_module_prints(capsys: pytest.CaptureFixture[str]) -> None:
    printed = []
    for run, words in ((main, ["ground", PICTURE, MUG, "--json"]), (ground.main, [PICTURE, MUG])):
        assert run([*words, "--threads", "1"]) == 0
        printed.append(capsys.readouterr().out)
    answers = [{k: v for k, v in json.loads(text).items() if k not in TIMES} for text in printed]
    assert alike(answers[0], answers[1])
    assert (answers[0]["outcome"], answers[0]["model"], answers[0]["instruction"]) == ("found", "egm_tiny", MUG)
    assert len(answers[0]["visible"]) == 4


def test_a_call_that_cannot_be_served_ends_with_2_and_one_line() -> None:
    done = egm("ground", "nowhere.png", MUG)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("egm ground: ") and "nowhere.png" in done.stderr and done.stderr.count("\n") == 1


def test_an_absent_object_and_an_error_tell_their_reason() -> None:
    absent = Grounding("absent", score=0.25, score_available=True, total_ms=12.4)
    assert line("the dog", "m", absent) == "absent: the dog | score 0.25 | m in 12 ms"
    low = Grounding("absent", reason="low_score", detail="0.1 is below 0.5", total_ms=12.0)
    assert line("the dog", "m", low) == "absent: the dog | low_score: 0.1 is below 0.5 | no score | m in 12 ms"
    failed = Grounding("error", reason="timeout", detail="no answer\nwithin 5 s", total_ms=5000)
    assert line("the dog", "m", failed) == "error: the dog | timeout: no answer within 5 s | m in 5000 ms"


def test_boxes_are_told_in_whole_pixels() -> None:
    found = Grounding("found", visible=(1.4, 2.6, 30.0, 40.5), score=1.0, total_ms=1)
    assert line("it", "m", found) == "found: it | visible [1 3 30 40] | no score | m in 1 ms"


BOTH: tuple[Task, ...] = ("visible", "amodal")
SERVED = ModelInfo("EGM-8B", "qwen3_vl")
URL = ("--engine-url", "http://here:8000")


@pytest.mark.parametrize(
    ("options", "tasks", "words"),
    [
        (
            URL,
            ("visible",),
            ["no amodal box", "nothing says that EGM-8B", "--model", "--force-amodal", "--amodal-model"],
        ),
        ((*URL, "--visible-only"), ("visible",), []),
        ((*URL, "--force-amodal"), BOTH, []),
    ],
)
def test_what_a_server_without_a_folder_lacks_is_said_with_the_remedy(
    options: tuple[str, ...], tasks: tuple[Task, ...], words: list[str]
) -> None:
    given = parser().parse_args(["a.png", MUG, *options])
    *amodal, score = lacks(given, "vllm", SERVED, tasks, SERVED)
    assert "no probabilities" in score and "name the model's folder with --model" in score
    assert len(amodal) == bool(words) and all(word in amodal[0] for word in words)


def test_where_there_is_no_score_none_is_called_raw() -> None:
    given = parser().parse_args(["a.png", MUG, *URL])
    (amodal,) = lacks(given, None, SERVED, ("visible",), SERVED)
    assert "no amodal box" in amodal


def test_a_folder_that_lacks_something_is_told_apart() -> None:
    given = parser().parse_args(["a.png", MUG])
    tiny = load_info(resolve("egm_tiny"))
    assert not list(lacks(given, "transformers", tiny, BOTH, tiny))
    (raw,) = lacks(given, "vllm", tiny, BOTH, tiny)
    assert "calibration.json" in raw and "the engine is vllm" in raw


def test_a_deadline_has_its_curve_and_its_gate_told_where_they_lack(tmp_path: Path) -> None:
    folder = copied(resolve("egm_tiny"), tmp_path / "tiny")
    bare = load_info(folder)
    given = parser().parse_args(["a.png", MUG, "--deadline", "2"])
    rule, raw = lacks(given, "transformers", bare, BOTH, bare, thought=False)
    assert "gate.json" in rule and "egm evaluate gate" in rule
    assert "with reasoning only" in raw and "--no-reasoning" in raw
    (rule,) = lacks(given, "transformers", bare, BOTH, bare, thought=True)
    assert "gate.json" in rule
    direct = parser().parse_args(["a.png", MUG, "--no-reasoning"])
    (raw,) = lacks(direct, "transformers", bare, BOTH, bare, thought=False)
    assert "with reasoning only" in raw


def copied(source: Path, folder: Path) -> Path:
    """Copy a model without its gate, and without the curves of answers that were not thought about."""
    shutil.copytree(source, folder)
    (folder / "gate.json").unlink(missing_ok=True)
    file = folder / "calibration.json"
    data = json.loads(file.read_text())
    for entry in data["engines"].values():
        entry.pop(DIRECT, None)
    file.write_text(json.dumps(data))
    return folder


def test_a_deadline_over_the_timeout_or_without_a_grammar_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    for more, words in (
        (["--timeout", "1", "--deadline", "2"], "--timeout"),
        (["--deadline", "2", "--constrain", "off"], "--constrain off"),
    ):
        assert main(["ground", PICTURE, MUG, *more]) == 2
        told = capsys.readouterr().err
        assert "--deadline" in told and words in told


def test_an_answer_by_a_deadline_says_whether_it_was_thought_about(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ground", PICTURE, MUG, "--json", "--threads", "1", "--deadline", "600"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["outcome"], answer["missed"]) == ("found", False)
    assert {answer["thought"], answer["amodal_thought"]} <= {"yes", "no"}
    assert (answer["thought"] == "yes") == bool(answer["reasoning"])


def test_a_raw_score_is_called_so() -> None:
    raw = Grounding("found", visible=(1, 2, 3, 4), score=0.03, score_available=True, total_ms=1)
    assert "| raw score 0.03 |" in line("it", "m", raw)
    told = Grounding(
        "found", visible=(1, 2, 3, 4), score=0.8, score_available=True, calibrated=("visible",), total_ms=1
    )
    assert "| score 0.80 |" in line("it", "m", told)


def test_the_line_tells_the_amodal_score_and_what_became_of_the_deadline() -> None:
    late = Grounding(
        "found", visible=(1, 2, 3, 4), amodal=(1, 2, 3, 9), score=0.8, amodal_score=0.25, score_available=True,
        calibrated=("visible",), thought="late", missed=True, total_ms=542,
    )  # fmt: skip
    told = line("it", "m", late, 0.05)
    assert "| score 0.80, raw amodal score 0.25 |" in told
    assert told.endswith("| without thinking, which did not end in time | m in 542 ms, missed its deadline of 50 ms")
    assert "deadline" not in line("it", "m", late) and "thinking" not in line("it", "m", late)


def test_the_line_of_a_call_with_a_deadline_says_that_it_missed_and_did_not_think(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["ground", PICTURE, MUG, "--threads", "1", "--deadline", "0.001", "--no-reasoning"]) == 0
    out, err = capsys.readouterr()
    assert " | without thinking | " in out
    assert out.endswith("ms, missed its deadline of 1 ms\n")
    assert "--no-reasoning lets no thought follow" in err


@pytest.mark.parametrize("instruction", ["", "  ", ".", "\n!"])
def test_an_empty_instruction_is_refused_before_any_model_is_loaded(
    instruction: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("egm_core.command.grounding.models._model", lambda *given: pytest.fail("loads a model"))
    assert main(["ground", PICTURE, instruction]) == 2
    assert "the instruction is empty" in capsys.readouterr().err


def test_several_objects_have_a_line_each() -> None:
    first = Found((1.0, 2.0, 3.0, 4.0), (1.0, 2.0, 5.0, 4.0), 0.9, 0.8, True)
    found = Grounding("found", total_ms=12.0).holding([first, Found((6.0, 2.0, 8.0, 4.0))])
    assert line("every mug", "m", found).splitlines() == [
        "found: every mug | 2 objects | m in 12 ms",
        "  1: visible [1 2 3 4] | amodal [1 2 5 4] | raw score 0.90, raw amodal score 0.80",
        "  2: visible [6 2 8 4] | no score",
    ]


def test_how_many_objects_may_be_a_number_all_or_what_the_words_say(capsys: pytest.CaptureFixture[str]) -> None:
    def most(*options: str) -> int:
        return int(parser().parse_args(["a.png", "every mug", *options]).max_objects)

    assert (most(), most("--max-objects", "all"), most("--max-objects", "auto")) == (-1, 0, -1)
    assert most("--max-objects", "7") == 7
    for wrong in ("0", "-2", "201", "some"):
        with pytest.raises(SystemExit):
            most("--max-objects", wrong)
        assert "--max-objects" in capsys.readouterr().err
