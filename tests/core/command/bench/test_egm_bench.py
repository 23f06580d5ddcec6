"""`egm bench`, run as its user runs it: with the embedded model, tiny shapes, and what it refuses."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import cv2
import numpy as np
import pytest

from egm_core.bench import cells
from egm_core.command.bench import main


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "picture.png"
    cv2.imwrite(str(path), np.random.default_rng(0).integers(0, 256, (96, 128, 3), np.uint8))
    return path


def bench(picture: Path, *more: str) -> int:
    return main(["--image", str(picture), "--questions", "2", "--max-tokens", "4", "-q", *more])


def test_engines_are_measured_beside_each_other_and_kept(
    picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, drawn = tmp_path / "new/bench.json", tmp_path / "new/bench.svg"
    more = ("--concurrency", "1", "2", "--size", "160x128", "--against", "generate", "--json", str(out))
    assert bench(picture, *more, "--draw", str(drawn)) == 0
    said = capsys.readouterr().out
    found = cells.read(out)
    assert [(c.engine, c.at_once) for c in found.cells] == [(e, n) for e in ("in process", "generate") for n in (1, 2)]
    assert "in process answers" in said and "as generate" in said and "GB/s measured" in said
    assert f"the figures: {out}" in said and drawn.read_text().startswith("<?xml")
    for cell in found.cells:
        assert cell.size == "160x128" and cell.failed == 0 and 1 <= cell.tokens <= 4
        assert cell.first and cell.total and cell.floor
        assert cell.total.median >= cell.first.median > cell.floor.first > 0
        assert len(cell.answer_ms) == cell.questions == max(2, 2 * cell.at_once)
    assert found.cells[0].prompt > 8 * 10, "a picture of 160x128 has so many patches of 16"


def test_what_is_there_is_not_measured_again(picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "bench.json"
    assert bench(picture, "--json", str(out)) == 0
    first = cells.read(out).cells
    assert bench(picture, "--json", str(out), "--concurrency", "1", "2") == 0
    said = capsys.readouterr().out
    assert "- 2 at once: 4 questions, not 2, for a load has 2 rounds at least" in said and "- 1 at once: 2" not in said
    assert cells.read(out).cells[0] == first[0] and len(cells.read(out).cells) == 2
    capsys.readouterr()
    assert main(["--image", str(picture), "--questions", "3", "--max-tokens", "4", "--json", str(out)]) == 2
    assert "figures of another questions" in capsys.readouterr().err
    assert bench(picture, "--json", str(out), "--dtype", "bfloat16") == 2
    assert "figures of another dtype" in capsys.readouterr().err


def test_what_cannot_be_measured_is_a_line_and_the_others_go_on(
    picture: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    lost = tmp_path / "no" / "python"
    assert bench(picture, "--against", f"vllm={lost}") == 0
    said = capsys.readouterr()
    assert "- vllm, as it is, 1 at once: not measured: " in said.out
    assert len([line for line in said.err.splitlines() if "vllm" in line]) == 1


def test_a_tiny_shape_is_measured_and_its_caches_agree(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    out = tmp_path / "shape.json"
    with caplog.at_level(logging.WARNING, "egm.bench"):
        assert main(["--shape", "tiny", "--concurrency", "1", "2", "--max-tokens", "3", "--json", str(out), "-q"]) == 0
    assert "other tokens" not in caplog.text
    found = cells.read(out).cells
    assert [(c.engine, c.at_once) for c in found] == [
        (way, n) for n in (1, 2) for way in ("tiny, eager", "tiny, static cache")
    ]
    assert all(c.prompt == 16 + 60 and c.floor and c.token and c.token.median > 0 for c in found)
    assert found[2].floor.token > found[0].floor.token, "two answers read keys and values of two"


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--shape", "8b"], "needs a GPU"),
        (["--shape", "tiny", "--against", "generate"], "--shape measures random weights"),
        (["--preset", "paper"], "name sample files with --samples"),
        (["--preset", "paper", "--concurrency", "8"], "one question at a time"),
        (["--json", "out/x.txt"], "must end in .json"),
        (["--draw", "out/x.pdf"], "must end in .svg or .png"),
        (["--engine", "url"], "say where by --engine-url"),
        (["--image", "no.png"], "no.png is not there"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(
    words: list[str], why: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1 and said[0].startswith("egm bench: ") and why in said[0]


@pytest.mark.parametrize("words", [["--concurrency", "65"], ["--size", "10x10"], ["--against", "nobody"]])
def test_ranges_hold(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2 and words[1] in capsys.readouterr().err


def test_a_file_of_something_else_is_refused(picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "other.json"
    out.write_text(json.dumps({"of": "samples"}))
    assert bench(picture, "--json", str(out)) == 2
    assert "was not written by egm bench" in capsys.readouterr().err
