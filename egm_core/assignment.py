"""Pairs the entries of two lists one to one, by what each pair is worth."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike


def assigned(values: ArrayLike) -> list[tuple[int, int]]:
    """Pair rows with columns one to one so that the values of the pairs add up to the most, by the Hungarian method.

    What is worth 0 or less is no pair. The pairs come in the order of the rows.
    """
    worth = np.asarray(values, float)
    if worth.ndim != 2 or not np.isfinite(worth).all():
        raise ValueError("give finite values with a row for each entry of one list and a column for each of the other")
    rows, columns = worth.shape
    size = max(rows, columns)
    cost = np.zeros((size, size))
    cost[:rows, :columns] = -np.maximum(worth, 0.0)
    # Index 0 is nobody. `row_of` gives the row that a column belongs to; prices keep every cost at least 0.
    row_of, price_of_row, price_of_column = [0] * (size + 1), [0.0] * (size + 1), [0.0] * (size + 1)
    for row in range(1, size + 1):
        row_of[0], column = row, 0
        least, came_from, done = [math.inf] * (size + 1), [0] * (size + 1), [False] * (size + 1)
        while row_of[column]:
            done[column], current, step, best = True, row_of[column], math.inf, 0
            for other in (number for number in range(1, size + 1) if not done[number]):
                reduced = cost[current - 1, other - 1] - price_of_row[current] - price_of_column[other]
                if reduced < least[other]:
                    least[other], came_from[other] = reduced, column
                if least[other] < step:
                    step, best = least[other], other
            for other in range(size + 1):
                if done[other]:
                    price_of_row[row_of[other]] += step
                    price_of_column[other] -= step
                else:
                    least[other] -= step
            column = best
        while column:
            row_of[column] = row_of[came_from[column]]
            column = came_from[column]
    found = sorted((row_of[column + 1] - 1, column) for column in range(columns) if row_of[column + 1] <= rows)
    return [(row, column) for row, column in found if worth[row, column] > 0]
