#!/usr/bin/env python3
"""What a picture costs on its way to a server: time to write it, its size, and accuracy, as PNG and as JPEG 95.

    tools/env.sh nice -n 19 python tools/bench_pictures.py --scenes 300 --json out/pictures
    tools/env.sh python tools/bench_pictures.py --scenes 0      (times alone)

The embedded model answers each query of the evaluation twice, about the same picture as the client would send it. The
differences are paired, JPEG minus PNG; `PREFIX-png.json` and `PREFIX-jpeg.json` are results that `python -m
egm_core.evaluate compare` reads.
"""

from __future__ import annotations

import argparse
import base64
import json
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from egm_core.arguments import COUNT, SEED
from egm_core.asking.engine import answerer
from egm_core.engines.local import TransformersEngine
from egm_core.engines.pictures import FORMATS, PictureFormat, data_url
from egm_core.evaluate.asking import ask, rendered
from egm_core.evaluate.reports.intervals import written
from egm_core.evaluate.reports.report import Report, compare
from egm_core.evaluate.scores import Row
from egm_core.models.folder import EMBEDDED, load_info, resolve
from egm_core.scenes import Scene
from egm_core.scenes.truth import EVALUATION_FIRST_SEED

SIZES = ((640, 480), (1280, 720), (1920, 1080))


def main() -> None:
    """Measure times, and accuracy where scenes are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=EMBEDDED, help="model folder")
    parser.add_argument("--first-seed", type=SEED, default=EVALUATION_FIRST_SEED)
    parser.add_argument("--scenes", type=COUNT, default=300)
    parser.add_argument("--json", type=Path, help="write both results here, as PREFIX-png.json and PREFIX-jpeg.json")
    options = parser.parse_args()
    times(next(rendered(options.first_seed, 1)))
    if options.scenes:
        accuracy(options)


def times(scene: Scene) -> None:
    """Print what writing a picture takes, by size and format."""
    print(f"{'size':>10}  " + "  ".join(f"{name:>4} ms   kB" for name in FORMATS))
    for size in SIZES:
        picture = cv2.resize(scene.image, size, interpolation=cv2.INTER_CUBIC)
        # A rendered scene is smoother than any camera's picture, and PNG takes longer for noise.
        noise = np.random.default_rng(0).normal(0, 4, picture.shape)
        picture = np.clip(picture + noise, 0, 255).astype(np.uint8)
        cells = []
        for name in FORMATS:
            spent = []
            for _ in range(10):
                began = time.process_time()
                url = data_url(picture, name)
                spent.append(time.process_time() - began)
            cells.append(f"{1000 * min(spent):7.1f} {len(url) / 1000:4.0f}")
        print(f"{size[0]:>5}x{size[1]:<4}  " + "  ".join(cells))


def accuracy(options: argparse.Namespace) -> None:
    """Ask about each scene in each format and print the paired differences."""
    info = load_info(resolve(options.model))
    if info.path is None:
        raise FileNotFoundError(options.model)
    rows: dict[PictureFormat, list[Row]] = {name: [] for name in FORMATS}
    with TransformersEngine(info.path, max_pixels=info.max_pixels) as engine:
        engine.wait_ready()
        answer = answerer(engine, 32)
        scenes = list(tqdm(rendered(options.first_seed, options.scenes), total=options.scenes, disable=None))
        for name in FORMATS:
            sent = [replace(scene, image=read(data_url(info.fit(scene.image), name))) for scene in scenes]
            for asked in ask(sent, info, answer):
                rows[name] += asked.rows
    with tempfile.TemporaryDirectory() as folder:
        prefix = options.json or Path(folder) / "pictures"
        files = [prefix.with_name(f"{prefix.name}-{name}.json") for name in FORMATS]
        for file, name in zip(files, FORMATS, strict=True):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(Report(rows[name]).as_json(pictures=name, scenes=options.scenes)))
        for group, c in compare(*files).items():
            interval = f"[{written(c, '+.2f', 100, between=', ')}]"
            print(f"{group:<20} {100 * c.difference:+6.2f} points {interval}, n {c.count}")


def read(url: str) -> np.ndarray:
    """Read a data URL's picture as (H, W, 3) RGB."""
    data = np.frombuffer(base64.b64decode(url.partition(",")[2]), np.uint8)
    return np.asarray(cv2.cvtColor(cv2.imdecode(data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB), np.uint8)


if __name__ == "__main__":
    main()
