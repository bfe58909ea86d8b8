"""Tokens of the texts that make an item's vector: which they are, on disk, and for items of an edit."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys_model.entities.catalog import (
    Catalog,
    CatalogItem,
    build_catalog,
    encode_words,
    load_catalog,
    texts_of_fields,
)
from recsys_model.entities.edit_requests import NewItem, resolve_edit, resolve_swap
from recsys_model.entities.live_catalog import CatalogEdit, LiveCatalog, live_catalog

FIELDS = ("title", "brand", "categories")


class Letters:
    """One token a letter, with a 0 before each text, so that two words are not one text."""

    def encode_entity(self, text: str) -> list[int]:
        return [0, *(ord(letter) for letter in text.lower() if letter.isalnum())]


def words(*texts: str) -> tuple[int, ...]:
    return tuple(token for word in texts for token in Letters().encode_entity(word))


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (["title"], ("Red Tent",)),
        (["description", "title"], ("For two.", "Red Tent")),
        (["title", "brand", "categories", "description"], ("Red Tent", "Ada", "Garden", "Tents", "For two.")),
        (["categories", "title", "brand"], ("Garden", "Tents", "Red Tent", "Ada")),
    ],
)
def test_texts_stand_in_the_order_of_the_fields(fields: list[str], expected: tuple[str, ...]) -> None:
    assert texts_of_fields(fields, "Red Tent", "Ada", ["Garden", "Tents"], "For two.") == expected


def test_what_an_item_does_not_have_is_left_out() -> None:
    every = ["title", "brand", "categories", "description"]
    assert texts_of_fields(every, "", None, []) == ()
    assert texts_of_fields(every, "Tent", "", ["", "Tents"], None) == ("Tent", "Tents")


@given(texts=st.lists(st.text(alphabet="ab  \t\n", max_size=8), max_size=4))
def test_every_word_is_encoded_by_itself_in_order(texts: list[str]) -> None:
    read: list[str] = []

    def encode(word: str) -> list[int]:
        read.append(word)
        return [len(read), len(word)]

    tokens = encode_words(texts, encode)
    assert read == " ".join(texts).split()
    assert tokens == tuple(number for place, word in enumerate(read, start=1) for number in (place, len(word)))


def test_items_share_the_tokens_of_shared_words_whatever_stands_beside_them() -> None:
    first, second = encode_words(["Red Tent"], Letters().encode_entity), encode_words(["Tent"], Letters().encode_entity)
    assert first == words("red") + second


def catalog_with_fields() -> Catalog:
    return build_catalog(
        ["a", "b", "c"],
        ["Comb", "Tent", "Hat"],
        ["Comb", "Tent", "Hat"],
        ["dry"],
        Letters(),
        field_texts=[("Comb", "Ada  Lee"), (), ("", " ")],
    )


def test_a_catalogue_is_built_with_the_tokens_of_the_given_texts() -> None:
    items = catalog_with_fields().items
    assert [item.field_token_ids for item in items] == [words("comb", "ada", "lee"), (), ()]
    assert [item.token_ids for item in items] == [words("comb"), words("tent"), words("hat")]
    plain = build_catalog(["a"], ["Comb"], ["Comb"], [], Letters())
    assert plain.items[0].field_token_ids == ()


def test_on_disk_they_stand_where_there_are_some_and_come_back(tmp_path: Path) -> None:
    catalog = catalog_with_fields()
    catalog.write(tmp_path)
    rows = [json.loads(line) for line in (tmp_path / "catalog.jsonl").read_text().splitlines()]
    plain = {"item_id": "b", "title": "Tent", "text": "Tent", "token_ids": list(words("tent"))}
    assert rows[0]["field_token_ids"] == list(words("comb", "ada", "lee"))
    assert rows[1] == plain
    assert list(rows[2]) == list(plain)
    loaded = load_catalog(tmp_path)
    assert loaded == catalog
    assert [item.field_token_ids for item in loaded.items] == [item.field_token_ids for item in catalog.items]


def test_files_of_before_load_without(tmp_path: Path) -> None:
    line = '{"item_id": "b", "title": "Tent", "text": "Tent", "token_ids": [5, 6]}\n'
    (tmp_path / "catalog.jsonl").write_text(line)
    (tmp_path / "attributes.jsonl").write_text("")
    (item,) = load_catalog(tmp_path).items
    assert (item, item.field_token_ids) == (CatalogItem("b", "Tent", "Tent", (5, 6)), ())
    load_catalog(tmp_path).write(tmp_path)
    assert (tmp_path / "catalog.jsonl").read_text() == line


def test_they_do_not_tell_items_apart() -> None:
    one, other = (CatalogItem("b", "Tent", "Tent", (5, 6), fields) for fields in ((1, 2), ()))
    assert one == other
    assert hash(one) == hash(other)
    assert one != CatalogItem("b", "Tent", "Tent", (5,), (1, 2))


def new(item_id: str, title: str, brand: str | None = None, categories: tuple[str, ...] = ()) -> NewItem:
    return NewItem(item_id=item_id, title=title, brand=brand, categories=categories)


def shop() -> LiveCatalog:
    return live_catalog(catalog_with_fields())


def added_fields(edit: object) -> dict[str, tuple[int, ...]]:
    assert isinstance(edit, CatalogEdit), edit
    return {item.item_id: item.field_token_ids for item in edit.added}


NEWCOMERS = [new("d", "Red Comb", "Bo", ("Hair", "Hair Care")), new("e", "Comb", "Bo"), new("f", "Mat")]


def test_a_new_item_gets_the_tokens_of_its_own_title_brand_and_categories() -> None:
    # the second is told apart by its brand in its text; its title stays what it is
    edit = resolve_edit(shop(), NEWCOMERS, [], Letters(), 30, FIELDS)
    assert added_fields(edit) == {
        "d": words("red", "comb", "bo", "hair", "hair", "care"),
        "e": words("comb", "bo"),
        "f": words("mat"),
    }


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ((), {"d": (), "e": (), "f": ()}),
        (("brand",), {"d": words("bo"), "e": words("bo"), "f": ()}),
        (("description",), {"d": (), "e": (), "f": ()}),
    ],
)
def test_fields_that_are_not_asked_for_or_not_given_have_no_tokens(fields: tuple[str, ...], expected: dict) -> None:
    assert added_fields(resolve_edit(shop(), NEWCOMERS, [], Letters(), 30, fields)) == expected
    assert added_fields(resolve_swap(shop(), NEWCOMERS, Letters(), 30, fields)) == expected


def test_a_swap_leaves_items_that_come_out_as_they_were_and_gives_the_others_tokens() -> None:
    edit = resolve_swap(shop(), [new("a", "Comb"), new("b", "Tent"), new("g", "Red Mat", "Bo")], Letters(), 30, FIELDS)
    assert isinstance(edit, CatalogEdit)
    assert edit.removed == ("c",)
    assert added_fields(edit) == {"g": words("red", "mat", "bo")}
    after = shop().edited([edit])
    assert after.items[0].field_token_ids == words("comb", "ada", "lee")
    assert after.items[3].field_token_ids == words("red", "mat", "bo")


def test_an_item_that_comes_back_as_it_was_gets_its_index_and_its_tokens_back() -> None:
    gone = shop().edited([CatalogEdit(removed=("a",))])
    edit = resolve_edit(gone, [new("a", "Comb")], [], Letters(), 30, FIELDS)
    assert added_fields(edit) == {"a": words("comb", "ada", "lee")}
    assert isinstance(edit, CatalogEdit)
    back = gone.edited([edit])
    assert back.present() == [0, 1, 2]
    assert back.items[0].field_token_ids == words("comb", "ada", "lee")
