"""Reads TFRecord files without TensorFlow: frames of length, checksum, bytes and checksum, each a tf.train.Example.

The package tfrecord has the message's form. Its own reader is not used: of a list of byte strings, such as an episode's
pictures, it keeps the first alone, and it looks at no checksum.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from egm_core.data.readers.kind import Place
from egm_core.data.readers.shared import fields

_DELTA = 0xA282EAD8


def examples(path: Path) -> Iterator[tuple[Place, Mapping[str, Any]]]:
    """Read the records of a file one after the other: each with its place, its features by name.

    DataError where there is no record, as in a file that was lost on its way.
    """
    from google.protobuf.message import DecodeError
    from tfrecord import example_pb2

    fields.require(path)
    with path.open("rb") as file:
        number = 0
        while head := file.read(12):
            place = Place(str(path), f"record {number}")
            data = _body(file, head, place)
            example = example_pb2.Example()
            try:
                example.ParseFromString(data)
            except DecodeError as error:
                raise place.error(f"no tf.train.Example ({error}); copy the file anew") from error
            yield place, example.features.feature
            number += 1
    if not number:
        raise fields.no_record(path)


def _body(file: Any, head: bytes, place: Place) -> bytes:
    if len(head) < 12:
        raise place.error("cut short in its length; copy the file anew")
    length, checksum = struct.unpack("<QI", head)
    if checksum != masked(head[:8]):
        raise place.error("the checksum of its length is wrong; the file is damaged, compressed or no TFRecord")
    # The length is looked at before it is read: a damaged one may be larger than any memory.
    there = os.fstat(file.fileno()).st_size - file.tell()
    if there < length + 4:
        raise place.error(f"cut short: {length} bytes are told, {there} are there; copy the file anew")
    data = file.read(length)
    tail = file.read(4)
    if struct.unpack("<I", tail)[0] != masked(data):
        raise place.error("the checksum of its bytes is wrong; copy the file anew")
    return bytes(data)


def masked(data: bytes) -> int:
    """Give the checksum of bytes as TFRecord writes it."""
    from crc32c import crc32c

    crc = int(crc32c(data))
    return ((crc >> 15 | crc << 17) + _DELTA) & 0xFFFFFFFF


def texts(features: Mapping[str, Any], name: str, place: Place) -> list[str]:
    """Give the texts of a feature; an absent one has none."""
    if name not in features:
        return []
    try:
        return [value.decode("utf-8") for value in features[name].bytes_list.value]
    except UnicodeDecodeError as error:
        raise place.error(f"{name} is no text in UTF-8 ({error}); copy the file anew") from error
