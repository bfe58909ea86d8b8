"""Entity linking on hostile titles, and against a search that tries every name at every place."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_model.entities.catalog import Catalog, CatalogItem
from recsys_model.entities.linked_text import linker_of, tokenize_linked
from recsys_model.entities.linking import EntityLinker
from recsys_model.errors import DataError
from recsys_model.text.words import split_words


def linked(names, text):
    linker = EntityLinker((name, number) for number, name in enumerate(names))
    found = linker.link(text)
    assert all(text[each.start : each.end] == each.text for each in found)
    return [(each.text, each.items) for each in found]


@pytest.mark.parametrize(
    ("names", "text", "expected"),
    [
        (["Alder Lake Stove"], "I bought an Alder Lake stove, and ...", [("Alder Lake stove", (0,))]),
        (["Tent"], "A tentative content of tents", []),
        (["Tent"], "tent-pole (Tent) tent2 2tent tent", [("tent", (0,)), ("Tent", (0,)), ("tent", (0,))]),
        (
            ["Red Tent", "Red Tent Pole", "Pole"],
            "red tent pole pole red tent",
            [("red tent pole", (1,)), ("pole", (2,)), ("red tent", (0,))],
        ),
        (["Alder Lake", "Lake Stove"], "an Alder Lake Stove", [("Alder Lake", (0,))]),
        (["a b c d", "b c"], "x a b c x", [("b c", (1,))]),
        (["帐篷", "帐篷布"], "我买了帐篷布和帐篷。", [("帐篷布", (1,)), ("帐篷", (0,))]),
        (["テント"], "テントウムシとテントを見た", [("テント", (0,))]),
        (["iPhone 15"], "买了iPhone 15手机", [("iPhone 15", (0,))]),
        (["STRASSE 5"], "in der Straße 5", [("Straße 5", (0,))]),
        (["Cafe\u0301 Set"], "the café set", [("café set", (0,))]),
        (["C++ Primer"], "my c++ primer", [("c++ primer", (0,))]),
        (["2 Stoves"], "1½ stoves, 2 stoves", [("2 stoves", (0,))]),
        (["Same", "same", "SAME"], "the same one", [("same", (0, 1, 2))]),
        (["Spider-Man"], "Spider–Man and spider man", [("Spider–Man", (0,))]),
        (["The", "It", "I", "7", "的"], "The tent: I like it, 7 of it. 我的", []),
        (["一个", "The One"], "一个 is the one", []),
        (["The", "It", "的"], "I read “It”, “The” and 《的》", [("It", (1,)), ("The", (0,)), ("的", (2,))]),
        (["It", "It Follows"], "it follows", [("it follows", (1,))]),
        (["", "   ", "!!!", "…", "\u200b"], "!!! … wow", []),
        (["Tent"], "", []),
        ([], "a tent", []),
    ],
)
def test_names_are_found_at_word_borders_the_longest_first(names, text, expected):
    assert linked(names, text) == expected


def test_names_that_no_text_can_hold_are_told():
    linker = EntityLinker([("!!!", 0), ("", 1), ("Tent!", 2)])
    assert linker.unlinkable == [("!!!", 0), ("", 1)]
    assert [found.items for found in linker.link("my tent!")] == [(2,)]
    with pytest.raises(DataError, match="needs a letter or a digit to be found in a text, got '!!!' for item 3"):
        linker.add("!!!", 3)


def test_a_removed_name_is_found_no_more_and_those_that_share_its_beginning_are():
    linker = EntityLinker([("Red Tent", 0), ("Red Tent Pole", 1), ("red tent", 2)])
    linker.remove("RED TENT", 0)
    assert [found.items for found in linker.link("red tent")] == [(2,)]
    linker.remove("red tent", 2)
    assert linker.link("red tent") == []
    assert [found.items for found in linker.link("red tent pole")] == [(1,)]
    assert len(linker) == 1
    for name, item in (("red tent", 2), ("Red Tent Pole", 0), ("", 0)):
        with pytest.raises(DataError, match="only a name that was added can be removed"):
            linker.remove(name, item)


PHRASES = st.lists(st.sampled_from(["red", "tent", "Pole", "帐篷", "ß", "-"]), min_size=1, max_size=4).map(" ".join)


def slow_links(names, text):
    """Try every name at every word, the longest first."""
    words, linked, place = split_words(text), [], 0
    keys = [tuple(word.text for word in split_words(name)) for name in names]
    while place < len(words):
        rest = tuple(word.text for word in words[place:])
        fitting = [key for key in keys if set(key) != {"-"} and rest[: len(key)] == key]
        if not fitting:
            place += 1
            continue
        longest = max(fitting, key=len)
        items = tuple(number for number, key in enumerate(keys) if key == longest)
        linked.append((words[place].start, words[place + len(longest) - 1].end, items))
        place += len(longest)
    return linked


@settings(max_examples=200)
@given(st.lists(PHRASES, max_size=6), PHRASES.flatmap(lambda one: PHRASES.map(lambda other: f"{one} {other}")))
def test_links_are_what_a_search_for_every_name_finds(names, text):
    linker = EntityLinker((name, number) for number, name in enumerate(names))
    assert [(found.start, found.end, found.items) for found in linker.link(text)] == slow_links(names, text)


class Letters:
    """Encodes each character as its code."""

    def encode_text(self, text):
        return [ord(letter) for letter in text]


def test_a_linked_text_has_the_tokens_of_the_catalogue_and_shared_titles_stay_words():
    items = [
        CatalogItem("i0", "Red Tent", "Red Tent", (1, 2)),
        CatalogItem("i1", "Pole", "Pole", (3,)),
        CatalogItem("i2", "Pole", "Pole (2)", (4, 5)),
    ]
    catalog = Catalog(items, {})
    text = tokenize_linked("a red tent, pole", linker_of(catalog), catalog, Letters())
    assert text.token_ids == [ord("a"), 1, 2, *map(ord, ", pole")]
    assert (text.entity_starts, text.entity_ends, text.entity_items) == ([1], [3], [0])
