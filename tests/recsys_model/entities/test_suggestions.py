"""What is suggested for references that name no item."""

import pytest

from recsys_model.entities import suggestions as suggestions_module
from recsys_model.entities.references import ReferenceIndex
from recsys_model.entities.suggestions import Suggestions
from recsys_model.errors import DataError

IDS = ["B004756YJA", "B004756YJB", "x-1", "x-2"]
TEXTS = ["Cream", "Silver Nail Polish", "Red Tent", "Tent Pole"]


def closest(reference: str, removed: frozenset[int] = frozenset()) -> list[int]:
    return Suggestions().closest(reference, IDS, TEXTS, removed)


def test_ids_with_up_to_two_other_characters_are_suggested_and_longer_ones_not():
    assert closest("B004756YJX")[0] in (0, 1)
    assert closest("B004756YXX")[0] in (0, 1)
    assert closest("B00475XXXX") == []
    assert closest("B004756YJAA") == []


def test_texts_that_share_words_are_suggested_the_closest_first():
    # "pol" is also how Pole begins
    assert closest("Silver Nail Polsh") == [1, 3]
    assert closest("tent pole 2")[0] == 3
    assert closest("Canoe") == []


def test_items_that_were_removed_are_not_suggested():
    assert 3 in closest("Tent Poles")
    assert 3 not in closest("Tent Poles", frozenset([3]))
    assert closest("B004756YJX", frozenset([0, 1])) == []


def test_an_index_made_for_one_version_serves_the_next_and_the_one_before():
    shared = Suggestions()
    assert shared.closest("Tent Stoves", IDS, TEXTS, frozenset()) == [3, 2]
    longer = ([*IDS, "x-3"], [*TEXTS, "Tent Stove"])
    assert shared.closest("Tent Stoves", *longer, frozenset())[0] == 4
    assert shared.closest("Bx-3", *longer, frozenset()) == []
    assert 4 not in shared.closest("Tent Stoves", IDS, TEXTS, frozenset())


def test_an_edited_reference_index_suggests_what_came_since():
    index = ReferenceIndex(IDS, TEXTS, TEXTS)
    later = index.edited(["x-3"], ["Camping Stove"], {4: "Camping Stove"}, frozenset())
    with pytest.raises(DataError, match=r"closest: 'Camping Stove' \(x-3\)"):
        later.find("Camping Stov")
    for advised in (lambda: index.find("Camping Stov"), lambda: later.find("Camping Stov", suggest=False)):
        with pytest.raises(DataError, match=r"give an item id or an exact title of the catalogue$"):
            advised()


def test_a_word_of_nearly_all_texts_is_looked_at_last_and_only_as_far_as_there_is_room(monkeypatch):
    monkeypatch.setattr(suggestions_module, "MAX_SHARING", 30)
    texts = [f"Tent {number}" for number in range(1000)] + ["Tent for Otters"]
    ids = [f"i{number:04}" for number in range(len(texts))]
    assert Suggestions().closest("Tent for Ottrs", ids, texts, frozenset())[0] == 1000


def test_a_chinese_title_is_found_by_any_of_its_characters_and_in_any_width():
    texts = ["赤杨山径帐篷", "赤杨山径睡袋", "北境登顶头灯", "ＵＳＢ充电线"]
    ids = ["a1", "b2", "c3", "d4"]

    def found(reference: str) -> list[int]:
        return Suggestions().closest(reference, ids, texts, frozenset())

    assert found("山径帐篷")[0] == 0
    assert found("登顶的头灯") == [2]
    assert found("usb充电线") == [3]
    assert found("咖啡") == []
