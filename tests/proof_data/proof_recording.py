"""Verdicts of a judge that were recorded once, kept by the wordings that they are about.

    python tests/proof_data/proof_recording.py --key KEY.json --said SAID.jsonl ... --wordings FOLDER

`KEY` gives for each id of the verdicts the wording's file and its line, and `FOLDER` has these files. No text is kept:
a wording is known by its digest.
"""

from __future__ import annotations

import argparse
import json
from hashlib import sha256
from pathlib import Path
from typing import Any

RECORDED = Path(__file__).parent / "closed" / "judged.json"
ABOUT = (
    "Answers of a large language model, recorded once, with the words of the prompt judge_1. It was given lists of 77 "
    "texts, not one text at a time. The texts were all wordings of the closed half, mistakes and good ones mixed, with "
    "their slots filled from made-up scenes: the proof fills the same wording from another scene."
)


def digest(task: str, trace: str) -> str:
    """Name a wording, before its slots are filled."""
    return sha256(f"{task}\n{trace}".encode()).hexdigest()[:20]


def read_recorded(file: Path = RECORDED) -> dict[str, dict[str, Any]]:
    """Give the verdicts by their wordings' digests."""
    return dict(json.loads(file.read_text("utf-8"))["verdicts"])


def recorded(key: Path, said: list[Path], wordings: Path) -> dict[str, dict[str, Any]]:
    """Gather verdicts by their wordings; ValueError where two are about one and differ."""
    names = json.loads(key.read_text("utf-8"))
    lines = {file.name: file.read_text("utf-8").splitlines() for file in wordings.glob("*.jsonl")}
    found: dict[str, dict[str, Any]] = {}
    for row in (json.loads(line) for file in said for line in file.read_text("utf-8").splitlines()):
        file, line, _ = names[str(row.pop("id"))]
        told = json.loads(lines[f"{Path(file).name}.jsonl"][line])
        name = digest(told["task"], told["trace"])
        if found.get(name, row) != row:
            raise ValueError(f"{file}, line {line}: one wording has two verdicts")
        found[name] = row
    return found


def main() -> None:
    """Write the recording beside the closed half, whose words it quotes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--key", type=Path, required=True)
    parser.add_argument("--said", type=Path, nargs="+", required=True)
    parser.add_argument("--wordings", type=Path, required=True)
    given = parser.parse_args()
    found = recorded(given.key, given.said, given.wordings)
    rows = ",\n".join(f"{json.dumps(name)}: {json.dumps(found[name], ensure_ascii=False)}" for name in sorted(found))
    RECORDED.write_text(f'{{"what": {json.dumps(ABOUT)},\n"verdicts": {{\n{rows}\n}}}}\n', encoding="utf-8")
    print(f"{len(found)} verdicts -> {RECORDED}")


if __name__ == "__main__":
    main()
