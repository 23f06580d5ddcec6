"""What recordings hold beside clean pictures: several cameras, depth, damage, time that goes back, other formats."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kept_bags import (
    IMAGE,
    MUG,
    START,
    STEP,
    STORE,
    asks,
    edges,
    header,
    jpeg,
    misbehaving,
    on,
    raw,
    read,
    rows,
    values,
    write,
)  # fmt: skip
from rosbags.rosbag2 import CompressionMode

from egm_core.command.entry import main

BOX = (20.0, 85.0, 70.0, 125.0)


class Call:
    """Grounds a recording by the server that always says one box; `report` is what was counted."""

    def __init__(self, server: misbehaving.Server, capsys: pytest.CaptureFixture[str]) -> None:
        self.server, self._capsys = server, capsys
        self.report: dict[str, Any] = {}
        self.said = ""

    def __call__(
        self, bag: Path, *words: str, box: tuple[float, ...] | None = BOX, lines: tuple[str, ...] = (MUG,)
    ) -> int:
        out = bag.with_name("out.mcap")
        told = asks(self.server, box)
        status = main(["ground", "--bag", str(bag), "--out", str(out), *lines, *told, *words, "--json"])
        printed = self._capsys.readouterr()
        self.said = printed.err
        self.report = json.loads(printed.out) if printed.out else {}
        self.read = read(out) if status == 0 and out.exists() else None
        return status


@pytest.fixture
def call(server: misbehaving.Server, capsys: pytest.CaptureFixture[str]) -> Call:
    return Call(server, capsys)


def depth(number: int, stamp: int) -> Any:
    pixels = np.full((168, 224), 900, np.uint16)
    make = STORE.types[IMAGE]
    return make(header(STORE, stamp, "eye"), 168, 224, "16UC1", 0, 448, pixels.view(np.uint8).ravel())


def test_each_picture_of_a_number_is_asked_or_so_many_a_second(tmp_path: Path, call: Call) -> None:
    bag = write(tmp_path / "bag", rows(range(20)))
    for words, asked in ((["--every", "5"], 4), (["--rate", "2"], 4), (["--rate", "10"], 20), ([], 2)):
        call.server.bodies.clear()
        assert call(bag, *words, "--force") == 0
        assert (call.report["asked"], len(call.server.bodies)) == (asked, asked), words


def test_of_several_cameras_one_is_chosen_or_all_are_taken(tmp_path: Path, call: Call) -> None:
    entries = [
        *rows(range(6), "/left/image_raw"),
        *rows(range(6), "/left/image_raw/compressed", jpeg),
        *rows(range(6), "/right/image_raw"),
        *rows(range(6), "/right/depth", depth),
    ]
    bag = write(tmp_path / "bag", sorted(entries, key=lambda row: row[2]))
    assert call(bag) == 2
    assert "2 cameras: /left/image_raw, /right/image_raw; choose with --topic" in call.said
    assert call(bag, "--topic", "/lift/image_raw") == 2
    assert "did you mean /left/image_raw?" in call.said and "/right/depth" in call.said
    assert call(bag, "--topic", "/left/image_raw/compressed") == 0
    assert call.report["topics"] == {"/left/image_raw/compressed": ""}
    assert call(bag, "--topic", "all", "--force") == 0
    assert call.report["topics"] == {"/left/image_raw": "left", "/right/image_raw": "right"}
    for name in ("left", "right"):
        for topic in (f"/grounding/{name}/visible", f"/{name}/propagation/visible"):
            assert edges(on(call.read[1], topic)[0].detections[0]) == pytest.approx(BOX, abs=0.3)
        assert len(on(call.read[1], f"/{name}/overlay/annotations")) == 6
    told = [values(status) for status in on(call.read[1], "/grounding/status")]
    assert {(one["camera"], one["visible_topic"]) for one in told} == {
        ("left", "/grounding/left/visible"), ("right", "/grounding/right/visible"),
    }  # fmt: skip


def test_an_overlays_images_are_no_camera_unless_they_are_named(tmp_path: Path, call: Call) -> None:
    """A recording of our own holds the overlay's, into which boxes are drawn."""
    drawn = "/front/overlay/image/compressed"
    entries = [*rows(range(6), drawn, jpeg), *rows(range(6), "/overlay/image"), *rows(range(6), "/image_raw")]
    bag = write(tmp_path / "bag", sorted(entries, key=lambda row: row[2]))
    for words in ([], ["--topic", "all"]):
        assert call(bag, *words, "--force") == 0
        assert call.report["topics"] == {"/image_raw": ""}
        assert f"the overlay's images, {drawn}, /overlay/image, are not asked about" in call.said
    assert call(bag, "--topic", "/nothing", "--force") == 2
    assert f"there are /image_raw, {drawn}, /overlay/image" in call.said
    assert call(bag, "--topic", drawn, "--force", "--namespace", "again") == 0
    assert call.report["topics"] == {drawn: ""}
    alone = write(tmp_path / "alone", rows(range(6), drawn, jpeg))
    assert call(alone, "--force") == 2
    assert f"only an overlay's, with boxes drawn into them: {drawn}; take them all the same with --topic" in call.said


def test_topics_that_are_there_already_are_refused_and_put_elsewhere(tmp_path: Path, call: Call) -> None:
    bag = write(tmp_path / "bag", rows(range(4)))
    assert call(bag) == 0
    again = (tmp_path / "out.mcap").rename(tmp_path / "again.mcap")
    assert call(again) == 2
    assert "/grounding/visible" in call.said and "--namespace" in call.said
    assert call(again, "--namespace", "second") == 0
    assert len(on(call.read[1], "/second/propagation/visible")) == len(on(call.read[1], "/propagation/visible")) == 4


def test_a_file_that_is_there_stays_unless_it_may_be_replaced(tmp_path: Path, call: Call) -> None:
    bag, out = write(tmp_path / "bag", rows(range(2))), tmp_path / "out.mcap"
    out.write_bytes(b"precious")
    assert call(bag) == 2 and "--force" in call.said and out.read_bytes() == b"precious"
    assert call(bag, "--force") == 0 and out.stat().st_size > 1000
    file = next(bag.glob("*.mcap"))
    with pytest.raises(SystemExit, match="2"):
        main(["ground", "--bag", str(file), "--out", str(file), MUG, "--force", *asks(call.server, BOX)])


def test_pictures_that_cannot_be_read_are_counted_and_named(tmp_path: Path, call: Call) -> None:
    def make(number: int, stamp: int) -> Any:
        return jpeg(number, stamp, b"\xff\xd8 no picture" if number in (0, 3) else None)

    bag = write(tmp_path / "bag", rows(range(8), "/camera/image/compressed", make))
    assert call(bag, "--every", "4") == 0
    # The picture behind one that cannot be read is asked about in its place.
    stamps = [values(status)["stamp"] for status in on(call.read[1], "/grounding/status")]
    assert stamps == ["1700000000.100000000", "1700000000.400000000"]
    (reason,) = call.report["unreadable"]
    assert call.report["unreadable"][reason] == 2
    assert (
        f"2 images cannot be read ({reason})" in call.said
        and "/camera/image/compressed at 1700000000.001 s" in call.said
    )
    assert len(on(call.read[1], "/camera/image/compressed")) == 8


def test_where_no_picture_can_be_read_the_first_says_why(tmp_path: Path, call: Call) -> None:
    def strange(number: int, stamp: int) -> Any:
        message = raw(number, stamp)
        return type(message)(**{**vars(message), "encoding": "bayer_odd8"})

    assert call(write(tmp_path / "bag", rows(range(2), make=strange))) == 1
    assert "no image that can be read on /camera/image_raw (unsupported_encoding: 'bayer_odd8'" in call.said


def test_boxes_end_where_time_goes_back_and_where_an_object_is_absent(tmp_path: Path, call: Call) -> None:
    def loops(place: int) -> int:
        return START + (place % 8) * STEP

    bag = write(tmp_path / "bag", rows([*range(8), *range(8)], stamp=loops))
    assert call(bag, "--every", "100") == 0
    boxes = [len(array.detections) for array in on(call.read[1], "/propagation/visible")]
    assert boxes == [1] * 8 + [0]
    assert call.report["time_went_back"] == {"/camera/image_raw": 1}
    assert call.report["lost"] == {"time_went_back": 1} and "time went back 1 times" in call.said
    assert call(bag, "--force", box=None) == 0
    assert (call.report["found"], call.report["absent"]) == (0, 2)
    assert not any(array.detections for array in on(call.read[1], "/propagation/visible"))


def test_a_camera_without_a_clock_is_followed_by_the_time_of_recording(tmp_path: Path, call: Call) -> None:
    bag = write(tmp_path / "bag", rows(range(12), stamp=lambda place: 0))
    assert call(bag) == 0
    assert call.report["asked"] == 2 and call.report["without_clock"] == ["/camera/image_raw"]
    assert [len(array.detections) for array in on(call.read[1], "/propagation/visible")] == [1] * 12
    assert call(bag, "--force", "--every", "100", "--max-propagation", "0.55") == 0
    assert [len(array.detections) for array in on(call.read[1], "/propagation/visible")] == [1] * 6 + [0]
    assert call.report["lost"] == {"too_old": 1}


def test_several_lines_are_targets_and_an_error_keeps_the_boxes(tmp_path: Path, call: Call) -> None:
    bag = write(tmp_path / "bag", rows(range(4)))
    assert call(bag, lines=(MUG, "the blue can\nthe yellow can")) == 0
    first = on(call.read[1], "/grounding/visible")[0]
    assert [(entry.id, entry.results[0].hypothesis.class_id) for entry in first.detections] == [
        ("1:0", MUG), ("2:0", "the blue can"), ("3:0", "the yellow can"),
    ]  # fmt: skip
    targets = json.loads(values(on(call.read[1], "/grounding/status")[-1])["targets"])
    assert [(one["seq"], one["state"]) for one in targets] == [(1, "found"), (2, "found"), (3, "found")]
    assert call(bag, "--force", lines=(" ",)) == 2 and "the instruction is empty" in call.said
    assert call(bag, "--force", lines=tuple(f"cup {n}" for n in range(17))) == 2 and "16 targets" in call.said


def test_every_match_is_propagated_under_its_own_id(
    tmp_path: Path, server: misbehaving.Server, capsys: pytest.CaptureFixture[str]
) -> None:
    # In thousandths, as the model answers: the red mug and the yellow one.
    boxes = [(89, 506, 313, 744), (643, 458, 857, 649)]
    listed = json.dumps([{"bbox_2d": box, "label": "mug"} for box in boxes])
    bag, out = write(tmp_path / "bag", rows(range(6))), tmp_path / "out.mcap"
    told = ["--engine-url", server.url, "--family", "qwen3_vl", "--dialect", "openai", "--engine-model"]
    words = ["ground", "--bag", str(bag), "--out", str(out), "every mug", *told, f"says:```json\n{listed}\n```"]
    assert main([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["propagated"] == 12
    for array in on(read(out)[1], "/propagation/visible"):
        assert [(one.id, one.results[0].hypothesis.class_id) for one in array.detections] == [
            ("1:t1", "every mug"), ("1:t2", "every mug"),
        ]  # fmt: skip
    assert main([*words, "--force", "--max-objects", "1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["propagated"] == 6


@pytest.mark.parametrize("plugin", ["MCAP", "SQLITE3"])
@pytest.mark.parametrize("mode", list(CompressionMode))
def test_compressed_bags_are_read_and_older_ones(
    tmp_path: Path, call: Call, plugin: str, mode: CompressionMode
) -> None:
    if plugin == "SQLITE3" and mode is CompressionMode.STORAGE:
        pytest.skip("SQLite has no compression of its own")
    entries = rows(range(5))
    bag = write(tmp_path / "bag", entries, plugin, mode, version=8)
    assert call(bag) == 0
    kept = [(topic, stamp, data) for topic, _, stamp, data in call.read[2] if topic in ("/camera/image_raw", "/story")]
    assert kept == [(topic, stamp, data) for topic, _, stamp, data in entries]
    assert (
        call.read[0]["/camera/image_raw"][1].offered_qos_profiles
        == read(bag)[0]["/camera/image_raw"][1].offered_qos_profiles
    )


def test_a_split_bag_is_one_recording_with_the_part_that_is_missing_named(tmp_path: Path, call: Call) -> None:
    import yaml

    entries = rows(range(12))
    bag = tmp_path / "bag"
    parts = [write(tmp_path / f"part{n}", entries[8 * n : 8 * n + 8]) for n in range(3)]
    bag.mkdir()
    for n, part in enumerate(parts):
        next(part.glob("*.mcap")).rename(bag / f"bag_{n}.mcap")
    told = yaml.safe_load((parts[0] / "metadata.yaml").read_text())
    told["rosbag2_bagfile_information"]["relative_file_paths"] = ["bag_0.mcap", "bag_1.mcap", "bag_2.mcap"]
    (bag / "metadata.yaml").write_text(yaml.safe_dump(told))
    assert call(bag) == 0
    assert call.report["images"] == 12 and len(on(call.read[1], "/propagation/visible")) == 12
    (bag / "bag_1.mcap").unlink()
    assert call(bag, "--force") == 0
    assert call.report["images"] == 8 and "bag_1.mcap" in call.said
    (bag / "metadata.yaml").unlink()
    assert call(bag, "--force") == 0
    assert call.report["images"] == 8 and "no metadata.yaml" in call.said


def test_a_bag_of_ros_1_keeps_its_messages_as_they_are(
    tmp_path: Path, call: Call, capsys: pytest.CaptureFixture[str]
) -> None:
    from rosbags.rosbag1 import Writer as Writer1
    from rosbags.typesys import Stores, get_typestore

    from egm_core.recordings.entries import Message
    from egm_core.recordings.recording import found

    store, bag = get_typestore(Stores.ROS1_NOETIC), tmp_path / "old.bag"
    written = []
    with Writer1(bag) as writer:
        camera = writer.add_connection("/camera/image_raw", IMAGE, typestore=store)
        for place in range(5):
            data = bytes(store.serialize_ros1(raw(place, START + place * STEP, store), IMAGE))
            writer.write(camera, START + place * STEP, data)
            written.append(data)
    out = tmp_path / "out.mcap"
    assert main(["ground", "--bag", str(bag), "--out", str(out), MUG, *asks(call.server, BOX)]) == 0
    messages = [entry for entry in found(out).entries(pytest.fail) if isinstance(entry, Message)]
    images = [entry for entry in messages if entry.channel.topic == "/camera/image_raw"]
    assert [entry.data for entry in images] == written
    assert {(entry.channel.encoding, entry.channel.kind) for entry in images} == {("ros1", "sensor_msgs/Image")}
    assert len([entry for entry in messages if entry.channel.topic == "/propagation/visible"]) == 5
    assert found(out).overview().profile == ""


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("nothing.mcap", None, "is not there"),
        ("text.mcap", b"hello, world, this is no recording at all", "is no MCAP file"),
        ("short.mcap", b"\x89MCAP0\r\n\x01", "ends in its first bytes"),
        ("text.db3", b"hello", "cannot be read as a bag"),
        ("film.mp4", b"hello", "is no recording by its name"),
    ],
)
def test_what_is_no_recording_is_refused_by_name(
    tmp_path: Path, call: Call, name: str, content: bytes | None, told: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    assert call(tmp_path / name) == 2
    assert told in call.said and name in call.said


def test_a_recording_without_pictures_says_what_it_has(tmp_path: Path, call: Call) -> None:
    bag = write(tmp_path / "bag", [row for row in rows(range(3)) if row[0] == "/story"])
    assert call(bag) == 2 and "its topics are /story" in call.said
    only = write(tmp_path / "depth", rows(range(3), "/depth", depth))
    assert call(only) == 1 and "no image that can be read on /depth" in call.said
    assert not (tmp_path / "out.mcap").exists()
