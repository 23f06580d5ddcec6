"""Training configurations: bases, overrides, and errors that name the key and the remedy."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from egm_core.sample import SampleError
from egm_core.train.__main__ import main
from egm_core.train.configuration import ConfigurationError, load
from egm_core.train.stages import STAGES


@dataclass
class Inner:
    steps: int = 10


@dataclass
class Outer:
    learning_rate: float = 1e-5
    stage: Inner = field(default_factory=Inner)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "base.yaml").write_text("learning_rate: 0.5\nstage:\n  steps: 3\n")
    path = tmp_path / "top.yaml"
    path.write_text("base: base.yaml\nstage:\n  steps: 4\n")
    return path


def test_layers_and_overrides(file: Path) -> None:
    assert load(Outer, file) == Outer(0.5, Inner(4))
    assert load(Outer, file, ["stage.steps=7", "learning_rate=1e-3"]) == Outer(1e-3, Inner(7))


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("learning_rat=1", "did you mean 'learning_rate'"),
        ("stage.step=1", "did you mean 'stage.steps'"),
        ("stage.steps=many", "stage.steps"),
        ("steps", "key=value"),
    ],
)
def test_a_wrong_override_says_what_is_right(file: Path, override: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        load(Outer, file, [override])


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no configuration file"):
        load(Outer, tmp_path / "none.yaml")


@pytest.mark.parametrize(("error", "status"), [(SampleError("a.jsonl:3: no bbox"), 2), (FloatingPointError("nan"), 1)])
def test_the_command_says_what_stopped_a_stage(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], file: Path, error: Exception, status: int
) -> None:
    def stage(config: Outer) -> None:
        raise error

    monkeypatch.setitem(STAGES, "sft", (__name__, "Outer", "stage"))
    monkeypatch.setattr(sys.modules[__name__], "stage", stage, raising=False)
    assert main(["sft", "--config", str(file)]) == status
    assert capsys.readouterr().err == f"egm_core.train: {error}\n"
