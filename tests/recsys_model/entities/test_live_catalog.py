"""Versions of an edited catalogue, against a plain list that is edited by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys_model.entities.catalog import Catalog, CatalogItem
from recsys_model.entities.live_catalog import CatalogEdit, LiveCatalog, live_catalog
from recsys_model.errors import DataError

RED, BLUE, POLE = (
    CatalogItem("red", "Tent", "Tent (Red)", (1, 2)),
    CatalogItem("blue", "Tent", "Tent (Blue)", (1, 3)),
    CatalogItem("pole", "Pole", "Pole", (4,)),
)


POLE_X = CatalogItem("x", "Pole", "Pole", (4,))


def start(*items: CatalogItem) -> LiveCatalog:
    return live_catalog(Catalog(list(items), {"Berlin": (9,)}))


def remove(*item_ids: str) -> CatalogEdit:
    return CatalogEdit(removed=item_ids)


def add(*items: CatalogItem) -> CatalogEdit:
    return CatalogEdit(added=items)


def test_an_edit_leaves_the_version_before_it_as_it_was():
    before = start(RED, BLUE)
    after = before.edited([CatalogEdit(removed=("red",), added=(POLE,))])
    assert (before.version, before.present(), before.index_of("pole")) == (0, [0, 1], None)
    assert (after.version, after.present(), after.index_of("pole")) == (1, [1, 2], 2)
    assert after.attributes == {"Berlin": (9,)}


def test_histories_may_tell_of_an_item_that_was_removed():
    after = start(RED, POLE).edited([remove("pole")])
    assert after.find("pole") == after.find("Pole") == 1
    assert not after.has(1)


def test_a_title_means_the_one_item_that_still_has_it():
    assert start(RED, BLUE).edited([remove("red")]).find("Tent") == 1
    with pytest.raises(DataError, match="belongs to 2 items"):
        start(RED, BLUE).edited([remove("red"), add(RED)]).find("Tent")


def test_an_item_that_comes_back_unchanged_has_its_index_again_and_a_changed_one_a_new_index():
    gone = start(RED, BLUE).edited([remove("red")])
    assert gone.edited([add(RED)]).present() == [0, 1]
    changed = gone.edited([add(CatalogItem("red", "Tent 2", "Tent 2", (1, 2)))])
    assert (changed.present(), changed.find("red"), changed.find("Tent 2")) == ([1, 2], 2, 2)


def test_of_items_with_one_text_the_one_that_is_present_is_meant():
    first, second = CatalogItem("a", "Comb", "Comb", (5,)), CatalogItem("b", "Comb", "Comb", (5,))
    swap = CatalogEdit(removed=("a",), added=(second,))
    back = CatalogEdit(removed=("b",), added=(first,))
    assert start(first).edited([swap]).find("Comb") == 1
    assert start(first).edited([swap, back]).find("Comb") == 0
    assert start(first).edited([swap, back, swap]).find("Comb") == 1


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (remove("hat"), "can be removed, got 'hat'"),
        (remove("red", "red"), "can be removed, got 'red'"),
        (add(CatalogItem("red", "Hat", "Hat", (8,))), "'red', which is present"),
        (add(CatalogItem("hat", "Hat", "Hat", (1, 2))), "tokens of its own"),
        (add(CatalogItem("hat", "Hat", "Hat", ())), "tokens of its own"),
    ],
)
def test_an_edit_that_does_not_fit_is_refused(edit: CatalogEdit, message: str):
    with pytest.raises(DataError, match=message):
        start(RED, BLUE).edited([edit])


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3)), max_size=30), st.booleans())
def test_any_sequence_of_edits_gives_the_items_that_a_list_edited_by_hand_has(
    steps: list[tuple[int, int]], together: bool
):
    """A step toggles an item; its title is one of four, so items come back unchanged, changed, and with titles of others."""
    present: dict[str, CatalogItem] = {"x": POLE_X}
    edits: list[CatalogEdit] = []
    for number, title in steps:
        name = f"i{number}"
        if name in present:
            del present[name]
            edits.append(remove(name))
        elif (tokens := (7, title)) not in [item.token_ids for item in present.values()]:
            present[name] = CatalogItem(name, f"T{title}", f"T{title}", tokens)
            edits.append(add(present[name]))
    found = start(POLE_X)
    for chunk in [edits] if together else [[edit] for edit in edits]:
        found = found.edited(chunk)
    expected = present
    assert {found.items[index].item_id: found.items[index] for index in found.present()} == expected
    assert len(found) == len(expected)
    assert found.version == len(edits)
    for name, item in expected.items():
        assert found.items[found.find(name)] == found.items[found.find(item.text)] == item
