"""Published results of well trained sequential models, for comparison with own baselines.

A data set is recognised by its numbers of users, items and events. Figures hold under one protocol: leave-one-out with
the events in the published order, the target ranked against the whole catalogue without the items of the history, the
validation event part of the test history.

Sources:
    Beauty and Toys: 5-core reviews of Amazon until 2014 in the order of S3-Rec (arXiv 2008.07873) and P5
        (arXiv 2203.13366).
    SASRec and the last item alone: public training logs of a SASRec with the softmax over all items (hidden size 64,
        2 blocks, 1 head, dropout 0.6, histories of 50, at most 200 passes, the best by validation NDCG@10), on these
        events and under this protocol; the range is that of five seeds.
    BSARec (arXiv 2312.10325): a public leaderboard of the same pipeline, mean of five seeds. It is not a
        baseline here, only an orientation.
"""

from collections.abc import Mapping
from dataclasses import dataclass

_LOGS = "public logs of five seeds, softmax over all items"
_LEADERBOARD = "public leaderboard, five seeds"


@dataclass(frozen=True, kw_only=True, slots=True)
class PublicFigure:
    """The range of one metric over published runs."""

    low: float
    """Worst run."""
    high: float
    """Best run; equal to `low` where one figure is known."""
    source: str
    """Where it is from, in words."""

    def __str__(self) -> str:
        return f"{self.low:.4f}" if self.low == self.high else f"{self.low:.4f} to {self.high:.4f}"


@dataclass(frozen=True, kw_only=True, slots=True)
class PublicDataset:
    """A published data set and published results on it."""

    name: str
    """Its name in reports."""
    num_users: int
    """Users with events."""
    num_items: int
    """Items of the catalogue."""
    num_events: int
    """Events of all users, held-out ones included."""
    figures: Mapping[str, Mapping[str, PublicFigure]]
    """Model -> metric -> figure."""
    orientation: Mapping[str, Mapping[str, PublicFigure]]
    """The same for models that are no baselines here, by their name in reports."""


def _figures(source: str, hr: tuple[float, float], ndcg: tuple[float, float]) -> dict[str, PublicFigure]:
    return {
        name: PublicFigure(low=low, high=high, source=source)
        for name, (low, high) in (("hr_at_10", hr), ("ndcg_at_10", ndcg))
    }


PUBLIC_DATASETS = (
    PublicDataset(
        name="Amazon Beauty (2014, 5-core)",
        num_users=22_363,
        num_items=12_101,
        num_events=198_502,
        figures={
            "sasrec": _figures(_LOGS, (0.0977, 0.0994), (0.0591, 0.0601)),
            "last_item": _figures(_LOGS, (0.0850, 0.0850), (0.0526, 0.0526)),
        },
        orientation={"BSARec": _figures(_LEADERBOARD, (0.1004, 0.1004), (0.0609, 0.0609))},
    ),
    PublicDataset(
        name="Amazon Toys (2014, 5-core)",
        num_users=19_412,
        num_items=11_924,
        num_events=167_597,
        figures={},
        orientation={"BSARec": _figures(_LEADERBOARD, (0.1050, 0.1050), (0.0650, 0.0650))},
    ),
)
"""All recognised data sets."""


def recognise(num_users: int, num_items: int, num_events: int) -> PublicDataset | None:
    """Return the published data set with exactly these counts, None without one.

    Example:
        >>> recognise(19_412, 11_924, 167_597).name, recognise(19_412, 11_924, 167_596)
        ('Amazon Toys (2014, 5-core)', None)
    """
    counts = (num_users, num_items, num_events)
    return next((each for each in PUBLIC_DATASETS if (each.num_users, each.num_items, each.num_events) == counts), None)
