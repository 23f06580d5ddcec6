"""MCAP files: what was written is read, by others too, and a damaged file is read as far as it goes."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from kept_bags import IMAGE, read, rows, write

from egm_core.recordings.entries import Beside, Channel, Entry, Message, Schema
from egm_core.recordings.mcap import records
from egm_core.recordings.mcap.reader import entries as entries_of
from egm_core.recordings.mcap.reader import overview, profile_of
from egm_core.recordings.mcap.writer import Writer

CHANNEL = Channel("/a", Schema("pkg/msg/A", "ros2msg", b"uint8 a"), "cdr", (("offered_qos_profiles", "x"),))
PLAIN = Channel("/b", None, "json")
ATTACHED = (
    struct.pack("<QQ", 5, 6)
    + records.text("map.png")
    + records.text("image/png")
    + struct.pack("<Q", 3)
    + b"abc"
    + bytes(4)
)


def some(count: int, size: int = 40_000) -> list[Message]:
    return [Message((CHANNEL, PLAIN)[n % 2], 100 + n, 50 + n, bytes([n % 251]) * size, n) for n in range(count)]


def written(path: Path, messages: list[Message], compressed: bool = True) -> Path:
    with Writer(path, "ros2", compressed) as writer:
        for message in messages:
            writer.write(message)
        writer.keep(Beside(records.ATTACHMENT, ATTACHED))
        writer.metadata("mine", {"key": "value", "öl": "ü"})
        writer.finish()
    return path


def all_of(path: Path) -> tuple[list[Entry], list[str]]:
    told: list[str] = []
    with path.open("rb") as file:
        profile_of(file, path.name)
        return list(entries_of(file, path.name, told.append)), told


def messages_of(found: list[Entry]) -> list[Message]:
    return [entry for entry in found if isinstance(entry, Message)]


@pytest.mark.parametrize("compressed", [True, False])
def test_what_was_written_is_read(tmp_path: Path, compressed: bool) -> None:
    messages = some(100)
    path = written(tmp_path / "a.mcap", messages, compressed)
    found, told = all_of(path)
    assert messages_of(found) == messages and not told
    assert Beside(records.ATTACHMENT, ATTACHED) in found
    summed = overview(path)
    assert summed is not None
    assert (summed.profile, summed.channels, summed.counts) == ("ros2", (CHANNEL, PLAIN), {"/a": 50, "/b": 50})
    assert not (tmp_path / "a.mcap.part").exists()


def test_another_library_reads_it_and_finds_its_checksums_right(tmp_path: Path) -> None:
    reader = pytest.importorskip("mcap.reader", reason="no mcap to read with")
    messages = some(100)
    with written(tmp_path / "a.mcap", messages).open("rb") as file:
        theirs = reader.make_reader(file, validate_crcs=True)
        rows_ = [(c.topic, m.log_time, m.publish_time, m.sequence, m.data) for _, c, m in theirs.iter_messages()]
        assert rows_ == [(m.channel.topic, m.log_time, m.publish_time, m.sequence, m.data) for m in messages]
        assert [one.name for one in theirs.iter_attachments()] == ["map.png"]
        assert [(one.name, one.metadata) for one in theirs.iter_metadata()] == [("mine", {"key": "value", "öl": "ü"})]
        assert theirs.get_summary().statistics.channel_message_counts == {1: 50, 2: 50}


def test_nothing_is_left_of_a_file_that_was_given_up(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), Writer(tmp_path / "a.mcap", "ros2") as writer:
        writer.write(some(1)[0])
        raise ZeroDivisionError
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_told_with_the_name_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "out.mcap.part").symlink_to("/dev/full")
    with (
        pytest.raises(OSError, match=r"No space left on device: .*out\.mcap"),
        Writer(tmp_path / "out.mcap", "ros2") as writer,
    ):
        writer.finish()
    assert not list(tmp_path.iterdir())


def test_a_file_that_was_cut_off_anywhere_gives_what_stands_before(tmp_path: Path) -> None:
    messages = some(60)
    path = written(tmp_path / "a.mcap", messages, compressed=False)
    data, seen = path.read_bytes(), set()
    for end in range(120, len(data) - 1000, 97_003):
        path.write_bytes(data[:end])
        found, told = all_of(path)
        got = messages_of(found)
        assert got == messages[: len(got)] and len(told) == 1 and "cut off" in told[0]
        # All that came whole is there.
        assert len(got) >= (end - 2000) // 40_100 - 1
        assert overview(path) is None
        seen.add(len(got))
    assert len(seen) > 15


def test_what_a_compressed_chunk_held_before_it_was_cut_off_is_taken(tmp_path: Path) -> None:
    import random

    chance = random.Random(0)
    messages = [Message(CHANNEL, n, n, chance.randbytes(20_000)) for n in range(40)]
    path = written(tmp_path / "a.mcap", messages)
    path.write_bytes(path.read_bytes()[: 30 * 20_000])
    found, _ = all_of(path)
    got = messages_of(found)
    assert got == messages[: len(got)] and 20 <= len(got) < 30


def test_a_chunk_with_a_wrong_checksum_is_left_out_and_the_rest_is_read(tmp_path: Path) -> None:
    messages = some(100)
    path = written(tmp_path / "a.mcap", messages, compressed=False)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    found, told = all_of(path)
    got = messages_of(found)
    assert 50 < len(got) < 100 and all(message in messages for message in got)
    assert len(told) == 1 and "checksum" in told[0]


def test_a_damaged_length_takes_no_memory(tmp_path: Path) -> None:
    path = written(tmp_path / "a.mcap", some(4))
    data = bytearray(path.read_bytes())
    at = data.index(bytes([records.CHUNK]), 30)
    data[at + 1 : at + 9] = (1 << 62).to_bytes(8, "little")
    path.write_bytes(data)
    found, told = all_of(path)
    assert "cut off" in told[0]
    # The chunk itself is still there.
    assert len(messages_of(found)) == 4


def test_messages_outside_of_chunks_and_lz4_are_read(tmp_path: Path) -> None:
    import lz4.frame

    head = records.MAGIC + records.record(records.HEADER, records.text("ros2") + records.text("x"))
    inner = records.record(records.SCHEMA, records.schema_content(1, CHANNEL.schema))  # type: ignore[arg-type]
    inner += records.record(records.CHANNEL, records.channel_content(1, 1, CHANNEL))
    message = some(1)[0]
    inner += records.record(records.MESSAGE, records.message_content(1, message))
    packed = lz4.frame.compress(inner)
    chunk = (
        struct.pack("<QQQI", 100, 100, len(inner), 0) + records.text("lz4") + struct.pack("<Q", len(packed)) + packed
    )
    for name, body in (("plain", inner), ("lz4", records.record(records.CHUNK, chunk))):
        path = tmp_path / f"{name}.mcap"
        path.write_bytes(head + body + records.record(records.DATA_END, bytes(4)))
        found, told = all_of(path)
        assert messages_of(found) == [message] and not told


def test_a_recording_of_rosbags_is_read_as_rosbags_reads_it(tmp_path: Path) -> None:
    bag = write(tmp_path / "bag", rows(range(30)))
    found, told = all_of(next(bag.glob("*.mcap")))
    theirs = [(topic, kind, stamp, data) for topic, kind, stamp, data in read(bag)[2]]
    assert [(m.channel.topic, m.channel.kind, m.log_time, m.data) for m in messages_of(found)] == theirs
    assert not told and {m.channel.kind for m in messages_of(found)} == {IMAGE, "std_msgs/msg/String"}
