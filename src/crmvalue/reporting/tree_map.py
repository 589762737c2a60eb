"""Where the rectangles of a tree map lie: areas in proportion to amounts, and shapes as near to squares as they get.

References
----------
Bruls, Huizing & van Wijk (2000) "Squarified treemaps", Data Visualization 2000, 33-42.
DOI 10.1007/978-3-7091-6783-0_4.
"""

from __future__ import annotations

from typing import NamedTuple


class Box(NamedTuple):
    """A rectangle; y grows downwards."""

    x: float  # left
    y: float  # top
    width: float
    height: float

    def inside(self, *, left: float = 0.0, top: float = 0.0, right: float = 0.0, bottom: float = 0.0) -> Box:
        """Return what is left between these margins, at least nothing."""
        width, height = max(self.width - left - right, 0.0), max(self.height - top - bottom, 0.0)
        return Box(self.x + left, self.y + top, width, height)


def squarified(amounts: list[float], box: Box) -> list[Box]:
    """Return one rectangle for each amount (above 0, largest first): together they fill the box.

    Rows are laid along the shorter side; a row takes the next amount as long as its worst shape gets no worse.
    """
    left, free, found = list(amounts), box, list[Box]()
    while left:
        scale = free.width * free.height / sum(left)
        side = min(free.width, free.height)
        n = next(
            (n for n in range(1, len(left)) if worst(left[: n + 1], scale, side) > worst(left[:n], scale, side)),
            len(left),
        )
        row, left = left[:n], left[n:]
        found += laid(row, free, scale)
        depth = thickness(row, scale, side)
        free = free.inside(left=depth) if free.width >= free.height else free.inside(top=depth)
    return found


def thickness(row: list[float], scale: float, side: float) -> float:
    """How far a row of amounts reaches into the box."""
    return sum(row) * scale / side if side > 0 else 0.0


def worst(row: list[float], scale: float, side: float) -> float:
    """Largest ratio of the sides among the rectangles of a row, 1 if all are squares."""
    depth = thickness(row, scale, side)
    lengths = (row[0] * scale / depth, row[-1] * scale / depth) if depth > 0 else (1.0,)
    return max(max(depth / length, length / depth) if depth > 0 and length > 0 else float("inf") for length in lengths)


def laid(row: list[float], free: Box, scale: float) -> list[Box]:
    """Lay a row along the shorter side of what is free: from top to bottom, or from left to right."""
    is_wide = free.width >= free.height
    depth = thickness(row, scale, min(free.width, free.height))
    found, reached = list[Box](), 0.0
    for amount in row:
        length = amount * scale / depth if depth > 0 else 0.0
        found.append(
            Box(free.x, free.y + reached, depth, length) if is_wide else Box(free.x + reached, free.y, length, depth)
        )
        reached += length
    return found
