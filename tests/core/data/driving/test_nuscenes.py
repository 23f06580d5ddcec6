"""nuScenes: boxes in space in the picture, joined tables, visibility, and what is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from egm_core.data.readers.driving.projection import Camera, Pose, corners, seen_boxes, turn

# A car at (100, 50) that looks along x; its camera looks ahead from one metre up: z forward, x right, y down.
CAR = {"translation": [100.0, 50.0, 0.0], "rotation": [1.0, 0.0, 0.0, 0.0]}
MOUNT = {"translation": [0.0, 0.0, 1.0], "rotation": [0.5, -0.5, 0.5, -0.5]}
MATRIX = [[1000.0, 0.0, 800.0], [0.0, 1000.0, 450.0], [0.0, 0.0, 1.0]]
LEVEL = [1.0, 0.0, 0.0, 0.0]


def annotation(token: str, at: list[float], **more: Any) -> dict[str, Any]:
    """Write an object: 2 wide, 4 long, 2 high."""
    return {
        "token": token,
        "sample_token": "s1",
        "instance_token": "i1",
        "visibility_token": "2",
        "translation": at,
        "size": [2.0, 4.0, 2.0],
        "rotation": LEVEL,
        **more,
    }


AHEAD = annotation("a1", [122.0, 50.0, 1.0])
TABLES: dict[str, list[dict[str, Any]]] = {
    "sensor": [{"token": "f", "channel": "CAM_FRONT"}, {"token": "l", "channel": "LIDAR_TOP"}],
    "calibrated_sensor": [
        {"token": "cf", "sensor_token": "f", **MOUNT, "camera_intrinsic": MATRIX},
        {"token": "cl", "sensor_token": "l", **MOUNT, "camera_intrinsic": []},
    ],
    "ego_pose": [{"token": "p1", **CAR}, {"token": "p2", "rotation": "not read"}],
    "sample_data": [
        {
            "token": "d1",
            "sample_token": "s1",
            "is_key_frame": True,
            "calibrated_sensor_token": "cf",
            "width": 1600,
            "height": 900,
            "filename": "samples/CAM_FRONT/a.jpg",
            "ego_pose_token": "p1",
        },
        {"token": "d2", "sample_token": "s1", "is_key_frame": False, "calibrated_sensor_token": "cf"},
        {"token": "d3", "sample_token": "s1", "is_key_frame": True, "calibrated_sensor_token": "cl", "width": 0},
    ],
    "category": [{"token": "c1", "name": "vehicle.car"}, {"token": "c2", "name": "movable_object.trafficcone"}],
    "instance": [{"token": "i1", "category_token": "c1"}, {"token": "i2", "category_token": "c2"}],
    "sample_annotation": [AHEAD, annotation("a9", [0, 0, 0], sample_token="another")],
}


def tables(folder: Path, **changes: list[dict[str, Any]]) -> Path:
    folder = folder / "v1.0-mini"
    folder.mkdir(exist_ok=True)
    for name, records in {**TABLES, **changes}.items():
        (folder / f"{name}.json").write_text(json.dumps(records))
    return folder


def test_a_box_in_space_is_an_amodal_box(convert: Any, tmp_path: Path) -> None:
    (car,) = convert("nuscenes", "--tables", tables(tmp_path))
    # The near face is 20 m ahead of the camera and 2 x 2 m: 50 pixels to each side of the middle.
    assert car.amodal_bbox == pytest.approx((750, 400, 850, 500))
    assert (car.bbox, car.task, car.visible_fraction, car.hidden) == (None, "amodal", 0.5, False)
    assert (car.sent, car.category, car.image_id, car.annotation_id) == ("car", "vehicle.car", "d1", "a1")
    assert car.image == str(tmp_path / "samples/CAM_FRONT/a.jpg") and (car.width, car.height) == (1600, 900)


def test_what_is_behind_or_beside_the_picture_is_not_in_it(convert: Any, tmp_path: Path) -> None:
    others = [annotation("a2", [80.0, 50.0, 1.0]), annotation("a3", [110.0, 90.0, 1.0])]
    (car,) = convert("nuscenes", "--tables", tables(tmp_path, sample_annotation=[AHEAD, *others]))
    assert car.annotation_id == "a1", "they take the name of a car in the picture from nobody"


def test_visibility_and_names(convert: Any, tmp_path: Path) -> None:
    cone = annotation("a2", [120.0, 53.0, 1.0], instance_token="i2", visibility_token="1", size=[0.4, 0.4, 1.0])
    folder = tables(tmp_path, sample_annotation=[AHEAD, cone])
    assert [s.sent for s in convert("nuscenes", "--tables", folder)] == ["car", "traffic cone"]
    assert [s.sent for s in convert("nuscenes", "--tables", folder, "--least-visibility", 2)] == ["car"]
    assert "left out 1: objects that are less visible than asked for" in convert.said
    blank = {**cone, "visibility_token": ""}
    found = convert("nuscenes", "--tables", tables(tmp_path, sample_annotation=[AHEAD, blank]))
    assert found[1].visible_fraction is None


def test_two_cars_in_a_picture_are_left_out(convert: Any, tmp_path: Path) -> None:
    folder = tables(tmp_path, sample_annotation=[AHEAD, annotation("a2", [130.0, 52.0, 1.0])])
    assert len(convert("nuscenes", "--tables", folder, "--names", "all")) == 2


POSES = [Pose(np.array(one["translation"]), np.array(one["rotation"])) for one in (CAR, MOUNT)]
CAMERA = Camera(*POSES, np.array(MATRIX), (1600, 900))


def view(at: list[float], size: list[float], rotation: list[float] = LEVEL) -> Any:
    return seen_boxes(corners(*(np.array([one]) for one in (at, size, rotation))), CAMERA)[0]


def test_size_is_width_length_height_and_rotation_turns_it() -> None:
    quarter = [np.sqrt(0.5), 0.0, 0.0, np.sqrt(0.5)]
    x0, y0, x1, y1 = view([121.0, 50.0, 1.0], [2.0, 4.0, 1.0], quarter)
    assert (x1 - x0, y1 - y0) == pytest.approx((200, 50)), "a car across the road is as wide as it is long"


def test_a_box_is_cut_as_a_hull_not_as_its_corners() -> None:
    # A road train to the left: its far end is in the picture; at the picture's edge it is less high than its near end.
    x0, y0, *_ = view([120.0, 61.0, 1.0], [2.0, 30.0, 4.0])
    assert x0 == 0
    nearest = 1000 * 10 / 800
    assert y0 == pytest.approx(450 - 1000 * 2 / nearest, abs=0.01) and y0 > 450 - 1000 * 2 / 5


def test_a_box_around_the_camera_is_that_of_its_corners_in_front() -> None:
    assert view([100.0, 50.0, 1.0], [4.0, 8.0, 4.0]) == pytest.approx((300, 0, 1300, 900))


def test_rotations_are_those_of_quaternions() -> None:
    assert turn(np.array([2.0, 0, 0, 2.0])) @ [1, 0, 0] == pytest.approx([0, 1, 0])
    assert turn(np.array(MOUNT["rotation"])) @ [0, 0, 1] == pytest.approx([1, 0, 0]), "the camera looks ahead"


def changed(table: str, number: int, **fields: Any) -> dict[str, list[dict[str, Any]]]:
    records = [dict(one) for one in TABLES[table]]
    records[number].update(fields)
    return {table: records}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (changed("sample_annotation", 0, size=[1, 2]), "sample_annotation.json: record 0: size is [1, 2]"),
        (changed("sample_annotation", 0, rotation=["1", 0, 0, 0]), "sample_annotation.json: record 0: rotation is"),
        (changed("sample_annotation", 0, rotation=[0, 0, 0, 0]), "a quaternion w, x, y, z must stand here"),
        (changed("sample_annotation", 0, visibility_token=2), "record 0: visibility_token is 2"),
        (changed("sample_annotation", 0, instance_token="i7"), "record 0: there is no instance of the token 'i7'"),
        (changed("instance", 0, category_token="c7"), "instance.json: record 0: there is no category of the token"),
        (changed("calibrated_sensor", 0, sensor_token="x"), "calibrated_sensor.json: record 0: there is no sensor"),
        (changed("calibrated_sensor", 0, camera_intrinsic=[[1, 2, 3]]), "camera_intrinsic is"),
        (changed("sample_data", 0, ego_pose_token="p7"), "sample_data.json: record 0: there is no ego_pose of the"),
        (changed("sample_data", 0, width=None), "sample_data.json: record 0: width is None"),
        (changed("ego_pose", 0, translation=None), "ego_pose.json: record 0: translation is None"),
        (changed("sample_data", 0, is_key_frame=False), "no key frame of CAM_FRONT in sample_data.json"),
    ],
)
def test_a_wrong_table_is_named(refused: Any, tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    assert words in refused("nuscenes", "--tables", tables(tmp_path, **changes))


def test_a_missing_table_is_named(refused: Any, tmp_path: Path) -> None:
    folder = tables(tmp_path)
    (folder / "instance.json").unlink()
    assert "instance.json: is not there" in refused("nuscenes", "--tables", folder)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (changed("ego_pose", 0, token=["p1"]), "ego_pose.json: record 0: token is ['p1']"),
        (changed("calibrated_sensor", 0, token={}), "calibrated_sensor.json: record 0: token is {}"),
        (changed("sample_data", 0, is_key_frame="perhaps"), "record 0: is_key_frame is 'perhaps'"),
        (changed("sample_annotation", 0, size=[-2, 4, 2]), "record 0: size is [-2, 4, 2]"),
        (changed("sample_annotation", 0, rotation=[1e-300, 0, 0, 0]), "a quaternion w, x, y, z must stand here"),
        (changed("calibrated_sensor", 0, camera_intrinsic=[[0.0, 0, 0]] * 3), "focal lengths above 0"),
    ],
)
def test_what_would_stop_it_or_leave_boxes_out_is_named(
    refused: Any, tmp_path: Path, changes: dict[str, list[dict[str, Any]]], words: str
) -> None:
    assert words in refused("nuscenes", "--tables", tables(tmp_path, **changes))


def test_a_key_frame_told_in_words_is_read(convert: Any, refused: Any, tmp_path: Path) -> None:
    """Every text was taken for yes, "false" as well."""
    assert convert("nuscenes", "--tables", tables(tmp_path, **changed("sample_data", 0, is_key_frame="true")))
    folder = tables(tmp_path, **changed("sample_data", 0, is_key_frame="false"))
    assert "no key frame of CAM_FRONT" in refused("nuscenes", "--tables", folder)


@pytest.mark.parametrize(
    ("table", "change"),
    [
        ("sensor", {"channel": "CAM_BACK"}),
        ("calibrated_sensor", {"translation": [1.0, 2.0, 3.0]}),
        ("ego_pose", {"translation": [1.0, 2.0, 3.0]}),
        ("sample_data", {"filename": "b.jpg"}),
        ("category", {"name": "animal"}),
        ("instance", {"category_token": "c2"}),
    ],
)
def test_a_token_of_two_things_is_refused(
    refused: Any, convert: Any, tmp_path: Path, table: str, change: dict[str, Any]
) -> None:
    """The second took the first's place: boxes would stand where the car never was."""
    twice = [*TABLES[table], dict(TABLES[table][0])]
    assert len(convert("nuscenes", "--tables", tables(tmp_path, **{table: twice}))) == 1
    two = [*TABLES[table], {**TABLES[table][0], **change}]
    said = refused("nuscenes", "--tables", tables(tmp_path, **{table: two}))
    assert f"{table}.json: record {len(two) - 1}: the token " in said and "stands for something else" in said
