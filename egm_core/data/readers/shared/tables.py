"""Reads tables row by row, whatever they are stored in: parquet, JSONL, or a JSON file that is a list or one record."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from egm_core.data.readers.kind import Place
from egm_core.data.readers.shared import fields
from egm_core.data.readers.shared.json_stream import arrays
from egm_core.data.readers.shared.pictures import Pictures, size_of
from egm_core.pictures.containers import parquet_errors
from egm_core.pictures.reference import join

# Rows with pictures are large.
BATCH = 16


def rows(path: Path, without: tuple[str, ...] = ()) -> Iterator[tuple[Place, int, dict[str, Any]]]:
    """Read the rows of a file: the place, the number from 0, and the record, without some columns of parquet.

    DataError where there is no row, for a file that was lost on its way would be less data without a word.
    """
    empty = True
    for row in _rows(path, without):
        empty = False
        yield row
    if empty:
        raise fields.no_record(path)


def _rows(path: Path, without: tuple[str, ...]) -> Iterator[tuple[Place, int, dict[str, Any]]]:
    if path.suffix == ".parquet":
        yield from _parquet(path, without)
    elif path.suffix == ".jsonl":
        for number, (place, record) in enumerate(fields.lines(path)):
            yield place, number, record
    elif path.suffix == ".json" and _one_object(path):
        place = Place(str(path), "record 0")
        yield place, 0, fields.mapping(fields.document(path), place)
    elif path.suffix == ".json":
        for _, number, record in arrays(path):
            place = Place(str(path), f"record {number}")
            yield place, number, fields.mapping(record, place)
    else:
        fields.require(path)
        raise Place(str(path)).error("unknown kind of file; a table ends in .parquet, .jsonl or .json")


def picture(
    record: dict[str, Any], name: str, place: Place, number: int, pictures: Pictures
) -> tuple[str, bytes | None]:
    """Give the reference to a row's picture, and its bytes where the row holds them.

    The cell is the picture's bytes, a struct with `bytes` and `path` as the datasets library writes it, or a path.
    """
    cell = fields.value(record, name, place)
    if isinstance(cell, dict):
        cell = cell.get("bytes") or cell.get("path") or cell.get("image")
    if isinstance(cell, bytes) and place.file.endswith(".parquet"):
        return pictures.held(join(place.file, name, number), cell), cell
    if isinstance(cell, str) and cell.strip() and fields.writable(cell):
        return pictures.find(cell), None
    raise place.wrong(name, cell, "a picture's bytes or its path must stand here")


def picture_and_size(
    record: dict[str, Any], name: str, place: Place, number: int, pictures: Pictures
) -> tuple[str, int, int]:
    """Give a row's picture, with the size that the row or else the picture tells."""
    image, data = picture(record, name, place, number, pictures)
    if record.get("width") is not None and record.get("height") is not None:
        return (image, *fields.size(record, place))
    if data is None:
        return (image, *pictures.size(image, place))
    return (image, *size_of(data, place))


def _one_object(path: Path) -> bool:
    """Tell whether a file is one record, and no list of them."""
    fields.require(path)
    with path.open("rb") as file:
        return file.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{")


def _parquet(path: Path, without: tuple[str, ...]) -> Iterator[tuple[Place, int, dict[str, Any]]]:
    from pyarrow.parquet import ParquetFile

    fields.require(path)
    try:
        with ParquetFile(path) as file:
            columns = [name for name in file.schema_arrow.names if name not in without]
            number = 0
            for batch in file.iter_batches(BATCH, columns=columns):
                for record in batch.to_pylist():
                    yield Place(str(path), f"row {number}"), number, record
                    number += 1
    except parquet_errors() as error:
        raise Place(str(path)).error(f"no whole parquet file ({error}); copy it anew") from error
