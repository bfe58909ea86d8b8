"""The typed measurements of a report: values with intervals, tables of methods, metrics of groups of users.

The fields are the keys of `report.json`. Shares are between 0 and 1; intervals are 95 % intervals.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal, TypeAlias

import pydantic

from recsys_model.evaluation.intervals import Estimate

Competitors: TypeAlias = Literal["catalogue", "sampled", "given"]
CATALOGUE: Competitors = "catalogue"

LEFT_OUT = {"is_left_out_at_its_default": True}
"""Metadata of a field that is left out of the JSON at its default."""


class ReportPart:
    """Base of all parts of a report: fields are validated strictly; their docstrings go into the schema."""

    __slots__ = ()
    __pydantic_config__: ClassVar[pydantic.ConfigDict] = pydantic.ConfigDict(
        extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class MeasuredValue(ReportPart):
    """One value, with its interval if it is an estimate from a sample."""

    value: float
    """The value, in the unit of its metric; finite."""
    low: float | None
    """Lower limit of the interval, in the same unit; null for an exact value."""
    high: float | None
    """Upper limit of the interval, in the same unit; null for an exact value."""

    @classmethod
    def of(cls, estimate: Estimate) -> "MeasuredValue":
        """Return a mean over users with its interval."""
        return cls(value=estimate.value, low=estimate.low, high=estimate.high)

    @classmethod
    def exact(cls, value: float) -> "MeasuredValue":
        """Return a value without interval."""
        return cls(value=value, low=None, high=None)

    @property
    def interval(self) -> tuple[float, float] | None:
        """The two limits; None for an exact value."""
        return None if self.low is None or self.high is None else (self.low, self.high)


Metrics: TypeAlias = dict[str, MeasuredValue]
"""Maps a metric, such as `hr_at_10` or `rmse`, to its value."""
MethodMetrics: TypeAlias = dict[str, Metrics]
"""Maps a method, such as `recsysllm` or `popularity`, to its metrics."""


def measured_values(estimates: Mapping[str, Estimate]) -> dict[str, MeasuredValue]:
    """Return the estimates of several metrics as values of a report."""
    return {name: MeasuredValue.of(estimate) for name, estimate in estimates.items()}


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference(ReportPart):
    """The paired difference between the model and one other method."""

    baseline: str
    """The other method."""
    metrics: Metrics
    """The model's value minus the other's, -1 to 1; the interval is that of the paired difference."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RankingTable(ReportPart):
    """The metrics of every method under one protocol."""

    title: str
    """Title of the protocol."""
    competitors: Competitors
    """Candidate set that the held-out item is ranked in: the whole catalogue, sampled negatives, or a given table."""
    statements: tuple[str, ...]
    """Sentences on the protocol."""
    metrics: MethodMetrics
    """HR@k and NDCG@k, 0 to 1, of every method."""
    differences: tuple[Difference, ...]
    """Paired differences to each other measured method, the best by HR@10 first."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Exposure(ReportPart):
    """Exposure of the first ten items of one method, or of the items that users took."""

    coverage: float | None = field(default=None, metadata=LEFT_OUT)
    """Share of the catalogue that is shown to at least one user, 0 to 1; absent for the items that users took."""
    gini: float | None = field(default=None, metadata=LEFT_OUT)
    """Gini index of how often items are shown: 0 if all equally often, near 1 if few items fill all lists; absent for
    the items that users took."""
    mean_popularity: float
    """Training events of an item, mean over a list and then over users; at least 0."""
    long_tail_share: float
    """Share of items outside the most popular fifth of the catalogue, mean over a list and then over users; 0 to 1."""


@dataclass(frozen=True, kw_only=True, slots=True)
class UserGroup(ReportPart):
    """One group of users."""

    name: str
    """Title of the group."""
    num_users: int
    """Number of users of the group, at least 0."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GroupRates(ReportPart):
    """HR@10 of every method in groups of users.

    Raises:
        ValueError: A method does not have one value per group.
    """

    groups: tuple[UserGroup, ...]
    """The groups, in the order of an axis."""
    methods: dict[str, tuple[MeasuredValue | None, ...]]
    """Maps a method to HR@10 of each group, 0 to 1, with Wilson interval; null for a group without users."""

    def __post_init__(self) -> None:
        _require_lengths(self.methods, len(self.groups), "group")


@dataclass(frozen=True, kw_only=True, slots=True)
class HitRateCurves(ReportPart):
    """HR@k of every method over k.

    Raises:
        ValueError: A method does not have one value per k.
    """

    ks: tuple[int, ...]
    """Values of k, ascending from 1."""
    methods: dict[str, tuple[float, ...]]
    """Maps a method to HR@k for each k, 0 to 1."""

    def __post_init__(self) -> None:
        _require_lengths(self.methods, len(self.ks), "k")


@dataclass(frozen=True, kw_only=True, slots=True)
class Breakdowns(ReportPart):
    """Hit rates of the first ranking by k and by groups of users."""

    hit_rate_over_k: HitRateCurves
    """HR@k over k."""
    popularity: GroupRates
    """HR@10 by popularity of the held-out item, in tenths of the catalogue by training events; 10: most popular."""
    history: GroupRates
    """HR@10 by the number of events before the held-out one."""
    times: GroupRates | None = field(default=None, metadata=LEFT_OUT)
    """HR@10 of all users, of those whose held-out event shares its time with no other event of theirs, and of the
    others; absent in reports written before ties in time were counted."""


def _require_lengths(methods: Mapping[str, tuple[object, ...]], num_values: int, each: str) -> None:
    for method, values in methods.items():
        if len(values) != num_values:
            raise ValueError(f"{method} must have one value for each {each}, {num_values} in all, got {len(values)}")
