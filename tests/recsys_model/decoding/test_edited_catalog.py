"""A generator of an edited catalogue against one that was made of the edited catalogue afresh."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_model.config import DecodingConfig
from recsys_model.decoding.generator import TrieGuidedGenerator
from recsys_model.entities.catalog import Catalog, CatalogItem
from recsys_model.entities.live_catalog import CatalogEdit, live_catalog
from tests.recsys_model.decoding.tiny_decoding import SPECIAL, make_model, make_prompt

MODELS = [make_model(seed) for seed in range(3)]
TOKENS = st.integers(0, 3)
# few tokens and short titles, so that titles begin and extend each other, and come back
TITLES = st.lists(TOKENS, min_size=1, max_size=4).map(tuple)
PROMPTS = st.lists(st.lists(TOKENS, max_size=5).map(make_prompt), min_size=1, max_size=3)


def item(tokens: tuple[int, ...]) -> CatalogItem:
    name = "-".join(map(str, tokens))
    return CatalogItem(name, name, name, tokens)


def named(answers, items):
    return [{items[entry.item].item_id: entry.score for entry in answer.items} for answer in answers]


@st.composite
def edits(draw, titles):
    """Edits that fit: of the titles present some go, of all others some come."""
    present, found = set(titles), []
    for _ in range(draw(st.integers(1, 4))):
        gone = draw(st.sets(st.sampled_from(sorted(present))))
        come = draw(st.sets(TITLES, min_size=1, max_size=6)) - (present - gone)
        if (present - gone) | come:
            present = (present - gone) | come
            removed = tuple(item(tokens).item_id for tokens in sorted(gone))
            found.append(CatalogEdit(removed=removed, added=tuple(item(tokens) for tokens in sorted(come))))
    return found


@settings(max_examples=40)
@given(
    st.sampled_from(MODELS),
    st.lists(TITLES, min_size=1, max_size=12, unique=True),
    st.data(),
    PROMPTS,
    st.sampled_from([("trie", False), ("trie", True), ("lm", False), ("lm", True)]),
    st.booleans(),
)
def test_an_edited_catalogue_is_searched_like_one_that_was_never_edited(model, titles, data, prompts, search, reuses):
    scoring, exact = search
    config = DecodingConfig(num_beams=4, scoring=scoring, exact=exact, reuse_mb=int(reuses))
    before = live_catalog(Catalog([item(tokens) for tokens in titles], {}))
    after = before.edited(data.draw(edits(titles)))
    original = TrieGuidedGenerator(model, Catalog(list(before.items), {}), SPECIAL, config)
    answers = original.search(prompts, 4)
    edited = original.of_items(after.items, after.present())
    whole = [after.items[index] for index in after.present()]
    fresh = TrieGuidedGenerator(model, Catalog(whole, {}), SPECIAL, config)
    listed = [data.draw(st.sets(st.sampled_from(range(len(after.items))))) for _ in prompts]
    place = {index: number for number, index in enumerate(after.present())}
    for excluded, allowed in ((None, None), (listed, None), (None, listed)):
        in_whole = [
            [{place[index] for index in of if index in place} for of in lists] if lists else None
            for lists in (excluded, allowed)
        ]
        expected = named(fresh.search(prompts, 4, *in_whole), whole)
        assert named(edited.search(prompts, 4, excluded, allowed), after.items) == [
            pytest.approx(each, abs=1e-5) for each in expected
        ]
    # whoever still holds the version before gets what it always gave
    assert named(original.search(prompts, 4), before.items) == [
        pytest.approx(each, abs=1e-5) for each in named(answers, before.items)
    ]


def test_an_item_that_is_too_long_for_the_model_is_refused_and_the_catalogue_stays():
    generator = TrieGuidedGenerator(MODELS[0], Catalog([item((1,))], {}), SPECIAL, DecodingConfig(num_beams=4))
    with pytest.raises(ValueError, match="the longest item needs 42"):
        generator.of_items([item((1,)), item((2,) * 41)], [0, 1])
    assert len(generator.recommend([make_prompt([1])], 4)[0]) == 1
