"""Reads pickles that hold nothing but lists, dictionaries, texts and numbers; whatever names code is refused.

A pickle may call any function of any module when it is loaded. Files of annotations have no need to.
"""

from __future__ import annotations

import gc
import pickle
import struct
from pathlib import Path
from typing import Any, NoReturn

from egm_core.data.readers.kind import DataError, Place
from egm_core.data.readers.shared.fields import require


class _Plain(pickle.Unpickler):
    """An unpickler that knows no global at all."""

    def find_class(self, module: str, name: str) -> NoReturn:
        """Refuse every class and function."""
        raise pickle.UnpicklingError(f"it names {module}.{name}")


# What a broken pickle ends in, by its byte that is wrong; struct.error is none of the others.
_BROKEN = (
    pickle.PickleError, struct.error, EOFError, AttributeError, ImportError, LookupError, TypeError, ValueError,
    ArithmeticError, RuntimeError, MemoryError, SystemError, AssertionError,
)  # fmt: skip


def load(path: Path) -> Any:
    """Read a pickle of plain data, of Python 2 as well: its byte strings come as latin-1 texts.

    DataError where it names a class or a function, or is no whole pickle. Nothing of it has run then.
    """
    require(path)
    collects = gc.isenabled()
    # The collector would look through all that was read again and again, and finds nothing: it is no garbage.
    gc.disable()
    try:
        with path.open("rb") as file:
            return _Plain(file, encoding="latin-1").load()
    except _BROKEN as error:
        raise _refusal(path, error) from error
    finally:
        if collects:
            # Nor will it look through them later, while they are used.
            gc.freeze()
            gc.enable()


def _refusal(path: Path, error: Exception) -> DataError:
    place = Place(str(path))
    if isinstance(error, MemoryError):
        return place.error("it asks for more memory than there is; copy it anew, for a damaged one does so")
    if str(error).startswith("it names "):
        return place.error(
            f"{error}, which could run code; data need no more than lists, dictionaries, texts and numbers. Take the "
            "file of the data set's authors"
        )
    return place.error(f"no whole pickle ({type(error).__name__}: {error}); copy it anew")


def as_text(value: Any) -> Any:
    """Give a text for bytes, or for a text whose UTF-8 was read as latin-1; anything else as it is."""
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            return value.decode("latin-1")
    if isinstance(value, str) and not value.isascii():
        try:
            return value.encode("latin-1").decode("utf-8")
        except UnicodeError:
            return value
    return value


def with_text_keys(record: Any) -> Any:
    """Give a dictionary whose keys are bytes with texts in their place; anything else as it is."""
    if isinstance(record, dict) and isinstance(next(iter(record), ""), bytes):
        return {as_text(key): value for key, value in record.items()}
    return record
