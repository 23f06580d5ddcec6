"""What a visitor of the public repository meets: checks, forms and guides name only what is there."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
FORMS = sorted(path for path in (GITHUB / "ISSUE_TEMPLATE").glob("*.yml") if path.stem != "config")
GUIDES = ("CONTRIBUTING.md", "SECURITY.md", "CODE_OF_CONDUCT.md")
# A word of a command that names something of ours.
FOLDERS = "tools|tests|requirements|interfaces|examples|docs|training"
PATH = re.compile(rf"(?:^|[\s=])(?:src/egm_ros/)?((?:{FOLDERS})/[\w./*-]*)")


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def rules() -> set[str]:
    return set(re.findall(r"^([a-z-]+):(?!=)", (ROOT / "Makefile").read_text(), re.MULTILINE))


def commands(workflow: Path) -> list[str]:
    """Give a workflow's commands, one for each value of a job's matrix."""
    found: list[str] = []
    for job in read(workflow)["jobs"].values():
        matrix = job.get("strategy", {}).get("matrix", {})
        for step in job["steps"]:
            said = [step["run"]] if "run" in step else []
            for name, values in matrix.items():
                said = [text.replace(f"${{{{ matrix.{name} }}}}", value) for text in said for value in values]
            found += said
    return found


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_runs_only_what_is_there(workflow: Path) -> None:
    said = commands(workflow)
    targets = {target for text in said for target in re.findall(r"\bmake ([a-z-]+)", text)}
    assert targets and targets <= rules()
    paths = {path for text in said for path in PATH.findall(text)}
    assert all(list(ROOT.glob(path.rstrip("/"))) for path in paths), paths
    jobs = read(workflow)["jobs"].values()
    cached = {
        step["with"]["cache-dependency-path"]
        for job in jobs
        for step in job["steps"]
        if "cache-dependency-path" in step.get("with", {})
    }
    assert all(list(ROOT.glob(pattern)) for pattern in cached)
    assert all("timeout-minutes" in job for job in jobs), "a job that hangs costs six hours"


def test_changes_are_held_against_all_that_issue_12_lists() -> None:
    jobs = read(GITHUB / "workflows" / "ci.yml")["jobs"]
    assert set(jobs) == {"lint", "docs", "core", "ros", "jazzy"}
    assert jobs["core"]["strategy"]["matrix"]["python"] == ["3.11", "3.12", "3.13"]
    assert jobs["jazzy"]["container"] == "ros:jazzy"
    spoken = "\n".join(commands(GITHUB / "workflows" / "ci.yml"))
    assert "colcon build" in spoken and "colcon test" in spoken
    weekly = read(GITHUB / "workflows" / "weekly.yml")["jobs"]["target"]["strategy"]["matrix"]["target"]
    engines = ["test-vllm", "test-edgellm", "test-sglang"]
    assert weekly == [*engines, "test-verl", "test-ray", "test-scores", "test-long", "soak"]


def test_what_a_robot_installs_for_ci_is_what_the_manifest_names() -> None:
    """The container has what rosdep would bring; a dependency that is new in package.xml would be missed there."""
    installed = "\n".join(commands(GITHUB / "workflows" / "ci.yml"))
    needed = re.findall(r"<exec_depend>(python3-[\w-]+)</exec_depend>", (ROOT / "package.xml").read_text())
    assert needed and all(f" {name}" in installed for name in needed)


@pytest.mark.parametrize("form", FORMS, ids=lambda path: path.stem)
def test_an_issue_form_is_one(form: Path) -> None:
    content = read(form)
    assert content["name"] and content["description"] and content["body"]
    ids = [item["id"] for item in content["body"]]
    assert len(set(ids)) == len(ids)
    for item in content["body"]:
        assert item["type"] in {"textarea", "input", "checkboxes", "dropdown"}
        assert item["attributes"]["label"]
        assert set(item) <= {"type", "id", "attributes", "validations"}
        allowed = {"label", "description", "placeholder", "render", "options", "value"}
        assert set(item["attributes"]) <= allowed


def test_a_bug_report_asks_for_what_helps() -> None:
    asked = {item["id"]: item for item in read(GITHUB / "ISSUE_TEMPLATE" / "bug.yml")["body"]}
    assert "egm doctor" in asked["doctor"]["attributes"]["label"]
    assert "/diagnostics" in asked["diagnostics"]["attributes"]["label"]
    assert {"what", "doctor", "version", "ros"} == {
        name for name, item in asked.items() if item.get("validations", {}).get("required")
    }


def test_the_map_of_the_house_has_every_room() -> None:
    lines = [line.split() for line in (GITHUB / "CODEOWNERS").read_text().splitlines() if line[:1] not in ("", "#")]
    assert all(owner.startswith("@") for _, *owners in lines for owner in owners)
    paths = [path for path, *_ in lines]
    assert paths[0] == "*" and len(set(paths)) == len(paths)
    assert not [path for path in paths[1:] if not (ROOT / path.strip("/")).exists()]
    rooms = {
        f"/{folder.relative_to(ROOT).as_posix()}/"
        for package in ("egm_core", "egm_ros")
        for folder in (ROOT / package).iterdir()
        if (folder / "__init__.py").is_file()
    }
    assert not rooms - set(paths)
    told = (ROOT / "docs" / "develop" / "map.md").read_text()
    assert not [room for room in rooms if f"`{room.strip('/')}`" not in told]


def test_guides_are_short_and_link_only_to_what_is_there() -> None:
    assert len((ROOT / "CONTRIBUTING.md").read_text().splitlines()) <= 80
    for guide in GUIDES:
        links = re.findall(r"\]\(([^)#]+)\)", (ROOT / guide).read_text())
        ours = [link for link in links if not link.startswith("https://")]
        if not (ROOT / "docs" / "develop").is_dir():
            ours = [link for link in ours if not link.startswith("docs/")]
        assert not [link for link in ours if not (ROOT / link).exists()], guide


def test_the_citation_is_of_this_version_and_names_the_paper() -> None:
    citation = read(ROOT / "CITATION.cff")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert citation["version"] == project["version"]
    (paper,) = citation["references"]
    assert paper["title"] == "EGM: Efficient Visual Grounding Language Models"
    assert paper["identifiers"] == [{"type": "other", "value": "arXiv:2601.13633"}]


def test_the_versions_agree_as_far_as_ros_can_write_them() -> None:
    """ROS takes three numbers, so the manifest has the number of the release that a `.dev0` leads to."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    (manifest,) = re.findall(r"<version>(.*)</version>", (ROOT / "package.xml").read_text())
    assert re.fullmatch(r"\d+\.\d+\.\d+", manifest)
    assert version in (manifest, f"{manifest}.dev0")
    assert f'__version__ = "{version}"' in (ROOT / "egm_core" / "__init__.py").read_text()


def test_the_changelog_is_open_and_in_order() -> None:
    headings = re.findall(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] == "[Unreleased]"
    numbered = [re.fullmatch(r"\[(\d+)\.(\d+)\.(\d+)\] - \d{4}-\d\d-\d\d", heading) for heading in headings[1:]]
    assert all(numbered)
    versions = [tuple(map(int, found.groups())) for found in numbered if found]
    assert versions == sorted(versions, reverse=True)
    (manifest,) = re.findall(r"<version>(.*)</version>", (ROOT / "package.xml").read_text())
    newest = versions[0] if versions else (0, 0, 0)
    dev = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"].endswith(".dev0")
    assert (tuple(map(int, manifest.split("."))) > newest) == dev
