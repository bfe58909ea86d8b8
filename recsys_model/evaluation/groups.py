"""Hit rates of user groups: by popularity of the target, length of the history, ties in time.

Shape suffixes: U = users, N = items of the catalogue.
"""

import collections
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from recsys_model.evaluation.intervals import Estimate
from recsys_model.evaluation.metrics import hit_gains

NUM_DECILES = 10
MAX_LENGTH_GROUPS = 8
_NORMAL_975 = 1.959963984540054  # 97.5 % quantile of the normal distribution


def wilson_interval(num_hits: int, num_users: int) -> Estimate:
    """Return the share of hits with its 95 % score interval (Wilson 1927), which is valid for few users and for no hit.

    A bootstrap of a group without any hit would claim an interval of width zero.

    Example:
        >>> estimate = wilson_interval(0, 10)
        >>> estimate.value, estimate.low, round(estimate.high, 4)
        (0.0, 0.0, 0.2775)
    """
    share, z = num_hits / num_users, _NORMAL_975
    middle = share + z * z / (2 * num_users)
    reach = z * math.sqrt(share * (1 - share) / num_users + z * z / (4 * num_users * num_users))
    scale = 1 + z * z / num_users
    low = 0.0 if num_hits == 0 else (middle - reach) / scale
    high = 1.0 if num_hits == num_users else (middle + reach) / scale
    return Estimate(value=share, low=low, high=high)


def popularity_deciles(popularity_N: np.ndarray) -> np.ndarray:
    """Return the tenth of the catalogue, 1 (least popular) to 10, in which each item (N) lies; ties by catalogue index.

    Example:
        >>> popularity_deciles(np.array([50, 10, 40, 20, 30])).tolist()
        [9, 1, 7, 3, 5]
    """
    place_N = np.empty(len(popularity_N), dtype=np.int64)
    place_N[np.argsort(popularity_N, kind="stable")] = np.arange(len(popularity_N))
    return place_N * NUM_DECILES // len(popularity_N) + 1


def length_groups(lengths: Sequence[int], max_groups: int = MAX_LENGTH_GROUPS) -> list[tuple[int, int]]:
    """Return the shortest and longest history of each group, ascending; groups hold about equally many users.

    Users with the same length stay together, so groups may be fewer, and some larger.

    Example:
        >>> length_groups([4, 4, 4, 4, 5, 6, 7, 90], max_groups=4)
        [(4, 4), (5, 6), (7, 90)]
    """
    smallest = math.ceil(len(lengths) / max_groups)
    groups: list[tuple[int, int]] = []
    low, size = None, 0
    for length, count in sorted(collections.Counter(lengths).items()):
        low, size = length if low is None else low, size + count
        if size >= smallest:
            groups.append((low, length))
            low, size = None, 0
    if low is not None:
        groups.append((low, max(lengths)))
    return groups


def hit_rates(
    groups: Sequence[int], names: Mapping[int, str], ranks: Mapping[str, np.ndarray], k: int
) -> dict[str, Any]:
    """Return HR@k of every method in every group that has a user.

    Args:
        groups: the group of each user (U).
        names: group -> its name; the order of the result is ascending by group.
        ranks: method -> rank of each user's item (U), 0 where it was not returned.
        k: places that count.

    Returns:
        `groups`, a list of `{"name", "num_users"}`, and `methods`, method -> one `{"value", "low", "high"}` a group.
    """
    group_U = np.asarray(groups)
    present = sorted(set(group_U.tolist()))
    return member_hit_rates([(names[group], group_U == group) for group in present], ranks, k)


def member_hit_rates(
    members: Sequence[tuple[str, np.ndarray]], ranks: Mapping[str, np.ndarray], k: int
) -> dict[str, Any]:
    """Return HR@k of every method in groups that may overlap.

    Args:
        members: name of each group and whether each user (U) is in it.
        ranks: as for `hit_rates`.
        k: places that count.

    Returns:
        As `hit_rates` does; the entry of a group without a user is None.
    """
    return {
        "groups": [{"name": name, "num_users": int(inside_U.sum())} for name, inside_U in members],
        "methods": {
            method: [_hit_rate(rank_U[inside_U], k) if inside_U.any() else None for _, inside_U in members]
            for method, rank_U in ranks.items()
        },
    }


def _hit_rate(rank_G: np.ndarray, k: int) -> dict[str, float]:
    estimate = wilson_interval(int(hit_gains(rank_G, k).sum()), len(rank_G))
    return {"value": estimate.value, "low": estimate.low, "high": estimate.high}
