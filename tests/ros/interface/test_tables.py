"""The README's tables are what the code says; the parameter files name parameters that there are."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from egm_ros import tables
from egm_ros.interface import camera as camera_interface
from egm_ros.interface import lifting as lifting_interface
from egm_ros.interface import overlay as overlay_interface
from egm_ros.interface import propagation as propagation_interface
from egm_ros.interface import settings as parameters

ROOT = Path(__file__).resolve().parents[3]
PARAMETERS = {
    "grounding": parameters.GROUNDING,
    "camera": camera_interface.CAMERA_PARAMETERS,
    "overlay": overlay_interface.OVERLAY_PARAMETERS,
    "propagation": propagation_interface.PROPAGATION_PARAMETERS,
    "lifting": lifting_interface.LIFTING_PARAMETERS,
}


def test_the_readme_is_current_and_has_every_table() -> None:
    text = (ROOT / "README.md").read_text()
    assert tables.updated(text) == text, "run make docs"
    assert all(f"<!-- table {name} -->" in text for name in tables.tables())


def test_a_table_is_replaced_between_its_markers(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- table camera parameters -->\nsuperseded\n<!-- end camera parameters -->\nafter\n")
    assert tables.main([str(page)]) == 1
    assert tables.main(["--write", str(page)]) == 0
    assert tables.main([str(page)]) == 0
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("-->\nafter\n")
    assert "| `rate` | `0.0` | 0 to 240 Hz |  |" in text
    assert "superseded" not in text


@pytest.mark.parametrize("text", ["<!-- table nonsense --><!-- end nonsense -->", "<!-- table camera topics -->"])
def test_a_marker_that_cannot_be_filled_is_named(text: str) -> None:
    with pytest.raises(ValueError, match=r"nonsense|camera topics"):
        tables.updated(text)


@pytest.mark.parametrize("node", PARAMETERS)
def test_parameter_files_hold_allowed_values(node: str) -> None:
    content = yaml.safe_load((ROOT / "config" / f"{node}.yaml").read_text())
    values = content[f"/**/{node}"]["ros__parameters"]
    specs = {spec.name: spec for spec in PARAMETERS[node]}
    assert values
    for name, value in values.items():
        assert name in specs, f"{node} has no parameter {name}"
        assert not specs[name].problem(value)


@pytest.mark.parametrize("node", PARAMETERS)
def test_every_parameter_has_a_meaning_and_an_allowed_default(node: str) -> None:
    for spec in PARAMETERS[node]:
        assert spec.description.endswith("."), spec.name
        assert not spec.problem(spec.default), spec.name
