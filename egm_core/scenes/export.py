"""Generated scenes as training data: pictures as files, and the sample record that training reads."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from egm_core.sample import Sample, write_samples
from egm_core.scenes.expressions import choose
from egm_core.scenes.generator import Generator
from egm_core.scenes.truth import EVALUATION_FIRST_SEED, Scene, World

_CHOICE_STREAM = 77


def samples(scene: Scene, image: str, count: int) -> list[Sample]:
    """Return `count` samples of a scene (fewer where it doesn't allow more); `image` is its picture's path.

    The expressions drawn depend on the scene's seed only. The split is `train`, or `evaluation` for the seeds that
    training refuses.
    """
    rng = np.random.default_rng([_CHOICE_STREAM, scene.seed])
    split = "train" if scene.seed < EVALUATION_FIRST_SEED else "evaluation"
    records = []
    for expression in choose(scene, rng, count):
        thing = None if expression.target is None else scene.objects[expression.target]
        records.append(
            Sample(
                image=image,
                sent=expression.text,
                bbox=thing.visible if thing else None,
                amodal_bbox=thing.amodal if thing else None,
                visible_fraction=thing.visible_fraction if thing else None,
                height=scene.height,
                width=scene.width,
                reasoning=expression.reasoning,
                source=f"egm_scenes_v{scene.version}/{scene.world}/{expression.kind}",
                split=split,
                amodal_reasoning=expression.amodal_reasoning,
            )
        )
    return records


def export(
    folder: Path,
    first_seed: int,
    scenes: int,
    per_scene: int = 6,
    world: World | None = None,
    file_name: str = "samples.jsonl",
) -> int:
    """Write `folder/images/*.png` and `folder/samples.jsonl` (or .parquet), and return the number of samples."""
    if first_seed < 0 or scenes < 1 or per_scene < 1:
        raise ValueError("first_seed must be at least 0, and scenes and per_scene at least 1")
    pictures = folder / "images"
    pictures.mkdir(parents=True, exist_ok=True)
    generator = Generator()

    def records() -> Iterator[Sample]:
        for seed in tqdm(range(first_seed, first_seed + scenes), unit="scene", desc="exporting"):
            scene = generator.scene(seed, world)
            path = pictures / f"{scene.world}-{seed:09d}.png"
            cv2.imwrite(str(path), np.ascontiguousarray(scene.image[..., ::-1]))
            yield from samples(scene, str(path), per_scene)

    try:
        return write_samples(folder / file_name, records())
    finally:
        generator.close()
