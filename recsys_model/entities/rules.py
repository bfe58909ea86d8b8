"""Rules of a request: which items it allows, and at most how many that share a value of a column.

Conditions and caps name columns of the items table (`item_columns.py`). A search applies rules while it searches, so an
answer has the best items under the rules; it is not a longer answer that was filtered.

An item without a value in a column (None, NaN, an empty list or text) meets no `NumberRange`, `OneOf` or `Contains` of that
column, meets every `NoneOf`, and is limited by no cap.
"""

import math
import sys
from dataclasses import dataclass

from recsys_model.errors import DataError

Value = str | float
"""A text, or a number."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NumberRange:
    """The number lies between the given bounds.

    Raises:
        DataError: no bound is given, one is not finite, or no number lies between them.
    """

    column: str
    at_least: float | None = None
    """Smallest number."""
    above: float | None = None
    """The number is larger than this."""
    at_most: float | None = None
    """Largest number."""
    below: float | None = None
    """The number is smaller than this."""

    def __post_init__(self) -> None:
        bounds = {name: getattr(self, name) for name in ("at_least", "above", "at_most", "below")}
        given = {name: bound for name, bound in bounds.items() if bound is not None}
        if not given:
            raise DataError(f"where: a range of column {self.column!r} needs a bound, one of {', '.join(bounds)}")
        for name, bound in given.items():
            if not _is_finite(bound):
                raise DataError(f"where: {name} of column {self.column!r} must be a finite number, got {bound!r}")
        lower = max((given[name] for name in ("at_least", "above") if name in given), default=-math.inf)
        upper = min((given[name] for name in ("at_most", "below") if name in given), default=math.inf)
        is_open = self.above == lower or self.below == upper
        if lower > upper or (lower == upper and is_open):
            described = ", ".join(f"{name} {bound:g}" for name, bound in given.items())
            raise DataError(f"where: no number of column {self.column!r} is {described}; correct the bounds")


@dataclass(frozen=True, kw_only=True, slots=True)
class _ValueCondition:
    """A condition on the values of a column.

    Raises:
        DataError: there is no value, or one is neither a text nor a finite number.
    """

    column: str
    values: tuple[Value, ...]
    """Texts, compared with blanks folded and in Unicode's composed form, or numbers."""

    def __post_init__(self) -> None:
        if isinstance(self.values, str) or not self.values:
            raise DataError(f"where: a condition on column {self.column!r} needs a list of values, got {self.values!r}")
        for value in self.values:
            if not isinstance(value, str) and not _is_finite(value):
                raise DataError(
                    f"where: values of column {self.column!r} must be texts or finite numbers, got {value!r}"
                )


@dataclass(frozen=True, kw_only=True, slots=True)
class OneOf(_ValueCondition):
    """The item has at least one of these values; one value is equality."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NoneOf(_ValueCondition):
    """The item has none of these values."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Contains:
    """At least one text of the item contains this text, whatever its upper and lower case.

    Raises:
        DataError: the text is blank.
    """

    column: str
    text: str

    def __post_init__(self) -> None:
        if not isinstance(self.text, str) or not self.text.strip():
            raise DataError(f"where: column {self.column!r} must contain a text that is not blank, got {self.text!r}")


Condition = NumberRange | OneOf | NoneOf | Contains


@dataclass(frozen=True, kw_only=True, slots=True)
class Cap:
    """An answer has at most so many items of each value of a column; an item with several values counts for each.

    Raises:
        DataError: the limit is not a whole number of at least 1.
    """

    column: str
    at_most: int
    """Items per value, at least 1."""

    def __post_init__(self) -> None:
        if isinstance(self.at_most, bool) or not isinstance(self.at_most, int) or self.at_most < 1:
            raise DataError(
                f"caps: at most how many items of column {self.column!r} must be a whole number of at least 1, got "
                f"{self.at_most!r}; to allow none, use a condition"
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class Rules:
    """What one request allows; an item must satisfy all of it.

    Under caps the answer is the greedy choice in order of score, of equal scores the lower catalogue index first: each next
    item is the best one that no cap forbids.

    Raises:
        DataError: two caps name one column.

    Example:
        >>> rules = Rules(where=(NumberRange(column="price", at_most=50.0),), caps=(Cap(column="brand", at_most=2),))
        >>> rules.columns
        ('price', 'brand')
    """

    allow: tuple[int, ...] | None = None
    """The only catalogue indices that are allowed; None allows all."""
    deny: tuple[int, ...] = ()
    """Catalogue indices that are not allowed."""
    where: tuple[Condition, ...] = ()
    """Conditions that every item meets."""
    caps: tuple[Cap, ...] = ()
    """Limits per value, at most one per column."""

    def __post_init__(self) -> None:
        names = [cap.column for cap in self.caps]
        repeated = [name for name in names if names.count(name) > 1]
        if repeated:
            raise DataError(f"caps: column {repeated[0]!r} must have one cap, got {names.count(repeated[0])}")

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns that the rules need, each once."""
        return tuple(dict.fromkeys([*(each.column for each in self.where), *(cap.column for cap in self.caps)]))


def _is_finite(value: object) -> bool:
    """Whether a value is an int or float that fits into a float, and no bool."""
    # integers of any size are compared exactly, so none overflows
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max
