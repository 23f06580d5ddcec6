"""Scenes on disk: what is written is read back, and a run that was stopped goes on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from egm_core.scenes import EVALUATION_FIRST_SEED, Generator, Scene, training_seed
from egm_core.scenes.files.export import Taste, export_stored, samples
from egm_core.scenes.files.store import StoreError, read, render, shard_path, shards, write_shard


def same_truth(a: Scene, b: Scene) -> None:
    assert (a.seed, a.world, a.version, a.width, a.height) == (b.seed, b.world, b.version, b.width, b.height)
    assert np.array_equal(a.segmentation, b.segmentation)
    assert np.allclose(a.camera.rotation, b.camera.rotation, atol=1e-5) and a.camera.fx == b.camera.fx
    for x, y in zip(a.objects, b.objects, strict=True):
        for name in ("index", "category", "color", "size", "state", "visible", "amodal_full", "amodal", "occluders"):
            assert getattr(x, name) == getattr(y, name)
        assert x.supported_by == y.supported_by and x.visible_fraction == y.visible_fraction
        for name in ("position", "rotation", "extent"):
            assert np.allclose(getattr(x, name), getattr(y, name), atol=1e-5)


def test_png_shards_come_back_exactly_with_depth(rendered: list[Scene], tmp_path: Path) -> None:
    path = tmp_path / "a" / "scenes-x.parquet"
    write_shard(path, rendered[:3], image_format="png", depth=True)
    back = list(read(path))
    assert len(back) == 3
    for scene, again in zip(rendered, back, strict=False):
        same_truth(scene, again)
        assert np.array_equal(scene.image, again.image)
        assert scene.depth is not None and again.depth is not None
        near = scene.depth < 60
        assert np.abs(scene.depth - again.depth)[near].max() <= 0.001


def test_jpeg_shards_are_small_close_and_without_depth(rendered: list[Scene], tmp_path: Path) -> None:
    path = tmp_path / "scenes-x.parquet"
    write_shard(path, rendered[:3])
    for scene, again in zip(rendered, read(path), strict=False):
        same_truth(scene, again)
        assert again.depth is None
        assert np.abs(scene.image.astype(int) - again.image).mean() < 5
    assert path.stat().st_size < 3 * 60_000


def test_rendering_writes_every_seed_and_goes_on_where_it_stopped(generator: Generator, tmp_path: Path) -> None:
    assert render(tmp_path, first_seed=50, scenes=5, workers=2, shard_scenes=2) == 5
    files = shards(tmp_path)
    assert files == [shard_path(tmp_path, s, n) for s, n in ((50, 2), (52, 2), (54, 1))]
    assert sorted(os.listdir(tmp_path)) == [file.name for file in files], "nothing partial is left"
    seeds = [scene.seed for scene in read(tmp_path)]
    assert seeds == [50, 51, 52, 53, 54]
    same_truth(generator.scene(52), next(iter(read(files[1]))))
    times = {file: file.stat().st_mtime_ns for file in files}
    files[1].unlink()
    assert render(tmp_path, first_seed=50, scenes=5, workers=1, shard_scenes=2) == 2
    assert shards(tmp_path) == files
    assert all(file.stat().st_mtime_ns == times[file] for file in (files[0], files[2]))
    assert render(tmp_path, first_seed=50, scenes=5, shard_scenes=2) == 0


def test_missing_and_damaged_shards_are_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"egm scenes render"):
        list(read(tmp_path))
    broken = tmp_path / "scenes-000000000000-00001.parquet"
    broken.write_bytes(b"not parquet")
    with pytest.raises(StoreError, match=broken.name):
        list(read(broken))


def test_nonsensical_orders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="first_seed"):
        render(tmp_path, first_seed=-1, scenes=5)


def test_training_refuses_the_evaluation_seeds() -> None:
    assert training_seed(0) == 0 and training_seed(EVALUATION_FIRST_SEED - 1) == EVALUATION_FIRST_SEED - 1
    for seed in (EVALUATION_FIRST_SEED, EVALUATION_FIRST_SEED + 1, -1):
        with pytest.raises(ValueError, match="evaluation"):
            training_seed(seed)


def test_the_command_exports_samples_that_training_reads(generator: Generator, tmp_path: Path) -> None:
    wanted = f"--first-seed {EVALUATION_FIRST_SEED} --scenes 2 --per-scene 4".split()
    done = subprocess.run(
        [sys.executable, "-m", "egm_core.scenes", "export", "--out", str(tmp_path), *wanted],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    records = [json.loads(line) for line in (tmp_path / "samples.jsonl").read_text().splitlines()]
    assert 4 <= len(records) <= 8 and {record["split"] for record in records} == {"evaluation"}
    scene = generator.scene(EVALUATION_FIRST_SEED)
    boxes = {thing.visible: thing for thing in scene.objects}
    for record in (r for r in records if str(scene.seed) in r["image"]):
        assert (tmp_path / record["image"]).is_file()
        assert (record["width"], record["height"]) == (scene.width, scene.height)
        if record["bbox"] is None:
            assert record["amodal_bbox"] is None
            continue
        thing = boxes[tuple(record["bbox"])]
        assert tuple(record["amodal_bbox"]) == thing.amodal
        assert record["visible_fraction"] == pytest.approx(thing.visible_fraction)
        assert thing.category in record["sent"] and record["reasoning"]


def test_stored_scenes_are_exported_by_seed_whatever_the_number_of_workers(
    generator: Generator, tmp_path: Path
) -> None:
    for first in (10, 12):
        write_shard(shard_path(tmp_path / "shards", first, 2), [generator.scene(first), generator.scene(first + 1)])
    written = {}
    for workers in (1, 2):
        out = tmp_path / str(workers)
        export_stored(out, tmp_path / "shards", 11, 2, Taste(2), vary=True, workers=workers)
        written[workers] = (out / "samples.jsonl").read_text()
        assert len(list((out / "images").iterdir())) == 2
    assert written[1] == written[2]
    seeds = [int(Path(json.loads(line)["image"]).stem.split("-")[1]) for line in written[1].splitlines()]
    assert seeds == [11, 11, 12, 12]


def test_samples_ask_for_the_whole_of_what_is_cut_short_and_leave_out_reasoning_as_wished(
    generator: Generator,
) -> None:
    scenes = [generator.scene(seed) for seed in range(20, 32)]
    plain = [sample for scene in scenes for sample in samples(scene, "a.png", Taste(4))]
    chosen = [sample for scene in scenes for sample in samples(scene, "a.png", Taste(4, 0.0, 0.5))]
    assert [sample.sent for sample in plain] == [sample.sent for sample in chosen]
    assert all(sample.reasoning and not sample.task for sample in plain)
    direct = [sample for sample in chosen if not sample.reasoning]
    assert 0.25 < len(direct) / len(chosen) < 0.75 and not any(sample.amodal_reasoning for sample in direct)
    for scene in scenes:
        cut = {thing.visible for thing in scene.objects if thing.cut_short(scene.width)}
        for sample in samples(scene, "a.png", Taste(4, 0.0)):
            assert sample.asks("visible")
            assert sample.asks("amodal") == (sample.bbox in cut)
    assert {sample.asks("amodal") for sample in chosen} == {True, False}


def test_samples_say_what_hides_their_object_box_by_box(generator: Generator) -> None:
    """A baseline that grows boxes toward what hides them knew none, though the renderer knows all."""
    hidden = 0
    for scene in (generator.scene(seed) for seed in range(20, 32)):
        things = {thing.visible: thing for thing in scene.objects}
        for sample in samples(scene, "a.png", Taste(6)):
            if sample.bbox is None:
                assert (sample.occluders, sample.occluder_boxes, sample.depth_order) == ((), (), None)
                continue
            thing, front = things[sample.bbox], [things[box] for box in sample.occluder_boxes]
            assert {f"object:{other.index}" for other in front} == {n for n in thing.occluders if ":" in n}
            assert [other.depth for other in front] == sorted(other.depth for other in front)
            names = [f"{other.color} {other.category}" for other in front]
            assert sample.occluders == (*names, *(name for name in thing.occluders if ":" not in name))
            nearer = [other for other in things.values() if other.depth < thing.depth]
            assert sample.depth_order == len(nearer) + 1
            hidden += bool(front)
    assert hidden > 5


def test_samples_ask_for_what_is_absent_as_often_as_wished(generator: Generator) -> None:
    scenes = [generator.scene(seed) for seed in range(20, 26)]
    shares = {}
    for wished in (None, 0.0, 1.0):
        found = [s for scene in scenes for s in samples(scene, "a.png", Taste(4, absent_share=wished))]
        shares[wished] = sum(s.bbox is None for s in found) / len(found)
    assert shares[0.0] == 0.0 < shares[None] < 0.5 and shares[1.0] == 1.0


@pytest.mark.parametrize(
    "wrong", [{"per_scene": 0}, {"amodal_share": 1.5}, {"direct_share": -0.1}, {"absent_share": 2.0}]
)
def test_a_taste_out_of_range_is_named(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Taste(**wrong)  # type: ignore[arg-type]
