"""Columns of the items table against judging every cell by itself, with cells as real tables have them."""

import math
import unicodedata

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_model.entities.item_columns import build_columns
from recsys_model.entities.rules import Cap, Contains, NoneOf, NumberRange, OneOf, Rules
from recsys_model.errors import DataError

TEXTS = ["Acme", "acme", " Acme ", "Café", "Cafe\u0301", "Straße", "STRASSE", "名前", "a\tb", "🏕️ Tent", "", "  "]
TEXT_CELLS = st.one_of(
    st.none(),
    st.just(float("nan")),
    st.sampled_from(TEXTS),
    st.booleans(),
    st.lists(st.one_of(st.none(), st.sampled_from(TEXTS)), max_size=3),
    st.lists(st.sampled_from(TEXTS), max_size=3).map(tuple),
    st.lists(st.sampled_from(TEXTS), max_size=2).map(lambda texts: np.array(texts, dtype=object)),
)
NUMBERS = [0, -0.0, 1, 1.0, 2.5, -3, 1e300, 2**53, 0.1 + 0.2]
NUMBER_CELLS = st.one_of(
    st.none(),
    st.just(float("nan")),
    st.just([]),
    st.sampled_from(NUMBERS),
    st.sampled_from(NUMBERS).map(np.float64),
    st.sampled_from([0, 1, 7]).map(np.int32),
    st.sampled_from(NUMBERS).map(lambda number: [number]),
)


def texts_of(cell) -> set[str]:
    """What a cell holds, by the definition: its texts that are not blank."""
    several = list(cell) if isinstance(cell, list | tuple | np.ndarray) else [cell]
    known = [value for value in several if isinstance(value, str | bool)]
    written = [("true" if value else "false") if isinstance(value, bool) else value for value in known]
    return {plain(text) for text in written if text.strip()}


def plain(text: str) -> str:
    return unicodedata.normalize("NFC", " ".join(text.split()))


def number_of(cell) -> float | None:
    several = list(cell) if isinstance(cell, list) else [cell]
    numbers = [float(value) for value in several if value is not None and not math.isnan(value)]
    return numbers[0] if numbers else None


def text_condition(cells):
    known = sorted(set().union(*map(texts_of, cells)))
    parts = st.sampled_from(["a", "ACME", "cafÉ", "ss", "名", "tent", "b"]).map(
        lambda text: Contains(column="c", text=text)
    )
    if not known:
        return parts
    values = st.lists(st.sampled_from(known), min_size=1, max_size=3).map(tuple)
    return st.one_of(
        parts,
        values.map(lambda each: OneOf(column="c", values=each)),
        values.map(lambda each: NoneOf(column="c", values=each)),
    )


def meets(condition, cell) -> bool:
    if isinstance(condition, Contains):
        return any(plain(condition.text).casefold() in text.casefold() for text in texts_of(cell))
    has_one = bool(texts_of(cell) & set(condition.values))
    return has_one if isinstance(condition, OneOf) else not has_one


@settings(max_examples=200)
@given(st.data(), st.lists(TEXT_CELLS, min_size=1, max_size=8))
def test_a_condition_on_texts_holds_for_the_items_whose_cells_meet_it(data, cells):
    columns = build_columns({"c": cells}, len(cells))
    condition = data.draw(text_condition(cells))
    assert columns.mask(Rules(where=(condition,))).tolist() == [meets(condition, cell) for cell in cells]


@settings(max_examples=200)
@given(
    st.lists(NUMBER_CELLS, min_size=1, max_size=8),
    st.dictionaries(st.sampled_from(["at_least", "above", "at_most", "below"]), st.sampled_from(NUMBERS), min_size=1),
)
def test_a_range_holds_for_the_items_whose_number_lies_in_it(cells, bounds):
    try:
        condition = NumberRange(column="c", **bounds)
    except DataError:
        return
    columns = build_columns({"c": [5, *cells]}, len(cells) + 1)
    holds = {
        "at_least": lambda number, bound: number >= bound,
        "above": lambda number, bound: number > bound,
        "at_most": lambda number, bound: number <= bound,
        "below": lambda number, bound: number < bound,
    }
    expected = [
        (number := number_of(cell)) is not None and all(holds[name](number, bound) for name, bound in bounds.items())
        for cell in cells
    ]
    assert columns.mask(Rules(where=(condition,))).tolist()[1:] == expected


def test_numbers_are_compared_as_numbers_whatever_their_type():
    columns = build_columns({"c": [5, 5.0, np.int64(5), None, float("nan"), 6]}, 6)
    assert columns.mask(Rules(where=(OneOf(column="c", values=(5,)),))).tolist() == [
        True,
        True,
        True,
        False,
        False,
        False,
    ]
    assert columns.mask(Rules(where=(NoneOf(column="c", values=(5.0,)),))).tolist() == [False] * 3 + [True] * 3


@settings(max_examples=100)
@given(st.data(), st.lists(TEXT_CELLS, min_size=1, max_size=8), st.booleans())
def test_an_item_is_in_the_group_of_each_of_its_values_once(data, cells, extends):
    size = data.draw(st.integers(0, len(cells))) if extends else len(cells)
    columns = build_columns({"c": cells[:size]}, size).extended({"c": cells[size:]}, len(cells) - size)
    groups = columns.groups("c")
    for item, cell in enumerate(cells):
        own = groups.of(item)
        assert len(own) == len(set(own)) == len(texts_of(cell))
        for other, other_cell in enumerate(cells):
            assert len(set(own) & set(groups.of(other))) == len(texts_of(cell) & texts_of(other_cell))
        for group in own:
            members = groups.members([group]).tolist()
            assert members == sorted(members)
            assert item in members
            assert all(group in groups.of(member) for member in members)


def test_equal_numbers_are_a_group_and_missing_ones_are_in_none():
    groups = build_columns({"c": [2000, None, 2001, 2000.0, float("nan")]}, 5).groups("c")
    assert groups.of(0) == groups.of(3) != groups.of(2)
    assert groups.of(1) == groups.of(4) == []


@settings(max_examples=100)
@given(st.data(), st.lists(TEXT_CELLS, min_size=1, max_size=8))
def test_columns_that_were_extended_equal_those_that_were_built_at_once(data, cells):
    numbers = data.draw(st.lists(NUMBER_CELLS, min_size=len(cells), max_size=len(cells)))
    size = data.draw(st.integers(0, len(cells)))
    whole = build_columns({"c": cells, "n": numbers}, len(cells))
    first = build_columns({"c": cells[:size], "n": numbers[:size]}, size)
    grown = first.extended({"c": cells[size:], "n": numbers[size:]}, len(cells) - size)
    assert grown.num_items == len(cells)
    for condition in (data.draw(text_condition(cells)), NumberRange(column="n", at_least=0.5)):
        rules = Rules(where=(condition,))
        if grown.kinds[condition.column] == ("text" if condition.column == "c" else "number"):
            assert grown.mask(rules).tolist() == whole.mask(rules).tolist()


def test_a_version_stays_as_it_is_when_a_longer_one_is_made():
    first = build_columns({"brand": ["Acme"], "price": [1]}, 1)
    second = first.extended({"brand": ["Birch"]}, 1)
    assert (first.num_items, second.num_items) == (1, 2)
    assert second.mask(Rules(where=(OneOf(column="brand", values=("Birch",)),))).tolist() == [False, True]
    assert second.mask(Rules(where=(NumberRange(column="price", at_least=0),))).tolist() == [True, False]
    with pytest.raises(DataError, match=r"no item has the value 'Birch' in column 'brand'; leave it out"):
        first.mask(Rules(where=(OneOf(column="brand", values=("Birch",)),)))


def test_all_parts_of_rules_must_hold():
    columns = build_columns({"brand": ["A", "A", "B", "A"], "price": [1, 9, 1, 1]}, 4)
    where = (OneOf(column="brand", values=("A",)), NumberRange(column="price", below=5))
    assert columns.mask(Rules(where=where)).tolist() == [True, False, False, True]
    assert columns.mask(Rules(where=where, deny=(0,))).tolist() == [False, False, False, True]
    assert columns.mask(Rules(where=where, allow=(0, 1, 2), deny=(2,))).tolist() == [True, False, False, False]
    assert columns.mask(Rules()) is None
    assert columns.mask(Rules(caps=(Cap(column="brand", at_most=1),))) is None


def test_a_mask_that_is_kept_cannot_be_changed():
    mask = build_columns({"price": [1, 2]}, 2).mask(Rules(where=(NumberRange(column="price", below=2),)))
    again = build_columns({"price": [1, 2]}, 2)
    kept = again._mask_of(NumberRange(column="price", below=2))
    with pytest.raises(ValueError, match="read-only"):
        kept[0] = False
    assert mask.tolist() == [True, False]


REFUSED_CELLS = {
    "column 'c', row 1: the rows before hold numbers, got the text 'a'; give either numbers alone or texts alone": [
        1,
        "a",
    ],
    "column 'c', row 2: the rows before hold texts, got the number 1": ["a", None, 1],
    "column 'c', row 0: rules need numbers or texts, got {'a': 1} of type dict; convert it": [{"a": 1}],
    "column 'c', row 0: rules need numbers or texts, got ['a'] of type list": [[["a"]]],
    "column 'c', row 1: expected one number or nothing, got [1, 2]": [1, [1, 2]],
    "column 'c', row 0: numbers must be finite, and whole ones at most 2**53, got inf; give it as text": [float("inf")],
    "column 'c', row 0: numbers must be finite, and whole ones at most 2**53, got 9007199254740993": [2**53 + 1],
    "whole ones at most 2**53, got 1000": [10**400],
}


@pytest.mark.parametrize("message", REFUSED_CELLS)
def test_cells_that_rules_cannot_compare_are_refused_with_their_row(message):
    cells = REFUSED_CELLS[message]
    with pytest.raises(DataError) as error:
        build_columns({"c": cells}, len(cells))
    assert message in str(error.value)


COLUMNS = build_columns({"brand": ["Acme", "Birch"], "price": [1, 2]}, 2)
REFUSED_RULES = {
    "there is no column 'colour'; the columns are brand (text), price (number)": Rules(
        where=(OneOf(column="colour", values=("red",)),)
    ),
    "there is no column 'size'; the columns are": Rules(caps=(Cap(column="size", at_most=1),)),
    "no item has the value 'Acne' in column 'brand'; did you mean 'Acme'?": Rules(
        where=(OneOf(column="brand", values=("Birch", "Acne")),)
    ),
    "column 'brand' holds texts, got the number 1; give a text": Rules(where=(OneOf(column="brand", values=(1,)),)),
    "column 'brand' holds texts, which have no range": Rules(where=(NumberRange(column="brand", below=1),)),
    "column 'price' holds numbers, got the text '1'; give a number": Rules(
        where=(NoneOf(column="price", values=("1",)),)
    ),
    "column 'price' holds numbers, which contain no text; ask for a range": Rules(
        where=(Contains(column="price", text="1"),)
    ),
    "allow: items must be catalogue indices from 0 to 1, got 2": Rules(allow=(0, 2)),
    "deny: items must be catalogue indices from 0 to 1, got -1": Rules(deny=(-1,)),
}


@pytest.mark.parametrize("message", REFUSED_RULES)
def test_rules_that_do_not_fit_the_columns_are_refused(message):
    with pytest.raises(DataError) as error:
        COLUMNS.check(REFUSED_RULES[message])
    assert message in str(error.value)


def test_added_items_must_fit_the_columns():
    with pytest.raises(DataError, match="added items have the column 'colour', which the catalogue lacks"):
        COLUMNS.extended({"colour": ["red"]}, 1)
    with pytest.raises(DataError, match="column 'brand' must have one cell for each of 2 items, got 1"):
        COLUMNS.extended({"brand": ["red"]}, 2)
    with pytest.raises(DataError, match="column 'price', row 0: expected one number or nothing, got 'dear'"):
        COLUMNS.extended({"price": ["dear"]}, 1)
    with pytest.raises(DataError, match="column 'brand', row 0: expected texts or nothing, got 3"):
        COLUMNS.extended({"brand": [3]}, 1)


def test_a_column_without_values_takes_the_kind_of_the_first_ones():
    empty = build_columns({"c": [None, []]}, 2)
    assert empty.extended({"c": [5]}, 1).mask(Rules(where=(NumberRange(column="c", at_most=5),))).tolist() == [
        False
    ] * 2 + [True]
    assert empty.extended({"c": ["x"]}, 1).mask(Rules(where=(OneOf(column="c", values=("x",)),))).tolist() == [
        False,
        False,
        True,
    ]
