"""What is to be known of a vendor's batch files."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from egm_core.asking.job import Answer, Job, Message, ReadPicture
from egm_core.engines.http.sse import excerpt
from egm_core.engines.pictures import data_url

# Half of a photograph's size as PNG is a quarter of it as JPEG, and a file holds so many bytes.
FORM: Any = "jpeg"


@dataclass(frozen=True)
class Row:
    """A result and the vendor that it came from."""

    vendor: str
    answer: Answer


@dataclass(frozen=True)
class Vendor:
    """A vendor's files: their limits, how a question is written, and how a result is recognised and read.

    `around` is how many bytes a file has beside its rows, and `remedy` says how to send it.
    """

    name: str
    most_rows: int
    most_bytes: int
    suffix: str
    around: int
    remedy: str
    row: Callable[[Job, str, ReadPicture], dict[str, Any]]
    joined: Callable[[Iterable[bytes]], bytes]
    knows: Callable[[Any], bool]
    read: Callable[[Any], Answer]


def told_error(error: Any, kind: str) -> str:
    """Give the words of a row's error: an object with its kind and message, or what else stands there."""
    if isinstance(error, dict):
        return f"{error.get(kind)}: {error.get('message')}"
    return excerpt(str(error))


def counts(told: dict[str, Any]) -> dict[str, Any]:
    """Give the tokens that an answer tells of; none where they are no object."""
    found = told.get("usage")
    return found if isinstance(found, dict) else {}


def with_pictures(message: Message, read: ReadPicture, part: Callable[[str], Message]) -> Message:
    """Write a message with its pictures; `part` makes one of a data URL."""
    if isinstance(message["content"], str):
        return message
    content = [
        part(data_url(read(each["picture"]), FORM)) if each["type"] == "picture" else each
        for each in message["content"]
    ]
    return {**message, "content": content}
