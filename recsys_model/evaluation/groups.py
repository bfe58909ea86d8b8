"""Hit rates of groups of users: by the popularity of what they took, by the length of their history.

Shape suffixes: U = users, N = items of the catalogue.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from recsys_model.evaluation.intervals import Estimate
from recsys_model.evaluation.metrics import hit_gains

NUM_DECILES = 10
_NORMAL_975 = 1.959963984540054  # 97.5 % quantile of the normal distribution


def wilson_interval(num_hits: int, num_users: int) -> Estimate:
    """Return the share of hits with its 95 % score interval (Wilson 1927), which is sound for few users and for no hit.

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


def length_class(num_events: int) -> tuple[int, int]:
    """Return the shortest and the longest history of the class that `num_events` is in; classes double in width.

    Example:
        >>> [length_class(n) for n in (0, 1, 2, 3, 4, 5, 9)]
        [(0, 0), (1, 1), (2, 2), (3, 4), (3, 4), (5, 8), (9, 16)]
    """
    if num_events <= 1:
        return num_events, num_events
    longest = 1 << (num_events - 1).bit_length()
    return longest // 2 + 1, longest


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
    members = [group_U == group for group in present]
    return {
        "groups": [
            {"name": names[group], "num_users": int(inside.sum())}
            for group, inside in zip(present, members, strict=True)
        ],
        "methods": {
            method: [_hit_rate(rank_U[inside_U], k) for inside_U in members] for method, rank_U in ranks.items()
        },
    }


def _hit_rate(rank_G: np.ndarray, k: int) -> dict[str, float]:
    estimate = wilson_interval(int(hit_gains(rank_G, k).sum()), len(rank_G))
    return {"value": estimate.value, "low": estimate.low, "high": estimate.high}
