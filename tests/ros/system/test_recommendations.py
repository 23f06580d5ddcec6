"""What documentation, docstrings and error texts recommend exists: each `name:=value`, each `--option` of a command."""

from __future__ import annotations

import ast
import io
import logging
import re
import runpy
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from functools import cache
from pathlib import Path

import launches
import pytest

from egm_ros.interface.tables import TABLES

ROOT = Path(__file__).resolve().parents[3]
PAGES = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md"))
DOCUMENTS = ("README.md", "training/README.md", "egm_core/weights/egm_tiny/README.md", "CHANGELOG.md", *PAGES)
SCRIPTS = tuple(path.relative_to(ROOT).as_posix() for path in sorted((ROOT / "examples" / "shell").glob("*.sh")))
SOURCES = ("egm_core", "egm_ros", "launch", "examples", "tools")
# Before := there is a remapping, a logger, or a placeholder.
NOT_OURS = {"name", "egm", "__ns", "__node", "grounding", "image", "depth", "camera_info", "boxes"}
# Commands of others, whose options are none of ours.
FOREIGN = re.compile(
    r"\b(vllm|trtllm-serve|sudo|pip|git|hf|colcon|ros2 \w+|rviz2|bag|accelerate|make|ray|curl|ps|container)\b"
)
# Launch files of others have arguments of their own.
THEIRS = re.compile(r"ros2 launch (?!egm_ros)\w+ [^`\n\"]*")
GIVEN = re.compile(r"(?<![\w/~}])([a-z_]\w*):=(?!\s)")
OPTION = re.compile(r"(?<![\w-])(--[a-z][a-z0-9-]+)")
STANDARD = {"--ros-args", "--params-file", "--log-level", "--help", "--show-args", "--remap"}


@cache
def texts() -> tuple[tuple[str, str], ...]:
    """Give every document, and every string of the sources, with where it stands."""
    return tuple(read_texts())


def read_texts() -> Iterator[tuple[str, str]]:
    for name in (*DOCUMENTS, *SCRIPTS):
        yield name, (ROOT / name).read_text()
    for path in (path for folder in SOURCES for path in sorted((ROOT / folder).rglob("*.py"))):
        inner: set[ast.AST] = set()
        for node in ast.walk(ast.parse(path.read_text())):
            place = f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"
            if isinstance(node, ast.JoinedStr):
                inner.update(node.values)
                yield place, "".join(str(part.value) if isinstance(part, ast.Constant) else "X" for part in node.values)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in inner:
                yield place, node.value


def commands(text: str) -> Iterator[str]:
    """Give the commands in a document: lines of code blocks, joined where they go on, and code within a sentence."""
    blocks = re.findall(r"^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    for block in blocks:
        yield from re.sub(r"\\\n\s*", " ", block).splitlines()
    for span in re.findall(r"`([^`]+)`", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)):
        yield " ".join(span.split())


@cache
def launch_arguments(file: str) -> frozenset[str]:
    command = [sys.executable, str(launches.STANDIN), "launch", "egm_ros", file, "--show-args"]
    shown = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return frozenset(re.findall(r"^ {4}'(\w+)':$", shown, re.MULTILINE))


@cache
def helped(module: str, words: str) -> tuple[int, str]:
    """Give the status and the text of `python -m module words --help`, run within this process: there are a hundred."""
    log = logging.getLogger("egm")
    kept, level, arguments = log.handlers[:], log.level, sys.argv
    sys.argv, said = [module, *words.split(), "--help"], io.StringIO()
    try:
        with redirect_stdout(said), redirect_stderr(said):
            runpy.run_module(module, run_name="__main__", alter_sys=True)
        status = 0
    except SystemExit as end:
        status = int(end.code or 0)
    finally:
        sys.argv, log.handlers[:] = arguments, kept
        log.setLevel(level)
    return status, said.getvalue()


@cache
def options_of(module: str, command: str = "") -> frozenset[str]:
    """Give the options of `python -m module command`, as its help lists them."""
    status, said = helped(module, command)
    assert status == 0, f"{module} {command}: {said}"
    return frozenset(OPTION.findall(said))


def test_every_argument_that_is_recommended_exists() -> None:
    known = launch_arguments("grounding.launch.py") | launch_arguments("demo.launch.py") | NOT_OURS
    known |= {spec.name for table in TABLES.values() for spec in table}
    found = [
        (place, name)
        for place, text in texts()
        if not place.startswith("CHANGELOG")
        for name in GIVEN.findall(THEIRS.sub("", text))
    ]
    assert len(found) > 40
    wrong = [f"{place}: {name}:=" for place, name in found if name not in known]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("file", ["grounding.launch.py", "demo.launch.py"])
def test_launch_commands_have_arguments_of_their_file(file: str) -> None:
    lines = [
        (place, line)
        for place, text in texts()
        for line in (commands(text) if place.endswith(".md") else text.splitlines())
        if f"egm_ros {file}" in line
    ]
    assert lines
    wrong = [
        f"{place}: {name}:= in {line}"
        for place, line in lines
        for name in GIVEN.findall(line)
        if name not in launch_arguments(file)
    ]
    assert not wrong, "\n".join(wrong)


def test_node_commands_set_parameters_of_their_node() -> None:
    nodes = re.compile(r"python -m egm_ros\.(\w+) --ros-args(.*)")
    checked, wrong = 0, []
    for place, text in texts():
        lines = commands(text) if place.endswith(".md") else re.sub(r"\\\n\s*", " ", text).splitlines()
        for node, rest in (match.groups() for line in lines for match in nodes.finditer(line) if match[1] in TABLES):
            for name in re.findall(r"-p (\w+):=", rest):
                checked += 1
                if name not in {spec.name for spec in TABLES[node]}:
                    wrong.append(f"{place}: {node} has no {name}")
    assert checked > 5
    assert not wrong, "\n".join(wrong)


@pytest.mark.slow
def test_every_option_in_a_documented_command_exists() -> None:
    ours = re.compile(r"python -m (egm_(?:core|ros)[\w.]*)(?: ([a-z]+(?:\|[a-z]+)*)(?![\w./]))?")
    checked, wrong = 0, []
    for place, text in texts():
        lines = commands(text) if place.endswith(".md") else re.sub(r"\\\n\s*", " ", text).splitlines()
        for line in lines:
            match = ours.search(line)
            if match is None or "--ros-args" in line:
                continue
            module, rest = match[1], line[match.end() :].split(" then ")[0]
            for option in OPTION.findall(rest):
                checked += 1
                choices = (match[2] or "").split("|")
                if not any(option in options_of(module, choice) for choice in choices if has(module, choice)):
                    wrong.append(f"{place}: {module} {match[2] or ''} has no {option}")
    assert checked > 10
    assert not wrong, "\n".join(wrong)


@pytest.mark.slow
def test_every_option_of_a_documented_verb_exists() -> None:
    verb = re.compile(r"(?:^|\s)(?:tools/)?egm ([a-z]+)((?: [a-z][\w-]*)*)(?=\s)")
    checked, wrong = 0, []
    for place in DOCUMENTS:
        # The changelog also tells of what was there; that page is made from the parsers.
        if place in ("CHANGELOG.md", "docs/reference/commands.md"):
            continue
        for line in commands((ROOT / place).read_text()):
            if (match := verb.search(line)) is None:
                continue
            words = match[1]
            for inner in match[2].split():
                if not has("egm_core", inner, words):
                    break
                words = f"{words} {inner}"
            options = OPTION.findall(line[match.end() :].split("#")[0])
            if words == "ground" and "--bag" in options:
                # A recording has options of its own, and a help of its own.
                words = "ground --bag"
            for option in options:
                checked += 1
                if option not in options_of("egm_core", words):
                    wrong.append(f"{place}: egm {words} has no {option}")
    assert checked > 60
    assert not wrong, "\n".join(wrong)


@cache
def has(module: str, command: str, before: str = "") -> bool:
    """Say whether a module has this command, after the words `before`; a word after it may also be a file."""
    if not command:
        return True
    said = helped(module, before)[1]
    return re.search(rf"[{{,]{command}[,}}]|^\s+{command}\s", said, re.MULTILINE) is not None


def test_every_option_in_an_error_text_exists() -> None:
    """Options that the strings of the sources name are some command's of ours, unless the string is about another's."""
    declared = set(STANDARD)
    for path in (path for folder in SOURCES for path in (ROOT / folder).rglob("*.py")):
        for names in re.findall(r"add_argument\(\s*((?:\"--?[\w-]+\",?\s*)+)", path.read_text()):
            declared |= set(OPTION.findall(names))
    declared |= options_of("egm_core.evaluate", "tables")
    negated = {f"--no-{option[2:]}" for option in declared}
    wrong = [
        f"{place}: {option}"
        for place, text in texts()
        # The room of engines by name speaks of their own programs' options.
        if not place.endswith(".md") and not place.startswith("egm_core/servers/")
        # A word alone is part of a command that is run, not a recommendation.
        if " " in text and not FOREIGN.search(text)
        for option in OPTION.findall(text)
        if option not in declared | negated
    ]
    assert not wrong, "\n".join(wrong)


def test_documented_commands_are_whole_words() -> None:
    """A shell can read every documented line that starts a program of ours."""
    for name in DOCUMENTS:
        for line in commands((ROOT / name).read_text()):
            if line.startswith(("python -m egm", "ros2 launch")):
                shlex.split(line)
