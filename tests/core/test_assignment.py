"""One-to-one pairs: never worse than the best of all ways to pair, and nothing is paired that is worth nothing."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from egm_core.assignment import assigned


def best(values: np.ndarray) -> float:
    """The most that any way to pair is worth, by trying all."""
    worth = np.maximum(values if values.shape[0] <= values.shape[1] else values.T, 0.0)
    rows, columns = worth.shape
    return max(
        sum(worth[row, column] for row, column in enumerate(way))
        for way in itertools.permutations(range(columns), rows)
    )


@given(st.integers(1, 5), st.integers(1, 5), st.data())
def test_no_way_to_pair_is_worth_more(rows: int, columns: int, data: st.DataObject) -> None:
    numbers = st.lists(st.integers(-4, 9), min_size=rows * columns, max_size=rows * columns)
    values = np.array(data.draw(numbers), float).reshape(rows, columns)
    pairs = assigned(values)
    assert len({row for row, _ in pairs}) == len({column for _, column in pairs}) == len(pairs)
    assert all(values[row, column] > 0 for row, column in pairs)
    assert sum(values[row, column] for row, column in pairs) == best(values)


def test_the_best_pair_is_given_up_where_the_others_gain_more() -> None:
    assert assigned([[0.9, 0.8], [0.85, 0.0]]) == [(0, 1), (1, 0)]


def test_empty_lists_have_no_pairs_and_what_is_no_table_is_refused() -> None:
    assert assigned(np.zeros((0, 3))) == assigned(np.zeros((3, 0))) == []
    with pytest.raises(ValueError, match="finite values with a row"):
        assigned([[float("nan")]])
    with pytest.raises(ValueError, match="finite values with a row"):
        assigned([0.5])
