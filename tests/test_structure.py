"""The house: rooms of a size that one can look over, files of one idea, and arrows that point one way."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDERS = ("egm_core", "egm_ros")
MOST_FILES = 15
SOURCES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))

# What a part of egm_ros may import of the others: those that stand before it.
ORDER = ("interface", "common", "camera", "overlay", "propagation", "lifting", "grounding", "launching", "demo")


def module(path: Path) -> str:
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    return name.removesuffix(".__init__")


def imported(path: Path, known: set[str]) -> set[str]:
    """List the modules of this project that a file imports, those within functions included."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in known else node.module for name in inner}
    return found & known


def circles(graph: dict[str, set[str]]) -> list[set[str]]:
    """Find the modules that import each other, however long the way round."""
    reach = {name: set(others) for name, others in graph.items()}
    for middle in graph:
        for others in reach.values():
            if middle in others:
                others |= reach[middle]
    rings = {frozenset(other for other in reach[name] if name in reach[other]) for name in graph if name in reach[name]}
    return [set(ring) for ring in rings]


def test_circles_are_found() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [{"a", "b", "c"}]
    assert circles({"a": {"b"}, "b": {"c"}, "c": set()}) == []


def test_no_modules_import_each_other() -> None:
    known = {module(path) for path in SOURCES}
    assert not circles({module(path): imported(path, known) - {module(path)} for path in SOURCES})


def test_a_room_has_few_files() -> None:
    folders = {path.parent for path in SOURCES}
    crowded = {
        str(folder.relative_to(ROOT)): count
        for folder in folders
        if (count := len(list(folder.glob("*.py")))) > MOST_FILES
    }
    assert not crowded, f"over {MOST_FILES} files; give what belongs together a room of its own"


def test_every_room_says_what_it_is_for() -> None:
    rooms = [path for path in SOURCES if path.name == "__init__.py"]
    silent = [module(path) for path in rooms if not ast.get_docstring(ast.parse(path.read_text("utf-8")))]
    assert not silent
    assert {path.parent for path in SOURCES} == {path.parent for path in rooms}


def test_nodes_know_what_they_share_and_nothing_of_each_other() -> None:
    known = {module(path) for path in SOURCES}
    wrong = []
    for path in SOURCES:
        parts = path.relative_to(ROOT).parts
        if parts[0] != "egm_ros" or parts[1] not in ORDER:
            continue
        for name in imported(path, known):
            other = name.split(".")[1] if name.startswith("egm_ros.") else ""
            if other in ORDER and ORDER.index(other) > ORDER.index(parts[1]):
                wrong.append(f"{module(path)} imports {name}")
    assert not wrong
