"""A recording wherever it lies: a file, or the folder of a bag with one file or several, compressed or not."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

import yaml

from egm_core.recordings import by_rosbags
from egm_core.recordings.entries import Channel, Entry, Message, Overview
from egm_core.recordings.mcap import reader as mcap
from egm_core.recordings.mcap.chunks import zstd

ENDS = (".mcap", ".db3", ".bag")
ZSTD = ".zstd"
INFORMATION = "rosbag2_bagfile_information"
NAME_ONE = "name an .mcap, .db3 or .bag file, or the folder of a bag"
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Recording:
    """A recording's files in their order; `singly`: each message was compressed by itself.

    `information` is what the folder says of it, as rosbag2 writes that, and `doubts` what is odd about its files.
    """

    path: Path
    files: tuple[Path, ...]
    singly: bool = False
    information: dict[str, Any] | None = None
    doubts: tuple[str, ...] = ()

    def overview(self) -> Overview:
        """Say what it holds: from the ends of its files, or, where one was cut off, from all of them."""
        parts = [self._overview(file) for file in self.files]
        counts: dict[str, int] = {}
        for part in parts:
            for topic, count in part.counts.items():
                counts[topic] = counts.get(topic, 0) + count
        profiles = {part.profile for part in parts}
        channels = tuple(dict.fromkeys(channel for part in parts for channel in part.channels))
        profile = profiles.pop() if len(profiles) == 1 else ""
        return Overview(profile, channels, counts, all(part.counted for part in parts))

    def entries(self, tell: Tell) -> Iterator[Entry]:
        """Give all that stands in its files, in their order; `tell` hears what is damaged, and so left out."""
        for file in self.files:
            for entry in self._of_file(file, tell):
                if self.singly and isinstance(entry, Message):
                    try:
                        entry = replace(entry, data=zstd().decompress(entry.data))
                    except (zstd().ZstdError, EOFError, ValueError) as error:
                        tell(f"{file}: a message of {entry.channel.topic} cannot be decompressed ({error}); left out")
                        continue
                yield entry

    def _overview(self, file: Path) -> Overview:
        if not _is_mcap(file):
            with _plain(file) as path:
                return by_rosbags.overview(path)
        found = mcap.overview(file) if file.suffix != ZSTD else None
        if found is not None:
            return found
        channels: dict[Channel, None] = {}
        counts: dict[str, int] = {}
        with _stream(file) as stream:
            profile = mcap.profile_of(stream, str(file))
            for entry in mcap.entries(stream, str(file), lambda said: None):
                if isinstance(entry, Channel):
                    channels[entry] = None
                elif isinstance(entry, Message):
                    counts[entry.channel.topic] = counts.get(entry.channel.topic, 0) + 1
        return Overview(profile, tuple(channels), counts, counted=file.suffix == ZSTD)

    def _of_file(self, file: Path, tell: Tell) -> Iterator[Entry]:
        if not _is_mcap(file):
            with _plain(file) as path:
                yield from by_rosbags.entries(path, tell)
            return
        with _stream(file) as stream:
            mcap.profile_of(stream, str(file))
            yield from mcap.entries(stream, str(file), tell)


def found(path: Path) -> Recording:
    """Find a recording; ValueError or FileNotFoundError says what is wrong with what was named."""
    if not path.exists():
        raise ValueError(f"{path} is not there; {NAME_ONE}")
    if path.is_file():
        if path.name.removesuffix(ZSTD).endswith(ENDS):
            return Recording(path, (path,))
        raise ValueError(
            f"{path} is no recording by its name; name an .mcap, .db3 or .bag file, or the folder of a bag"
        )
    told = path / "metadata.yaml"
    if told.exists():
        return _told(path, told)
    files = sorted((file for file in path.iterdir() if file.suffix in ENDS), key=_numbered)
    if not files:
        raise ValueError(f"{path} has no metadata.yaml, and no .mcap or .db3 file; name the folder of a bag")
    return Recording(path, tuple(files), doubts=(f"{path} has no metadata.yaml; its files are read by their names",))


def _told(path: Path, told: Path) -> Recording:
    try:
        information = yaml.safe_load(told.read_text("utf-8"))[INFORMATION]
        names = [Path(name).name for name in information["relative_file_paths"]]
        way = str(information.get("compression_mode") or "").lower()
    except (yaml.YAMLError, UnicodeDecodeError, LookupError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{told} is no description of a bag ({by_rosbags.in_short(error)}); write it anew: ros2 bag reindex"
        ) from error
    there = tuple(path / name for name in names if (path / name).is_file())
    if not there:
        raise ValueError(f"{path} has none of the files that its metadata.yaml names: {', '.join(names) or 'none'}")
    gone = [name for name in names if not (path / name).is_file()]
    doubts = (
        (f"{path} lacks files that its metadata.yaml names, and is read without: {', '.join(gone)}",) if gone else ()
    )
    return Recording(path, there, way == "message", information, doubts)


def _is_mcap(file: Path) -> bool:
    return file.name.removesuffix(ZSTD).endswith(".mcap")


def _numbered(file: Path) -> list[tuple[int, str]]:
    """Sort bag_10 behind bag_9."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", file.name)]


@contextmanager
def _stream(file: Path) -> Iterator[IO[bytes] | Any]:
    if file.suffix != ZSTD:
        with file.open("rb") as plain:
            yield plain
        return
    with zstd().open(file, "rb") as packed:
        yield packed


@contextmanager
def _plain(file: Path) -> Iterator[Path]:
    """Give a file that SQLite can read: it reads none that is compressed."""
    if file.suffix != ZSTD:
        yield file
        return
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / file.stem
        with zstd().open(file, "rb") as packed, plain.open("wb") as unpacked:
            shutil.copyfileobj(packed, unpacked)
        yield plain
