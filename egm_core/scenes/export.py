"""Generated scenes as training data: pictures as files, and the sample record that training reads."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from egm_core.sample import Sample, write_samples
from egm_core.scenes import store
from egm_core.scenes.expressions import choose
from egm_core.scenes.generator import Generator
from egm_core.scenes.truth import EVALUATION_FIRST_SEED, Scene, World
from egm_core.scenes.variation import varied

_CHOICE_STREAM = 77
_VARIATION_STREAM = 78
IMAGES = "images"


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


def rendered(first_seed: int, scenes: int, world: World | None = None) -> Iterator[Scene]:
    """Render scenes one after the other, with a renderer that lives as long as the iteration."""
    if first_seed < 0 or scenes < 1:
        raise ValueError("first_seed must be at least 0, and scenes at least 1")
    generator = Generator()
    try:
        for seed in range(first_seed, first_seed + scenes):
            yield generator.scene(seed, world)
    finally:
        generator.close()


def export(
    folder: Path,
    scenes: Iterable[Scene],
    per_scene: int = 6,
    vary: bool = False,
    file_name: str = "samples.jsonl",
    total: int | None = None,
) -> int:
    """Write `folder/images/*.png` and `folder/samples.jsonl` (or .parquet), and return the number of samples.

    With `vary`, pictures are mirrored, lit, blurred and made noisy at random (by seed), as in pretraining.
    """
    if per_scene < 1:
        raise ValueError("per_scene must be at least 1")
    (folder / IMAGES).mkdir(parents=True, exist_ok=True)
    bar = tqdm(scenes, total=total, unit="scene", desc="exporting", mininterval=5)
    return write_samples(folder / file_name, _records(folder, bar, per_scene, vary))


def export_stored(
    folder: Path,
    stored: Path,
    first_seed: int,
    scenes: int,
    per_scene: int = 6,
    vary: bool = False,
    file_name: str = "samples.jsonl",
    workers: int = 1,
) -> int:
    """Do the same with those of the seeds `first_seed` .. `first_seed + scenes - 1` that a folder of shards holds.

    Workers are spawned and take a shard each; the record is in the order of the seeds whatever their number.
    """
    if per_scene < 1 or workers < 1:
        raise ValueError("per_scene and workers must be at least 1")
    files = store.shards(stored)
    if not files:
        raise store.StoreError(f"no scenes in {stored}: render some with python -m egm_core.scenes render")
    (folder / IMAGES).mkdir(parents=True, exist_ok=True)
    jobs = [(folder, file, range(first_seed, first_seed + scenes), per_scene, vary) for file in files]
    with multiprocessing.get_context("spawn").Pool(min(workers, len(jobs))) as pool:
        parts = tqdm(pool.imap(_export_shard, jobs), total=len(jobs), unit="shard", desc="exporting")
        return write_samples(folder / file_name, (sample for part in parts for sample in part))


def _export_shard(job: tuple[Path, Path, range, int, bool]) -> list[Sample]:
    folder, file, seeds, per_scene, vary = job
    cv2.setNumThreads(1)
    return list(_records(folder, (s for s in store.read(file) if s.seed in seeds), per_scene, vary))


def _records(folder: Path, scenes: Iterable[Scene], per_scene: int, vary: bool) -> Iterator[Sample]:
    for scene in scenes:
        if vary:
            scene = varied(scene, np.random.default_rng([_VARIATION_STREAM, scene.seed]))
        path = folder / IMAGES / f"{scene.world}-{scene.seed:09d}.png"
        if not cv2.imwrite(str(path), np.ascontiguousarray(scene.image[..., ::-1])):
            raise OSError(f"can't write {path}")
        yield from samples(scene, str(path), per_scene)
