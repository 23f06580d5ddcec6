"""Pictures in archives, tables and videos: each form is read, and what is not there is named."""

from __future__ import annotations

import base64
import io
import struct
import tarfile
import zipfile
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from egm_core.pictures import containers
from egm_core.pictures.reference import below, join, mirrored, moved, split
from egm_core.pictures.source import as_file, encoded, exists, read, read_picture
from egm_core.sample import Sample


def png(picture: NDArray[np.uint8]) -> bytes:
    return cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1].tobytes()


def zipped(folder: Path, data: bytes) -> str:
    with zipfile.ZipFile(folder / "a.zip", "w") as archive:
        archive.writestr("train/x.png", data)
    return f"{folder}/a.zip::train/x.png"


def tarred(folder: Path, data: bytes) -> str:
    with tarfile.open(folder / "a.tar", "w") as archive:
        info = tarfile.TarInfo("train/x.png")
        info.size = len(data)
        archive.addfile(info, io.BytesIO(data))
    return f"{folder}/a.tar::train/x.png"


def in_parquet(folder: Path, data: bytes) -> str:
    import pyarrow as pa
    from pyarrow.parquet import write_table

    cells = [{"bytes": b"other", "path": None}] * 3 + [{"bytes": data, "path": "x.png"}]
    write_table(pa.table({"n": [0, 1, 2, 3], "image": cells}), folder / "a.parquet", row_group_size=2)
    return f"{folder}/a.parquet::image::3"


def in_tsv(folder: Path, data: bytes) -> str:
    text = base64.b64encode(data).decode()
    # A quoted cell that goes over two lines, and a cell beyond csv's own limit.
    rows = f'index\timage\tquestion\n0\t{"A" * 200_000}\t"two\nlines"\n\n1\t{text}\twhat\n'
    (folder / "a.tsv").write_text(rows)
    return f"{folder}/a.tsv::image::1"


def in_tfrecord(folder: Path, data: bytes) -> str:
    from tfrecord import example_pb2

    records = []
    for values in ([b"other"], [b"other", data]):
        example = example_pb2.Example()
        example.features.feature["steps/image"].bytes_list.value.extend(values)
        records.append(example.SerializeToString())
    framed = b"".join(struct.pack("<Q", len(r)) + b"crc." + r + b"crc." for r in records)
    (folder / "a.tfrecord-00000-of-00002").write_bytes(framed)
    return f"{folder}/a.tfrecord-00000-of-00002::1::steps/image::1"


FORMS = (zipped, tarred, in_parquet, in_tsv, in_tfrecord)


@pytest.mark.parametrize("form", FORMS)
def test_each_form_is_read(tmp_path: Path, noise: NDArray[np.uint8], form) -> None:
    image = form(tmp_path, png(noise))
    assert exists(image)
    assert np.array_equal(read(image), noise)
    assert np.array_equal(read(mirrored(image), trusted=True), noise[:, ::-1])
    assert encoded(image) == as_file(image) == png(noise)
    sample = Sample(image, "x", None, None, None, *noise.shape[:2], mirrored=True)
    assert np.array_equal(read_picture(sample), noise[:, ::-1])
    turned = cv2.imdecode(np.frombuffer(as_file(sample.picture), np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    assert np.array_equal(turned, noise[:, ::-1])


@pytest.mark.parametrize("form", FORMS)
def test_what_is_not_in_a_container_is_named(tmp_path: Path, noise: NDArray[np.uint8], form) -> None:
    image = form(tmp_path, png(noise))
    container, _, place = split(image)
    if form is in_tfrecord:
        gone = join(container, "7", "steps/image", "1")
    else:
        gone = join(container, "other.png" if form in (zipped, tarred) else f"{place[:-1]}9")
    assert not exists(gone)
    with pytest.raises(FileNotFoundError, match=r"has no .*see that it is the file"):
        read(gone)
    Path(container).write_bytes(b"nonsense")
    assert not exists(image)
    with pytest.raises((ValueError, FileNotFoundError), match="a\\."):
        read(image)
    Path(container).unlink()
    assert not exists(image)
    with pytest.raises(FileNotFoundError, match="is not there"):
        read(image)


def test_a_container_that_is_written_anew_is_read_anew(tmp_path: Path, noise: NDArray[np.uint8]) -> None:
    for picture in (noise, noise[:50]):
        assert np.array_equal(read(zipped(tmp_path, png(picture))), picture)


def video(folder: Path, count: int = 30, rate: int = 10) -> str:
    """Write a video whose frames get brighter."""
    import av

    path = folder / "a.mp4"
    with av.open(str(path), "w") as file:
        stream = file.add_stream("mpeg4", rate=rate)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(count):
            shade = np.full((48, 64, 3), 5 * number, np.uint8)
            file.mux(stream.encode(av.VideoFrame.from_ndarray(shade, format="rgb24")))
        file.mux(stream.encode())
    return str(path)


@pytest.mark.parametrize(("seconds", "number"), [(0.0, 0), (0.1, 1), (1.34, 13), (1.36, 14), (2.9, 29)])
def test_a_moment_of_a_video_is_the_nearest_frame(tmp_path: Path, seconds: float, number: int) -> None:
    image = f"{video(tmp_path)}::{seconds}"
    assert exists(image) and encoded(image) is None
    assert float(read(image).mean()) == pytest.approx(5 * number, abs=2)


def uneven(path: Path, moments: dict[int, int]) -> str:
    """A video whose frames, plain greys, are shown at moments in milliseconds, as phones and screens record."""
    import av

    with av.open(str(path), "w") as file:
        stream = file.add_stream("mpeg4", rate=30)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for moment, grey in moments.items():
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), grey, np.uint8), format="rgb24")
            frame.pts, frame.time_base = moment, Fraction(1, 1000)
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    return str(path)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_frames_of_a_video_may_lie_far_apart(tmp_path: Path, name: str) -> None:
    moments = dict.fromkeys(range(0, 300, 10), 20) | {4000: 120, 4033: 160, 9000: 200}
    path = uneven(tmp_path / name, moments)
    for seconds, grey in ((0.1, 20), (1.9, 20), (4.0, 120), (4.033, 160), (6.0, 160), (7.0, 200), (9.0, 200)):
        assert float(read(f"{path}::{seconds}").mean()) == pytest.approx(grey, abs=5), seconds


def test_the_last_frame_does_not_stand_for_what_was_cut_off(tmp_path: Path) -> None:
    """A video of 10 pictures a second that lacks its end gave its last picture for up to a second more."""
    path = video(tmp_path)
    assert read(f"{path}::3.05").shape == (48, 64, 3)
    with pytest.raises(FileNotFoundError, match=r"has nothing at 3\.6 s \(2\.9 s as its nearest frame\)"):
        read(f"{path}::3.6")


def test_a_video_whose_time_does_not_begin_at_nothing(tmp_path: Path) -> None:
    path = uneven(tmp_path / "a.mkv", {10_000 + 100 * n: 5 * n for n in range(40)})
    assert float(read(f"{path}::11.0").mean()) == pytest.approx(50, abs=4)
    with pytest.raises(FileNotFoundError, match="has nothing at 1 s"):
        read(f"{path}::1")


def test_a_moment_beyond_a_video_and_one_that_is_none_are_refused(tmp_path: Path) -> None:
    path = video(tmp_path)
    with pytest.raises(FileNotFoundError, match="has nothing at 30 s"):
        read(f"{path}::30")
    with pytest.raises(ValueError, match="ends in 'noon', where a number must stand"):
        read(f"{path}::noon")
    Path(path).write_bytes(b"nonsense")
    with pytest.raises(ValueError, match="cannot be decoded at 1 s"):
        read(f"{path}::1")


def test_nothing_is_fetched() -> None:
    assert not exists("https://host/a.jpg")
    with pytest.raises(FileNotFoundError, match="nothing is fetched; download it"):
        read("https://host/a.jpg")


def test_paths_are_moved_and_places_are_not() -> None:
    assert below(Path("/d"), "a.zip::b//c.png::mirrored") == "/d/a.zip::b//c.png::mirrored"
    assert moved("https://host//a", lambda _: "x") == "https://host//a"
    assert split("/d/a.tfrecord-00000-of-00031::4::steps/image::0")[0] == "/d/a.tfrecord-00000-of-00031"
    assert split("odd::name.png") == ("odd::name.png", "", "")


def test_a_cut_tfrecord_is_refused(tmp_path: Path, noise: NDArray[np.uint8]) -> None:
    image = in_tfrecord(tmp_path, png(noise))
    container = Path(split(image)[0])
    container.write_bytes(container.read_bytes()[:-9])
    with pytest.raises(ValueError, match="cut short in record 1"):
        containers.has_tfrecord_record(str(container), 0)
