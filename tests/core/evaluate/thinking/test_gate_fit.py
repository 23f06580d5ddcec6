"""The gate's fit and the front, on made-up answers whose law is known: relations gain by thinking, plain ones lose."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from egm_core.command.evaluate import main
from egm_core.evaluate.thinking.fit import fitted
from egm_core.evaluate.thinking.front import front
from egm_core.evaluate.thinking.pairs import paired
from egm_core.grounder.gate import features
from egm_core.grounder.gate_file import FILE, Gates, gates_of
from egm_core.models.calibration import weights_digest

KINDS = {"the mug": (0.8, 0.75, 20), "the mug left of the box": (0.4, 0.75, 30), "the third mug": (0.45, 0.5, 90)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text("{}")
    (model / "model.safetensors").write_bytes(b"weights")
    return model


def results(folder: Path, first_seed: int, scenes: int = 400, **about: Any) -> list[str]:
    """Write what `scenes --json` would, without thinking and with it; the first box's height tells its luck as well."""
    rng = np.random.default_rng(first_seed)
    rows: dict[bool, list[dict[str, Any]]] = {False: [], True: []}
    for seed in range(first_seed, first_seed + scenes):
        for text, (direct, thinking, tokens) in KINDS.items():
            for task in ("visible", "amodal"):
                for thought, chance in ((False, direct), (True, thinking)):
                    right = bool(rng.random() < chance)
                    row = {"seed": seed, "task": task, "kind": "relation", "text": text, "outcome": "found"}
                    row |= {"correct": right, "truth": [0, 0, 10, 10], "box": [0, 0, 10, 10], "score": 0.5}
                    row |= {"thinking": tokens if thought else 0, "tokens": tokens * thought + 15}
                    rows[thought].append(row | {"width": 100, "height": 100})
    files = []
    for thought, answers in rows.items():
        data = {
            "model": "made-up",
            "version": "1",
            "first_seed": first_seed,
            "scenes": scenes,
            "queries_per_scene": 3,
            "reasoning": thought,
            "mode": "strict",
            "strict": False,
            "engine": "transformers",
            "weights_sha256": weights_digest(folder),
            "ms_per_query": 60.0 if thought else 20.0,
            "rows": answers,
        } | about
        file = folder.parent / f"{first_seed}-{thought}.json"
        file.write_text(json.dumps(data))
        files.append(str(file))
    return files


def opens(folder: Path, sent: str) -> bool:
    return gates_of(folder).alone.worth(features("visible", sent, "box", (0.0, 0.0, 0.1, 0.1), 0.5)) > 0


def test_it_learns_what_gains_by_token_and_keeps_that_on_other_scenes(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["gate", *results(folder, 400_000_000), "--model", str(folder), "--tokens", "0.3"]) == 0
    assert "cross-validation" in capsys.readouterr().out
    assert {sent: opens(folder, sent) for sent in KINDS} == dict(zip(KINDS, (False, True, False), strict=True))
    about = json.loads((folder / FILE).read_text())
    assert (about["first_seed"], about["scenes"], about["questions"]) == (400_000_000, 400, 2400)

    picture = folder.parent / "front.png"
    command = ["front", *results(folder, 500_000_000), "--model", str(folder), "--png", str(picture)]
    assert main([*command, "--cut", f"20={folder.parent / '500000000-True.json'}"]) == 0
    lines = {line.split("|")[1].strip(): line for line in capsys.readouterr().out.splitlines() if line.startswith("|")}
    assert {"never", "gated", "always", "oracle", "20"} <= set(lines)
    assert cv2.imread(str(picture)).std() > 10


def test_the_front_is_what_was_answered(folder: Path) -> None:
    pairs = paired(*map(Path, results(folder, 400_000_000)))
    gates = fitted(pairs, 0.3, 0.3).gates
    never, _together, gated, _shared, always, oracle = front(pairs, gates)
    assert [point.name for point in front(pairs, Gates(gates.alone))] == ["never", "gated", "always", "oracle"]
    assert never.accuracy.value == pairs.first.mean() and always.accuracy.value == pairs.thought.mean()
    assert oracle.accuracy.value == np.maximum(pairs.first, pairs.thought).mean()
    assert (never.tokens, always.spent, always.ms) == (0.0, 1.0, pytest.approx(60.0))
    assert gated.kept is not None and gated.kept.low < gated.kept.value < gated.kept.high
    assert gated.kept.value > 0.8 and gated.spent == pytest.approx(30 / 140, abs=0.01)
    assert never.ms == pytest.approx(20.0) and 20 < gated.ms < 60


@pytest.mark.parametrize(("scenes", "few"), [(60, True), (1000, False)])
def test_what_is_kept_has_an_interval_and_few_scenes_a_warning(
    folder: Path, capsys: pytest.CaptureFixture[str], scenes: int, few: bool
) -> None:
    assert main(["gate", *results(folder, 400_000_000, scenes), "--model", str(folder)]) == 0
    out, err = capsys.readouterr()
    found = [tuple(map(int, row)) for row in re.findall(r"alone: (-?\d+) % \((-?\d+) to (-?\d+)\) at", out)]
    assert len(found) == 1 and found[0][1] < found[0][0] < found[0][2]
    assert (f"{6 * scenes} questions of {scenes} scenes are few for a gate" in err) == few
    assert (found[0][2] - found[0][1] > 20) == few


def test_where_thinking_gains_nothing_for_sure_shares_of_it_are_doubted(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(KINDS, "the third mug", (0.85, 0.5, 90))
    assert main(["gate", *results(folder, 400_000_000), "--model", str(folder)]) == 0
    assert "shares of it say little" in capsys.readouterr().err


@pytest.mark.parametrize("share", [0.1, 0.22, 0.5, 1.0])
def test_it_spends_no_more_than_it_may(folder: Path, share: float) -> None:
    found = fitted(paired(*map(Path, results(folder, 400_000_000))), share, share)
    assert found.alone.tokens <= share and found.together is not None and found.together.tokens <= share


@pytest.mark.parametrize(
    ("first_seed", "scenes", "about", "words"),
    [
        (500_000_000, 400, {}, "can't be fitted to"),
        (0, 400, {}, "can't be fitted to"),
        (400_000_000, 20, {}, "too few to fit a gate"),
        (400_000_000, 400, {"weights_sha256": "0"}, "was not made with the weights in"),
        (400_000_000, 400, {"reasoning": True}, "--no-reasoning"),
    ],
)
def test_what_cannot_teach_a_gate_is_refused(
    first_seed: int, scenes: int, about: dict[str, Any], words: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = results(folder, first_seed, scenes, **about)
    assert main(["gate", *files, "--model", str(folder)]) == 2
    assert words in capsys.readouterr().err
    assert not (folder / FILE).exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda rows: rows.update(first_seed=None), "first_seed is None, and must be a whole number"),
        (lambda rows: rows.update(scenes=[400]), "scenes is [400], and must be a whole number"),
        (lambda rows: rows.update(ms_per_query="slow"), "ms_per_query is 'slow'"),
        (lambda rows: rows.update(engine="vllm"), "have another engine"),
        (lambda rows: rows["rows"][3].update(edges=[1.0]), "row 4: edges is [1.0], and must be four numbers"),
        (lambda rows: rows["rows"][3].update(opening="much"), "row 4: opening is 'much'"),
    ],
)
def test_a_result_that_was_mended_by_hand_is_named_with_its_fault(
    change: Callable[[dict[str, Any]], None], words: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for first_seed, command in ((400_000_000, "gate"), (500_000_000, "front")):
        direct, thinking = results(folder, first_seed, 100)
        data = json.loads(Path(direct).read_text())
        change(data)
        Path(direct).write_text(json.dumps(data))
        assert main([command, direct, thinking, "--model", str(folder)]) == 2
        assert words in capsys.readouterr().err


@pytest.mark.parametrize("other", [5, 500_000_000])
def test_joined_results_are_judged_by_the_scenes_that_they_hold(
    other: int, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first piece's own seeds stand at the file's head, and its number of scenes."""
    pieces = zip(results(folder, 400_000_000, 50), results(folder, other, 50), strict=True)
    files = []
    for first, second in pieces:
        data = json.loads(Path(first).read_text())
        data["rows"] += json.loads(Path(second).read_text())["rows"]
        Path(first).write_text(json.dumps(data))
        files.append(first)
    assert main(["gate", *files, "--model", str(folder)]) == 2
    assert "can't be fitted to" in capsys.readouterr().err
    assert main(["calibrate", "--result", files[1], "--model", str(folder)]) == 2
    assert "can't be fitted to" in capsys.readouterr().err
    assert main(["front", *files, "--model", str(folder)]) == 2
    assert f"seeds from {min(other, 400_000_000)} on may have been fitted to" in capsys.readouterr().err


def test_the_front_is_that_of_the_gate_s_own_weights(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = results(folder, 500_000_000, 100, weights_sha256="0")
    assert main(["front", *files, "--model", str(folder)]) == 2
    assert "was not made with the weights in" in capsys.readouterr().err
    cut = Path(files[1]).rename(folder.parent / "cut.json")
    own = results(folder, 500_000_000, 100)
    assert main(["front", *own, "--model", str(folder), "--cut", f"20={cut}"]) == 2
    assert f"{cut} was not made with the weights in" in capsys.readouterr().err


def test_a_score_below_zero_is_not_known() -> None:
    assert math.isnan(features("visible", "the mug", "box", None, -0.5)["score"])


def test_the_front_wants_scenes_that_nothing_was_fitted_to(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["front", *results(folder, 400_000_000), "--model", str(folder)]) == 2
    assert "may have been fitted to" in capsys.readouterr().err
