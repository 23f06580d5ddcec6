"""A model's gates beside its weights: read as they were written, and refused by name where they are broken."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from egm_core.grounder.gate import RULE, Gate, Weight
from egm_core.grounder.gate_file import FILE, Gates, gates_of, note
from egm_core.grounder.together import Together
from egm_core.models.calibration import Curve
from egm_core.models.folder import EMBEDDED, resolve

GATE = Gate({"score": Weight(-1.0, 0.5, -2.0, 1.0, 3.0)}, Weight(0.0, 1.0, 0.5, -0.5, 20.0), 0.01)
PART = Gate({"agree": Weight(0.5, 0.2, -1.0)}, Weight(0.0, 1.0, 0.1, 0.2, 30.0))
BOTH = Together(PART, PART, GATE, 0.002, Curve((0.1, 0.2), (0.3, 0.6), 120), "transformers")


@pytest.mark.parametrize(
    "gates", [Gates(GATE), Gates(GATE, BOTH), Gates(GATE, Together(PART, PART, PART, 0.1, None, "vllm"))]
)
def test_gates_lie_beside_their_weights(tmp_path: Path, gates: Gates) -> None:
    assert gates_of(None) == Gates(RULE) and "not on this machine" in note(None)
    assert gates_of(tmp_path) == Gates(RULE) and "egm evaluate gate" in note(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"one")
    gates.save(tmp_path, questions=7)
    assert (gates_of(tmp_path), note(tmp_path)) == (gates, "")
    (tmp_path / "model.safetensors").write_bytes(b"another")
    assert gates_of(tmp_path) == Gates(RULE) and "other weights" in note(tmp_path)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("format",), 1),
        (("alone", "price"), float("inf")),
        (("alone", "price"), None),
        (("alone", "weights"), []),
        (("alone", "weights", "score", "scale"), 0.0),
        (("alone", "weights", "score", "mend"), "much"),
        (("alone", "start"), {}),
        (("together",), {}),
        (("together", "carried"), None),
        (("together", "price"), "dear"),
        (("together", "curve", "scores"), [0.2, 0.1]),
        (("together", "curve", "answers"), math.inf),
        pytest.param(("alone", "price"), 10**400, id="no-float"),
        (("together", "price"), -1),
    ],
)
def test_broken_gates_are_named_and_the_rule_holds(tmp_path: Path, path: tuple[str, ...], value: object) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"one")
    Gates(GATE, BOTH).save(tmp_path)
    data = json.loads((tmp_path / FILE).read_text())
    inner = data
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    (tmp_path / FILE).write_text(json.dumps(data))
    assert gates_of(tmp_path) == Gates(RULE) and "cannot be used" in note(tmp_path)


def test_a_file_that_nests_without_end_is_named(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"one")
    (tmp_path / FILE).write_text("[" * 100_000)
    assert gates_of(tmp_path) == Gates(RULE) and "cannot be used (RecursionError" in note(tmp_path)


def test_the_embedded_model_has_both_gates() -> None:
    assert note(resolve(EMBEDDED)) == ""
    both = gates_of(resolve(EMBEDDED)).together
    assert both is not None and both.curve is not None and both.engine == "transformers"
