"""The Makefile's targets: each is documented, and the environments of two have what their tests begin with."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# Modules whose package has another name.
PACKAGES = {"yaml": "pyyaml", "cv2": "opencv-python-headless", "PIL": "pillow"}
# What verl and Ray Data require by their own metadata.
BROUGHT = {
    "verl": {"torch", "datasets", "numpy", "pillow", "omegaconf", "hydra", "ray", "tensordict", "pyarrow", "httpx"},
    "ray_data": {"ray"},
    "scores": set(),
}


def imported(path: Path) -> set[str]:
    """Name the packages that a module imports when it is loaded."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    own = {"egm_core", "egm_ros"} | {module.stem for module in (ROOT / "tests").rglob("*.py")}
    return {PACKAGES.get(name, name) for name in names - own - set(sys.stdlib_module_names)}


@pytest.mark.parametrize(
    ("script", "folder"), [("test_verl.sh", "verl"), ("test_ray.sh", "ray_data"), ("test_scores.sh", "scores")]
)
def test_an_environment_of_its_own_has_what_its_tests_import(script: str, folder: str):
    text = (ROOT / "tools" / script).read_text().lower()
    listed = set(re.findall(r"\bpin ([a-z0-9_.-]+)\)", text))
    listed |= set(re.findall(r"([a-z0-9_.-]+)(?:\[[a-z,]+\])?==", text))
    tests = [ROOT / "tests" / "conftest.py", *(ROOT / "tests" / folder).glob("*.py")]
    needed = set().union(*(imported(path) for path in tests))
    assert not needed - listed - BROUGHT[folder], f"tools/{script} installs none of these"


def rules() -> set[str]:
    """Name the Makefile's targets that have a rule."""
    return set(re.findall(r"^([a-z-]+):(?!=)", (ROOT / "Makefile").read_text(), re.MULTILINE))


def test_every_target_of_the_makefile_is_in_its_table_and_has_a_rule():
    """Make calls a phony target without a rule done, and ends with 0."""
    phony = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    listed = re.findall(r"^\| `([a-z-]+)` \|", (ROOT / "docs" / "develop" / "targets.md").read_text(), re.MULTILINE)
    assert phony
    assert set(phony[1].split()) == rules() == set(listed)


def test_every_target_that_is_named_to_users_has_a_rule():
    pages = [ROOT / "README.md", ROOT / "CHANGELOG.md"]
    pages += [*(ROOT / "docs").rglob("*.md"), *(ROOT / "training").glob("*.md")]
    named = {
        target
        for page in pages
        for target in re.findall(
            r"(?:`|^)(?:[A-Z]+=\S+ )*make ([a-z-]+)", page.read_text(encoding="utf-8"), re.MULTILINE
        )
    }
    assert "demo" in named
    assert named <= rules()
