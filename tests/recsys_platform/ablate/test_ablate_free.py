"""Free generation: which texts are items, and which places and shares follow."""

import pytest

from recsys_model.bundle import Bundle
from recsys_platform.ablate.free import INVALID, build_text_index, rank_texts
from recsys_platform.ablate.runs import count_invalid

TEXTS = {"Red Tent": 0, "Red Tent Pole": 1, "Lamp": 2}


def test_a_text_that_no_item_has_keeps_its_place():
    assert rank_texts([" Red Tent", " Red Tent Po", " Lamp", " lamp"], TEXTS, k=4) == [0, INVALID, 2, INVALID]


def test_texts_that_are_missing_are_invalid_and_those_beyond_k_do_not_count():
    assert rank_texts([" Lamp"], TEXTS, k=3) == [2, INVALID, INVALID]
    assert rank_texts([" Lamp", " Red Tent", " Red Tent Pole"], TEXTS, k=2) == [2, 0]


def test_items_that_the_user_has_make_room_for_what_follows():
    assert rank_texts([" Lamp", " Red", " Red Tent"], TEXTS, k=2, excluded={2}) == [INVALID, 0]


def test_shares_of_invalid_texts_among_all_and_among_the_first():
    shares = count_invalid([[INVALID, 1, 2, 0], [0, INVALID, INVALID, 2]])
    assert shares == {"users": 2, "invalid_share": 3 / 8, "invalid_first_share": 1 / 2}


def test_the_own_tokens_of_every_item_spell_it(shop_bundle: Bundle):
    catalog, tokenizer = shop_bundle.catalog, shop_bundle.tokenizer
    index = build_text_index(catalog, tokenizer)
    assert sorted(index.values()) == list(range(len(catalog.items)))
    for place, item in enumerate(catalog.items):
        assert rank_texts([tokenizer.decode(item.token_ids)], index, k=1) == [place]


@pytest.mark.parametrize("cut", [1, 2])
def test_an_item_that_is_cut_short_is_invalid_unless_another_item_is_left(shop_bundle: Bundle, cut: int):
    catalog, tokenizer = shop_bundle.catalog, shop_bundle.tokenizer
    index = build_text_index(catalog, tokenizer)
    known = {item.token_ids: place for place, item in enumerate(catalog.items)}
    for item in catalog.items:
        left = item.token_ids[:-cut]
        assert rank_texts([tokenizer.decode(left)], index, k=1) == [known.get(left, INVALID)]
