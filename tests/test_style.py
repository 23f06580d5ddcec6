"""The code's own rules, run as tests: ruff, mypy strict on both packages, short files, nothing left undone."""

import ast
import itertools
import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
LONGEST_FILE = 400
PRODUCT = ("egm_core", "egm_ros", "tools", "launch", "examples")
SOURCES = sorted(p for folder in (*PRODUCT, "tests") for p in (ROOT / folder).rglob("*.py"))


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def is_ros_test(path):
    return path.relative_to(ROOT).parts[:2] == ("tests", "ros") and path.name.startswith("test_")


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


def test_ruff_would_format_nothing_otherwise():
    run("ruff", "format", "--quiet", "--check", ".")


def test_mypy_finds_nothing():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mypy"]
    assert settings["strict"]
    assert set(settings["packages"]) == {"egm_core", "egm_ros"}
    run("mypy")


def test_files_are_short():
    long = [name(p) for p in SOURCES if len(p.read_text(encoding="utf-8").splitlines()) > LONGEST_FILE]
    assert not long, f"over {LONGEST_FILE} lines; each holds more than one idea"


def test_no_two_files_of_tests_have_one_name():
    """Pytest imports them by their name alone: of two alike, the second is not collected."""
    names = [p.name for p in SOURCES if name(p).startswith("tests/") and p.name.startswith("test_")]
    assert not {each for each in names if names.count(each) > 1}


def test_nothing_is_left_undone():
    # Spelt in halves so that this file doesn't find itself.
    mark, stub = re.compile(r"\b(TO" r"DO|FIX" r"ME|X" r"XX)\b"), re.compile(r"raise NotImplemented" r"Error")
    undone = [p for p in SOURCES if mark.search(p.read_text(encoding="utf-8"))]
    stubs = [p for p in SOURCES if is_product(p) and stub.search(p.read_text(encoding="utf-8"))]
    assert not [name(p) for p in undone + stubs]


def test_modules_say_what_they_are():
    silent = [p for p in SOURCES if is_product(p) and not re.match(r'(#!.*\n)?r?"""', p.read_text(encoding="utf-8"))]
    assert not [name(p) for p in silent if p.stat().st_size], "begin with a docstring"


BOXES = ("visible", "amodal", "active", "statuses")
WAITS = ("wait_for", "until")


def read_without_waiting(tree: ast.AST) -> list[int]:
    """Give the lines that read what a robot has heard on a topic, outside the condition of a wait."""
    waited = {
        id(inner)
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and getattr(call.func, "attr", getattr(call.func, "id", "")) in WAITS
        for argument in call.args
        for inner in ast.walk(argument)
    }
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and node.attr in BOXES
        and id(node) not in waited
        and not (isinstance(node.value, ast.Name) and node.value.id == "self")
    ]


def test_what_came_on_a_topic_is_read_by_those_who_wait_for_it():
    """Topics have no order among each other: that one has spoken says nothing of another."""
    tests = [p for p in SOURCES if is_ros_test(p) and "Robot(" in p.read_text(encoding="utf-8")]
    assert tests
    found = [f"{name(p)}:{line}" for p in tests for line in read_without_waiting(ast.parse(p.read_text("utf-8")))]
    assert not found, f"{found}: ask for boxes(image), only_answer(image), status(image=...), serves(text), published()"


def test_reading_without_waiting_is_found():
    right = 'wait_for("both", lambda: robot.visible and robot.amodal)\nbench.until(lambda: len(left.visible) > 3)'
    wrong = "assert robot.visible[0]\nassert not robots[0].amodal\nlen(robot.active)\nfor _, a in robot.statuses: pass"
    assert not read_without_waiting(ast.parse(right))
    assert len(read_without_waiting(ast.parse(wrong))) == 4


def asserted_after_a_while(tree: ast.AST) -> list[int]:
    """Give the lines that assert what ought to have come while a fixed time passed."""
    found = []
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        for before, after in itertools.pairwise(body if isinstance(body, list) else []):
            call = before.value if isinstance(before, ast.Expr) else None
            passes = isinstance(call, ast.Call) and getattr(call.func, "attr", "") in ("sleep", "spin")
            found += [after.lineno] if passes and isinstance(after, ast.Assert) else []
    return found


def test_nothing_is_asserted_because_a_fixed_time_has_passed():
    """A busy machine takes longer: wait for what is meant, and hold what must not come to be for a while."""
    found = [
        f"{name(p)}:{line}"
        for p in SOURCES
        if is_ros_test(p)
        for line in asserted_after_a_while(ast.parse(p.read_text("utf-8")))
    ]
    assert not found, f"{found}: use wait_for or until, and hold or holds for what must not come"


def test_asserting_after_a_fixed_time_is_found():
    wrong = "bench.spin(0.3)\nassert seen\nfor x in y:\n    time.sleep(1)\n    assert x"
    right = "time.sleep(1)\nbegin()\nassert seen\nbench.holds(lambda: not seen)\nassert seen"
    assert asserted_after_a_while(ast.parse(wrong)) == [2, 5]
    assert not asserted_after_a_while(ast.parse(right))


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
