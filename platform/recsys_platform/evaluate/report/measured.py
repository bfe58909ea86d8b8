"""The measured figures of a report, typed: values with intervals, tables of methods, figures of groups of users.

The fields are the keys of `report.json`. Every share is between 0 and 1, every interval is of 95 %.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal, TypeAlias

import pydantic

from recsys_model.evaluation.intervals import Estimate

Competitors: TypeAlias = Literal["catalogue", "sampled", "given"]
CATALOGUE: Competitors = "catalogue"

LEFT_OUT = {"is_left_out_at_its_default": True}
"""Metadata of a field that the JSON lacks where it has its default."""


class Part:
    """A part of a report: its fields are checked strictly, and their docstrings are descriptions of the schema."""

    __slots__ = ()
    __pydantic_config__: ClassVar[pydantic.ConfigDict] = pydantic.ConfigDict(
        extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class MeasuredValue(Part):
    """One figure, with its interval where there is a sample behind it."""

    value: float
    """The figure, in the unit of its metric; finite."""
    low: float | None
    """Lower limit of the interval, in the same unit; null where the figure is exact."""
    high: float | None
    """Upper limit of the interval, in the same unit; null where the figure is exact."""

    @classmethod
    def of(cls, estimate: Estimate) -> "MeasuredValue":
        """Return a mean over users with its interval."""
        return cls(value=estimate.value, low=estimate.low, high=estimate.high)

    @classmethod
    def exact(cls, value: float) -> "MeasuredValue":
        """Return a figure that has no interval."""
        return cls(value=value, low=None, high=None)

    @property
    def interval(self) -> tuple[float, float] | None:
        """The two limits; None where the figure is exact."""
        return None if self.low is None or self.high is None else (self.low, self.high)


Metrics: TypeAlias = dict[str, MeasuredValue]
"""Metric, such as `hr_at_10` or `rmse` -> figure."""
MethodMetrics: TypeAlias = dict[str, Metrics]
"""Method, such as `recsysllm` or `popularity` -> its figures."""


def measured_values(estimates: Mapping[str, Estimate]) -> dict[str, MeasuredValue]:
    """Return the estimates of several metrics as figures of a report."""
    return {name: MeasuredValue.of(estimate) for name, estimate in estimates.items()}


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference(Part):
    """How far the model lies from one other method; both are compared user by user."""

    baseline: str
    """The other method."""
    metrics: Metrics
    """The model's figure minus the other's, -1 to 1; the interval is that of the paired difference."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RankingTable(Part):
    """How well every method ranks the held-out items under one protocol."""

    title: str
    """The protocol, as a reader meets it."""
    competitors: Competitors
    """What a held-out item has to beat: the whole catalogue, drawn negatives, or candidates of a table."""
    statements: tuple[str, ...]
    """Sentences on the protocol."""
    metrics: MethodMetrics
    """HR@k and NDCG@k, 0 to 1, of every method."""
    differences: tuple[Difference, ...]
    """The model against each other method that was measured, the best by HR@10 first."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Exposure(Part):
    """What one method puts among its ten best items, or what the users took."""

    coverage: float | None = field(default=None, metadata=LEFT_OUT)
    """Share of the catalogue that at least one user is shown, 0 to 1; absent for what the users took."""
    gini: float | None = field(default=None, metadata=LEFT_OUT)
    """Gini index of how often items are shown: 0 if all equally often, near 1 if few items fill all lists; absent for
    what the users took."""
    mean_popularity: float
    """Training events of an item, mean over a list and then over users; at least 0."""
    long_tail_share: float
    """Share of items outside the most popular fifth of the catalogue, mean over a list and then over users; 0 to 1."""


@dataclass(frozen=True, kw_only=True, slots=True)
class UserGroup(Part):
    """One group of users."""

    name: str
    """The group, as a reader meets it."""
    num_users: int
    """Users of the group, at least 0."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GroupRates(Part):
    """HR@10 of every method in groups of users.

    Raises:
        ValueError: a method has another number of figures than there are groups.
    """

    groups: tuple[UserGroup, ...]
    """The groups, in the order of an axis."""
    methods: dict[str, tuple[MeasuredValue | None, ...]]
    """Method -> HR@10 of each group, 0 to 1, with Wilson's interval; null for a group without users."""

    def __post_init__(self) -> None:
        _require_lengths(self.methods, len(self.groups), "group")


@dataclass(frozen=True, kw_only=True, slots=True)
class HitRateCurves(Part):
    """HR@k of every method over k.

    Raises:
        ValueError: a method has another number of figures than there are values of k.
    """

    ks: tuple[int, ...]
    """Values of k, ascending from 1."""
    methods: dict[str, tuple[float, ...]]
    """Method -> HR@k for each k, 0 to 1."""

    def __post_init__(self) -> None:
        _require_lengths(self.methods, len(self.ks), "k")


@dataclass(frozen=True, kw_only=True, slots=True)
class Breakdowns(Part):
    """Where the methods hit: figures of the first ranking, taken apart."""

    hit_rate_over_k: HitRateCurves
    """HR@k over k."""
    popularity: GroupRates
    """HR@10 by the tenth of the catalogue that the held-out item is in, by training events; 10 is the most popular."""
    history: GroupRates
    """HR@10 by the number of events before the held-out one."""
    times: GroupRates | None = field(default=None, metadata=LEFT_OUT)
    """HR@10 of all users, of those whose held-out event shares its time with no other event of theirs, and of the
    others; absent in reports from before ties in time were counted."""


def _require_lengths(methods: Mapping[str, tuple[object, ...]], num_places: int, place: str) -> None:
    for method, figures in methods.items():
        if len(figures) != num_places:
            raise ValueError(f"{method} must have one figure for each {place}, {num_places} in all, got {len(figures)}")
