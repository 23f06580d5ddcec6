#!/usr/bin/env python3
"""How often an answer misses its deadline, and how long answers take: one question at a time, as a robot asks.

    tools/env.sh python tools/bench_deadline.py out/deadline.jsonl [--scenes 100] [--deadline 1 2 4]

Asks about generated scenes that no model and no gate was fitted to, each question in every way in turn: never thinking,
always thinking, and by each deadline in seconds. A line is written for each question, so a run that was stopped goes
on where it was. The table comes at the end; `--scenes 0` prints it from what is there.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from egm_core.arguments import CORES, SECONDS, SEED, whole
from egm_core.bench.spread import spread
from egm_core.boxes import Box, iou
from egm_core.engines import Engine
from egm_core.evaluate.queries import Query, scene_queries
from egm_core.evaluate.reports.intervals import written
from egm_core.evaluate.statistics import mean
from egm_core.grounder import Grounder, Grounding
from egm_core.models.folder import ModelInfo

FIRST_SEED = 510_100_000
PER_SCENE = 3
WARM = "the red mug"
HALF = 0.5
# Of the normal distribution, for an interval of 95 %.
Z = 1.96


def right(box: Box | None, truth: Box | None) -> bool:
    """Say whether a box is right, or rightly none."""
    if box is None or truth is None:
        return box is truth
    return float(iou(box, truth)) >= HALF


def record(found: Grounding, query: Query) -> dict[str, Any]:
    """Note of an answer what the table needs."""
    return {
        "ms": found.total_ms,
        "missed": found.missed,
        "thought": found.thought,
        "amodal_thought": found.amodal_thought,
        "visible": right(found.visible, query.visible),
        "amodal": right(found.amodal, query.amodal),
    }


def wilson(hits: int, count: int) -> tuple[float, float]:
    """Give the 95 % interval of a share, which holds for few hits and for none."""
    share, square = hits / count, Z * Z / count
    middle = share + square / 2
    half = Z * math.sqrt(share * (1 - share) / count + square / count / 4)
    return max(0.0, (middle - half) / (1 + square)), (middle + half) / (1 + square)


def table(lines: Sequence[Mapping[str, Any]]) -> str:
    """Write what was measured as Markdown, a row for each way to ask."""
    rows = [
        "| way | missed, % (95 %) | thought: yes, late, % | median, p95, p99, ms | mean, ms"
        " | visible right, % (95 %) | amodal right, % (95 %) | n |",
        "| --- " * 8 + "|",
    ]
    scenes = [line["seed"] for line in lines]
    for way in lines[0]["ways"]:
        answers = [line["ways"][way] for line in lines]
        count = len(answers)
        missed = sum(answer["missed"] for answer in answers)
        low, high = wilson(missed, count)
        told = "" if "s" not in way.split() else f"{100 * missed / count:.1f} ({100 * low:.1f} to {100 * high:.1f})"
        yes, late = (100 * sum(a["thought"] == word for a in answers) / count for word in ("yes", "late"))
        times = spread([answer["ms"] / 1000 for answer in answers])
        assert times
        good = [mean([float(answer[task]) for answer in answers], scenes) for task in ("visible", "amodal")]
        shares = [f"{100 * g.value:.1f} ({written(g, scale=100)})" for g in good]
        rows.append(
            f"| {way} | {told} | {yes:.0f}, {late:.0f} | {times.median:.0f}, {times.p95:.0f}, {times.p99:.0f}"
            f" | {times.mean:.0f} | {shares[0]} | {shares[1]} | {count} |"
        )
    return "\n".join(rows)


def asked(first_seed: int, scenes: int, known: set[tuple[int, str]]) -> Iterator[tuple[Any, Query]]:
    """Give pictures with the questions about them that are not answered yet."""
    from egm_core.scenes import Generator

    generator = Generator()
    try:
        for seed in range(first_seed, first_seed + scenes):
            scene = generator.scene(seed)
            for query in scene_queries(scene, PER_SCENE):
                if query.task == "visible" and (seed, query.text) not in known:
                    yield scene.image, query
    finally:
        generator.close()


def main(words: Sequence[str] | None = None) -> int:
    """Ask what is lacking, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, help="a line for each question; goes on where it ends")
    parser.add_argument(
        "--scenes", type=whole(0, 100_000_000), default=100, help="scenes, three questions each (default: %(default)s)"
    )
    parser.add_argument("--first-seed", type=SEED, default=FIRST_SEED, help="first scene (default: %(default)s)")
    parser.add_argument(
        "--deadline", type=SECONDS, nargs="+", default=[1.0, 2.0, 4.0], help="in seconds (default: 1 2 4)"
    )
    parser.add_argument("--minutes", type=SECONDS, default=1e6, help="stop after so long (default: never)")
    parser.add_argument("--threads", type=CORES, default=1, help="threads of torch (default: %(default)s)")
    options = parser.parse_args(words)
    lines = [json.loads(line) for line in options.file.read_text().splitlines()] if options.file.is_file() else []
    if options.scenes:
        lines += measured(options, {(line["seed"], line["text"]) for line in lines})
    if not lines:
        parser.error(f"{options.file} has no answers yet")
    print(table(lines))
    return 0


def measured(options: argparse.Namespace, known: set[tuple[int, str]]) -> list[dict[str, Any]]:
    """Ask the embedded model in each way in turn, and keep each line in the file."""
    from egm_core.engines.local import TransformersEngine
    from egm_core.models.folder import EMBEDDED, load_info, resolve

    until = time.monotonic() + 60 * options.minutes
    model = resolve(EMBEDDED)
    with TransformersEngine(model, device="cpu", dtype="float32", threads=options.threads) as engine:
        engine.wait_ready()
        return _measured(engine, load_info(model), options, known, until)


def _measured(
    engine: Engine, info: ModelInfo, options: argparse.Namespace, known: set[tuple[int, str]], until: float
) -> list[dict[str, Any]]:
    thinking, plain = Grounder(engine, info), Grounder(engine, info, reasoning=False)
    found: list[dict[str, Any]] = []
    options.file.parent.mkdir(parents=True, exist_ok=True)
    with options.file.open("a") as kept:
        for image, query in asked(options.first_seed, options.scenes, known):
            if time.monotonic() > until:
                break
            if not found:
                # The first questions build what the later ones use, and tell how long a thought takes.
                for _ in range(3):
                    thinking.ground(image, WARM, deadline=60.0)
            ways = {"never": record(plain.ground(image, query.text), query)}
            ways["always"] = record(thinking.ground(image, query.text), query)
            for limit in options.deadline:
                ways[f"{limit:g} s"] = record(thinking.ground(image, query.text, deadline=limit), query)
            found.append({"seed": query.seed, "text": query.text, "ways": ways})
            kept.write(json.dumps(found[-1]) + "\n")
            kept.flush()
    return found


if __name__ == "__main__":
    sys.exit(main())
