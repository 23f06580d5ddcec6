"""LeRobot's versions: cells and videos, both orders of a shape, tasks in two places, and what broken folders say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import av
import pytest
from robot_files import frames, info, jpeg, jsonl, lerobot_v2, lerobot_v3, table

from egm_core.data.readers.kind import DataError
from egm_core.data.readers.robots.lerobot_layout import Camera, layout
from egm_core.pictures.source import read


def test_version_2_with_pictures_in_cells(tmp_path: Path, ask: Any) -> None:
    (question,) = ask("lerobot", "--root", lerobot_v2(tmp_path / "set"), "--frame", 2)
    assert question.sent == "pick up the red block" and (question.width, question.height) == (64, 36)
    assert question.image.endswith("data/chunk-000/episode_000000.parquet::exterior::2")
    assert read(question.image).shape == (36, 64, 3)
    assert "exterior is read, --camera takes another: observation.images.top, wrist_image" in ask.said
    assert "left out 1: episodes whose instructions are empty" in ask.said


@pytest.mark.parametrize("version", ["v2.0", "v2.1"])
def test_version_2_with_videos(tmp_path: Path, ask: Any, version: str) -> None:
    root = lerobot_v2(tmp_path / "set", version)
    (question,) = ask("lerobot", "--root", root, "--camera", "observation.images.top", "--frame", 1)
    assert question.image.endswith("episode_000000.mp4::0.1") and (question.width, question.height) == (64, 48)
    assert abs(read(question.image).mean() - 90) < 4


def _codecs() -> list[str]:
    return ["mpeg4", *[name for name in ("libsvtav1", "libaom-av1") if name in av.codecs_available][:1]]


@pytest.mark.parametrize("codec", _codecs())
def test_version_3_has_many_episodes_in_a_video(tmp_path: Path, ask: Any, codec: str) -> None:
    questions = ask("lerobot", "--root", lerobot_v3(tmp_path / "set", codec), "--frame", 1)
    assert [q.sent for q in questions] == [
        "push the T onto its target",
        "open the drawer",
        "push the T onto its target",
    ]
    assert [q.image.rpartition("::")[2] for q in questions] == ["0.1", "0.3", "0.6"]
    assert [round(read(q.image).mean() / 5) for q in questions] == [10, 22, 40]
    assert [q.episode for q in questions] == ["0", "1", "2"]


def test_boxes_by_episode(tmp_path: Path, convert: Any) -> None:
    truth = jsonl(tmp_path / "t.jsonl", {"e": {"number": 1}, "box": [1, 2, 30, 40], "said": "the drawer"})
    (sample,) = convert(
        "lerobot",
        "--root",
        lerobot_v3(tmp_path / "set"),
        "--truth",
        truth,
        "--truth-episode",
        "e.number",
        "--truth-box",
        "box",
        "--truth-sent",
        "said",
    )
    assert (sample.sent, sample.bbox) == ("the drawer", (1.0, 2.0, 30.0, 40.0))


def test_missing_videos_are_counted(tmp_path: Path, refused: Any) -> None:
    root = lerobot_v3(tmp_path / "set")
    next(root.rglob("*.mp4")).unlink()
    truth = jsonl(tmp_path / "t.jsonl", {"episode": 0, "initial_object_box": [1, 2, 30, 40]})
    assert "1 of 1 pictures are missing" in refused("lerobot", "--root", root, "--truth", truth, missing=0.1)


@pytest.mark.parametrize(
    ("name", "camera"),
    [
        ("info_v2.0_early.excerpt.json", Camera("observation.image", True, 96, 96)),
        ("info_v2.1.excerpt.json", Camera("exterior_image_1_left", False, 224, 224)),
        ("info_v3.0.excerpt.json", Camera("observation.image", True, 384, 384)),
    ],
)
def test_the_cards_of_real_data_sets_are_read(formats: Path, tmp_path: Path, name: str, camera: Camera) -> None:
    (tmp_path / "meta").mkdir()
    (tmp_path / "meta/info.json").write_text((formats / "lerobot" / name).read_text())
    found = layout(tmp_path)
    assert found.cameras[0] == camera
    if not found.many_in_a_file:
        data = found.of_episode(found.data_path, 3)
        early = "early" in name
        assert data.name == ("train-00003-of-00206.parquet" if early else "episode_000003.parquet")


@pytest.mark.parametrize(
    ("shape", "names", "size"),
    [
        ([36, 64, 3], ["height", "width", "channels"], (64, 36)),
        ([3, 36, 64], ["channel", "height", "width"], (64, 36)),
        ([64, 36, 3], ["width", "height", "c"], (64, 36)),
        ([36, 64, 3], None, (64, 36)),
        ([3, 36, 64], {"axes": 1}, (64, 36)),
    ],
)
def test_names_tell_the_order_of_a_shape(tmp_path: Path, shape: list[int], names: Any, size: tuple[int, int]) -> None:
    info(tmp_path, "v2.1", {"a": {"dtype": "image", "shape": shape, "names": names}})
    (camera,) = layout(tmp_path).cameras
    assert (camera.width, camera.height) == size


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"codebase_version": "v1.6"}, "codebase_version is 'v1.6'; v2.0, v2.1 and v3.0 are read"),
        ({"chunks_size": 0}, "chunks_size is 0; a whole number of at least 1"),
        ({"data_path": None}, "data_path is None"),
        ({"features": {"a": {"dtype": "image", "shape": [3], "names": None}}}, "features.a: shape is [3]"),
        ({"features": {"a": {"shape": [3]}}}, "features.a: the field 'dtype' is missing"),
        ({"features": {"a": {"dtype": "float32", "shape": [3]}}}, "the data set has no camera of colour"),
        ({"data_path": "data/{nothing}.parquet"}, "cannot be filled"),
    ],
)
def test_wrong_info_is_named(tmp_path: Path, wrong: Any, change: dict[str, Any], said: str) -> None:
    root = lerobot_v2(tmp_path / "set")
    path = root / "meta/info.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    assert said in wrong("lerobot", "--root", root)


def test_wrong_folders_are_named(tmp_path: Path, wrong: Any) -> None:
    assert "info.json: is not there" in wrong("lerobot", "--root", tmp_path)
    root = lerobot_v3(tmp_path / "set")
    assert "no camera 'top'; there are observation.image" in wrong("lerobot", "--root", root, "--camera", "top")
    table(root / "data/chunk-000/file-000.parquet", frames(0, 2, task=7))
    assert "episode 0: task_index is 7" in wrong("lerobot", "--root", root)
    table(root / "data/chunk-000/file-000.parquet", [{"episode_index": 0, "frame_index": 0, "timestamp": 0.0}])
    assert "the column 'task_index' is missing" in wrong("lerobot", "--root", root)
    (root / "data/chunk-000/file-000.parquet").write_bytes(b"PAR1 cut short")
    assert "file-000.parquet: no whole parquet file" in wrong("lerobot", "--root", root)
    old = lerobot_v2(tmp_path / "old")
    jsonl(old / "meta/tasks.jsonl", {"task_index": 0, "task": "half \ud83d"})
    assert "tasks.jsonl: line 1: task is" in wrong("lerobot", "--root", old)
    table(root / "meta/tasks.parquet", [{"task_index": 0, "words": "x"}])
    assert "tasks.parquet: row 0: the field 'task' is missing" in wrong("lerobot", "--root", root)
    (root / "meta/episodes/chunk-000/file-000.parquet").unlink()
    table(root / "meta/tasks.parquet", [{"task_index": 0, "task": "x"}])
    assert "episodes: no parquet file lies here" in wrong("lerobot", "--root", root)


def test_a_shape_that_is_not_the_pictures_is_named(tmp_path: Path, ask: Any, wrong: Any) -> None:
    root = lerobot_v2(tmp_path / "set")
    features = json.loads((root / "meta/info.json").read_text())["features"]
    features["exterior"]["names"] = ["width", "height", "channel"]
    info(root, "v2.1", features)
    said = wrong("lerobot", "--root", root, "--camera", "exterior")
    assert "features.exterior: shape and names tell 36 x 64, but" in said and "is 64 x 36" in said


def test_a_camera_of_depth_is_none(tmp_path: Path) -> None:
    assert [camera.key for camera in layout(lerobot_v3(tmp_path / "set")).cameras] == ["observation.image"]
    with pytest.raises(DataError, match=r"info\.json: not JSON"):
        (tmp_path / "set/meta/info.json").write_text("{")
        layout(tmp_path / "set")


def test_episodes_of_version_2_are_those_that_are_named(tmp_path: Path, ask: Any) -> None:
    root = lerobot_v2(tmp_path / "set")
    cells = [{"bytes": jpeg(90), "path": f"{at}.jpg"} for at in range(3)]
    table(root / "data/chunk-000/episode_000005.parquet", frames(5, exterior=cells, wrist_image=cells))
    jsonl(root / "meta/episodes.jsonl", *({"episode_index": n, "tasks": [], "length": 3} for n in (0, 1, 5)))
    first, last = ask("lerobot", "--root", root, "--frame", 2)
    assert "episode_000000" in first.image and "episode_000005" in last.image


def test_a_task_number_of_two_instructions_is_refused(tmp_path: Path, wrong: Any) -> None:
    root = lerobot_v2(tmp_path / "set")
    jsonl(root / "meta/tasks.jsonl", {"task_index": 0, "task": "pick"}, {"task_index": 0, "task": "place"})
    assert "the task 0 stands for something else" in wrong("lerobot", "--root", root)


def test_missing_files_of_meta_are_named_or_made_do_without(tmp_path: Path, ask: Any, wrong: Any) -> None:
    root = lerobot_v2(tmp_path / "set")
    assert len(ask("lerobot", "--root", root)) == 1
    assert "meta/episodes.jsonl is missing: the 2 episodes that info.json counts are looked for" in ask.said
    (root / "meta/tasks.jsonl").unlink()
    (tmp_path / "out/questions.jsonl").unlink()
    assert "tasks.jsonl: is not there, and it has the instructions of version v2" in wrong("lerobot", "--root", root)
    third = lerobot_v3(tmp_path / "third")
    (third / "meta/tasks.parquet").unlink()
    assert "tasks.parquet: is not there, and it has the instructions" in wrong("lerobot", "--root", third)
