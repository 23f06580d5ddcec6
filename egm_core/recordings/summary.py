"""What became of a recording, for people and for programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from egm_core.grounder.explained import explained
from egm_core.grounder.reading import EXPLANATIONS
from egm_core.recordings.answers import Answers
from egm_core.recordings.writing import Tally


def of(
    out: Path, about: Mapping[str, Any], answers: Answers, tally: Tally, odd: Sequence[str], seconds: float
) -> dict[str, Any]:
    """Sum up what was asked and written, as JSON values."""
    outcomes = Counter(answer.outcome for answer in answers.values())
    doubts = Counter(doubt for answer in answers.values() for doubt in answer.warnings)
    failures = Counter(answer.reason for answer in answers.values() if answer.outcome == "error")
    return {
        "out": str(out),
        "recording": about["recording"],
        "model": about["answered_by"],
        "instruction": about["instruction"],
        "topics": about["topics"],
        "images": tally.pictures.total(),
        "asked": answers.pictures,
        "questions": len(answers),
        **{outcome: outcomes[outcome] for outcome in ("found", "absent", "error")},
        "failures": dict(failures),
        "propagated": tally.shown,
        "lost": dict(tally.lost),
        "unreadable": dict(tally.unread),
        "unreadable_named": tally.named,
        "not_newer": dict(tally.older),
        "time_went_back": dict(tally.back),
        "without_clock": sorted(tally.clockless),
        "warnings": dict(doubts),
        "damage": list(odd),
        "seconds": round(seconds, 3),
    }


def written(report: Mapping[str, Any]) -> str:
    """Write the sum in one line."""
    lost = sum(report["lost"].values())
    reasons = ", ".join(f"{reason} {count}" for reason, count in report["lost"].items())
    parts = [
        f"{report['out']}: {report['images']} images of {len(report['topics'])} topic"
        f"{'s' if len(report['topics']) > 1 else ''}",
        f"{report['asked']} asked about, {report['questions']} questions: {report['found']} found, {report['absent']}"
        f" absent, {report['error']} without an answer",
        f"{report['propagated']} boxes propagated, {lost} lost{f' ({reasons})' if reasons else ''}",
        f"{report['model']} in {report['seconds']:.1f} s",
    ]
    return " | ".join(parts)


def doubts(report: Mapping[str, Any]) -> Iterator[str]:
    """Say what a reader of the sum should know, each in a sentence."""
    for reason, count in report["unreadable"].items():
        named = report["unreadable_named"].get(reason, [])
        more = f", and {count - len(named)} more" if count > len(named) else ""
        yield f"{count} images cannot be read ({reason}), and have no boxes: {', '.join(named)}{more}"
    for topic, count in report["not_newer"].items():
        yield f"{topic}: {count} images are no newer than the one before, and boxes are not propagated to them"
    for topic, count in report["time_went_back"].items():
        if count:
            yield f"{topic}: time went back {count} times, where all boxes ended; is it a loop?"
    for topic in report["without_clock"]:
        yield f"{topic}: its stamps tell no time, so the time of recording is taken; have the driver set header.stamp"
    for reason, count in report["failures"].items():
        why = f"{reason} ({EXPLANATIONS[reason]})" if reason in EXPLANATIONS else reason
        yield f"{count} questions got no answer: {why}; boxes of earlier answers went on there"
    for doubt, count in report["warnings"].items():
        yield f"{count} answers: {explained(doubt)}"
