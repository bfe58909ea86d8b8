"""Order the events of one user, with a rule for equal times.

The table's order is `position` if the table has it (times tie, and are coarser), else the time; the row number breaks
the remaining ties. If `position` and time contradict each other, `position` decides.

The seeded order changes only the order inside a run: adjacent events of one user with equal times. It sorts a run by a
hash of (seed, user id, item id), independent of the file and of the number of blocks. Two events with the same item in
a run have the same hash and keep the table's order.

Shape suffix: E = events.
"""

import hashlib

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from recsys_platform.data.input.arrow import flatten, pc, to_mask

ORDER_KEYS = ("user_id", "position", "timestamp", "row")


def order_events(accepted: pa.Table, item_ids: pa.Array, tie_seed: int | None = None) -> pa.Table:
    """Return accepted interactions sorted by user and, within a user, in the order of the sequence.

    Args:
        accepted: Rows in the layout of `contract.CHECKED_SCHEMA`, in any order.
        item_ids: Ids of the catalogue.
        tie_seed: Seed of the order of events with equal times; None keeps the table's order.
    """
    ordered = accepted.sort_by([(name, "ascending") for name in ORDER_KEYS]).combine_chunks()
    return ordered if tie_seed is None else _order_ties(ordered, item_ids, tie_seed)


def rank_event(seed: int, user_id: str, item_id: str) -> int:
    """Return the 64-bit rank of an event among those of the same user and time; the smallest comes first."""
    key = f"{seed}\x1f{user_id}\x1f{item_id}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(key, digest_size=8).digest(), "big")


def _order_ties(ordered: pa.Table, item_ids: pa.Array, seed: int) -> pa.Table:
    run_E = _number_runs(ordered)
    tied = np.flatnonzero(np.bincount(run_E)[run_E] > 1) if len(run_E) else run_E
    users = ordered["user_id"].take(pa.array(tied)).to_pylist()
    items = item_ids.take(flatten(ordered["item"]).take(pa.array(tied))).to_pylist()
    rank_E = np.zeros(len(run_E), dtype=np.uint64)
    rank_E[tied] = [rank_event(seed, user, item) for user, item in zip(users, items, strict=True)]
    # lexsort is stable, so equal ranks keep the table's order
    return ordered.take(pa.array(np.lexsort((rank_E, run_E)))).combine_chunks()


def _number_runs(ordered: pa.Table) -> npt.NDArray[np.int64]:
    """Return the number of the run (E) in which each event lies, ascending."""
    starts_E = np.zeros(ordered.num_rows, dtype=bool)
    for name in ("user_id", "timestamp"):
        values = flatten(ordered[name])
        starts_E[1:] |= to_mask(pc.not_equal(values[1:], values[:-1]))
    return np.cumsum(starts_E)
