"""The same commands over real photographs, as a smoke test: they run to their end and write samples."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import proof_judge
from proof_server import Books, Question, Scripted, Turn, phrase
from proof_table import Found
from scripted_http import running_server

from egm_core.sample import Sample, read_samples, write_samples

Run = Callable[[list[str]], int]
WORDS = "It is the one that the phrase tells of, and nothing else in the scene fits it as well."


def answer(question: Question, books: Books) -> Turn:
    """Say something harmless in the form that is asked for: nobody knows the truth here."""
    books.asked(question.text)
    said: dict[str, object] = {"reasoning": WORDS, "object": "thing", "occluders": [], "hidden_sides": []}
    if "unique" in question.parts:
        said = {"why": "It fits.", "accurate": True, "unique": True}
    elif "expression" in question.parts:
        said = {"expression": "thing that is seen best", "object": "thing"}
    elif proof_judge.is_verdict(question):
        said = proof_judge.PASSED
    parts = {name: said[name] for name in said if name in question.parts}
    return Turn(phrase(question), "photographs", json.dumps(parts))


def smoke(folder: Path, out: Path, run: Run, found: Found) -> None:
    """Have photographs curated and verified, and tell how many samples came through."""
    if not folder.is_dir():
        found.say("real photographs", f"left out: {folder} is not there")
        return
    out.mkdir(parents=True, exist_ok=True)
    with running_server(Scripted("scripted-1", answer)) as server:
        for part, task in (("referring", "visible"), ("driving", "visible"), ("amodal", "amodal")):
            source, made, checked = (
                out / f"{part}.jsonl",
                out / f"{part}_reasoned.jsonl",
                out / f"{part}_verified.jsonl",
            )
            asked = write_samples(source, samples(folder / part, task))
            url = ["--teacher-url", server.url, "--terms", "none: a script", "-q"]
            statuses = [run(["curate", "reason", str(source), "--out", str(made), "--task", task, *url]),
                        run(["curate", "verify", str(made), "--out", str(checked), *url])]  # fmt: skip
            kept = sum(1 for _ in read_samples(checked)) if checked.exists() else 0
            told = f"{asked} asked, {kept} verified, statuses {statuses}"
            found.say(f"real photographs, {part}", told, statuses == [0, 0] and kept > 0)


def samples(folder: Path, task: str) -> list[Sample]:
    """Read the annotations of a folder of photographs; amodal ones have no expressions, so they get a number."""
    rows = json.loads(next(folder.glob("*.json")).read_text("utf-8"))
    made = []
    for number, row in enumerate(rows, 1):
        path = folder / "images" / row["file"]
        height, width = cv2.imread(str(path)).shape[:2]
        box = tuple(float(value) for value in row["bbox_xyxy" if task == "visible" else "amodal_xyxy"])
        sent = row.get("expr", f"thing number {number}").rstrip(".")
        visible, whole = (box, None) if task == "visible" else (None, box)
        share = None
        made.append(
            Sample(
                str(path),
                sent,
                visible,
                whole,
                share,
                height,
                width,
                source="photographs",
                split="val",
                task="amodal" if task == "amodal" else "",
            )
        )
    return made
