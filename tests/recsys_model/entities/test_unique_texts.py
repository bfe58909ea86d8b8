from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys_model.entities.unique_texts import fold_whitespace, make_unique_texts
from recsys_model.errors import DataError


def test_texts_that_differ_are_only_folded():
    texts, changed = make_unique_texts(["  Hand\tCream ", "Nail &amp; Co"], ["A", "A"], [["x"], ["y"]], ["1", "2"])
    assert (texts, changed) == (["Hand Cream", "Nail &amp; Co"], 0)


def test_the_brand_tells_equal_titles_apart():
    texts, changed = make_unique_texts(["Comb", "Comb", "Brush"], ["Ada", None, "Ada"], [[], [], []], ["1", "2", "3"])
    assert (texts, changed) == (["Comb (Ada)", "Comb", "Brush"], 1)


def test_the_last_category_comes_after_the_brand_and_the_id_last():
    texts, changed = make_unique_texts(
        ["Comb"] * 4, ["Ada"] * 4, [["Hair", "Tools"], ["Hair", "Kids"], ["Kids"], []], ["B01", "B02", "B03", "B04"]
    )
    assert texts == ["Comb (Tools)", "Comb (Kids) (B02)", "Comb (Kids) (B03)", "Comb"]
    assert changed == 3


def test_titles_that_differ_in_white_space_only_count_as_equal():
    texts, _ = make_unique_texts(["red  tent", "red tent "], [None, None], [[], []], ["1", "2"])
    assert texts == ["red tent (1)", "red tent (2)"]


def test_an_extended_text_may_not_take_the_text_of_another_item():
    texts, changed = make_unique_texts(
        ["Comb", "Comb", "Comb (Ada)"], ["Ada", "Bo", "Cy"], [[], [], []], ["1", "2", "3"]
    )
    assert texts == ["Comb (Ada) (1)", "Comb (Bo)", "Comb (Ada) (3)"]
    assert changed == 3


def test_an_item_without_a_title_is_named_by_brand_and_category_or_by_its_id():
    texts, changed = make_unique_texts(
        ["", " ", ""], ["Ada", None, None], [["Hair", "Combs"], ["Combs"], []], ["1", "2", "a-very-long-item-id"]
    )
    assert texts[:2] == ["Ada Combs", "Combs"]
    assert len(texts[2]) == 8
    assert changed == 0


def test_an_item_id_that_occurs_twice_is_refused():
    with pytest.raises(DataError, match="item ids must be unique, got '7' twice"):
        make_unique_texts(["a", "b"], [None, None], [[], []], ["7", "7"])


def test_columns_of_different_lengths_are_refused():
    with pytest.raises(DataError, match="equally many"):
        make_unique_texts(["a", "b"], [None], [[], []], ["7", "8"])


words = st.sampled_from(["", "a", "b", " a", "a (b)", "a (1)", "a (b) (1)", "1"])
rows = st.lists(st.tuples(words, st.none() | words, st.lists(words, max_size=2)), min_size=1, max_size=12)


@given(rows, st.randoms(use_true_random=False))
def test_all_texts_differ_and_depend_on_the_set_of_items_alone(items, random):
    numbered = [(title, brand, names, str(index)) for index, (title, brand, names) in enumerate(items)]
    texts, changed = make_unique_texts(*map(list, zip(*numbered, strict=True)))
    assert len(set(texts)) == len(texts)
    assert all(text and text == fold_whitespace(text) for text in texts)
    titles = Counter(fold_whitespace(title) for title, *_ in items)
    assert all(fold_whitespace(title) in text for (title, *_), text in zip(items, texts, strict=True))
    assert changed <= len(items)
    assert changed > 0 or all(count == 1 for title, count in titles.items() if title)

    shuffled = random.sample(numbered, len(numbered))
    again, again_changed = make_unique_texts(*map(list, zip(*shuffled, strict=True)))
    id_to_text = {row[3]: text for row, text in zip(numbered, texts, strict=True)}
    assert again == [id_to_text[row[3]] for row in shuffled]
    assert again_changed == changed


def test_texts_that_a_tokenizer_cannot_tell_apart_count_as_equal():
    titles, brands, item_ids = ["Red Tent", "red tent", "Blue Tent"], ["Ada", "ADA", "Bo"], ["a", "b", "c"]
    texts, changed = make_unique_texts(titles, brands, [[], [], []], item_ids, key=str.lower)
    assert (texts, changed) == (["Red Tent (Ada) (a)", "red tent (ADA) (b)", "Blue Tent"], 2)


def test_a_key_that_tells_nothing_apart_comes_to_an_end():
    texts, changed = make_unique_texts(["a", "b"], [None, None], [[], []], ["1", "2"], key=lambda _: 0)
    assert changed == 2
    assert texts[0].startswith("a (1) (")
