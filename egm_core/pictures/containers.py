"""The bytes of pictures that lie in archives and tables; a file's index is read once and kept while it is unchanged."""

from __future__ import annotations

import base64
import csv
import lzma
import os
import struct
import sys
import tarfile
import zipfile
import zlib
from array import array
from bisect import bisect_right
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

_KEPT = 32
# Row groups of pictures are large.
_GROUPS = 2

Stamp = tuple[int, int]


def stamp(path: str) -> Stamp:
    """Give what changes when a file is written anew; FileNotFoundError where it is none."""
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path} {'is a folder' if Path(path).is_dir() else 'is not there'}; name its path")
    found = os.stat(path)
    return found.st_mtime_ns, found.st_size


def zip_member(path: str, member: str) -> bytes:
    """Read a member of a ZIP archive."""
    archive = _zip(path, stamp(path), os.getpid())
    try:
        return archive.read(member)
    except KeyError:
        raise _lacks(path, f"member {member!r}") from None
    # A damaged member fails in whichever of the decompressors it names.
    except (zipfile.BadZipFile, RuntimeError, zlib.error, lzma.LZMAError, EOFError, OSError) as error:
        raise ValueError(f"{path}: member {member!r} cannot be read ({error}); copy the archive anew") from error


def has_zip_member(path: str, member: str) -> bool:
    """Tell whether a ZIP archive has a member."""
    return member in _zip(path, stamp(path), os.getpid()).NameToInfo


@lru_cache(_KEPT)
def _zip(path: str, _: Stamp, __: int) -> zipfile.ZipFile:
    # One a process: after a fork both would move one position in the file.
    try:
        return zipfile.ZipFile(path)
    except (zipfile.BadZipFile, NotImplementedError, struct.error, ValueError) as error:
        raise ValueError(f"{path} is no whole ZIP archive ({error}); copy it anew") from error


def tar_member(path: str, member: str) -> bytes:
    """Read a member of a TAR archive that is not compressed."""
    place = _tar(path, stamp(path)).get(member)
    if place is None:
        raise _lacks(path, f"member {member!r}")
    with open(path, "rb") as file:
        file.seek(place[0])
        return file.read(place[1])


def has_tar_member(path: str, member: str) -> bool:
    """Tell whether a TAR archive has a member."""
    return member in _tar(path, stamp(path))


@lru_cache(_KEPT)
def _tar(path: str, _: Stamp) -> dict[str, tuple[int, int]]:
    try:
        with tarfile.open(path, "r:") as archive:
            return {m.name: (m.offset_data, m.size) for m in archive if m.isreg()}
    except tarfile.TarError as error:
        raise ValueError(f"{path} is no TAR archive, or a compressed one ({error}); unpack it") from error


def parquet_cell(path: str, column: str, row: int) -> bytes:
    """Read a picture from a parquet file: bytes, or the `bytes` of a struct as the datasets library writes them."""
    starts, columns = _parquet(path, stamp(path))
    if column not in columns or not 0 <= row < starts[-1]:
        raise _lacks(path, f"row {row} of column {column!r}")
    group = bisect_right(starts, row) - 1
    try:
        cell = _group(path, stamp(path), column, group)[row - starts[group]].as_py()
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: column {column!r} of row {row} is damaged ({error}); copy the file anew") from error
    data = cell.get("bytes") if isinstance(cell, dict) else cell
    if not isinstance(data, bytes):
        raise ValueError(f"{path}: column {column!r} of row {row} holds no picture's bytes; give another column")
    return data


def has_parquet_cell(path: str, column: str, row: int) -> bool:
    """Tell whether a parquet file has a cell."""
    starts, columns = _parquet(path, stamp(path))
    return column in columns and 0 <= row < starts[-1]


@lru_cache(_KEPT)
def _parquet(path: str, _: Stamp) -> tuple[list[int], frozenset[str]]:
    from pyarrow.parquet import ParquetFile

    try:
        with ParquetFile(path) as file:
            starts = [0]
            for group in range(file.metadata.num_row_groups):
                starts.append(starts[-1] + file.metadata.row_group(group).num_rows)
            return starts, frozenset(file.schema_arrow.names)
    except parquet_errors() as error:
        raise ValueError(f"{path} is no whole parquet file ({error}); copy it anew") from error


@lru_cache(_GROUPS)
def _group(path: str, _: Stamp, column: str, group: int) -> Any:
    from pyarrow.parquet import ParquetFile

    try:
        with ParquetFile(path) as file:
            return file.read_row_group(group, columns=[column]).column(0)
    except parquet_errors() as error:
        raise ValueError(f"{path}: column {column!r} cannot be read ({error}); copy the file anew") from error


def parquet_errors() -> tuple[type[Exception], ...]:
    """Give what a damaged parquet file makes pyarrow raise; names and texts in it may be none, too."""
    from pyarrow import ArrowException

    return ArrowException, OSError, UnicodeDecodeError


def tsv_cell(path: str, column: str, row: int) -> bytes:
    """Read a picture in base64 from a table whose columns are parted by tabs."""
    columns, offsets = _tsv(path, stamp(path))
    if column not in columns or not 0 <= row < len(offsets):
        raise _lacks(path, f"row {row} of column {column!r}")
    with open(path, "rb") as file:
        file.seek(offsets[row])
        cells = next(csv.reader((line.decode("utf-8") for line in file), delimiter="\t"))
    at = columns.index(column)
    try:
        return base64.b64decode(cells[at] if at < len(cells) else "", validate=True)
    # Letters that are not ASCII are another error than those that base64 lacks.
    except ValueError as error:
        raise ValueError(f"{path}: column {column!r} of row {row} is no base64 ({error}); copy it anew") from error


def has_tsv_cell(path: str, column: str, row: int) -> bool:
    """Tell whether a table parted by tabs has a cell."""
    columns, offsets = _tsv(path, stamp(path))
    return column in columns and 0 <= row < len(offsets)


@lru_cache(_KEPT)
def _tsv(path: str, _: Stamp) -> tuple[list[str], array[int]]:
    """Give the columns, and where each row begins: a quoted cell may hold line breaks."""
    unlimited_cells()
    begins = array("q")
    with open(path, "rb") as file:
        at = 0

        def lines() -> Iterator[str]:
            nonlocal at
            for line in file:
                at += len(line)
                yield line.decode("utf-8")

        rows = csv.reader(lines(), delimiter="\t")
        try:
            columns = next(rows, [])
            begin = at
            for cells in rows:
                if cells:
                    begins.append(begin)
                begin = at
        except (csv.Error, UnicodeDecodeError) as error:
            raise ValueError(f"{path} is no table parted by tabs ({error}); copy it anew") from error
    return columns, begins


def unlimited_cells() -> None:
    """Let csv read cells of any length, as pictures are; its own limit is 128 kB."""
    csv.field_size_limit(sys.maxsize)


def tfrecord_cell(path: str, record: int, key: str, index: int) -> bytes:
    """Read one of the byte strings that a record of a TFRecord file has under a key."""
    from google.protobuf.message import DecodeError
    from tfrecord import example_pb2

    starts = _tfrecord(path, stamp(path))
    if not 0 <= record < len(starts):
        raise _lacks(path, f"record {record}")
    with open(path, "rb") as file:
        file.seek(starts[record] - 12)
        length = struct.unpack("<Q", file.read(8))[0]
        file.seek(starts[record])
        data = file.read(length)
    example = example_pb2.Example()
    try:
        example.ParseFromString(data)
    except DecodeError as error:
        raise ValueError(f"{path}: record {record} is no tf.train.Example ({error}); copy it anew") from error
    values = example.features.feature[key].bytes_list.value if key in example.features.feature else ()
    if not 0 <= index < len(values):
        raise _lacks(path, f"value {index} of {key!r} in record {record}")
    return bytes(values[index])


def has_tfrecord_record(path: str, record: int) -> bool:
    """Tell whether a TFRecord file has a record."""
    return 0 <= record < len(_tfrecord(path, stamp(path)))


@lru_cache(_KEPT)
def _tfrecord(path: str, known: Stamp) -> array[int]:
    """Give where each record's bytes begin: length (8), its checksum (4), the bytes, their checksum (4)."""
    starts, at, size = array("q"), 0, known[1]
    with open(path, "rb") as file:
        while at < size:
            file.seek(at)
            head = file.read(8)
            length = struct.unpack("<Q", head)[0] if len(head) == 8 else size
            if at + 16 + length > size:
                raise ValueError(f"{path} is cut short in record {len(starts)}, or no TFRecord file; copy it anew")
            starts.append(at + 12)
            at += 16 + length
    return starts


def _lacks(path: str, what: str) -> FileNotFoundError:
    return FileNotFoundError(f"{path} has no {what}; see that it is the file that the samples were made from")
