"""The words of README and docs: short sentences, one term for one thing, no project history."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
GENERATED = [page for page in sorted(DOCS.rglob("*.md")) if page.read_text().startswith("% Written by")]
# Pages that are generated hold the code's own words: tables, of which the sentences cannot be told apart.
WRITTEN = [ROOT / "README.md", ROOT / "training" / "README.md"]
WRITTEN += [page for page in sorted(DOCS.rglob("*.md")) if page not in GENERATED]
LONG = 25
LONGEST = 45
MEAN = 16.0
LONG_SHARE = 0.1
HISTORY = (
    "before this", "of then", "once more", "so far", "no longer", "used to", "previously", "formerly", "in the past",
    "earlier version", "the weights before", "the run before", "as before",
)  # fmt: skip


def prose(text: str) -> str:
    """Give a page's sentences: without code, directives, tables, headings and addresses."""
    text = re.sub(r"^(```|:::).*?^\1\s*$", "", text, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"`[^`]*`", "CODE", text)
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)
    lines = [line for line in text.splitlines() if not re.match(r"\s*(\||#|%)", line)]
    # A list entry, a quotation and a paragraph each begin a sentence.
    marked = [re.sub(r"^\s*(?:[-*]|\d+\.|>)\s+", "\n\n" if not line.startswith(">") else "", line) for line in lines]
    return "\n".join(marked)


def sentences(text: str) -> list[str]:
    """Split prose into sentences."""
    parts = [part for block in re.split(r"\n\s*\n", prose(text)) for part in re.split(r"(?<=[.:;?!])\s+(?=\S)", block)]
    return [" ".join(part.split()) for part in parts if re.search(r"[A-Za-z]{2}", part)]


def words_of(sentence: str) -> int:
    return len(re.findall(r"[\w./%-]+", sentence))


def forbidden() -> list[str]:
    """Read the words in the last column of the glossary's table."""
    rows = re.findall(r"^\| (.+?) \| .+? \| (.*?) ?\|$", (DOCS / "glossary.md").read_text(), re.MULTILINE)
    cells = [cell for term, cell in rows if term not in ("Term", "---")]
    return [word.strip() for cell in cells for word in cell.split(",") if word.strip()]


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", WRITTEN, ids=name)
def test_sentences_are_short(page: Path) -> None:
    found = sentences(page.read_text())
    counts = [words_of(sentence) for sentence in found]
    assert found, "no prose"
    longest = [sentence for sentence, count in zip(found, counts, strict=True) if count > LONGEST]
    assert not longest, longest
    long = [sentence for sentence, count in zip(found, counts, strict=True) if count > LONG]
    assert len(long) <= max(1, LONG_SHARE * len(found)), long
    assert sum(counts) / len(counts) <= MEAN


@pytest.mark.parametrize("page", [*WRITTEN, *GENERATED], ids=name)
def test_one_term_for_one_thing(page: Path) -> None:
    if page.name == "glossary.md":
        return
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"`[^`]*`", "", text)
    found = [word for word in forbidden() if re.search(rf"\b{re.escape(word)}s?\b", text, re.IGNORECASE)]
    assert not found, f"see docs/glossary.md for {found}"


@pytest.mark.parametrize("page", WRITTEN, ids=name)
def test_there_is_no_project_history(page: Path) -> None:
    text = " ".join(page.read_text().split()).lower()
    assert not [phrase for phrase in HISTORY if re.search(rf"\b{phrase}\b", text)]


def test_the_pages_that_are_generated_are_known() -> None:
    assert {"commands.md", "grounding.md", "settings_rl.md"} <= {page.name for page in GENERATED}


def test_the_check_finds_what_it_is_for() -> None:
    assert {"picture", "carried", "response", "phrase"} <= set(forbidden())
    assert sentences("# A b\n\n| c | d |\n\nOne two. Three `x y`:\n\n```\ncode\n```\n- four\n- five") == [
        "One two.", "Three CODE:", "four", "five"]  # fmt: skip
    assert words_of("It takes 5.2 ms of CPU.") == 6
