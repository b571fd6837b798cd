"""Which belongs to which: the pairs of rows and columns that cost least together."""

import numpy as np

from edge_infer.types import Array


def assign(cost: Array, limit: float) -> tuple[Array, Array]:
    """Rows and columns of `cost (n, m)` as pairs, by row, such that all of them together cost least.

    A row without a pair costs `limit`, so that each pair costs less; infinity is a pair that cannot be. Exact: shortest
    augmenting paths, row by row. Source: Crouse, On implementing 2D rectangular assignment algorithms, 2016.
    """
    gain = np.where(cost < limit, cost - limit, np.inf)  # a row may stay alone for 0
    rows, columns = gain.shape
    if not rows or not columns:
        return np.zeros(0, np.intp), np.zeros(0, np.intp)
    # Whose best column nobody else likes best has it at once: most of them, in most frames.
    best = gain.argmin(axis=1)
    row_price = np.minimum(gain[np.arange(rows), best], 0.0)
    wished = np.bincount(best[row_price < 0], minlength=columns)
    settled = (row_price < 0) & (wished[best] == 1)
    row_price[~settled] = 0.0
    column_price = np.zeros(columns)
    owner = np.full(columns, -1)
    owner[best[settled]] = np.flatnonzero(settled)
    for row in np.flatnonzero((gain < 0).any(axis=1) & ~settled).tolist():
        _insert(row, gain, row_price, column_price, owner)
    taken = np.flatnonzero(owner >= 0)
    order = np.argsort(owner[taken])
    return owner[taken][order], taken[order]


def _insert(first: int, gain: Array, row_price: Array, column_price: Array, owner: Array) -> None:
    """Finds a place for one more row; others may have to move, and one may end up alone."""
    columns = len(owner)
    length = np.full(columns, np.inf)  # of the shortest path to each column
    source = np.full(columns, -1)  # the row from which it comes
    visited = np.zeros(columns, bool)
    row, so_far, alone, loner = first, 0.0, np.inf, first
    while True:
        if so_far - row_price[row] < alone:  # this row could stay alone
            alone, loner = so_far - row_price[row], row
        reach = so_far + gain[row] - row_price[row] - column_price
        better = ~visited & (reach < length)
        length[better], source[better] = reach[better], row
        column = int(np.where(visited, np.inf, length).argmin())
        if visited[column] or length[column] >= alone:
            end, column = alone, -1
            break
        if owner[column] < 0:
            end = length[column]
            break
        visited[column] = True
        row, so_far = int(owner[column]), length[column]
    passed = np.flatnonzero(visited)
    row_price[owner[passed]] += end - length[passed]
    column_price[passed] -= end - length[passed]
    row_price[first] += end
    if column < 0:  # the loner gives its column away, if it has one
        if loner == first:
            return
        column = int(np.flatnonzero(owner == loner)[0])
    while True:
        row = int(source[column])
        given = np.flatnonzero(owner == row)
        owner[column] = row
        if row == first:
            return
        column = int(given[0])
