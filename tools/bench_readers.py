"""Times readers of `egm data convert` on synthetic files of the real ones' size, beside Python's own json and pickle.

    tools/env.sh python tools/bench_readers.py refer --folder out/bench_readers

Each figure is of a process of its own: seconds on the clock and of the processor, and the most memory that it held.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Images, annotations, and of each split the references and sentences, as the real files have them.
SETS: dict[str, tuple[str, int, int, dict[str, tuple[int, int]]]] = {
    "refcoco": (
        "unc",
        19_994,
        196_771,
        {"train": (42_404, 120_624), "val": (3_811, 10_834), "testA": (1_975, 5_657), "testB": (1_810, 5_095)},
    ),
    "refcoco+": (
        "unc",
        19_992,
        196_737,
        {"train": (42_278, 120_191), "val": (3_805, 10_758), "testA": (1_975, 5_726), "testB": (1_798, 4_889)},
    ),
    "refcocog": ("umd", 25_799, 208_960, {"train": (42_226, 80_512), "val": (2_573, 4_896), "test": (5_023, 9_602)}),
}
# So that a file of annotations gets the size that COCO's have for each annotation, about 525 bytes.
POINTS = (6, 50)
WORDS = ("the man", "woman", "dog", "left", "right", "in", "on", "red", "blue shirt", "hat", "second from", "bus")
REFERENCE = """
import json, pickle, sys
for path in sys.argv[1:]:
    with open(path, "rb") as file:
        pickle.load(file, encoding="latin-1") if path.endswith(".p") else json.load(file)
"""


@dataclass(frozen=True)
class Case:
    """A benchmark: how its files are written, the arguments of convert, and the files that the reference loads."""

    write: Callable[[Path], None]
    arguments: Callable[[Path], list[str]]
    files: Callable[[Path], list[Path]]


def write_refer(folder: Path) -> None:
    """Write the three data sets, with every reference and annotation that the real ones have."""
    for name, (partition, images, count, splits) in SETS.items():
        rng = random.Random(name)
        root = folder / name
        root.mkdir(parents=True, exist_ok=True)
        with (root / "instances.json").open("w") as file:
            file.write('{"info": {"description": "synthetic"}, "images": [')
            _joined(file, map(_image, range(images)))
            file.write('], "annotations": [')
            _joined(file, (_annotation(rng, number, images) for number in range(count)))
            file.write('], "categories": ')
            file.write(json.dumps([{"supercategory": "thing", "id": i, "name": f"thing {i}"} for i in range(1, 91)]))
            file.write("}")
        refs = list(_refs(rng, images, count, splits))
        with (root / f"refs({partition}).p").open("wb") as file:
            pickle.dump(refs, file, protocol=0)


def refer_arguments(folder: Path) -> list[str]:
    """Give the arguments that read all evaluation splits of the three data sets."""
    roots = [str(folder / name) for name in SETS]
    return ["refer", "--root", *roots, "--split", "val", "testA", "testB", "test", "--missing-share", "1"]


def refer_files(folder: Path) -> list[Path]:
    """Give the files of the three data sets."""
    return [
        folder / name / file
        for name, (partition, *_) in SETS.items()
        for file in (f"refs({partition}).p", "instances.json")
    ]


CASES = {"refer": Case(write_refer, refer_arguments, refer_files)}


def _joined(file: Any, records: Iterator[dict[str, Any]]) -> None:
    for number, record in enumerate(records):
        file.write((", " if number else "") + json.dumps(record))


def _image(number: int) -> dict[str, Any]:
    return {
        "license": 1,
        "file_name": f"COCO_train2014_{number:012d}.jpg",
        "coco_url": f"http://mscoco.org/images/{number}",
        "height": 480,
        "width": 640,
        "date_captured": "2013-11-21 23:06:41",
        "flickr_url": "http://farm6.staticflickr.com/5062/5896644212_a326e96ea9_z.jpg",
        "id": number,
    }


def _annotation(rng: random.Random, number: int, images: int) -> dict[str, Any]:
    x, y = round(rng.uniform(0, 400), 2), round(rng.uniform(0, 300), 2)
    outline = [round(rng.uniform(0, 200), 2) for _ in range(2 * rng.randint(*POINTS))]
    return {
        "segmentation": [outline],
        "area": rng.uniform(100, 40_000),
        "iscrowd": 0,
        "image_id": number % images,
        "bbox": [x, y, round(rng.uniform(20, 200), 2), round(rng.uniform(20, 170), 2)],
        "category_id": rng.randint(1, 90),
        "id": number,
    }


def _refs(
    rng: random.Random, images: int, annotations: int, splits: dict[str, tuple[int, int]]
) -> Iterator[dict[str, Any]]:
    chosen = iter(rng.sample(range(annotations), sum(refs for refs, _ in splits.values())))
    ref = sent = 0
    for split, (refs, sentences) in splits.items():
        for number in range(refs):
            annotation = next(chosen)
            count = sentences * (number + 1) // refs - sentences * number // refs
            said = [" ".join(rng.choices(WORDS, k=rng.randint(2, 5))) for _ in range(count)]
            ids = list(range(sent, sent + count))
            yield {
                "sent_ids": ids,
                "file_name": f"COCO_train2014_{annotation % images:012d}_{number}.jpg",
                "ann_id": annotation,
                "ref_id": ref,
                "image_id": annotation % images,
                "split": split,
                "sentences": [
                    {"tokens": text.split(), "raw": text.upper(), "sent_id": i, "sent": text}
                    for i, text in zip(ids, said, strict=True)
                ],
                "category_id": 1,
            }
            ref, sent = ref + 1, sent + count


def timed(command: Sequence[str]) -> tuple[float, float, float]:
    """Run a process and give its seconds on the clock, those of the processor, and its most memory in MB."""
    begun = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{command} ended with {status}")
    return time.monotonic() - begun, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def main() -> None:
    """Write the files where they are not there, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("case", choices=tuple(CASES), help="which reader")
    parser.add_argument("--folder", type=Path, default=Path("out/bench_readers"), help="where the files are written")
    options = parser.parse_args()
    case, folder = CASES[options.case], options.folder / options.case
    files = case.files(folder)
    if not all(file.is_file() for file in files):
        case.write(folder)
    size = sum(file.stat().st_size for file in files) / 1e6
    for file in files:
        file.read_bytes()
    out = folder / "samples.jsonl"
    ours = timed([sys.executable, "-m", "egm_core.data", "convert", *case.arguments(folder), "--out", str(out), "-qq"])
    theirs = timed([sys.executable, "-c", REFERENCE, *map(str, files)])
    with out.open("rb") as lines:
        count = sum(1 for _ in lines)
    print(f"{len(files)} files of {size:,.0f} MB, {count:,} samples; load {os.getloadavg()[0]:.1f}")
    print(f"{'':22}{'seconds':>9}{'processor':>11}{'memory, MB':>12}")
    for name, figures in (("egm data convert", ours), ("json and pickle alone", theirs)):
        print(f"{name:22}{figures[0]:9.1f}{figures[1]:11.1f}{figures[2]:12.0f}")
    print(f"{'ratio':22}{ours[0] / theirs[0]:9.2f}{ours[1] / theirs[1]:11.2f}{ours[2] / theirs[2]:12.2f}")


if __name__ == "__main__":
    main()
