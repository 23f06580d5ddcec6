"""Generated scenes as training data: pictures as files, and the sample record that training reads."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from egm_core.boxes import Box
from egm_core.sample import Sample, write_samples
from egm_core.sample.worlds import GENERATED, LICENCE
from egm_core.scenes.files import store
from egm_core.scenes.files.names import picture_name
from egm_core.scenes.files.variation import varied
from egm_core.scenes.generator import Generator
from egm_core.scenes.language.expressions import MIX, Kind, choose
from egm_core.scenes.truth import EVALUATION_FIRST_SEED, ObjectTruth, Scene, World

_CHOICE_STREAM = 77
_VARIATION_STREAM = 78
_COIN_STREAM = 79
IMAGES = "images"
_OBJECT = "object:"


@dataclass(frozen=True)
class Taste:
    """What is asked of a scene: `per_scene` expressions (fewer where it doesn't allow more).

    `amodal_share` of the objects whose two boxes hardly differ, and of those that aren't there, are asked for by both
    tasks, the others by the visible one alone; objects that are cut short always by both. `direct_share` of the
    samples carry no reasoning, so that a model learns to answer without it, too. `absent_share` of the expressions
    fit nothing; None: as many as in the mix that models are scored on.
    """

    per_scene: int = 6
    amodal_share: float = 1.0
    direct_share: float = 0.0
    absent_share: float | None = None

    def __post_init__(self) -> None:
        if self.per_scene < 1:
            raise ValueError("per_scene must be at least 1")
        for name in ("amodal_share", "direct_share", "absent_share"):
            share = getattr(self, name)
            if share is not None and not 0.0 <= share <= 1.0:
                raise ValueError(f"{name} must lie between 0 and 1, not {share:g}")

    @property
    def mix(self) -> Mapping[Kind, float]:
        """The shares of the kinds of expressions."""
        if self.absent_share is None:
            return MIX
        present = sum(share for kind, share in MIX.items() if kind != "absent")
        scale = (1.0 - self.absent_share) / present
        return {kind: self.absent_share if kind == "absent" else share * scale for kind, share in MIX.items()}


def samples(scene: Scene, image: str, taste: Taste) -> list[Sample]:
    """Return a scene's samples; `image` is its picture's path.

    What is drawn depends on the scene's seed only. The split is `train`, or `evaluation` for the seeds that training
    refuses.
    """
    rng = np.random.default_rng([_CHOICE_STREAM, scene.seed])
    coin = np.random.default_rng([_COIN_STREAM, scene.seed])
    split = "train" if scene.seed < EVALUATION_FIRST_SEED else "evaluation"
    records = []
    for expression in choose(scene, rng, taste.per_scene, taste.mix):
        thing = None if expression.target is None else scene.objects[expression.target]
        names, boxes = occluders(scene, thing) if thing else ((), ())
        plain, direct = coin.random() >= taste.amodal_share, coin.random() < taste.direct_share
        records.append(
            Sample(
                image=image,
                sent=expression.text,
                bbox=thing.visible if thing else None,
                amodal_bbox=thing.amodal if thing else None,
                visible_fraction=thing.visible_fraction if thing else None,
                height=scene.height,
                width=scene.width,
                reasoning="" if direct else expression.reasoning,
                source=f"{GENERATED}{scene.version}",
                split=split,
                amodal_reasoning="" if direct else expression.amodal_reasoning,
                task="visible" if plain and not (thing and thing.cut_short(scene.width)) else "",
                occluders=names,
                depth_order=_order(scene, thing) if thing else None,
                category=thing.category if thing else "",
                occluder_boxes=boxes,
                licence=LICENCE,
                world=scene.world,
                expression_kind=expression.kind,
            )
        )
    return records


def occluders(scene: Scene, thing: ObjectTruth) -> tuple[tuple[str, ...], tuple[Box, ...]]:
    """Name what hides an object, from front to back, with the boxes around what is seen of those.

    Furniture, such as the arm, comes last: its distance and its box are not known.
    """
    numbers = [int(name.removeprefix(_OBJECT)) for name in thing.occluders if name.startswith(_OBJECT)]
    front = sorted((scene.objects[number] for number in numbers), key=lambda other: other.depth)
    furniture = (name for name in thing.occluders if not name.startswith(_OBJECT))
    return (*(f"{other.color} {other.category}" for other in front), *furniture), tuple(o.visible for o in front)


def _order(scene: Scene, thing: ObjectTruth) -> int:
    """Give an object's place in depth among those of its scene of which anything is seen, 1 in front."""
    seen = (other for other in scene.objects if other.visible[0] < other.visible[2])
    return 1 + sum((other.depth, other.index) < (thing.depth, thing.index) for other in seen)


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
    taste: Taste = Taste(),
    vary: bool = False,
    file_name: str = "samples.jsonl",
    total: int | None = None,
) -> int:
    """Write `folder/images/*.png` and `folder/samples.jsonl` (or .parquet), and return the number of samples.

    With `vary`, pictures are mirrored, lit, blurred and made noisy at random (by seed), as in pretraining.
    """
    (folder / IMAGES).mkdir(parents=True, exist_ok=True)
    bar = tqdm(scenes, total=total, unit="scene", desc="exporting", disable=None)
    return write_samples(folder / file_name, _records(folder, bar, taste, vary))


def export_stored(
    folder: Path,
    stored: Path,
    first_seed: int,
    scenes: int,
    taste: Taste = Taste(),
    vary: bool = False,
    file_name: str = "samples.jsonl",
    workers: int = 1,
) -> int:
    """Do the same with those of the seeds `first_seed` .. `first_seed + scenes - 1` that a folder of shards holds.

    Workers are spawned and take a shard each; the record is in the order of the seeds whatever their number.
    """
    if workers < 1:
        raise ValueError("workers must be at least 1")
    files = store.shards(stored)
    if not files:
        raise store.StoreError(f"no scenes in {stored}: render some with egm scenes render")
    (folder / IMAGES).mkdir(parents=True, exist_ok=True)
    jobs = [(folder, file, range(first_seed, first_seed + scenes), taste, vary) for file in files]
    with multiprocessing.get_context("spawn").Pool(min(workers, len(jobs))) as pool:
        parts = tqdm(pool.imap(_export_shard, jobs), total=len(jobs), unit="shard", desc="exporting", disable=None)
        return write_samples(folder / file_name, (sample for part in parts for sample in part))


def _export_shard(job: tuple[Path, Path, range, Taste, bool]) -> list[Sample]:
    folder, file, seeds, taste, vary = job
    cv2.setNumThreads(1)
    return list(_records(folder, (s for s in store.read(file) if s.seed in seeds), taste, vary))


def _records(folder: Path, scenes: Iterable[Scene], taste: Taste, vary: bool) -> Iterator[Sample]:
    for scene in scenes:
        if vary:
            scene = varied(scene, np.random.default_rng([_VARIATION_STREAM, scene.seed]))
        path = folder / IMAGES / picture_name(scene.world, scene.seed)
        if not cv2.imwrite(str(path), np.ascontiguousarray(scene.image[..., ::-1])):
            raise OSError(f"can't write {path}")
        yield from samples(scene, str(path), taste)
