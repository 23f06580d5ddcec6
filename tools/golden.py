"""Golden boxes: what the embedded model answers about pictures of the clips, kept to notice when that changes.

    tools/env.sh python tools/golden.py --write     (after new weights)
    tools/env.sh python tools/golden.py             (compare; exit status 1 where they changed)

The files in tests/golden name the weights by their SHA-256. The answers are greedy and from one CPU thread in float32;
another machine's rounding may move an edge, so edges may differ by 2 pixels, and raw scores by a tenth of theirs; where
two tokens are nearly as likely it may choose the other one, so one answer in ten may be another one.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from egm_core.engines.local import TransformersEngine
from egm_core.grounder.grounder import Grounder, Grounding
from egm_core.models.calibration import weights_digest
from egm_core.models.folder import EMBEDDED, load_info, resolve
from egm_core.scenes.truth import WORLDS
from egm_ros.camera.sources import CLIPS

FOLDER = Path(__file__).resolve().parents[1] / "tests" / "golden"
COMMAND = "tools/env.sh python tools/golden.py --write"
FRAMES = 3
PIXELS = 2.0
SCORE = 0.1
OTHERS = 0.1


def record(grounding: Grounding) -> dict[str, Any]:
    """Write an answer down, boxes to a tenth of a pixel."""

    def edges(box: tuple[float, ...] | None) -> list[float] | None:
        return None if box is None else [round(edge, 1) for edge in box]

    return {
        "outcome": grounding.outcome,
        "visible": edges(grounding.visible),
        "amodal": edges(grounding.amodal),
        "raw_score": round(grounding.raw_score, 4),
    }


def answers(world: str, grounder: Grounder) -> Iterator[dict[str, Any]]:
    """Ask every instruction of a clip about its first, middle and last picture."""
    manifest = json.loads((CLIPS / world / "clip.json").read_text())
    frames = manifest["frames"]
    for number in np.linspace(0, len(frames) - 1, FRAMES).astype(int):
        file = CLIPS / world / frames[number]["file"]
        image = np.asarray(cv2.cvtColor(cv2.imread(str(file)), cv2.COLOR_BGR2RGB), np.uint8)
        for instruction in manifest["instructions"]:
            found = grounder.ground(image, instruction["text"])
            yield {"file": file.name, "instruction": instruction["text"], **record(found)}


def made(model: Path) -> dict[str, dict[str, Any]]:
    """Ask the model about all clips; gives what the files hold, by world."""
    digest = weights_digest(model)
    with TransformersEngine(model, device="cpu", dtype="float32", threads=1) as engine:
        engine.wait_ready()
        grounder = Grounder(engine, load_info(model))
        found = {world: {"weights_sha256": digest, "answers": list(answers(world, grounder))} for world in WORLDS}
        grounder.close()
    return found


def kept(folder: Path = FOLDER) -> dict[str, dict[str, Any]]:
    """Read the golden files, by world."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}


def stale(golden: dict[str, dict[str, Any]], digest: str) -> str:
    """Say what to do where the golden boxes are missing, or are other weights'; empty where they are these ones'."""
    old = [world for world in WORLDS if golden.get(world, {}).get("weights_sha256") != digest]
    return f"the golden boxes of {', '.join(old)} belong to other weights; make new ones: {COMMAND}" if old else ""


def differences(golden: dict[str, dict[str, Any]], found: dict[str, dict[str, Any]]) -> list[str]:
    """List the answers that are not as they were, within the tolerance."""
    told = []
    for world, then in golden.items():
        now = {(a["file"], a["instruction"]): a for a in found[world]["answers"]}
        for a in then["answers"]:
            b = now.pop((a["file"], a["instruction"]), None)
            if b is None or not _alike(a, b):
                told.append(f"{world}: {a} is now {b}")
        told += [f"{world}: {b} is new" for b in now.values()]
    return told


def _alike(one: dict[str, Any], two: dict[str, Any]) -> bool:
    for name in ("visible", "amodal"):
        if (one[name] is None) != (two[name] is None):
            return False
        if one[name] is not None and np.abs(np.subtract(one[name], two[name])).max() > PIXELS:
            return False
    return one["outcome"] == two["outcome"] and abs(one["raw_score"] - two["raw_score"]) <= SCORE * one["raw_score"]


def changed(golden: dict[str, dict[str, Any]], told: list[str]) -> bool:
    """Say whether so many answers differ that rounding is no explanation."""
    return len(told) > OTHERS * sum(len(then["answers"]) for then in golden.values())


def write(folder: Path, found: dict[str, dict[str, Any]]) -> None:
    """Write the golden files, an answer a line, so that a change can be read as one."""
    folder.mkdir(parents=True, exist_ok=True)
    for world, data in found.items():
        lines = ",\n  ".join(json.dumps(answer) for answer in data["answers"])
        head = json.dumps(data["weights_sha256"])
        (folder / f"{world}.json").write_text(f'{{"weights_sha256": {head}, "answers": [\n  {lines}\n]}}\n')


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; gives the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="keep what the model answers now")
    options = parser.parse_args(arguments)
    model = resolve(EMBEDDED)
    if options.write:
        write(FOLDER, made(model))
        return 0
    golden = kept()
    remedy = stale(golden, weights_digest(model))
    told = [remedy] if remedy else differences(golden, made(model))
    print("\n".join(told), file=sys.stderr)
    return 1 if remedy or changed(golden, told) else 0


if __name__ == "__main__":
    sys.exit(main())
