"""Scenes on disk: parquet shards with the picture, the segmentation and the whole truth of each scene.

A shard holds consecutive seeds and is written in one piece (to a temporary name, then renamed), so a run that was
stopped goes on where it left off: whole shards that are present are skipped. Workers are spawned before any
OpenGL context exists, each with a renderer of its own.
"""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, cast

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from tqdm import tqdm

from egm_core.scenes.truth import Camera, ObjectTruth, Scene, World

ImageFormat = Literal["jpeg", "png"]
SHARD_SCENES = 500
_JPEG_QUALITY = 95
_SCHEMA = pa.schema(
    [
        ("seed", pa.int64()),
        ("world", pa.string()),
        ("version", pa.int32()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("image", pa.binary()),
        ("segmentation", pa.binary()),
        ("objects", pa.string()),
        ("camera", pa.string()),
        ("depth", pa.binary()),
    ]
)


class StoreError(ValueError):
    """A shard can't be read; the message names it and says what to do."""


def _encode(extension: str, picture: NDArray[Any], options: Sequence[int] = ()) -> bytes:
    done, data = cv2.imencode(extension, picture, list(options))
    if not done:
        raise StoreError(f"OpenCV could not encode a {picture.shape} picture as {extension}")
    return data.tobytes()


def _decode(data: bytes, flag: int) -> NDArray[Any]:
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), flag)
    if picture is None:
        raise StoreError("a stored picture is damaged: delete its shard and render it again")
    return cast("NDArray[Any]", picture)


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return np.round(value, 6).tolist()
    raise TypeError(f"{type(value).__name__} has no JSON form here")


def to_row(scene: Scene, image_format: ImageFormat = "jpeg", depth: bool = False) -> dict[str, Any]:
    """Return a scene as a row of a shard; JPEG (quality 95) is four times smaller than PNG and not exact."""
    bgr = np.ascontiguousarray(scene.image[..., ::-1])
    if image_format == "jpeg":
        image = _encode(".jpg", bgr, (cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY))
    else:
        image = _encode(".png", bgr)
    millimetres = None
    if depth and scene.depth is not None:
        millimetres = _encode(".png", np.clip(scene.depth * 1000.0, 0, 65535).astype(np.uint16))
    return {
        "seed": scene.seed,
        "world": scene.world,
        "version": scene.version,
        "width": scene.width,
        "height": scene.height,
        "image": image,
        "segmentation": _encode(".png", scene.segmentation),
        "objects": json.dumps([asdict(o) for o in scene.objects], default=_plain),
        "camera": json.dumps(asdict(scene.camera), default=_plain),
        "depth": millimetres,
    }


def _object(record: dict[str, Any]) -> ObjectTruth:
    for box in ("visible", "amodal_full", "amodal"):
        record[box] = tuple(record[box])
    record["occluders"] = tuple(record["occluders"])
    for array in ("position", "rotation", "extent"):
        record[array] = np.array(record[array], dtype=np.float64)
    return ObjectTruth(**record)


def from_row(row: dict[str, Any]) -> Scene:
    """Return the scene of a shard's row; its depth is None unless it was stored."""
    camera = json.loads(row["camera"])
    camera["position"] = np.array(camera["position"], dtype=np.float64)
    camera["rotation"] = np.array(camera["rotation"], dtype=np.float64)
    depth = None
    if row.get("depth"):
        depth = (_decode(row["depth"], cv2.IMREAD_UNCHANGED) / 1000.0).astype(np.float32)
    return Scene(
        seed=int(row["seed"]),
        world=cast("World", row["world"]),
        version=int(row["version"]),
        width=int(row["width"]),
        height=int(row["height"]),
        image=np.ascontiguousarray(_decode(row["image"], cv2.IMREAD_COLOR)[..., ::-1]),
        segmentation=_decode(row["segmentation"], cv2.IMREAD_UNCHANGED),
        depth=depth,
        objects=tuple(_object(record) for record in json.loads(row["objects"])),
        camera=Camera(**camera),
    )


def write_shard(path: Path, scenes: Sequence[Scene], image_format: ImageFormat = "jpeg", depth: bool = False) -> None:
    """Write scenes as one parquet file, atomically."""
    table = pa.Table.from_pylist([to_row(scene, image_format, depth) for scene in scenes], schema=_SCHEMA)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        pq.write_table(table, partial, compression="none")
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def shards(folder: Path) -> list[Path]:
    """Return a folder's shards in the order of their seeds."""
    return sorted(folder.glob("scenes-*.parquet"))


def shard_path(folder: Path, first_seed: int, count: int) -> Path:
    """Return the name of the shard that holds `count` scenes from `first_seed` on."""
    return folder / f"scenes-{first_seed:012d}-{count:05d}.parquet"


def read(path: Path) -> Iterator[Scene]:
    """Yield the scenes of a shard, or of all shards in a folder."""
    files = shards(path) if path.is_dir() else [path]
    if not files or not files[0].exists():
        raise StoreError(f"no scenes in {path}: render some with `egm scenes render --out {path}`")
    for file in files:
        try:
            reader = pq.ParquetFile(file)
        except (OSError, pa.ArrowInvalid) as error:
            raise StoreError(f"{file} is not a readable shard ({error}): delete it and render it again") from error
        with reader:
            for batch in reader.iter_batches(batch_size=64):
                for row in batch.to_pylist():
                    yield from_row(row)


_Job = tuple[str, int, int, str | None, str, bool]
_generator: Any = None


def _render_shard(job: _Job) -> int:
    global _generator
    from egm_core.scenes.generator import Generator

    path, first, count, world, image_format, depth = job
    if _generator is None:
        _generator = Generator()
    scenes = [_generator.scene(first + i, cast("World | None", world)) for i in range(count)]
    write_shard(Path(path), scenes, cast("ImageFormat", image_format), depth)
    return count


def render(
    folder: Path,
    first_seed: int,
    scenes: int,
    workers: int = 1,
    world: World | None = None,
    shard_scenes: int = SHARD_SCENES,
    image_format: ImageFormat = "jpeg",
    depth: bool = False,
) -> int:
    """Render seeds `first_seed` .. `first_seed + scenes - 1` into shards and return how many were new.

    Shards that are there already are skipped. Workers are spawned, so a caller that opened an OpenGL context
    before doesn't hang them; under `spawn` the calling script needs the usual `if __name__ == "__main__"`.
    """
    if first_seed < 0 or scenes < 1 or workers < 1 or shard_scenes < 1:
        raise ValueError("first_seed must be at least 0, and scenes, workers and shard_scenes at least 1")
    jobs: list[_Job] = []
    for start in range(first_seed, first_seed + scenes, shard_scenes):
        count = min(shard_scenes, first_seed + scenes - start)
        path = shard_path(folder, start, count)
        if not path.exists():
            jobs.append((str(path), start, count, world, image_format, depth))
    total = sum(job[2] for job in jobs)
    if not jobs:
        return 0
    with (
        tqdm(total=total, unit="scene", desc="rendering", disable=None) as bar,
        multiprocessing.get_context("spawn").Pool(min(workers, len(jobs))) as pool,
    ):
        for done in pool.imap_unordered(_render_shard, jobs):
            bar.update(done)
    return total
