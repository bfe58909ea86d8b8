"""Audit HR and NDCG figures: can a ranking with one positive per case have them?

A case is a hit at one rank r, or none. A hit counts 1 in HR@k and 1 / log2(r + 1) in NDCG@k for every k >= r. Let H and
N be HR and NDCG at a cut-off j. Hits at the ranks j+1 .. k add to H some d >= 0, and to N anything between d / log2(k +
1), all at rank k, and d / log2(j + 2), all at rank j + 1: the points (H, N) that are possible at k are those possible
at j plus a cone, cut off at H = 1. A given figure cuts this region to the strip of its rounding. The rest is a convex
polygon. It is empty exactly if no ranking has these figures; before a cut, its extent is the exact bound on the next
figure, given all earlier ones.

Nothing is assumed about the number of cases: shares are real numbers.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Literal

from recsys_model.errors import DataError

Kind = Literal["hr", "ndcg"]
Point = tuple[float, float]
"""HR and NDCG at one cut-off."""

FIGURE_NAME = re.compile(r"(hr|ndcg)@([1-9][0-9]*)")
SLACK = 1e-9
"""Room for the arithmetic of floats, on both sides of every figure."""
_AXIS: dict[Kind, int] = {"hr": 0, "ndcg": 1}


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """One number of a table."""

    text: str
    """As printed."""
    value: float
    """Its value."""
    half_unit: float
    """Half a unit of its last digit: the largest rounding error."""
    digits: int | None = None
    """Digits behind the point; None for a computed value, which is not rounded."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Broken:
    """The bound that a row breaks."""

    name: str
    """The figure, such as `ndcg@5`."""
    text: str
    """Its value as printed."""
    is_above: bool
    """Whether it is above the range; else it is below."""
    low: float
    """Smallest possible value, given the figures of `given`."""
    high: float
    """Largest possible value."""
    given: tuple[str, ...]
    """Names and values of the figures that the bound follows from, as printed."""

    def __str__(self) -> str:
        name = self.name.upper()
        bound = f"exceed {self.high:.4f}" if self.is_above else f"be below {self.low:.4f}"
        given = f"{', '.join(self.given)}, " if self.given else ""
        return f"{name} {self.text} cannot {bound}, given {given}one positive per case and their rounding"


def parse_figure(text: str, digits: int | None = None) -> Figure:
    """Read a printed figure; its number of digits gives its rounding error.

    Args:
        text: The figure as it stands in a table.
        digits: Digits behind the point that it was rounded to, where zeros at its end may have been dropped.

    Raises:
        DataError: it is no decimal number, or has more digits than `digits`.

    Example:
        >>> parse_figure("0.0508")
        Figure(text='0.0508', value=0.0508, half_unit=5e-05, digits=4)
        >>> parse_figure("0.033", digits=4)
        Figure(text='0.0330', value=0.033, half_unit=5e-05, digits=4)
    """
    try:
        number = Decimal(text.strip())
    except InvalidOperation as error:
        raise DataError(
            f"a figure must be a decimal number such as 0.0508, got {text!r}; leave unknown ones empty"
        ) from error
    exponent = number.as_tuple().exponent
    if not isinstance(exponent, int):
        raise DataError(f"a figure must be a finite number such as 0.0508, got {text!r}; leave unknown ones empty")
    own_digits = -exponent
    if digits is None or digits == own_digits:
        return Figure(
            text=text.strip(),
            value=float(number),
            half_unit=float(Decimal(5).scaleb(exponent - 1)),
            digits=own_digits,
        )
    if own_digits > digits:
        raise DataError(f"a figure must have at most the {digits} digits asked for, got {text!r}; ask for {own_digits}")
    return parse_figure(f"{number:.{digits}f}")


def exact_figures(values: Mapping[str, float]) -> dict[str, Figure]:
    """Return computed values, such as `hr_at_5`, as figures without rounding."""
    return {
        name.replace("_at_", "@"): Figure(text=f"{value:.6f}", value=value, half_unit=0.0)
        for name, value in values.items()
    }


def check_possible(method: str, values: Mapping[str, float]) -> None:
    """Refuse computed metrics, such as `hr_at_5`, that no ranking with one positive per case can have.

    Raises:
        DataError: with the bound that is broken.
    """
    broken = find_broken_bound(exact_figures(values))
    if broken is not None:
        raise DataError(f"the figures of {method} cannot be reported: {broken}; the ranks behind them are wrong")


def find_broken_bound(figures: Mapping[str, Figure]) -> Broken | None:
    """Return the first figure, by cut-off and HR before NDCG, that does not fit those before it; None if all fit.

    Raises:
        DataError: a figure is not called `hr@K` or `ndcg@K`.
    """
    polygon: list[Point] = [(0.0, 0.0)]
    reached = 0
    given: list[str] = []
    for k, kind, figure in _in_order(figures):
        polygon = _with_hits(polygon, reached, k)
        reached = k
        axis = _AXIS[kind]
        low, high = (bound(point[axis] for point in polygon) for bound in (min, max))
        room = figure.half_unit + SLACK
        remaining = _clip(_clip(polygon, axis, figure.value - room, 1.0), axis, figure.value + room, -1.0)
        if not remaining:
            is_above = figure.value > high
            return Broken(
                name=f"{kind}@{k}", text=figure.text, is_above=is_above, low=low, high=high, given=tuple(given)
            )
        polygon = remaining
        given.append(f"{kind.upper()}@{k} {figure.text}")
    return None


def _in_order(figures: Mapping[str, Figure]) -> Iterator[tuple[int, Kind, Figure]]:
    ordered: list[tuple[int, Kind, Figure]] = []
    for name, figure in figures.items():
        match = FIGURE_NAME.fullmatch(name)
        if match is None:
            raise DataError(f"a figure must be called hr@K or ndcg@K, K at least 1, got {name!r}")
        ordered.append((int(match[2]), "hr" if match[1] == "hr" else "ndcg", figure))
    yield from sorted(ordered, key=lambda entry: entry[:2])


def _with_hits(polygon: Sequence[Point], reached: int, k: int) -> list[Point]:
    """Add all possible hits at the ranks `reached + 1 .. k`; HR stays at most 1."""
    if k == reached:
        return list(polygon)
    least, most = 1.0 / math.log2(k + 1), 1.0 / math.log2(reached + 2)
    moved = [(h + d, n + d * gain) for h, n in polygon for d, gain in ((0.0, 0.0), (1.0, least), (1.0, most))]
    return _clip(_hull(moved), 0, 1.0 + SLACK, -1.0)


def _clip(polygon: Sequence[Point], axis: int, bound: float, side: float) -> list[Point]:
    """Cut a convex polygon at `bound` on one axis; side 1.0 keeps what is above, -1.0 what is below."""
    kept: list[Point] = []
    for before, point in zip([*polygon[-1:], *polygon[:-1]], polygon, strict=True):
        distance_before, distance = side * (before[axis] - bound), side * (point[axis] - bound)
        if (distance_before < 0.0) != (distance < 0.0):
            share = distance_before / (distance_before - distance)
            kept.append((before[0] + share * (point[0] - before[0]), before[1] + share * (point[1] - before[1])))
        if distance >= 0.0:
            kept.append(point)
    return kept


def _hull(points: Sequence[Point]) -> list[Point]:
    """Return the convex hull, counter-clockwise (Andrew's monotone chain)."""
    ordered = sorted(set(points))
    if len(ordered) < 3:
        return ordered
    return _half_hull(ordered)[:-1] + _half_hull(ordered[::-1])[:-1]


def _half_hull(ordered: Sequence[Point]) -> list[Point]:
    chain: list[Point] = []
    for point in ordered:
        while len(chain) > 1 and _turn(chain[-2], chain[-1], point) <= 0.0:
            chain.pop()
        chain.append(point)
    return chain


def _turn(a: Point, b: Point, c: Point) -> float:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
