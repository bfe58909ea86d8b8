"""Count ties in time, and test whether their order follows the item ids.

A pair is two adjacent events of one user. It is tied if both have the same time, else apart. By each order of ids
(as text, by number, by a hash as the control) a pair is ascending if the later event has the larger id. Pairs of one
item, and of items without a number, are not compared.

A tie decides a target that shares its time with the event before it or after it: another order of the tie would make
another event the target. All users with enough events count, also those that `data.max_eval_users` does not draw.

On Amazon Beauty these definitions give 77,402 tied pairs, all ascending as text, 98,737 pairs apart, 45.4 % of them
ascending, and 9,719 test targets decided by a tie.

Shape suffixes: N = items of the catalogue, E = events of a bucket, P = pairs.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from recsys_platform.data.input.arrow import flatten, pc
from recsys_platform.data.numbered_items import number_items
from recsys_platform.splits import DatasetSplit, HeldOut

Keys = npt.NDArray[np.int64]
"""One sort key per item (N); -1 for none."""
HELD_OUT: tuple[HeldOut, ...] = ("valid", "test")


def build_item_keys(item_ids: Sequence[str]) -> dict[str, Keys]:
    """Return the sort keys of the items (N) by each order of ids: `text`, `number` and `hash`.

    Example:
        >>> {name: key_N.tolist() for name, key_N in build_item_keys(["i9", "i10"]).items() if name != "hash"}
        {'text': [1, 0], 'number': [9, 10]}
    """
    text_N = np.empty(len(item_ids), dtype=np.int64)
    text_N[sorted(range(len(item_ids)), key=item_ids.__getitem__)] = np.arange(len(item_ids))
    numbers = [-1 if number is None else number for number in number_items(item_ids)]
    return {
        "text": text_N,
        "number": np.array(numbers, dtype=np.int64),
        "hash": np.array([_hash(item_id) for item_id in item_ids], dtype=np.int64),
    }


def count_ties(
    users: pa.Table, item_keys: Mapping[str, Keys], min_interactions: int, dataset_split: DatasetSplit
) -> Counter[str]:
    """Return the counts of one bucket; those of several buckets add up.

    Args:
        users: Columns items and timestamps, events in order.
        item_keys: As `build_item_keys` returns them.
        min_interactions: Users with fewer events have no target.
        dataset_split: Which events are the targets.

    Returns:
        `tied` and `apart`, the pairs; for each order of ids `<order>/tied` and `<order>/apart`, the pairs compared,
        and of these `<order>/tied/ascending` and `<order>/apart/ascending`; `valid` and `test`, the targets, and of
        these `valid/decided` and `test/decided`.
    """
    left_P = _find_pairs(users)
    item_E = flatten(flatten(users["items"]).flatten()).to_numpy().astype(np.int64)
    time_E = flatten(flatten(users["timestamps"]).flatten()).to_numpy()
    is_tied_P = time_E[left_P] == time_E[left_P + 1]
    masks = {"tied": is_tied_P, "apart": ~is_tied_P}
    counts = Counter({kind: int(mask_P.sum()) for kind, mask_P in masks.items()})
    for order, key_N in item_keys.items():
        earlier_P, later_P = key_N[item_E[left_P]], key_N[item_E[left_P + 1]]
        is_compared_P = (earlier_P != later_P) & (earlier_P >= 0) & (later_P >= 0)
        for kind, mask_P in masks.items():
            counts[f"{order}/{kind}"] = int((is_compared_P & mask_P).sum())
            counts[f"{order}/{kind}/ascending"] = int((is_compared_P & mask_P & (earlier_P < later_P)).sum())
    counts.update(_count_targets(users, min_interactions, dataset_split))
    return counts


def _find_pairs(users: pa.Table) -> npt.NDArray[np.int64]:
    """Return the place of the earlier event of each pair (P) among all events of the bucket."""
    length_U = pc.list_value_length(flatten(users["items"])).to_numpy().astype(np.int64)
    has_next_E = np.ones(int(length_U.sum()), dtype=bool)
    has_next_E[np.cumsum(length_U)[length_U > 0] - 1] = False
    return np.flatnonzero(has_next_E)


def _count_targets(users: pa.Table, min_interactions: int, dataset_split: DatasetSplit) -> Counter[str]:
    counts = Counter({name: 0 for split in HELD_OUT for name in (split, f"{split}/decided")})
    for times in users["timestamps"].to_pylist():
        for split in HELD_OUT if len(times) >= min_interactions else ():
            target = dataset_split.target(times, split)
            if target is not None:
                counts[split] += 1
                counts[f"{split}/decided"] += times[target] in (*times[target - 1 : target], *times[target + 1 :][:1])
    return counts


def _hash(item_id: str) -> int:
    """Return 63 bits, so that the hash is no negative int64."""
    digest = hashlib.blake2b(item_id.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1
