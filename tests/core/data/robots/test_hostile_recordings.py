"""Recordings that are broken, or made to break: each is refused by its file and field, or counted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from robot_files import CAMERA, episode, info, jsonl, lerobot_v2, tfrecord

EARLY: dict[str, Any] = {
    "codebase_version": "v2.0",
    "data_path": "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet",
    "chunks_size": 1000,
    "total_episodes": 2,
    "video_keys": ["top"],
    "image_keys": [],
    "shapes": {"top": {"width": 64, "height": 48, "channels": 3}},
}


def test_an_episode_whose_picture_is_empty_is_counted(tmp_path: Path, ask: Any) -> None:
    """It was left out, and nothing said so."""
    empty = {**episode("pick it"), CAMERA: ([b"", b"x"], "byte")}
    file = tfrecord(tmp_path / "a.tfrecord", empty, episode("put it"))
    assert [one.sent for one in ask("droid", "--file", file)] == ["put it"]
    assert "left out 1: episodes whose frame 0 has no picture" in ask.said and "record 0" in ask.said


def test_a_shard_that_is_empty_is_named(tmp_path: Path, wrong: Any) -> None:
    """A shard that was lost on its way would be fewer episodes without a word."""
    tfrecord(tmp_path / "a/a.tfrecord", episode("put it"))
    (tmp_path / "a/b.tfrecord").write_bytes(b"")
    assert "b.tfrecord: the file holds no record" in wrong("droid", "--file", tmp_path / "a")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"video_keys": 3}, "video_keys is 3"),
        ({"video_keys": [["top"]]}, "video_keys is ['top']"),
        ({"shapes": {"top": {"width": 64, "height": 48, "channels": "3"}}}, "channels is '3'"),
        ({"total_episodes": 10**12}, "total_episodes is 1000000000000; no data set has more than"),
    ],
)
def test_wrong_info_of_an_early_version_is_named(
    tmp_path: Path, wrong: Any, change: dict[str, Any], words: str
) -> None:
    (tmp_path / "set/meta").mkdir(parents=True)
    (tmp_path / "set/meta/info.json").write_text(json.dumps({**EARLY, **change}))
    said = wrong("lerobot", "--root", tmp_path / "set")
    assert "info.json" in said and words in said


@pytest.mark.parametrize(
    "pattern", ["{episode_index.foo}", "{episode_index[0]}", "{episode_index:99999999999999}", "{"]
)
def test_a_pattern_that_cannot_be_filled_is_named(tmp_path: Path, wrong: Any, pattern: str) -> None:
    root = lerobot_v2(tmp_path / "set")
    known = json.loads((root / "meta/info.json").read_text())
    info(root, "v2.1", known["features"], data_path=pattern)
    said = wrong("lerobot", "--root", root)
    assert f"info.json: the pattern {pattern!r} cannot be filled" in said


@pytest.mark.parametrize(
    "pattern", ["/etc/passwd", "../beside/episode_{episode_index}.parquet", "data/../../{episode_index}"]
)
def test_a_pattern_that_leads_out_of_the_data_set_is_refused(tmp_path: Path, wrong: Any, pattern: str) -> None:
    """It was followed, and another program's file was called a wrong recording."""
    root = lerobot_v2(tmp_path / "set")
    known = json.loads((root / "meta/info.json").read_text())
    info(root, "v2.1", known["features"], data_path=pattern)
    said = wrong("lerobot", "--root", root)
    assert f"info.json: the pattern {pattern!r} leads out of the data set's folder" in said


def test_questions_whose_videos_are_missing_are_told(tmp_path: Path, ask: Any, wrong: Any) -> None:
    """Questions were written about pictures that were never looked for."""
    root, key = lerobot_v2(tmp_path / "set"), "observation.images.top"
    jsonl(root / "meta/tasks.jsonl", {"task_index": 0, "task": "a"}, {"task_index": 1, "task": "b"})
    (root / f"videos/chunk-000/{key}/episode_000001.mp4").unlink()
    assert "1 of 2 pictures are missing" in wrong("lerobot", "--root", root, "--camera", key)
    assert len(ask("lerobot", "--root", root, "--camera", key, "--missing-share", 0.5)) == 2
    assert "1 pictures are missing" in ask.said and "episode_000001.mp4" in ask.said
