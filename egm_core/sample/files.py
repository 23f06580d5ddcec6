"""Sample files: JSONL and parquet, read and written one record after the other."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import islice
from operator import attrgetter
from pathlib import Path
from typing import Any, NoReturn

from egm_core.pictures.containers import parquet_errors
from egm_core.pictures.reference import below, moved
from egm_core.sample.record import FIELDS, Sample, SampleError, from_record
from egm_core.sample.sound import sound
from egm_core.sample.whole import written

BATCH = 1024
# Fields that are written where there is something to say; the others always.
_EMPTY = FIELDS[FIELDS.index("task") + 1 :]
_values = attrgetter(*FIELDS)
# Records hold plain values, in no circle.
_encode = json.JSONEncoder(ensure_ascii=False, check_circular=False).encode


def read_samples(path: Path, image_root: Path | None = None) -> Iterator[Sample]:
    """Read the records of a `.jsonl` or `.parquet` file one after the other, without loading it whole.

    Relative image paths are resolved against `image_root`, by default the file's folder. Raises SampleError at the
    first bad record. Boxes that stand out of the image by a pixel at most, as rounding makes them, are clipped.
    """
    return (sample for _, sample in read_placed(path, image_root))


def read_placed(path: Path, image_root: Path | None = None) -> Iterator[tuple[str, Sample]]:
    """Read records as `read_samples` does, each with its place, such as `data.jsonl:12`."""
    path = Path(path)
    root = path.parent if image_root is None else Path(image_root)
    for place, record in _rows(path):
        sample = from_record(record, place)
        yield place, dataclasses.replace(sample, image=below(root, sample.image))


def write_samples(path: Path, samples: Iterable[Sample]) -> int:
    """Write records to a `.jsonl` or `.parquet` file and give their number.

    Image paths become relative to the file where they lie below its folder. The file appears when it is complete.
    """
    path = Path(path)
    writers = {".jsonl": _write_lines, ".parquet": _write_parquet}
    writer = writers.get(path.suffix) or _unknown_suffix(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    folder = os.path.abspath(path.parent)
    with written(path) as part:
        return writer(part, _to_records(samples, folder, path))


def _rows(path: Path) -> Iterator[tuple[str, Any]]:
    if path.is_dir():
        raise SampleError(f"{path}: a folder; name a file in it, such as {path / 'samples.jsonl'}")
    readers = {".jsonl": _read_lines, ".parquet": _read_parquet}
    reader = readers.get(path.suffix) or _unknown_suffix(path)
    if not path.is_file():
        raise SampleError(f"{path}: no such file; `egm data convert` and `egm scenes export` make sample files")
    return reader(path)


def _unknown_suffix(path: Path) -> NoReturn:
    raise SampleError(f"{path}: unknown kind of file; sample files end in .jsonl or .parquet")


def _read_lines(path: Path) -> Iterator[tuple[str, Any]]:
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            place = f"{path}:{number}"
            try:
                yield place, json.loads(line)
            except (ValueError, RecursionError) as error:
                raise SampleError(f"{place}: not JSON ({error}); write one object a line") from error


def _read_parquet(path: Path) -> Iterator[tuple[str, Any]]:
    from pyarrow.parquet import ParquetFile

    try:
        file = ParquetFile(path)
    except parquet_errors() as error:
        raise SampleError(f"{path}: not a parquet file ({error}); write it anew with write_samples") from error
    with file:
        number, batches = 0, file.iter_batches(BATCH)
        while True:
            try:
                batch = next(batches, None)
                records = None if batch is None else batch.to_pylist()
            except parquet_errors() as error:
                raise SampleError(f"{path}: damaged after record {number} ({error}); copy it anew") from error
            if records is None:
                return
            for record in records:
                number += 1
                yield f"{path}:{number}", record


def _to_records(samples: Iterable[Sample], folder: str, path: Path) -> Iterator[dict[str, Any]]:
    """Check samples and give their records."""

    # Samples of one picture follow each other. The working folder may change between two files, not within one.
    @lru_cache(1024)
    def seen(image: str) -> str:
        return moved(image, lambda path: _seen_from(folder, os.path.abspath(path)))

    for number, sample in enumerate(samples, 1):
        image = seen(sample.image)
        record = dict(zip(FIELDS, _values(sample), strict=True))
        record["image"] = image
        if not sound(sample, image):
            from_record(record, f"{path}:{number}")
        yield record


def _seen_from(folder: str, path: str) -> str:
    """Give an absolute path as it is written in a file of a folder."""
    return path.removeprefix(folder.rstrip(os.sep) + os.sep)


def _write_lines(path: Path, records: Iterator[dict[str, Any]]) -> int:
    count = 0
    with path.open("w", encoding="utf-8") as file:
        for record in records:
            for name in _EMPTY:
                if not record[name]:
                    del record[name]
            file.write(_encode(record) + "\n")
            count += 1
    return count


def _write_parquet(path: Path, records: Iterator[dict[str, Any]]) -> int:
    import pyarrow as pa
    from pyarrow.parquet import ParquetWriter

    box, text = pa.list_(pa.float64()), pa.string()
    kinds = {
        "bbox": box,
        "amodal_bbox": box,
        "visible_fraction": pa.float64(),
        "height": pa.int64(),
        "width": pa.int64(),
        "occluders": pa.list_(text),
        "occluder_boxes": pa.list_(box),
        "depth_order": pa.int64(),
        "mirrored": pa.bool_(),
    }
    schema = pa.schema([(name, kinds.get(name, text)) for name in FIELDS])
    count = 0
    with ParquetWriter(path, schema) as writer:
        while batch := list(islice(records, BATCH)):
            writer.write_table(pa.Table.from_pylist(batch, schema))
            count += len(batch)
    return count
