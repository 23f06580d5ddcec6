#!/usr/bin/env python3
"""Hold checkouts against each other: the same questions in turn, one process each, in one run.

    tools/env.sh python tools/bench_turns.py before=/path/to/checkout after=. [--scenes 20] [--json out/turns.json]

Each checkout runs the embedded model by its own code on one thread. A scene is asked about once in each checkout
before the next scene comes, so that load weighs on all alike: one box, visible and amodal together, and the same
with a deadline that is far off, for which the model answers without thinking first and then, if its gate says so, with
thinking. Told are milliseconds by the clock and of a processor's work (medians), the median of each scene's ratio of
work to the first checkout's, which a busy machine disturbs little, and how many answers are the same to the letter.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from egm_core.arguments import COUNT

FIRST_SEED = 510_200_000
FAR = 600.0
WAYS = ("visible", "both", "deadline")


def answer(scenes: int) -> None:
    """Answer as the checkout that Python imports from: a line is awaited for each scene and way."""
    import torch

    from egm_core.engines.local import TransformersEngine
    from egm_core.evaluate.queries import scene_queries
    from egm_core.grounder import Grounder
    from egm_core.models.folder import EMBEDDED, load_info, resolve
    from egm_core.scenes import Generator

    torch.set_num_threads(1)
    folder = resolve(EMBEDDED)
    info = load_info(folder)
    generator = Generator()
    with TransformersEngine(folder, "cpu", "float32", info.max_pixels, threads=1) as engine:
        engine.wait_ready()
        visible, both = (Grounder(engine, info, tasks=tasks) for tasks in (("visible",), ("visible", "amodal")))
        print("ready", flush=True)
        for number in range(scenes):
            scene = generator.scene(FIRST_SEED + number)
            for way in WAYS:
                sys.stdin.readline()
                # No way profits from what another one left behind.
                image = scene.image.copy()
                image[:4, :4] = WAYS.index(way)
                sent = scene_queries(scene, 1)[0].text
                grounder, deadline = (visible, 0.0) if way == "visible" else (both, FAR if way == "deadline" else 0.0)
                began, worked = time.perf_counter(), time.process_time()
                found = grounder.ground(image, sent, deadline=deadline)
                told = [
                    1000 * (time.perf_counter() - began),
                    1000 * (time.process_time() - worked),
                    found.thought,
                    found.visible,
                    found.amodal,
                    found.reasoning,
                    found.amodal_reasoning,
                ]
                print(json.dumps(told, default=str), flush=True)


def main() -> None:
    """Start a process for each checkout, ask them in turn, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkouts", nargs="*", metavar="NAME=FOLDER")
    parser.add_argument("--scenes", type=COUNT, default=20, help="scenes that count; two more come before")
    parser.add_argument("--json", type=Path, help="write all times here")
    parser.add_argument("--answer", type=COUNT, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.answer:
        return answer(options.answer)
    if len(options.checkouts) < 2 or not all("=" in each for each in options.checkouts):
        parser.error("give at least two checkouts, each as NAME=FOLDER")
    named = dict(each.split("=", 1) for each in options.checkouts)
    scenes = options.scenes + 2
    words = [sys.executable, str(Path(__file__).resolve()), "--answer", str(scenes)]
    asked = {}
    for name, folder in named.items():
        environment = {**os.environ, "PYTHONPATH": str(Path(folder).resolve()), "PYTHONSAFEPATH": "1"}
        asked[name] = subprocess.Popen(
            words, cwd=folder, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
    times: dict[str, dict[str, list[Any]]] = {name: {way: [] for way in WAYS} for name in named}
    try:
        for process in asked.values():
            _line(process)
        for number in range(scenes):
            for way in WAYS:
                # The one that comes first finds the caches of the machine cold: all take that place in turn.
                order = list(asked)[number % len(asked) :] + list(asked)[: number % len(asked)]
                for name in order:
                    process = asked[name]
                    assert process.stdin is not None
                    process.stdin.write("\n")
                    process.stdin.flush()
                    told = json.loads(_line(process))
                    if number >= scenes - options.scenes:
                        times[name][way].append(told)
    finally:
        for process in asked.values():
            process.terminate()
            process.wait(30)
    first = next(iter(named))
    print(f"{'':12}" + "".join(f"{way:>42}" for way in WAYS))
    for name, found in times.items():
        cells = []
        for way in WAYS:
            mine, theirs = found[way], times[first][way]
            ratio = statistics.median(a[1] / b[1] for a, b in zip(mine, theirs, strict=True))
            same = sum(a[2:] == b[2:] for a, b in zip(mine, theirs, strict=True))
            passed, worked = (statistics.median(a[place] for a in mine) for place in (0, 1))
            cells.append(f"{passed:.0f} ms, {worked:.0f} of work, x{ratio:.2f}, {same}/{len(mine)} same")
        print(f"{name:12}" + "".join(f"{cell:>42}" for cell in cells))
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(times))


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise RuntimeError(f"a checkout ended with {process.wait()}; see above")
    return line


if __name__ == "__main__":
    main()
