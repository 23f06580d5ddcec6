"""What colcon (ament_python) needs beside pyproject.toml, which holds everything else.

`data_files` is where ROS looks for launch files, configuration and the marker. `colcon build --symlink-install` runs
this file by a link in its build folder, where there is no pyproject.toml: so name, version, packages and programs are
handed over from here.
"""

import tomllib
from pathlib import Path
from typing import Any

from setuptools import find_packages, setup

ROOT = Path(__file__).resolve().parent
SHARE = "share/egm_ros"


def shared(folder: str, pattern: str) -> list[tuple[str, list[str]]]:
    """List a folder's files for installation below share/egm_ros, keeping its structure."""
    found: dict[str, list[str]] = {}
    for path in sorted((ROOT / folder).rglob(pattern)):
        relative = path.relative_to(ROOT)
        found.setdefault(f"{SHARE}/{relative.parent.as_posix()}", []).append(relative.as_posix())
    return list(found.items())


def handed_over() -> dict[str, Any]:
    """Give name, version, packages and programs, where setuptools cannot read them itself."""
    if Path("pyproject.toml").is_file():
        return {}
    whole = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    project, find = whole["project"], whole["tool"]["setuptools"]["packages"]["find"]
    programs = [f"{name} = {place}" for name, place in project["scripts"].items()]
    groups = {
        group: [f"{name} = {place}" for name, place in entries.items()]
        for group, entries in project["entry-points"].items()
    }
    return {
        "name": project["name"],
        "version": project["version"],
        "packages": find_packages(**find),
        "entry_points": {"console_scripts": programs, **groups},
    }


setup(
    **handed_over(),
    python_requires=">=3.10",
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/egm_ros"]),
        (SHARE, ["package.xml", "LICENSE"]),
        *shared("launch", "*.launch.py"),
        *shared("config", "*.*"),
        *shared("training", "*.yaml"),
        *shared("examples", "*.py"),
        *shared("examples", "*.ipynb"),
    ],
)
