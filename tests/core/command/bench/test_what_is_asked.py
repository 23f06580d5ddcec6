"""What `egm bench` puts to a server: the model's own prompt, new images, a random tenth of samples."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "engines"))
import misbehaving

from egm_core.bench import cells, running
from egm_core.command.bench import main
from egm_core.sample import Sample, write_samples

ANSWER = 'says:{"bbox_2d": [1, 2, 3, 4], "label": "mug"}'


@pytest.fixture(scope="module")
def server() -> Iterator[misbehaving.Server]:
    with misbehaving.running() as server:
        yield server


@pytest.fixture
def samples(tmp_path: Path) -> Path:
    cv2.imwrite(str(tmp_path / "a.png"), np.full((96, 128, 3), 90, np.uint8))
    box = (1.0, 2.0, 30.0, 40.0)
    rows = [Sample(image=str(tmp_path / "a.png"), width=128, height=96, sent=f"the mug {n}", bbox=box, amodal_bbox=None,
                   visible_fraction=None) for n in range(30)]  # fmt: skip
    write_samples(tmp_path / "samples.jsonl", rows)
    return tmp_path / "samples.jsonl"


def asked_of(server: misbehaving.Server) -> list[str]:
    return [part["text"] for body in server.bodies for part in body["messages"][0]["content"] if part["type"] == "text"]


def test_the_papers_preset_asks_a_random_tenth_one_at_a_time(
    server: misbehaving.Server, samples: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.bodies.clear()
    out = tmp_path / "paper.json"
    words = ["--preset", "paper", "--samples", str(samples), "--engine-url", server.url, "--engine-model", ANSWER]
    assert main([*words, "--family", "qwen3_vl", "--json", str(out), "-q"]) == 0
    (cell,) = cells.read(out).cells
    assert (cell.questions, cell.at_once, cell.failed) == (3, 1, 0) and cell.joules is not None
    assert cell.engine == server.url and cell.floor is None
    assert "name the model's folder with --model" in capsys.readouterr().out
    counted = server.bodies[running.WARM :]
    assert len(set(asked_of(server))) == 3
    assert all(body["temperature"] == 0 and 4096 in body.values() for body in counted)
    images = [part["image_url"]["url"] for body in counted for part in body["messages"][0]["content"]
              if part["type"] == "image_url"]  # fmt: skip
    assert len(set(images)) == 3, "an engine could answer from its cache of images"


def test_ctrl_c_keeps_and_prints_what_was_measured(
    server: misbehaving.Server, samples: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    out, loads = tmp_path / "b.json", []
    under_load = running.under_load

    def interrupted(engine, questions, at_once, *rest):
        loads.append(at_once)
        if at_once == 2:
            raise KeyboardInterrupt
        return under_load(engine, questions, at_once, *rest)

    monkeypatch.setattr(running, "under_load", interrupted)
    words = ["--samples", str(samples), "--questions", "2", "--engine-url", server.url, "--engine-model", ANSWER]
    with pytest.raises(KeyboardInterrupt):
        main([*words, "--family", "qwen3_vl", "--concurrency", "2", "1", "--json", str(out), "-q"])
    assert [cell.at_once for cell in cells.read(out).cells] == [1]
    assert "| 1 |" in capsys.readouterr().out


def test_a_server_that_fails_is_told_and_is_a_failure(
    server: misbehaving.Server, samples: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--samples", str(samples), "--questions", "2", "--engine-url", server.url, "--engine-model", "status:500"]
    assert main([*words, "--family", "qwen3_vl", "-q"]) == 1
    assert "not measured: engine_" in capsys.readouterr().out
