"""The code's own rules, run as tests: ruff, mypy strict on egm_core, short files, nothing left undone."""

import ast
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
LONGEST_FILE = 600
PRODUCT = ("egm_core", "egm_ros", "tools", "launch", "examples")
SOURCES = sorted(p for folder in (*PRODUCT, "tests") for p in (ROOT / folder).rglob("*.py"))


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def is_product(path: Path) -> bool:
    return name(path).split("/")[0] in PRODUCT


def run(*command: str) -> None:
    """Run one of the environment's own tools in the repository, and show its words where it complains."""
    result = subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, timeout=170, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_ruff_finds_nothing():
    run("ruff", "check", "--quiet", "--output-format", "concise", ".")


def test_mypy_finds_nothing():
    assert re.search(r"^strict = true$", (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    run("mypy")


def test_files_are_short():
    long = [name(p) for p in SOURCES if len(p.read_text(encoding="utf-8").splitlines()) > LONGEST_FILE]
    assert not long, f"over {LONGEST_FILE} lines; each holds more than one idea"


def test_nothing_is_left_undone():
    # Spelt in halves so that this file doesn't find itself.
    mark, stub = re.compile(r"\b(TO" r"DO|FIX" r"ME|X" r"XX)\b"), re.compile(r"raise NotImplemented" r"Error")
    undone = [p for p in SOURCES if mark.search(p.read_text(encoding="utf-8"))]
    stubs = [p for p in SOURCES if is_product(p) and stub.search(p.read_text(encoding="utf-8"))]
    assert not [name(p) for p in undone + stubs]


def test_modules_say_what_they_are():
    silent = [p for p in SOURCES if is_product(p) and not re.match(r'(#!.*\n)?r?"""', p.read_text(encoding="utf-8"))]
    assert not [name(p) for p in silent if p.stat().st_size], "begin with a docstring"


def is_broad(handler: ast.ExceptHandler) -> bool:
    """Tell whether a handler swallows everything, rather than clean up and raise it again."""
    caught = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    everything = any(c is None or (isinstance(c, ast.Name) and c.id in ("Exception", "BaseException")) for c in caught)
    last = handler.body[-1]
    return everything and not (isinstance(last, ast.Raise) and last.exc is None)


def test_errors_are_caught_by_name():
    """A bare `except Exception` is for an edge (a process's, a thread's, a callback's) only, and says so."""
    found = []
    for path in filter(is_product, SOURCES):
        text = path.read_text(encoding="utf-8")
        lines = text.splitlines()
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ExceptHandler) and is_broad(node):
                comment = lines[node.lineno - 1].partition("#")[2]
                if not re.search(r"\bedge\b", comment):
                    found.append(f"{name(path)}:{node.lineno}")
    assert not found, "name the errors; at an edge say whose: # the process's edge: why"
