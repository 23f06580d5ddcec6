"""`egm curate express` and `verify` as they are typed, with models over real HTTP that know the scene."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from egm_core.curate.__main__ import main
from egm_core.curate.verify.hits import Judged, Outcome
from egm_core.curate.verify.rates import rates, table
from egm_core.sample import Sample, read_samples, write_samples

sys.path.append(str(Path(__file__).parents[1] / "teacher"))

from paid_server import Paid, paid

BOXES = {"mug": (10, 10, 40, 40), "cup": (60, 10, 90, 40), "jar": (10, 60, 40, 90), "pot": (60, 60, 90, 90)}


@pytest.fixture
def server() -> Iterator[Paid]:
    with paid() as found:
        yield found


@pytest.fixture
def file(tmp_path: Path) -> Path:
    picture = tmp_path / "a.png"
    cv2.imwrite(str(picture), np.full((100, 100, 3), 90, np.uint8))
    found = [Sample(str(picture), name, box, box, 1.0, 100, 100, category=name) for name, box in BOXES.items()]
    found.append(Sample(str(picture), "key", None, (20, 20, 30, 30), 0.0, 100, 100, category="key"))
    write_samples(tmp_path / "objects.jsonl", found)
    return tmp_path / "objects.jsonl"


def told(body: dict[str, Any]) -> tuple[str, str]:
    text = body["messages"][-1]["content"][-1]["text"]
    return text, next((name for name in (*BOXES, "key") if f'"{name}' in text or f"It is a {name}" in text), "")


def sents(path: Path) -> list[str]:
    return [sample.sent for sample in read_samples(path)]


def test_several_expressions_an_object_without_duplicates(server: Paid, file: Path, capsys: Any) -> None:
    phrases = {"mug": ["white mug", "mug on the left", "White  mug"], "cup": ["white cup"] * 3}

    def script(text: str, before: int) -> dict[str, Any]:
        name = next(one for one in (*BOXES, "key") if f"It is a {one}" in text)
        phrase = phrases.get(name, ["glass thing in the lower row"] * 3)[before]
        return {"text": json.dumps({"expression": phrase, "object": name})}

    server.script = script
    out = file.with_name("expressed.jsonl")
    asked = ["express", str(file), "--out", str(out), "--per-object", "3", "--teacher-url", server.url]
    assert main([*asked, "--concurrency", "1", "-q"]) == 0
    assert sorted(sents(out)) == ["mug on the left", "white cup", "white mug"]
    printed = capsys.readouterr().out
    assert "3 did not pass: expressed:duplicate" in printed
    assert "9 did not pass: expressed:shared, such as: another object" in printed
    assert {body["seed"] for body in server.bodies} == {0, 1, 2}
    assert main([*asked, "-q"]) == 0
    assert len(server.bodies) == 15, "nothing is asked twice"


def answers(server: Paid) -> None:
    """Fits: the jar's phrase is not unique. Hits: the cup by one seed only, the pot's box is the jar's."""
    seen: dict[str, int] = {}

    def script(text: str, before: int) -> dict[str, Any]:
        if "accurate" in text:
            unique = 'phrase is: "jar"' not in text
            return {"text": json.dumps({"why": "So it looks.", "accurate": True, "unique": unique})}
        name = next(one for one in BOXES if one in text)
        seen[name] = seen.get(name, 0) + 1
        box = BOXES["jar" if name == "pot" or (name == "cup" and before) else name]
        x0, y0, x1, y1 = (value * 10 for value in box)
        return {"text": json.dumps([{"bbox_2d": [x0, y0, x1, y1], "label": name}])}

    server.script = script


@pytest.mark.parametrize(
    ("kind", "kept", "asked"),
    [("fits", ["mug", "cup", "pot", "key"], 5), ("hits", ["mug", "jar"], 8), ("both", ["mug", "key"], 13)],
)
def test_either_kind_or_both(server: Paid, file: Path, capsys: Any, kind: str, kept: list[str], asked: int) -> None:
    answers(server)
    out = file.with_name("verified.jsonl")
    options = ["--teacher-url", server.url, "--family", "qwen3_vl", "--terms", "T's terms", "--concurrency", "1"]
    assert main(["verify", str(file), "--out", str(out), "--kind", kind, *options, "-q"]) == 0
    assert sents(out) == kept
    assert sum(server.asked.values()) == asked
    found = json.loads(out.with_name("verified.rates.json").read_text())
    printed = capsys.readouterr().out
    if kind != "fits":
        hits = found["hits"]
        assert [hits[name] for name in ("asked", "hit", "disagreement", "missed", "hidden")] == [4, 2, 1, 1, 1]
        assert sents(out.with_name("verified.disagreements.jsonl")) == (["cup"] if kind != "fits" else [])
        assert "can pass the first kind only" in printed
    if kind != "hits":
        assert (found["fits"]["passed"], found["fits"]["asked"]) == (4, 5)
    if kind == "both":
        assert found["both"] == {"fits_and_hits": 1, "fits_only": 3, "hits_only": 1, "neither": 0}
    lines = out.with_name("verified.provenance.jsonl").read_text().splitlines()
    assert len(lines) == len(kept) and all("T's terms" in line for line in lines)
    steps = [json.loads(line)["step"] for line in out.with_name("verified.failures.jsonl").read_text().splitlines()]
    assert len(steps) == 5 - len(kept)


@pytest.mark.parametrize(("outcomes", "told"), [
    (["missed"] * 5, True), (["missed"] * 4, False), (["missed"] * 5 + ["hit"], False),
    (["missed"] * 5 + ["disagreement"], False),
])  # fmt: skip
def test_no_hit_at_all_is_told_from_hard_expressions(outcomes: list[Outcome], told: bool) -> None:
    judged = [Judged(outcome) for outcome in outcomes]
    printed = table(rates(len(outcomes), None, judged, outcomes.count("hit")))
    assert ("no box met its object even once" in printed and "egm evaluate pilot" in printed) is told


def test_a_box_that_fits_another_object_better_is_no_hit(server: Paid, tmp_path: Path) -> None:
    picture = tmp_path / "a.png"
    cv2.imwrite(str(picture), np.full((100, 100, 3), 90, np.uint8))
    inner, outer = (10, 10, 50, 50), (10, 10, 60, 60)
    two = [Sample(str(picture), name, box, box, 1.0, 100, 100) for name, box in (("in", inner), ("out", outer))]
    write_samples(tmp_path / "x.jsonl", two)
    server.script = lambda text, before: {"text": '[{"bbox_2d": [100, 100, 500, 500], "label": "x"}]'}
    out = tmp_path / "y.jsonl"
    options = ["--teacher-url", server.url, "--family", "qwen3_vl", "-q"]
    assert main(["verify", str(tmp_path / "x.jsonl"), "--out", str(out), "--kind", "hits", *options]) == 0
    assert sents(out) == ["in"]
    (line,) = map(json.loads, out.with_name("y.failures.jsonl").read_text().splitlines())
    assert (line["step"], line["why"]) == ("hits:missed", "it hit another object better: in")


def test_money_is_settled_before_anything_is_asked(server: Paid, file: Path, capsys: Any, monkeypatch: Any) -> None:
    verify = ["verify", str(file), "--out", str(file.with_name("v.jsonl"))]
    with pytest.raises(SystemExit, match="2"):
        main([*verify, "--teacher-url", "https://api.example.com", "--teacher-model", "gpt-4.1"])
    assert "give --budget-usd X as a bound, or say --no-budget" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main([*verify, "--teacher-url", server.url, "--budget-usd", "1"])
    assert "give --price-in and --price-out (0 and 0 if nobody bills it), or --prices FILE" in capsys.readouterr().err
    assert main([*verify, "--teacher-model", "gpt-4.1", "--dry-run"]) == 0
    printed = capsys.readouterr().out
    for words in ("5 of 5 questions to ask of gpt-4.1", "by its vendor's rule", "in batches", "$2 in and $8 out"):
        assert words in printed, printed
    own = file.with_name("prices.json")
    own.write_text('[{"models": "teacher-*", "in": 10, "out": 100}]')
    answers(server)
    assert main([*verify, "--teacher-url", server.url, "--budget-usd", "0.0001", "--prices", str(own), "-q"]) == 1
    printed = capsys.readouterr().err
    assert "larger --budget-usd" in printed and "2 times its worst case" in printed and not server.asked


@pytest.mark.parametrize("kind", ["fits", "hits"])
def test_a_picture_of_another_size_than_its_sample_says_is_no_question(server: Paid, file: Path, kind: str) -> None:
    cv2.imwrite(str(file.with_name("a.png")), np.full((50, 50, 3), 90, np.uint8))
    out = file.with_name("verified.jsonl")
    options = ["--kind", kind, "--teacher-url", server.url, "--family", "qwen3_vl", "-q"]
    assert main(["verify", str(file), "--out", str(out), *options]) == 1
    assert not server.bodies
    assert "50 x 50 pixels, and its sample says 100 x 100" in out.with_name("verified.failures.jsonl").read_text()
