"""The sets with the stricter verification: a second model has to hit the object on the plain picture."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from scripted_teacher import KNOWS, MODEL, Teacher, teaching
from set_files import coco_amodal
from test_set_commands import SCENE

from egm_core.curate.__main__ import main
from egm_core.sample import read_samples

sys.path.append(str(Path(__file__).parents[1] / "teacher"))

from paid_server import Paid, paid

SECOND = "second-2"
SEEN = {"mug": (20, 50, 80, 110), "cup": (5, 5, 45, 30)}
ELSEWHERE = (120, 40, 160, 120)


@pytest.fixture
def teacher() -> Iterator[Teacher]:
    with teaching() as server:
        yield server


@pytest.fixture
def second() -> Iterator[Paid]:
    with paid() as server:
        # The mug fits by both kinds; the cup is hit once of two times.
        def script(text: str, before: int) -> dict[str, Any]:
            thing = next(name for name in SEEN if KNOWS[name][0] in text)
            x0, y0, x1, y1 = ELSEWHERE if thing == "cup" and before % 2 else SEEN[thing]
            box = [x0 * 5, round(y0 / 0.15), x1 * 5, round(y1 / 0.15)]
            return {"text": json.dumps([{"bbox_2d": box, "label": thing}])}

        server.script, server.name = script, SECOND
        yield server


@pytest.fixture
def common(tmp_path: Path, teacher: Teacher, second: Paid) -> list[str]:
    return ["--teacher-url", teacher.url, "--teacher-terms", "T's terms", "--second-url", second.url, "--second-model",
            SECOND, "--family", "qwen3_vl", "--concurrency", "1", "--patience", "1", "--out", str(tmp_path / "set"),
            "-q"]  # fmt: skip


def benchmark(tmp_path: Path) -> list[str]:
    files = [coco_amodal(tmp_path / f"coco/COCO_amodal_{kind}.json", (number,), SCENE, "val2014")
             for number, kind in ((7, "val2014"), (9, "test2014"))]  # fmt: skip
    return ["amodal-benchmark", "--coco", *map(str, files)]


def sents(path: Path) -> list[str]:
    return [sample.sent for sample in read_samples(path)]


def test_both_rates_are_told_and_disagreements_lie_apart(
    tmp_path: Path, teacher: Teacher, second: Paid, common: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    mug, cup = KNOWS["mug"][0], KNOWS["cup"][0]
    assert main([*benchmark(tmp_path), "--kind", "both", *common]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    for words in ("fits (sees the box) 4 4 100.0%", "hits (must find it) 4 2 50.0%", "of the others: 2 disagreement"):
        assert words in printed, printed
    folder = tmp_path / "set"
    assert sents(folder / "verified.jsonl") == [mug] * 2 and sents(folder / "verified.disagreements.jsonl") == [cup] * 2
    told = json.loads((folder / "set/manifest.json").read_text())
    verification = told["verification"]
    assert (verification["fits"]["passed"], verification["hits"]["hit"], verification["hits"]["asked"]) == (4, 2, 4)
    assert told["steps"]["verified"]["verification"] == verification
    assert told["teachers"] == [SECOND, MODEL] and "T's terms" in told["terms"] and len(told["terms"]) == 2
    asked = sum(second.asked.values())
    assert main([*benchmark(tmp_path), "--kind", "both", *common]) == 0
    assert "verified: 2 samples on 2 images" in (again := capsys.readouterr().out) and again.count("kept: nothing") == 3
    assert sum(second.asked.values()) == asked == 8
    # Another kind makes the step anew, without a question more, and leaves nothing of the first behind.
    plain = [one for one in common if one not in ("--second-url", second.url, "--second-model", SECOND)]
    assert main([*benchmark(tmp_path), *plain]) == 0
    assert sents(folder / "verified.jsonl") == [mug, cup] * 2 and sum(teacher.asked.values()) == 8
    assert not (folder / "verified.disagreements.jsonl").exists()


def test_what_the_second_model_did_not_answer_is_asked_by_the_next_run(
    tmp_path: Path, second: Paid, common: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    well = second.script
    second.script = lambda text, before: (400, {}) if KNOWS["cup"][0] in text else well(text, 0)
    file = coco_amodal(tmp_path / "coco/COCO_amodal_train2014.json", (7,), SCENE)
    training = ["amodal-train", "--coco", str(file), "--kind", "hits", *common]
    assert main(training) == 0
    assert "1 questions have no answer: run again" in capsys.readouterr().out
    second.script = lambda text, before: well(text, 0)
    assert main(training) == 0
    assert sents(tmp_path / "set/reasoned.jsonl") == [KNOWS["mug"][0], KNOWS["cup"][0]]
    line = json.loads((tmp_path / "set/verified.provenance.jsonl").read_text().splitlines()[0])
    assert (line["model"], line["verdicts"]["hits"]["model"], line["terms"]) == (
        SECOND,
        SECOND,
        "none of its text is kept",
    )


def test_a_dry_run_has_both_models_with_their_prices(
    tmp_path: Path, teacher: Teacher, second: Paid, common: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    prices = ["--price-in", "2", "--price-out", "8", "--second-price-in", "3", "--second-price-out", "4"]
    assert main([*benchmark(tmp_path), "--kind", "both", *common, *prices, "--dry-run"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    for words in (f"8 of 8 questions to ask of {MODEL}", f"8 of 8 questions to ask of {SECOND}", "$2 in", "$3 in"):
        assert words in printed, printed
    assert not teacher.asked and not second.asked


def test_the_teacher_as_second_model_is_said(
    tmp_path: Path, common: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    alone = [one for one in common if one not in ("--second-model", SECOND)]
    at = alone.index("--second-url")
    assert main([*benchmark(tmp_path), "--kind", "hits", *alone[:at], *alone[at + 2 :], "--dry-run"]) == 0
    assert "the teacher's own, has to hit the objects, too" in capsys.readouterr().err


def test_a_second_model_that_nobody_would_ask_is_refused(
    tmp_path: Path, common: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main([*benchmark(tmp_path), *common])
    assert "no second model is asked with --kind fits" in capsys.readouterr().err
