"""Tiny tables of items with hostile cells, rules over them, and the greedy choice by going through all items."""

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from hypothesis import strategies as st

from recsys_model.entities.item_columns import ItemColumns, build_columns
from recsys_model.entities.rules import Cap, Contains, NoneOf, NumberRange, OneOf, Rules

Cells = Mapping[str, list]
NAN = float("nan")
BRANDS = st.sampled_from(["Acme", "Acme", "Café", "名前", None, NAN, ""])
CATEGORIES = st.one_of(st.none(), st.lists(st.sampled_from(["x", "y", "z", "ß"]), max_size=3))
PRICES = st.sampled_from([None, NAN, 0, 1, 2.5, -1.0])


@dataclass(frozen=True)
class Table:
    cells: Cells
    size: int

    @property
    def columns(self) -> ItemColumns:
        return build_columns(self.cells, self.size)


@st.composite
def tables(draw, size: int):
    lists = {"brand": BRANDS, "category": CATEGORIES, "price": PRICES}
    cells = {name: draw(st.lists(cell, min_size=size, max_size=size)) for name, cell in lists.items()}
    return Table(cells, size)


def values_of(cell: object) -> set[object]:
    several = cell if isinstance(cell, list) else [cell]
    return {value for value in several if value not in (None, "") and value == value}


@st.composite
def rules_of(draw, table: Table, caps: bool | None = None):
    """Rules of all kinds over a table; `caps` says whether there are caps."""
    where = []
    for name in ("brand", "category"):
        known = sorted(set().union(*map(values_of, table.cells[name])))
        if known and draw(st.booleans()):
            values = tuple(draw(st.lists(st.sampled_from(known), min_size=1, max_size=2)))
            kinds = [OneOf(column=name, values=values), NoneOf(column=name, values=values)]
            where.append(draw(st.sampled_from([*kinds, Contains(column=name, text=values[0].upper())])))
    if set().union(*map(values_of, table.cells["price"])) and draw(st.booleans()):
        bounds = [{"at_least": 0}, {"at_most": 1}, {"above": 0.5}, {"below": 2.5}, {"at_least": 0, "below": 2.5}]
        where.append(NumberRange(column="price", **draw(st.sampled_from(bounds))))
    names = draw(st.sets(st.sampled_from(["brand", "category", "price"]), min_size=int(bool(caps))))
    items = st.lists(st.integers(0, table.size - 1), max_size=table.size)
    return Rules(
        allow=draw(st.none() | items.map(tuple)),
        deny=tuple(draw(st.lists(st.integers(0, table.size - 1), max_size=2))),
        where=tuple(draw(st.lists(st.sampled_from(where), max_size=2)) if where else ()),
        caps=()
        if caps is False
        else tuple(Cap(column=name, at_most=draw(st.integers(1, 2))) for name in sorted(names)),
    )


def is_allowed(item: int, rules: Rules, table: Table) -> bool:
    listed = (rules.allow is None or item in rules.allow) and item not in rules.deny
    return listed and all(_meets(condition, table.cells[condition.column][item]) for condition in rules.where)


def _meets(condition: object, cell: object) -> bool:
    values = values_of(cell)
    if isinstance(condition, NumberRange):
        lower = [-math.inf if condition.at_least is None else condition.at_least]
        upper = [math.inf if condition.at_most is None else condition.at_most]
        return any(
            lower[0] <= number <= upper[0]
            and (condition.above is None or number > condition.above)
            and (condition.below is None or number < condition.below)
            for number in values
        )
    if isinstance(condition, Contains):
        return any(condition.text.casefold() in text.casefold() for text in values)
    assert isinstance(condition, OneOf | NoneOf)
    return bool(values & set(condition.values)) == isinstance(condition, OneOf)


def fits(item: int, chosen: Collection[int], rules: Rules, table: Table) -> bool:
    """Whether no cap forbids one more item."""
    for cap in rules.caps:
        column = table.cells[cap.column]
        counts = Counter(value for other in chosen for value in values_of(column[other]))
        if any(counts[value] >= cap.at_most for value in values_of(column[item])):
            return False
    return True


def greedy(scores: Sequence[float], k: int, rules: Rules, table: Table, without: Collection[int] = ()) -> list[int]:
    """Return the choice from all items, sorted by score and index."""
    chosen: list[int] = []
    for item in sorted(range(len(scores)), key=lambda item: (-scores[item], item)):
        if (
            len(chosen) < k
            and item not in without
            and is_allowed(item, rules, table)
            and fits(item, chosen, rules, table)
        ):
            chosen.append(item)
    return chosen
