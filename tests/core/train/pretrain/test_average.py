"""The mean of two models: of their numbers, described as the first one is, and never in place of one of them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from egm_core.models.folder import EMBEDDED, load_info, resolve
from egm_core.train.pretrain.average import main as average

WEIGHTS = "model.safetensors"


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """The embedded model with weights that are larger by a sixteenth."""
    folder = tmp_path / "other"
    shutil.copytree(resolve(EMBEDDED), folder)
    save_file(
        {name: value * 1.0625 for name, value in load_file(folder / WEIGHTS).items()},
        folder / WEIGHTS,
        metadata={"format": "pt"},
    )
    return folder


def test_the_embedded_model_and_another_have_a_mean_that_loads(other: Path, tmp_path: Path) -> None:
    out = tmp_path / "mean"
    assert average(["--model", EMBEDDED, "--other", str(other), "--out", str(out), "--float32"]) == 0
    mean, mine, its = (load_file(folder / WEIGHTS) for folder in (out, resolve(EMBEDDED), other))
    assert mean.keys() == mine.keys()
    for name, value in mean.items():
        assert torch.equal(value, (mine[name].float() + its[name].float()) / 2), name
    info = load_info(out)
    assert info.name == EMBEDDED and info.domain_path is not None
    assert json.loads(info.domain_path.read_text()) == json.loads((resolve(EMBEDDED) / "domain.json").read_text())
    assert not (out / "calibration.json").exists() and not (out / "gate.json").exists(), "they are of other weights"


def test_a_mean_never_takes_the_place_of_one_of_its_models(other: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (other / WEIGHTS).read_bytes()
    assert average(["--model", EMBEDDED, "--other", str(other), "--out", str(other)]) == 2
    assert "is one of the models, which would be lost" in capsys.readouterr().err
    assert (other / WEIGHTS).read_bytes() == before


def test_models_of_two_shapes_have_no_mean(other: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = json.loads((other / "config.json").read_text())
    config["text_config"]["num_hidden_layers"] -= 1
    (other / "config.json").write_text(json.dumps(config))
    assert average(["--model", EMBEDDED, "--other", str(other), "--out", str(tmp_path / "mean")]) == 2
    assert "give models of one architecture" in capsys.readouterr().err
    assert not (tmp_path / "mean").exists()


@pytest.mark.parametrize(("value", "words"), [(float("nan"), ("--float32",)), (1e6, ())])
def test_weights_that_are_no_numbers_are_not_written(
    value: float, words: tuple[str, ...], other: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = {name: tensor.float() for name, tensor in load_file(other / WEIGHTS).items()}
    name = sorted(weights)[0]
    weights[name].view(-1)[0] = value
    save_file(weights, other / WEIGHTS, {"format": "pt"})
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps({**config, "dtype": "float32"}))
    assert average(["--model", str(other), "--out", str(tmp_path / "mean"), *words]) == 2
    assert "is not finite (1 such)" in capsys.readouterr().err
    assert not (tmp_path / "mean").exists()
