"""`egm curate reason` and `egm curate leaks`, against a server on this machine."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from egm_core.command.curate import main
from egm_core.curate import provenance
from egm_core.sample import Sample, read_samples, write_samples

sys.path.insert(0, str(Path(__file__).parents[1] / "teacher"))
from paid_server import Paid, paid

COUNT = 6


@pytest.fixture
def server() -> Iterator[Paid]:
    with paid() as made:
        yield made


@pytest.fixture
def file(tmp_path: Path) -> Path:
    samples = []
    for number in range(COUNT):
        path = tmp_path / f"{number}.png"
        cv2.imwrite(str(path), np.full((100, 100, 3), 20 * number, np.uint8))
        box = (10.0 * number, 20.0, 10.0 * number + 40, 60.0)
        samples.append(Sample(str(path), f"mug number {number}", box, None, None, 100, 100, category="mug"))
    write_samples(tmp_path / "in.jsonl", samples)
    return tmp_path / "in.jsonl"


def said(text: str, before: int) -> dict[str, Any]:
    """Reason well but for one leak, and one refusal."""
    found = re.search(r"mug number (\d)", text)
    assert found
    words = {
        "1": "The mug is the one inside the coloured frame, and nothing else is there.",
        "2": "I'm sorry, but I can't help with finding this mug in the picture.",
    }
    trace = words.get(found[1], f"The mug has the number {found[1]} on it and stands alone on the table.")
    return {"text": json.dumps({"reasoning": trace, "object": "mug"})}


def run(*arguments: str | Path) -> int:
    return main([*map(str, arguments), "-q"])


def test_reasoning_is_written_judged_and_asked_once(
    server: Paid, file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.script = said
    out = tmp_path / "out.jsonl"
    arguments = ["reason", file, "--out", out, "--teacher-url", server.url, "--retries", "0", "--no-judge"]
    assert run(*arguments) == 0
    printed = capsys.readouterr().out
    assert "66.7%" in printed and "4 of 6 samples" in printed
    assert [sample.sent[-1] for sample in read_samples(out)] == list("0345")
    records = list(provenance.read(provenance.beside(out)))
    assert {record.model for record in records} == {"teacher-1-0825"} and all(record.terms for record in records)
    failures = [json.loads(line)["step"] for line in (tmp_path / "out.failures.jsonl").read_text().splitlines()]
    assert sorted(failures) == ["clean:drawing", "clean:refusal"]
    # The plain picture comes first, the copy with the frame second.
    shown = [part["image_url"]["url"] for part in server.bodies[0]["messages"][0]["content"][:2]]
    assert shown[0] != shown[1] and server.answers == COUNT
    assert run(*arguments) == 0 and server.answers == COUNT


def test_other_objects_may_be_spoken_of(server: Paid, file: Path, tmp_path: Path) -> None:
    trace = "The mug stands inside the box on the table, and nothing is beside it."
    server.script = lambda text, before: {"text": json.dumps({"reasoning": trace, "object": "mug"})}
    first = next(read_samples(file))
    write_samples(tmp_path / "near.jsonl", [replace(first, sent="box", category="box", bbox=(60, 60, 90, 90))])
    out = tmp_path / "out.jsonl"
    run("reason", file, "--out", out, "--teacher-url", server.url, "--no-judge", "--others", tmp_path / "near.jsonl")
    assert [sample.sent for sample in read_samples(out)] == ["mug number 0"], "the other images have no box"


def test_a_part_is_drawn_by_its_seed(server: Paid, file: Path, tmp_path: Path) -> None:
    server.script = said
    for name, seed in (("a", 1), ("b", 1), ("c", 3)):
        run(
            "reason",
            file,
            "--out",
            tmp_path / f"{name}.jsonl",
            "--teacher-url",
            server.url,
            "--samples",
            3,
            "--seed",
            seed,
            "--no-judge",
        )
    rates = {name: json.loads((tmp_path / f"{name}.rates.json").read_text()) for name in "abc"}
    told = {name: {key: value for key, value in one.items() if key != "money"} for name, one in rates.items()}
    assert told["a"] == told["b"] and told["a"]["questions"] == 3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["reason", "{file}", "--out", "{folder}/x.txt"], "x.txt"),
        (["reason", "{file}", "--out", "{folder}/x.jsonl", "--task", "amodal"], "no sample has a box for amodal"),
        (["leaks", "text", "{file}"], "no sample has visible reasoning"),
    ],
)
def test_what_cannot_be_done_is_said_before_anybody_is_asked(
    arguments: list[str], words: str, server: Paid, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [one.format(file=file, folder=file.parent) for one in arguments]
    assert run(*given, "--teacher-url", server.url) == 2
    assert words in capsys.readouterr().err and not server.bodies


def test_a_colour_word_that_follows_the_frame_is_found(
    server: Paid, file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def leaky(text: str, before: int) -> dict[str, Any]:
        colour = re.search(r"a (\w+) frame", text)
        assert colour
        tint = f"with a {colour[1]} shine" if "number 4" in text else "standing alone"
        return {
            "text": json.dumps({"reasoning": f"A mug {tint} is on the table, and it has a handle.", "object": "mug"})
        }

    server.script = leaky
    figures = tmp_path / "leaks.json"
    assert run("leaks", "colour", file, "--teacher-url", server.url, "--json", figures) == 0
    assert json.loads(figures.read_text())["all"]["follow"] == 1 and server.answers == 2 * COUNT
    assert "follow" in capsys.readouterr().out


def test_a_reader_without_pictures_is_asked(server: Paid, file: Path, tmp_path: Path) -> None:
    reasoned = tmp_path / "reasoned.jsonl"
    server.script = said
    run("reason", file, "--out", reasoned, "--teacher-url", server.url, "--no-judge")
    server.script = lambda text, before: {"text": '{"left": 1, "top": 200, "right": 400, "bottom": 600}'}
    figures = tmp_path / "text.json"
    assert run("leaks", "text", reasoned, "--teacher-url", server.url, "--json", figures) == 0
    found = json.loads(figures.read_text())
    assert found["samples"] == 4 and found["with_trace"]["p"] > 0.5
    # No picture goes with these questions.
    assert all(part["type"] == "text" for part in server.bodies[-1]["messages"][0]["content"])
    server.script = lambda text, before: {"text": "on the left"}
    assert run("leaks", "text", reasoned, "--teacher-url", server.url, "--ledger", tmp_path / "other.sqlite") == 1
