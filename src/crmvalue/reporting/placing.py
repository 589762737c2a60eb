"""Where things go in a picture: tiles of a map, bars of a flow, lines and labels. Arithmetic; nothing is drawn."""

from __future__ import annotations

import textwrap

import numpy as np

from crmvalue._core.types import Array, IntArray

LETTER_INCHES, LINE_INCHES = 0.09, 0.18  # of a text of 10 points


def tiles(shares: Array, width: float, height: float) -> list[tuple[float, float, float, float]]:
    """Left, bottom, width and height of tiles as large as their shares: rows along the shorter side, nearly square.

    The squarified layout of Bruls, Huizing & van Wijk (2000), for shares in falling order that add up to 1.
    """
    placed: list[tuple[float, float, float, float]] = []
    areas = (shares * width * height).tolist()
    x, y = 0.0, 0.0
    while areas:
        side = min(width, height)
        n = 1
        while n < len(areas) and worst_ratio(areas[: n + 1], side) <= worst_ratio(areas[:n], side):
            n += 1
        depth = sum(areas[:n]) / side
        at = 0.0
        for area in areas[:n]:
            length = area / depth
            placed.append((x, y + at, depth, length) if height <= width else (x + at, y, length, depth))
            at += length
        if height <= width:
            x, width = x + depth, width - depth
        else:
            y, height = y + depth, height - depth
        areas = areas[n:]
    return placed


def worst_ratio(areas: list[float], side: float) -> float:
    """Return the largest ratio of the sides of tiles that share a row along `side`."""
    depth = sum(areas) / side
    return max(max(depth * depth / area, area / (depth * depth)) for area in areas)


def fitting_lines(name: str, facts: list[str], width: float, height: float) -> tuple[list[str], int]:
    """Lines of text that fit into a tile of so many inches, the name and then facts, and how many are the name's."""
    room = int((width - 0.08) / LETTER_INCHES)
    most = int((height - 0.05) / LINE_INCHES)
    lines = textwrap.wrap(name, room, break_long_words=False) if room > 0 else []
    if not lines or max(map(len, lines)) > room or len(lines) > most:
        return [], 0
    return [*lines, *(fact for fact in facts if len(fact) <= room)][:most], len(lines)


def bar_tops(sizes: IntArray) -> Array:
    """Tops of bars below each other, with gaps that together are a seventh of all bars."""
    gap = 0.15 * sizes.sum() / max(len(sizes) - 1, 1)
    tops: Array = np.cumsum(sizes) - sizes + gap * np.arange(len(sizes))
    return tops


def spread_out(places: Array, gap: float, most: float) -> Array:
    """Move places in rising order apart, down and then up again, so that labels do not cover each other."""
    apart = gap * np.arange(len(places))
    down = np.maximum.accumulate(places - apart)
    placed: Array = np.minimum(down, most - gap / 2 - apart[-1]) + apart
    return placed
