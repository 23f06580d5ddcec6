"""An encoder of RVL, written from the paper alone, number by number; for tests of the decoder."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np


def encode(values: Iterable[int]) -> bytes:
    """Encode values of 16 bits."""
    nibbles = [nibble for number in _numbers([int(value) for value in values]) for nibble in _nibbles(number)]
    nibbles += [0] * (-len(nibbles) % 8)
    words = [
        sum(nibble << (28 - 4 * place) for place, nibble in enumerate(nibbles[at : at + 8]))
        for at in range(0, len(nibbles), 8)
    ]
    return np.array(words, "<u4").tobytes()


def _numbers(values: list[int]) -> Iterator[int]:
    at, before = 0, 0
    while at < len(values):
        known = next((place for place in range(at, len(values)) if values[place]), len(values))
        end = next((place for place in range(known, len(values)) if not values[place]), len(values))
        yield known - at
        yield end - known
        for value in values[known:end]:
            step = value - before
            yield 2 * step if step >= 0 else -2 * step - 1
            before = value
        at = end


def _nibbles(number: int) -> Iterator[int]:
    while number > 7:
        yield 8 | number & 7
        number >>= 3
    yield number
