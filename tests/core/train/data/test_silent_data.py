"""What a run's settings and data must not pass over: missing and empty files, numbers that are none, repeats."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from egm_core.families import family
from egm_core.sample import Sample, write_samples
from egm_core.train.__main__ import main
from egm_core.train.configuration import ConfigurationError, load
from egm_core.train.data.check import Checking, check_data
from egm_core.train.data.held_out import check_held_out
from egm_core.train.stages import STAGES

TRAINING = Path(__file__).parents[4] / "training"


def floats(kind: Any, prefix: str = "") -> Iterator[str]:
    """List the settings of a configuration that may be a number with a point."""
    for entry in dataclasses.fields(kind):
        default: Any = entry.default_factory if entry.default_factory is not dataclasses.MISSING else None
        if dataclasses.is_dataclass(default):
            yield from floats(default, f"{prefix}{entry.name}.")
        elif "float" in str(entry.type):
            yield f"{prefix}{entry.name}" + (".unit" if "dict" in str(entry.type) else "")


CLASSES = {stage: getattr(import_module(module), name) for stage, (module, name, _) in STAGES.items()}


@pytest.mark.parametrize(("stage", "key"), [(stage, key) for stage, kind in CLASSES.items() for key in floats(kind)])
def test_no_setting_takes_what_is_no_number(stage: str, key: str) -> None:
    for value in ("nan", ".nan", "inf", "-.inf"):
        written = f"[{value}]" if "list" in str(CLASSES[stage].__annotations__.get(key)) else value
        with pytest.raises(ConfigurationError, match=rf"{key.split('.')[0]}.* must be|{key.split('.')[0]}.*share"):
            load(CLASSES[stage], None, [f"{key}={written}"])


@pytest.fixture
def data(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    samples = []
    for number in range(4):
        file = tmp_path / "data" / f"{number}.png"
        file.parent.mkdir(exist_ok=True)
        cv2.imwrite(str(file), rng.integers(0, 256, (64, 96, 3), np.uint8))
        box = (5.0, 6.0, 40.0, 50.0)
        samples.append(Sample(str(file), f"the mug {number}", box, box, None, 64, 96))
    write_samples(tmp_path / "data/samples.jsonl", samples)
    return tmp_path / "data/samples.jsonl"


@pytest.mark.parametrize("file", ["qwen3_vl/2b_visible_sft", "qwen3_vl/8b_visible_rl", "egm_tiny/select"])
@pytest.mark.parametrize(
    ("override", "words"),
    [("data=[]", "data is empty"), ("data=[nowhere/a.jsonl,nowhere/b.jsonl]", "nowhere/a.jsonl, nowhere/b.jsonl")],
)
def test_a_plan_names_the_data_that_are_not_there(
    capsys: pytest.CaptureFixture[str], file: str, override: str, words: str
) -> None:
    config = str(TRAINING / f"{file}.yaml")
    assert main(["plan", "--config", config, override]) == 2
    said = capsys.readouterr().err
    assert words in said and "plan.samples=N" in said
    assert main(["plan", "--config", config, override, "plan.samples=100"]) == 0


def test_a_plan_for_another_machine_names_each_file_that_is_not_here(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "--config", str(TRAINING / "qwen3_vl/2b_visible_sft.yaml")]) == 0
    assert "data check: " in (said := capsys.readouterr().out) and ".jsonl not here" in said


@pytest.mark.parametrize("content", ["", "\n\n"])
def test_a_file_without_records_is_refused_by_name(data: Path, tmp_path: Path, content: str) -> None:
    empty = tmp_path / "empty.jsonl"
    empty.write_text(content)
    with pytest.raises(ConfigurationError, match=f"{empty} holds no record"):
        check_data(tmp_path / "run", Checking((data, empty), ("visible", "amodal"), family("qwen3_vl")))


@dataclasses.dataclass
class Config:
    held_out: list[str]


def test_held_out_pictures_are_known_by_what_they_hold(
    data: Path, tmp_path: Path, brighter: Callable[[Path], Path]
) -> None:
    checking = Checking((data,), ("visible", "amodal"), family("qwen3_vl"))
    learnt = check_data(tmp_path / "run", checking)
    shutil.copytree(data.parent, tmp_path / "copied")
    shutil.move(str(tmp_path / "copied/2.png"), str(tmp_path / "copied/renamed.png"))
    records = (tmp_path / "copied/samples.jsonl").read_text().replace("2.png", "renamed.png")
    (tmp_path / "copied/samples.jsonl").write_text(records)
    for file in (data, tmp_path / "copied/samples.jsonl"):
        with pytest.raises(ConfigurationError, match=r"4 held-out records show pictures of the training data"):
            check_held_out(tmp_path / "run", Config([str(file)]), checking, learnt)
    assert not check_held_out(tmp_path / "run", Config([str(brighter(data))]), checking, learnt).left_out
