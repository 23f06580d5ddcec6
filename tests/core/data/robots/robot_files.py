"""Writes small recordings of robots for the tests: TFRecords, videos, LeRobot's folders and bags."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import parquet
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore
from tfrecord.writer import TFRecordWriter

CAMERA = "steps/observation/exterior_image_1_left"
TYPES = get_typestore(Stores.ROS2_JAZZY)


def shade(value: int, width: int = 64, height: int = 36) -> NDArray[np.uint8]:
    """A picture whose grey tells which it is, with a red left half."""
    picture = np.full((height, width, 3), value, np.uint8)
    picture[:, : width // 2] = (200, value // 2, 0)
    return picture


def jpeg(value: int, width: int = 64, height: int = 36) -> bytes:
    return bytes(cv2.imencode(".jpg", shade(value, width, height)[..., ::-1])[1])


def episode(instruction: str, steps: int = 3, outcome: str = "success", **more: Any) -> dict[str, Any]:
    """An episode of DROID, flattened as TFDS writes it."""

    def said(text: str) -> tuple[list[bytes], str]:
        return [text.encode()] * steps, "byte"

    return {
        CAMERA: ([jpeg(40 * step) for step in range(steps)], "byte"),
        "steps/observation/wrist_image_left": ([jpeg(5) for _ in range(steps)], "byte"),
        "steps/language_instruction": said(instruction),
        "steps/language_instruction_2": said(more.pop("second", "")),
        "steps/language_instruction_3": said(""),
        "steps/is_first": ([1] + [0] * (steps - 1), "int"),
        "steps/observation/joint_position": ([0.5] * 7 * steps, "float"),
        "episode_metadata/file_path": ([f"/raw/LAB/{outcome}/2023-07-01/Sat/trajectory.h5".encode()], "byte"),
        "episode_metadata/recording_folderpath": ([f"/raw/LAB/{outcome}/2023-07-01/Sat/MP4".encode()], "byte"),
        **more,
    }


def tfrecord(path: Path, *episodes: dict[str, Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = TFRecordWriter(str(path))
    for one in episodes:
        writer.write(one)
    writer.close()
    return path


def video(path: Path, values: list[int], codec: str = "mpeg4", width: int = 64, height: int = 48) -> Path:
    """A video of plain greys at 10 frames a second."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as film:
        stream = film.add_stream(codec, rate=10)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.time_base = Fraction(1, 10)
        for number, value in enumerate(values):
            frame = av.VideoFrame.from_ndarray(np.full((height, width, 3), value, np.uint8), format="rgb24")
            frame.pts = number
            film.mux(stream.encode(frame))
        film.mux(stream.encode())
    return path


def table(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pa.Table.from_pylist(rows), path)
    return path


def info(root: Path, version: str, features: dict[str, Any], **more: Any) -> Path:
    old = not version.startswith("v3")
    known = {
        "codebase_version": version,
        "chunks_size": 1000,
        "total_episodes": 2,
        "fps": 10,
        "features": features,
        "data_path": "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet"
        if old
        else "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet",
        "video_path": "videos/chunk-{episode_chunk:03d}/{video_key}/episode_{episode_index:06d}.mp4"
        if old
        else "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4",
        **more,
    }
    (root / "meta").mkdir(parents=True, exist_ok=True)
    (root / "meta/info.json").write_text(json.dumps(known))
    return root


def frames(episode: int, count: int = 3, task: int = 0, **cells: list[Any]) -> list[dict[str, Any]]:
    return [
        {
            "episode_index": episode,
            "frame_index": at,
            "timestamp": at / 10,
            "task_index": task,
            **{key: values[at] for key, values in cells.items()},
        }
        for at in range(count)
    ]


def jsonl(path: Path, *rows: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def lerobot_v2(root: Path, version: str = "v2.1") -> Path:
    """Two episodes, with a camera in cells and one in videos."""
    features = {
        "exterior": {"dtype": "image", "shape": [36, 64, 3], "names": ["height", "width", "channel"]},
        "observation.images.top": {"dtype": "video", "shape": [3, 48, 64], "names": ["channels", "height", "width"]},
        "wrist_image": {"dtype": "image", "shape": [36, 64, 3], "names": ["height", "width", "channel"]},
        "state": {"dtype": "float32", "shape": [7], "names": ["joint"]},
    }
    info(root, version, features)
    jsonl(root / "meta/tasks.jsonl", {"task_index": 0, "task": "pick up the red block"}, {"task_index": 1, "task": ""})
    for number in (0, 1):
        cells = [{"bytes": jpeg(50 * number + at), "path": f"{at}.jpg"} for at in range(3)]
        table(
            root / f"data/chunk-000/episode_{number:06d}.parquet",
            frames(number, task=number, exterior=cells, wrist_image=cells),
        )
        video(root / f"videos/chunk-000/observation.images.top/episode_{number:06d}.mp4", [40, 90, 140])
    return root


def lerobot_v3(root: Path, codec: str = "mpeg4") -> Path:
    """Three episodes in one data file and one video; the tasks are the index of pandas."""
    key = "observation.image"
    feature = {"dtype": "video", "shape": [3, 48, 64], "names": ["c", "h", "w"], "info": {"video.is_depth_map": False}}
    depth = {**feature, "info": {"video.is_depth_map": True}}
    info(root, "v3.0", {"observation.depth": depth, key: feature}, total_episodes=3)
    table(
        root / "meta/tasks.parquet",
        [
            {"task_index": 1, "__index_level_0__": "open the drawer"},
            {"task_index": 0, "__index_level_0__": "push the T onto its target"},
        ],
    )
    table(root / "data/chunk-000/file-000.parquet", frames(0, 2) + frames(1, 3, task=1) + frames(2, 2))
    starts = (0.0, 0.2, 0.5)
    table(
        root / "meta/episodes/chunk-000/file-000.parquet",
        [
            {
                "episode_index": number,
                "tasks": ["x"],
                "length": 2,
                "data/chunk_index": 0,
                "data/file_index": 0,
                f"videos/{key}/chunk_index": 0,
                f"videos/{key}/file_index": 0,
                f"videos/{key}/from_timestamp": start,
                f"videos/{key}/to_timestamp": start + 0.2,
            }
            for number, start in enumerate(starts)
        ],
    )
    video(root / f"videos/{key}/chunk-000/file-000.mp4", [20, 50, 80, 110, 140, 170, 200], codec)
    return root


def bag(
    folder: Path,
    messages: list[tuple[str, float, Any]],
    plugin: StoragePlugin = StoragePlugin.MCAP,
    cut: dict[str, int] | None = None,
) -> Path:
    """A recording of messages, each with its topic and second, and some topics' cut short; gives its one file."""
    with Writer(folder, version=9, storage_plugin=plugin) as writer:
        known: dict[str, Any] = {}
        for topic, second, message in messages:
            kind = message.__msgtype__
            if topic not in known:
                known[topic] = writer.add_connection(topic, kind, typestore=TYPES)
            data = bytes(TYPES.serialize_cdr(message, kind))[: (cut or {}).get(topic)]
            writer.write(known[topic], int(second * 1e9), data)
    return next(path for path in folder.iterdir() if path.suffix in (".mcap", ".db3"))


def header() -> Any:
    types = TYPES.types
    return types["std_msgs/msg/Header"](types["builtin_interfaces/msg/Time"](0, 0), "camera")


def raw(value: int, encoding: str = "bgr8", padding: int = 5) -> Any:
    """An image message whose rows are padded."""
    pixels = shade(value)[..., ::-1] if encoding == "bgr8" else shade(value)
    rows = np.pad(pixels.reshape(pixels.shape[0], -1), ((0, 0), (0, padding)))
    return TYPES.types["sensor_msgs/msg/Image"](
        header(), pixels.shape[0], pixels.shape[1], encoding, 0, rows.shape[1], rows.ravel()
    )


def compressed(value: int) -> Any:
    data = np.frombuffer(jpeg(value), np.uint8)
    return TYPES.types["sensor_msgs/msg/CompressedImage"](header(), "jpeg", data)


def text(said: str) -> Any:
    return TYPES.types["std_msgs/msg/String"](said)
