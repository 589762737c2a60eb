"""Costs of pools that serve one another: what each hands on to cost objects, by the step-down or reciprocal method.

References
----------
Horngren, Datar & Rajan (2015) "Cost Accounting: A Managerial Emphasis", 15th edition, chapter 15. Pearson.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from crmvalue._core.types import Array, BoolArray, IntArray
from crmvalue.errors import InputError


def output_shares(objects: Array, services: Array) -> tuple[Array, Array]:
    """Share of each pool's output that objects and each other pool use; all 0 for a pool without output."""
    output = objects + services.sum(axis=1)
    scale = np.divide(1.0, output, out=np.zeros(len(output)), where=output > 0)
    return objects * scale, services * scale[:, None]


def reciprocal(own: Array, objects: Array, services: Array, names: Sequence[object]) -> Array:
    """Return what each pool hands on to objects when all services are charged: x = own + services' x, solved."""
    to_objects, to_pools = output_shares(objects, services)
    stays = (objects + services.sum(axis=1)) <= 0
    closed = ~reaches(to_pools > 0, (to_objects > 0) | stays)
    if closed.any():
        said = ", ".join(repr(name) for name, bad in zip(names, closed, strict=True) if bad)
        raise InputError(
            f"services: {said} serve only one another, so that their cost never reaches a cost object: the equations "
            "are singular. Add a driver quantity of a cost object for one of them."
        )
    gross = np.linalg.solve(np.eye(len(own)) - to_pools.T, own)
    return np.asarray(gross * np.where(stays, 1.0, to_objects), dtype=float)


def reaches(edges: BoolArray, ends: BoolArray) -> BoolArray:
    """Whether a way along the edges leads from each pool to an end."""
    found = ends
    for _ in range(len(ends)):
        found = found | (edges & found).any(axis=1)
    return found


def step_down(own: Array, objects: Array, services: Array, order: IntArray) -> Array:
    """Return what each pool hands on to objects when pools are closed one by one and take no services after that."""
    held, handed = own.astype(float).copy(), np.zeros(len(own))
    open_pools = np.ones(len(own), dtype=bool)
    for pool in order.tolist():
        open_pools[pool] = False
        to_pools = np.where(open_pools, services[pool], 0.0)
        output = objects[pool] + to_pools.sum()
        share = to_pools / output if output > 0 else np.zeros(len(own))
        held += held[pool] * share
        handed[pool] = held[pool] * (objects[pool] / output if output > 0 else 1.0)
    return handed


def usual_order(own: Array, objects: Array, services: Array) -> IntArray:
    """Pools in the usual order of closing: the one that gives the largest share of its output to pools first."""
    _, to_pools = output_shares(objects, services)
    return np.lexsort((-own, -to_pools.sum(axis=1)))
