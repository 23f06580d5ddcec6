"""README and docs: they are short, what they link to and name is there, and their examples run."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "training" / "README.md", *sorted(DOCS.rglob("*.md"))]


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def test_the_readme_is_short_and_its_moving_picture_small():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150
    assert (DOCS / "demo.gif").stat().st_size <= 2_000_000


def test_the_readme_says_where_egm_comes_from_before_it_names_other_pages():
    """Other pages write `egm`, which a checkout has on no path by itself."""
    head, told, _ = (ROOT / "README.md").read_text().partition("`source tools/env.sh`")
    assert told and "](docs/guides" not in head and "](docs/start" not in head
    script = "source tools/env.sh && command -v egm && egm --help"
    bare = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(Path.home())}
    ran = subprocess.run(["bash", "-c", script], cwd=ROOT, env=bare, capture_output=True, text=True)
    assert ran.returncode == 0 and "ground" in ran.stdout, ran.stderr


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page: Path):
    targets = re.findall(r"\]\(([^)#\s]+)", re.sub(r"^```.*?^```", "", page.read_text(), flags=re.M | re.S))
    targets += re.findall(r"literalinclude\} (\S+)", page.read_text())
    lost = [target for target in targets if "://" not in target and not (page.parent / target).exists()]
    assert not lost


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_files_that_are_named_are_there(page: Path):
    folders = "egm_core|egm_ros|tests|tools|examples|training|config|docs|requirements"
    named = re.findall(rf"`((?:{folders})/[\w./-]+)`", page.read_text())
    assert not [path for path in named if not (ROOT / path).exists()]


def test_every_page_is_in_the_index():
    listed = set(re.findall(r"^([a-z_-]+(?:/[a-z_-]+)?)$", (DOCS / "index.md").read_text(), re.M))
    pages = {page.relative_to(DOCS).with_suffix("").as_posix() for page in DOCS.rglob("*.md")} - {"index"}
    assert pages == listed


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_commands_are_shown_as_verbs_of_egm(page: Path):
    """One sentence says that `python -m` works as well; a page that mixes both makes readers look for a difference."""
    module = re.compile(r"python3? -m egm_core\.(ground|serve|scenes|data|train|evaluate)\b(?!\.)")
    lines = [line for line in page.read_text().splitlines() if module.search(line)]
    assert not [line for line in lines if "the same" not in line]


def test_every_example_is_shown_in_the_docs():
    shown = "".join(page.read_text() for page in PAGES)
    examples = [path for path in (ROOT / "examples").rglob("*.*") if path.suffix in (".py", ".sh")]
    assert not [path.name for path in examples if f"examples/{path.relative_to(ROOT / 'examples')}" not in shown]


def test_the_example_of_the_python_api_grounds(tmp_path: Path):
    picture = sorted((ROOT / "egm_ros").rglob("clips/tabletop/*.jpg"))[0]
    command = [sys.executable, ROOT / "examples" / "ground_file.py", picture, "the yellow can"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[0] in ("found", "absent")
