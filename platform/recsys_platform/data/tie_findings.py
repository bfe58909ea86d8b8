"""Judge the counts of ties: figures, statements and a finding.

Does the order of tied events follow the ids? In random order one pair in two is ascending. In the order in which the
events really happened the share is near that of pairs on different times, which need not be one half: users may take
old items before new ones. So a finding needs a share outside both, by three standard deviations. The standard
deviation of independent pairs is used; pairs of one run in random order vary less.

Sorted ties move the share on different times, too: the last of a sorted day has a large id and the first of the next
day a small one. On Amazon Beauty it is 45.4 % in the table's order and 55.7 % in three seeded orders.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from recsys_platform.config.input import TieOrder
from recsys_platform.data.leaks import NUM_DEVIATIONS
from recsys_platform.data.tie_counts import HELD_OUT

Direction = Literal["ascending", "descending"]
ORDERS: dict[str, str] = {"text": "item ids as text", "number": "the numbers in item ids", "hash": "a hash of item ids"}
"""Order of ids -> its name in a sentence."""


@dataclass(frozen=True, kw_only=True, slots=True)
class OrderShares:
    """How often the later of two adjacent events has the larger id, by one order of ids."""

    num_tied: int
    """Compared pairs of equal times."""
    num_tied_ascending: int
    """Those of them whose later event has the larger id."""
    num_apart: int
    """Compared pairs of different times."""
    num_apart_ascending: int
    """Those of them whose later event has the larger id."""

    @property
    def tied_share(self) -> float | None:
        """Share of ascending pairs among those of equal times; None without any."""
        return self.num_tied_ascending / self.num_tied if self.num_tied else None

    @property
    def apart_share(self) -> float | None:
        """Share of ascending pairs among those of different times; None without any."""
        return self.num_apart_ascending / self.num_apart if self.num_apart else None

    @property
    def follows(self) -> Direction | None:
        """How the order of tied events follows the ids beyond chance; None if it does not."""
        share, apart = self.tied_share, self.apart_share
        if share is None:
            return None
        expected = [(0.5, NUM_DEVIATIONS * math.sqrt(0.25 / self.num_tied))]
        if apart is not None:
            variance = apart * (1 - apart) * (1 / self.num_tied + 1 / self.num_apart)
            expected.append((apart, NUM_DEVIATIONS * math.sqrt(variance)))
        if share > max(middle + reach for middle, reach in expected):
            return "ascending"
        return "descending" if share < min(middle - reach for middle, reach in expected) else None

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        return {
            "tied": {"pairs": self.num_tied, "ascending": self.num_tied_ascending, "share": self.tied_share},
            "apart": {"pairs": self.num_apart, "ascending": self.num_apart_ascending, "share": self.apart_share},
            "follows": self.follows,
        }


def describe_ties(counts: Mapping[str, int], tie_order: TieOrder, seed: int) -> dict[str, Any]:
    """Return the entry of ties in a manifest, as plain JSON.

    Args:
        counts: Sums of `tie_counts.count_ties` over all buckets.
        tie_order: The setting `data.tie_order`.
        seed: Seed of the run.

    Returns:
        `order`, the setting; `pairs`, tied and apart; `orders`, `OrderShares` by order of ids; `targets`, by split all
        and those that a tie decides; `statements` in words, and `finding`, a sentence, or None without a finding.
    """
    shares = {order: _shares(counts, order) for order in ORDERS}
    targets: dict[str, dict[str, int]] = {
        split: {"all": counts.get(split, 0), "decided": counts.get(f"{split}/decided", 0)} for split in HELD_OUT
    }
    pairs = {kind: counts.get(kind, 0) for kind in ("tied", "apart")}
    statements = [_describe_counts(pairs, targets)]
    if tie_order == "seeded":
        statements.append(
            f"Events of a user with equal times are ordered by a hash of (seed {seed}, user id, item id), not as in the "
            "table (data.tie_order: seeded)."
        )
    return {
        "order": tie_order,
        "pairs": pairs,
        "orders": {order: share.to_dict() for order, share in shares.items()},
        "targets": targets,
        "statements": statements,
        "finding": _describe_finding(shares, tie_order),
    }


def _shares(counts: Mapping[str, int], order: str) -> OrderShares:
    return OrderShares(
        num_tied=counts.get(f"{order}/tied", 0),
        num_tied_ascending=counts.get(f"{order}/tied/ascending", 0),
        num_apart=counts.get(f"{order}/apart", 0),
        num_apart_ascending=counts.get(f"{order}/apart/ascending", 0),
    )


def _describe_counts(pairs: Mapping[str, int], targets: Mapping[str, Mapping[str, int]]) -> str:
    if pairs["tied"] == 0:
        return "No two adjacent events of a user have the same time."
    decided = " and ".join(
        f"{targets[split]['decided']:,} of {targets[split]['all']:,} {name} targets"
        for split, name in (("valid", "validation"), ("test", "test"))
    )
    return (
        f"{pairs['tied']:,} of {sum(pairs.values()):,} adjacent pairs of a user's events have the same time; "
        f"the order of these ties decides {decided}."
    )


def _describe_finding(shares: Mapping[str, OrderShares], tie_order: TieOrder) -> str | None:
    """Return one sentence on the order of ids that ties follow most clearly; the hash is the control, not a finding."""
    followed = [order for order, each in shares.items() if each.follows is not None and order != "hash"]
    if not followed:
        return None
    order = max(followed, key=lambda name: abs((shares[name].tied_share or 0.0) - 0.5))
    share = shares[order]
    apart = "" if share.apart_share is None else f", {share.apart_share:.1%} of pairs with different times"
    control = "" if shares["hash"].tied_share is None else f" and {shares['hash'].tied_share:.1%} by a hash of the ids"
    way_out = "; data.tie_order: seeded orders them by a hash instead" if tie_order == "table" else ""
    return (
        f"The order of events with equal times follows {ORDERS[order]}: {share.tied_share:.1%} of "
        f"{share.num_tied:,} such pairs are ascending{apart}{control}. A model that knows the ids can learn this order{way_out}."
    )
