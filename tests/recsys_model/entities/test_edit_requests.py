"""Requests to edit a catalogue: what they become, and everything that is wrong with them."""

from typing import Any

import pytest

from recsys_model.entities.catalog import Catalog, CatalogItem
from recsys_model.entities.edit_requests import NewItem, resolve_edit, resolve_swap
from recsys_model.entities.item_columns import build_columns
from recsys_model.entities.live_catalog import CatalogEdit, live_catalog


class Letters:
    """One token a letter, the case put aside; other characters have none."""

    def encode_entity(self, text: str) -> list[int]:
        return [ord(letter) for letter in text.lower() if letter.isalnum()]


def item(item_id: str, text: str, title: str | None = None) -> CatalogItem:
    return CatalogItem(item_id, text if title is None else title, text, tuple(Letters().encode_entity(text)))


def new(item_id: str, title: str, brand: str | None = None, categories: tuple[str, ...] = ()) -> NewItem:
    return NewItem(item_id=item_id, title=title, brand=brand, categories=categories)


SHOP = live_catalog(Catalog([item("a", "Comb"), item("b", "Tent")], {}))


def edit(add: list[NewItem] | None = None, remove: list[str] | None = None, catalog: Any = SHOP) -> Any:
    return resolve_edit(catalog, add or [], remove or [], Letters(), 12)


def kinds(problems: Any) -> list[tuple]:
    assert isinstance(problems, list), problems
    return [(*problem.where, problem.kind) for problem in problems]


def test_an_item_is_added_with_its_tokens_and_another_removed():
    assert edit([new("c", " Tent  Pole ")], ["a"]) == CatalogEdit(
        removed=("a",), added=(CatalogItem("c", " Tent  Pole ", "Tent Pole", tuple(b"tentpole")),)
    )


@pytest.mark.parametrize(
    ("newcomer", "text"),
    [
        (new("c", "Tent", "Ada", ("Out", "Shelter")), "Tent (Ada)"),
        (new("c", "Tent", None, ("Out", "Dome")), "Tent (Dome)"),
        (new("c", "Tent"), "Tent (c)"),
        (new("c", "TENT"), "TENT (c)"),
    ],
)
def test_a_newcomer_with_a_title_that_is_taken_is_told_apart(newcomer: NewItem, text: str):
    assert edit([newcomer]).added[0].text == text


def test_two_newcomers_of_one_title_are_told_apart_in_their_order():
    assert [added.text for added in edit([new("c", "Hat"), new("d", "Hat")]).added] == ["Hat", "Hat (d)"]


def test_the_title_of_an_item_that_goes_is_free_for_one_that_comes_and_its_id_too():
    assert edit([new("c", "Tent")], ["b"]).added[0].text == "Tent"
    assert edit([new("b", "Tent 2")], ["b"]).added[0].text == "Tent 2"


def test_everything_that_is_wrong_is_named_at_once():
    gone = SHOP.edited([CatalogEdit(removed=("b",), added=(item("c", "Hat"),))])
    problems = edit(
        [new("a", "Cap"), new("d", "Cape"), new("d", "Capes"), new("e", "!!"), new("f", "x" * 13)],
        ["b", "nothing", "c", "c"],
        gone,
    )
    assert kinds(problems) == [
        ("remove", 0, "unknown_item"),
        ("remove", 1, "unknown_item"),
        ("remove", 3, "duplicate_id"),
        ("add", 0, "id", "duplicate_id"),
        ("add", 2, "id", "duplicate_id"),
        ("add", 3, "title", "no_tokens"),
        ("add", 4, "title", "too_long"),
    ]
    assert [problem.message.split(";")[0] for problem in problems[:2]] == [
        "'b' was removed before",
        "'nothing' is not the id of an item",
    ]


def test_a_title_that_no_suffix_makes_different_is_refused():
    class Deaf:
        def encode_entity(self, text: str) -> list[int]:
            return [1]

    shop = live_catalog(Catalog([CatalogItem("a", "Comb", "Comb", (1,))], {}))
    assert kinds(resolve_edit(shop, [new("b", "Tent")], [], Deaf(), 9)) == [("add", 0, "title", "same_tokens")]
    both = [new("a", "Comb"), new("b", "Tent")]
    assert kinds(resolve_swap(shop, both, Deaf(), 9)) == [("items", 1, "title", "same_tokens")]


def test_the_last_item_cannot_be_removed():
    assert kinds(edit(remove=["a", "b"])) == [("remove", "empty_catalog")]
    assert edit([new("c", "Hat")], ["a", "b"]).removed == ("a", "b")


def test_a_swap_touches_only_what_differs():
    found = resolve_swap(SHOP, [new("b", "Tent"), new("a", "Combs"), new("c", "Hat")], Letters(), 12)
    assert found == CatalogEdit(removed=("a",), added=(item("a", "Combs"), item("c", "Hat")))
    assert [SHOP.edited([found]).items[index].item_id for index in SHOP.edited([found]).present()] == ["b", "a", "c"]


def test_a_swap_makes_texts_unique_as_for_a_new_data_set():
    found = resolve_swap(SHOP, [new("c", "Hat", "Ada"), new("d", "Hat", "Bo")], Letters(), 12)
    assert [added.text for added in found.added] == ["Hat (Ada)", "Hat (Bo)"]


def test_a_swap_for_nothing_or_for_one_id_twice_is_refused():
    assert kinds(resolve_swap(SHOP, [], Letters(), 12)) == [("items", "empty_catalog")]
    twice = [new("c", "Hat"), new("c", "Cap")]
    assert kinds(resolve_swap(SHOP, twice, Letters(), 12)) == [("items", 1, "id", "duplicate_id")]


@pytest.mark.parametrize(
    "restocked",
    [new("c", "Comb"), new("c", "Comb", "Ada"), new("c", "Comb", "Ada", ("Hair",))],
)
def test_an_item_that_comes_back_has_the_text_and_the_index_that_it_had(restocked: NewItem):
    shop = live_catalog(Catalog([item("a", "Comb"), item("b", "Tent"), item("c", "Comb (Ada)", title="Comb")], {}))
    # the short text is free now, and yet
    without = shop.edited([edit(remove=["a", "c"], catalog=shop)])
    back = without.edited([edit([restocked], catalog=without)])
    assert (back.present(), back.items[back.index_of("c") or 0].text) == ([1, 2], "Comb (Ada)")


@pytest.mark.parametrize(
    ("described", "text"),
    [(new("c", "Comb", "Eve"), "Comb"), (new("c", "Big Comb"), "Big Comb")],
)
def test_an_item_that_comes_back_as_another_one_gets_an_index_of_its_own(described: NewItem, text: str):
    shop = live_catalog(Catalog([item("a", "Comb"), item("b", "Tent"), item("c", "Comb (Ada)", title="Comb")], {}))
    without = shop.edited([edit(remove=["a", "c"], catalog=shop)])
    back = without.edited([edit([described], catalog=without)])
    assert (back.present(), back.items[3].text) == ([1, 3], text)


def test_an_item_whose_text_was_taken_while_it_was_gone_is_told_apart():
    shop = live_catalog(Catalog([item("a", "Comb"), item("b", "Tent")], {}))
    without = shop.edited([edit([new("c", "Comb")], ["a"], catalog=shop)])
    back = without.edited([edit([new("a", "Comb")], catalog=without)])
    assert [back.items[index].text for index in back.present()] == ["Tent", "Comb", "Comb (a)"]


COLUMNS = build_columns({"brand": ["Ada", None], "price": [5, 7]}, 2)


def priced(item_id: str, title: str, brand: str | None = None, **columns: object) -> NewItem:
    return NewItem(item_id=item_id, title=title, brand=brand, columns=columns)


def test_an_added_item_has_its_values_and_its_brand_in_the_columns_of_the_catalogue():
    made = resolve_edit(SHOP, [priced("c", "Hat", "Birch", price=9)], [], Letters(), 12, (), COLUMNS)
    assert made.cells == (("c", {"brand": "Birch", "price": 9}),)
    later = SHOP.edited([made])
    assert later.cells == {2: {"brand": "Birch", "price": 9}}
    again = later.edited([CatalogEdit(removed=("c",)), CatalogEdit(added=made.added, cells=(("c", {"price": 3}),))])
    assert again.cells == {2: {"brand": "Birch", "price": 3}}


def test_a_value_that_fits_no_column_is_named():
    add = [priced("c", "Hat", price="dear"), priced("d", "Cap", colour="red")]
    problems = resolve_edit(SHOP, add, [], Letters(), 12, (), COLUMNS)
    assert kinds(problems) == [
        ("add", 0, "columns", "price", "wrong_column"),
        ("add", 1, "columns", "colour", "wrong_column"),
    ]
    assert "the columns are brand (text), price (number)" in problems[1].message


def test_a_catalogue_without_columns_takes_no_values():
    assert kinds(edit([priced("c", "Hat", price=1)])) == [("add", 0, "columns", "price", "wrong_column")]


def test_a_swap_sets_values_of_items_that_stay():
    made = resolve_swap(SHOP, [priced("a", "Comb", price=6), priced("b", "Tent")], Letters(), 12, (), COLUMNS)
    assert made == CatalogEdit(cells=(("a", {"price": 6}),))
