"""A strict benchmark by the first one's ledger, as the guide types it: no expression is paid for twice."""

from __future__ import annotations

from pathlib import Path

from scripted_teacher import Teacher
from set_files import coco_amodal
from test_set_commands import SCENE, teacher  # noqa: F401

from egm_core.command.curate import main

ROOT = Path(__file__).parents[4]


def test_the_guide_s_strict_set_takes_its_expressions_out_of_the_first_ledger(
    tmp_path: Path,
    teacher: Teacher,  # noqa: F811
    capsys,  # type: ignore[no-untyped-def]
) -> None:
    guide = (ROOT / "docs/guides/curation.md").read_text("utf-8").replace("\\\n", " ")
    line = next(one for one in guide.splitlines() if "--out sets/strict" in one)
    typed = line.split(" ... ")[1].replace("sets/", f"{tmp_path}/")
    file = coco_amodal(tmp_path / "coco/COCO_amodal_val2014.json", (7,), SCENE, "val2014")
    made = [
        "amodal-benchmark",
        "--coco",
        str(file),
        "--teacher-url",
        teacher.url,
        "--price-in",
        "2",
        "--price-out",
        "8",
    ]
    assert main([*made, "--budget-usd", "100", "--out", str(tmp_path / "amodal_benchmark"), "-q"]) == 0
    asked = dict(teacher.asked)
    capsys.readouterr()
    strict = [*made, *typed.split(), "--second-model", "second-2", "--family", "qwen3_vl", "--dry-run", "-q"]
    assert main(strict) == 0
    told = capsys.readouterr().out
    assert "all steps, if every object passes each: 0 of 4 questions to ask of teacher-1" in told, told
    assert "to ask of second-2" in told and dict(teacher.asked) == asked
