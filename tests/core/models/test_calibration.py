"""Calibrated scores: the curve's shape, the file beside the weights, and when it counts."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from egm_core.families import TASKS
from egm_core.models.calibration import FILE, Curve, Measured, curve_for, note, save, weights_digest
from egm_core.models.folder import EMBEDDED, resolve

HALF = Curve((0.0, 1.0), (0.0, 0.5), 200)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "model-1.safetensors").write_bytes(b"first")
    (tmp_path / "model-2.safetensors").write_bytes(b"second")
    return tmp_path


@given(st.integers(0, 2**32 - 1), st.floats(0.2, 5.0), st.floats(-2.0, 2.0))
@settings(max_examples=60, deadline=None)
def test_a_fitted_curve_never_falls_and_stays_within_0_and_1(seed: int, power: float, shift: float) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.random(150) ** power
    right = rng.random(150) < 1 / (1 + np.exp(shift - 3 * scores))
    curve = Curve.fit(scores.tolist(), right.tolist())
    values = [curve(s) for s in np.linspace(0, 1, 200)]
    assert (np.diff(values) >= 0).all()
    assert values[0] >= 0 and values[-1] <= 1
    assert curve.count == 150


def test_a_known_curve_is_recovered() -> None:
    rng = np.random.default_rng(1)
    scores = rng.random(20_000)
    right = rng.random(20_000) < scores**2 / (scores**2 + (1 - scores))
    curve = Curve.fit(scores.tolist(), right.tolist())
    for score in (0.2, 0.5, 0.8):
        assert curve(score) == pytest.approx(score**2 / (score**2 + 1 - score), abs=0.02)


@pytest.mark.parametrize("right", [[False] * 100, [True] * 100, [False] * 50 + [True] * 50, [True] * 50 + [False] * 50])
def test_extreme_answers_give_a_curve_too(right: list[bool]) -> None:
    """All wrong, all right, told apart without fault, and scores that say the contrary of the truth."""
    scores = np.linspace(0, 1, 100).tolist()
    curve = Curve.fit(scores, right)
    middle = [curve(s) for s in (0.1, 0.4, 0.6, 0.9)]
    assert all(math.isfinite(v) for v in middle) and sorted(middle) == middle
    if right[0] and not right[-1]:
        assert max(middle) - min(middle) < 0.01 and middle[0] == pytest.approx(0.5, abs=0.01)
    else:
        assert np.mean(middle) == pytest.approx(np.mean(right), abs=0.05)


def test_too_few_answers_are_refused() -> None:
    with pytest.raises(ValueError, match=r"99 answers .* at least 100"):
        Curve.fit([0.5] * 99, [True] * 99)


@pytest.mark.parametrize(
    ("scores", "probabilities"),
    [((), ()), ((0.1,), (0.1, 0.2)), ((0.2, 0.1), (0.1, 0.2)), ((0.1, 0.2), (0.2, 0.1)), ((0.1, 0.2), (0.1, 1.2))],
)
def test_a_curve_that_falls_is_refused(scores: tuple[float, ...], probabilities: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="a curve"):
        Curve(scores, probabilities)


def test_the_digest_is_that_of_the_joined_files(folder: Path) -> None:
    import hashlib

    assert weights_digest(folder) == hashlib.sha256(b"firstsecond").hexdigest()
    with pytest.raises(FileNotFoundError, match="safetensors"):
        weights_digest(folder / "nowhere")


def test_it_counts_for_its_weights_and_its_engine_only(folder: Path) -> None:
    assert "is not there" in note(folder, "vllm")
    save(folder, "vllm", Measured({"visible": HALF}, 400_000_000, 10))
    curve = curve_for(folder, "vllm", "visible")
    assert curve is not None and curve(0.5) == 0.25 and curve.count == 200
    assert note(folder, "vllm") == ""
    assert curve_for(folder, "vllm", "amodal") is None
    assert curve_for(folder, "transformers", "visible") is None
    assert "is for vllm, and the engine is transformers" in note(folder, "transformers")
    assert curve_for(None, "vllm", "visible") is None and "not on this machine" in note(None, "vllm")
    (folder / "model-2.safetensors").write_bytes(b"others")
    assert curve_for(folder, "vllm", "visible") is None
    assert "belongs to other weights; write it with egm evaluate calibrate" in note(folder, "vllm")


def test_another_engine_joins_unless_the_weights_are_others(folder: Path) -> None:
    save(folder, "vllm", Measured({"visible": HALF}, 400_000_000, 10))
    file = save(folder, "transformers", Measured({"visible": HALF, "amodal": HALF}, 400_000_100, 20))
    assert set(json.loads(file.read_text())["engines"]) == {"vllm", "transformers"}
    assert note(folder, "vllm") == note(folder, "transformers") == ""
    (folder / "model-1.safetensors").write_bytes(b"trained on")
    save(folder, "transformers", Measured({"visible": HALF}, 400_000_000, 10))
    assert set(json.loads(file.read_text())["engines"]) == {"transformers"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"format": 9}',
        '{"format": 1, "weights_sha256": "", "engines": 3}',
        pytest.param("[" * 100_000, id="deep"),
    ],
)
def test_a_broken_file_leaves_scores_raw_and_is_named(folder: Path, text: str) -> None:
    (folder / FILE).write_text(text)
    assert curve_for(folder, "vllm", "visible") is None
    assert str(folder / FILE) in note(folder, "vllm")
    save(folder, "vllm", Measured({"visible": HALF}, 400_000_000, 10))
    data = json.loads((folder / FILE).read_text())
    data["engines"]["vllm"]["visible"]["scores"] = [1.0, 0.0]
    (folder / FILE).write_text(json.dumps(data))
    assert "must rise" in note(folder, "vllm")


@pytest.mark.parametrize(
    ("key", "value"),
    [("answers", math.inf), pytest.param("scores", [0, 10**400], id="no-float"), ("probabilities", [0, math.nan])],
)
def test_a_number_that_is_none_leaves_scores_raw(folder: Path, key: str, value: object) -> None:
    save(folder, "vllm", Measured({"visible": HALF}, 400_000_000, 10))
    data = json.loads((folder / FILE).read_text())
    data["engines"]["vllm"]["visible"][key] = value
    (folder / FILE).write_text(json.dumps(data))
    assert curve_for(folder, "vllm", "visible") is None
    assert "cannot be used" in note(folder, "vllm")


@pytest.mark.parametrize(("key", "value"), [("engines", ["vllm"]), ("engines", {"vllm": 3}), ("format", 9)])
def test_a_file_that_cannot_be_joined_is_written_anew_and_that_is_said(
    folder: Path, caplog: pytest.LogCaptureFixture, key: str, value: object
) -> None:
    """Curves of another format would stand there as if they were of this one."""
    save(folder, "sglang", Measured({"visible": HALF}, 400_000_000, 10))
    data = json.loads((folder / FILE).read_text()) | {key: value}
    (folder / FILE).write_text(json.dumps(data))
    save(folder, "vllm", Measured({"visible": HALF}, 400_000_000, 10))
    assert set(json.loads((folder / FILE).read_text())["engines"]) == {"vllm"}
    assert f"{folder / FILE} could not be read" in caplog.text and "written anew" in caplog.text


def test_curves_of_the_other_mode_alone_are_named(folder: Path) -> None:
    save(folder, "vllm", Measured({"visible": HALF}, 400_000_000, 10), reasoning=False)
    assert curve_for(folder, "vllm", "visible", reasoning=False) is not None
    assert curve_for(folder, "vllm", "visible") is None
    assert "is for answers without reasoning only; write it with" in note(folder, "vllm")


def test_the_embedded_model_s_calibration_belongs_to_its_weights() -> None:
    assert not note(resolve(EMBEDDED), "transformers"), "after new weights: python -m egm_core.evaluate calibrate"
    for task in TASKS:
        curve = curve_for(resolve(EMBEDDED), "transformers", task)
        assert curve is not None and curve.count >= 300
