"""Answers under rules against going through all items in order of score, for every scoring, with ties."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_model.config import DecodingConfig
from recsys_model.decoding import capped, searching
from recsys_model.decoding.generator import TrieGuidedGenerator
from recsys_model.entities.item_columns import build_columns
from recsys_model.entities.rules import Cap, NumberRange, OneOf, Rules
from recsys_model.entity_config import BlendWeights
from recsys_model.errors import DataError
from tests.recsys_model.decoding.tiny_decoding import SPECIAL
from tests.recsys_model.decoding.tiny_entities import (
    catalog_of,
    head_of,
    prompt_of,
    scorer_of,
    scores_by_hand,
    token_scores_by_hand,
)
from tests.recsys_model.decoding.tiny_models import MODELS, TITLES
from tests.recsys_model.decoding.tiny_rules import Table, fits, greedy, is_allowed, rules_of, tables

MANY = st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=4).map(tuple), min_size=12, max_size=24, unique=True)
WEIGHTS = st.builds(
    BlendWeights,
    token=st.sampled_from([0.0, 0.1, 1.0, 3.0]),
    entity=st.sampled_from([0.3, 1.0]),
    co_occurrence=st.sampled_from([0.0, 0.2, 2.0]),
)
SCORINGS = ("trie", "lm", "entity", "blend")


@st.composite
def cases(draw, scorings=SCORINGS, caps=None):
    """A catalogue with a table, a model, a prompt, rules, what is excluded, and a maker of generators."""
    model, titles, weights = draw(st.sampled_from(MODELS)), draw(TITLES | MANY), draw(WEIGHTS)
    items = st.integers(0, len(titles) - 1)
    pairs = draw(st.dictionaries(st.tuples(items, items), st.integers(1, 3), max_size=20))
    head = head_of(model, titles, draw(st.integers(0, 3)), size=draw(st.sampled_from([0.3, 0.0])))
    table = draw(tables(len(titles)))
    prompt = prompt_of(draw(st.lists(items, max_size=3)), titles)
    scoring = draw(st.sampled_from(scorings))
    scorer = scorer_of(head, model, titles, weights, pairs)

    def generator(**options):
        config = DecodingConfig(scoring=scoring, **options)
        return TrieGuidedGenerator(model, catalog_of(titles), SPECIAL, config, scorer, columns=table.columns)

    return generator, prompt, table, draw(rules_of(table, caps)), draw(st.sets(items, max_size=3))


@contextmanager
def few_nodes_together(number: int) -> Iterator[None]:
    """Expand so few nodes at a time that tiny catalogues, too, are searched in many steps."""
    before = capped.NODES_TOGETHER
    capped.NODES_TOGETHER = number
    try:
        yield
    finally:
        capped.NODES_TOGETHER = before


def scores_of(generator, prompt, size):
    """The scores that ties are judged by: what the generator gives every item."""
    return generator(exact=True).score_candidates([prompt], [range(size)])[0]


@settings(max_examples=200)
@given(cases(), st.integers(1, 8), st.sampled_from([1, 2, 32]))
def test_the_exact_answer_is_the_greedy_choice_from_all_items_in_order_of_score(case, k, nodes_together):
    generator, prompt, table, rules, without = case
    with few_nodes_together(nodes_together):
        (answer,) = generator(exact=True).search([prompt], k, [without], None, [rules])
    scores = scores_of(generator, prompt, table.size)
    expected = greedy(scores, k, rules, table, without)
    # without caps, of items that tie any may come
    if rules.caps:
        assert [entry.item for entry in answer.items] == expected
    assert [entry.score for entry in answer.items] == pytest.approx([scores[item] for item in expected], abs=1e-5)
    assert answer.certificate.is_exact
    left = open_items([entry.item for entry in answer.items], rules, table, without)
    assert answer.certificate.bound >= max((scores[item] for item in left), default=-float("inf")) - 1e-5
    assert answer.certificate.bound <= (answer.items[-1].score if len(answer.items) == k else -float("inf"))


def open_items(chosen, rules, table, without):
    """Items outside an answer that its rules would let in."""
    others = [item for item in range(table.size) if item not in chosen and item not in without]
    return [item for item in others if is_allowed(item, rules, table) and fits(item, chosen, rules, table)]


def assert_valid(items, k, rules, table, without):
    """Say that an answer keeps the rules, and that it is only short if no further item fits."""
    assert len(items) == len(set(items)) <= k
    assert not without & set(items)
    for place, item in enumerate(items):
        assert is_allowed(item, rules, table)
        assert fits(item, items[:place], rules, table)
    assert len(items) == k or not open_items(items, rules, table, without)


@settings(max_examples=200)
@given(cases(("trie", "lm", "blend")), st.integers(1, 4), st.data())
def test_beams_return_valid_items_as_many_as_the_greedy_choice_with_their_scores(case, num_beams, data):
    generator, prompt, table, rules, without = case
    k = data.draw(st.integers(1, num_beams))
    (answer,) = generator(num_beams=num_beams).search([prompt], k, [without], None, [rules])
    scores = scores_of(generator, prompt, table.size)
    items = [entry.item for entry in answer.items]
    assert_valid(items, k, rules, table, without)
    assert len(items) >= len(greedy(scores, k, rules, table, without))
    assert [entry.score for entry in answer.items] == pytest.approx([scores[item] for item in items], abs=1e-5)
    in_order = sorted(answer.items, key=lambda entry: (-entry.score, entry.item))
    assert answer.items == in_order
    assert answer.certificate is None


@settings(max_examples=100)
@given(cases(("trie", "lm", "blend"), caps=False), st.integers(1, 8))
def test_beams_that_hold_every_node_find_the_best_that_the_conditions_allow(case, k):
    generator, prompt, table, rules, without = case
    (answer,) = generator(num_beams=200).search([prompt], k, [without], None, [rules])
    scores = scores_of(generator, prompt, table.size)
    expected = [scores[item] for item in greedy(scores, k, rules, table, without)]
    assert [entry.score for entry in answer.items] == pytest.approx(expected, abs=1e-5)
    assert_valid([entry.item for entry in answer.items], k, rules, table, without)


@settings(max_examples=200)
@given(cases(("trie", "lm", "blend"), caps=True), st.integers(1, 5), st.integers(1, 6), st.sampled_from([1, 2, 32]))
def test_a_search_that_was_cut_short_keeps_the_rules_and_claims_no_more_than_it_knows(case, k, limit, nodes_together):
    generator, prompt, table, rules, without = case
    with few_nodes_together(nodes_together):
        (answer,) = generator(exact=True, max_expansions=limit).search([prompt], k, [without], None, [rules])
    scores = scores_of(generator, prompt, table.size)
    items, certificate = [entry.item for entry in answer.items], answer.certificate
    for place, item in enumerate(items):
        assert item not in without
        assert is_allowed(item, rules, table)
        assert fits(item, items[:place], rules, table)
    assert certificate.num_expanded <= limit
    left = open_items(items, rules, table, without)
    assert all(scores[item] <= certificate.bound + 1e-5 for item in left)
    if certificate.is_exact:
        assert items == greedy(scores, k, rules, table, without)
    elif len(items) < k:
        assert certificate.missing == float("inf")


@settings(max_examples=60)
@given(cases(caps=True), st.integers(1, 6), st.data())
def test_the_first_of_an_answer_are_the_answer_for_fewer(case, k, data):
    generator, prompt, _, rules, without = case
    (answer,) = generator(exact=True).search([prompt], k, [without], None, [rules])
    fewer = data.draw(st.integers(1, k))
    (alone,) = generator(exact=True).search([prompt], fewer, [without], None, [rules])
    assert answer.first(fewer).items == alone.items
    assert answer.first(fewer).certificate.is_exact


FEW = [(1, 2), (1, 2, 3), (1, 4, 0), (4, 4), (4, 4, 3, 2, 1), (0,), (2, 2), (2, 3, 1)]
TABLE = Table(
    {
        "brand": ["A", "A", "A", "B", "B", None, "B", "A"],
        "category": [["x", "y"], ["y"], [], ["x"], ["z", "x"], ["z"], None, ["y", "z"]],
        "price": [1, 2, 3, 4, 5, 6, 7, float("nan")],
    },
    8,
)
RULES = [
    None,
    Rules(caps=(Cap(column="brand", at_most=1), Cap(column="category", at_most=2))),
    Rules(where=(NumberRange(column="price", at_most=5),)),
    Rules(where=(OneOf(column="brand", values=("B",)),), caps=(Cap(column="category", at_most=1),)),
    Rules(deny=(0, 3)),
    Rules(allow=()),
]
HISTORIES = [[0, 3], [], [4, 4, 1, 7], [6], [2], [5]]


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("scoring", SCORINGS)
def test_a_request_with_rules_is_answered_the_same_alone_and_among_others(scoring, exact):
    model = MODELS[1]
    head = head_of(model, FEW)
    blend = BlendWeights(token=0.4, entity=1.0, co_occurrence=0.5)
    scorer = scorer_of(head, model, FEW, blend, {(3, 0): 4, (3, 6): 1, (0, 3): 2})
    config = DecodingConfig(scoring=scoring, exact=exact, num_beams=6)
    generator = TrieGuidedGenerator(model, catalog_of(FEW), SPECIAL, config, scorer, columns=TABLE.columns)
    prompts = [prompt_of(history, FEW) for history in HISTORIES]
    excluded = [set(), {2}, set(), set(), {1}, set()]
    allowed = [None, None, {0, 1, 6, 7}, None, None, None]
    together = generator.search(prompts, 6, excluded, allowed, RULES)
    for place, answer in enumerate(together):
        (alone,) = generator.search([prompts[place]], 6, [excluded[place]], [allowed[place]], [RULES[place]])
        assert [entry.item for entry in alone.items] == [entry.item for entry in answer.items]
        assert [entry.score for entry in alone.items] == pytest.approx([e.score for e in answer.items], abs=1e-4)
    assert {entry.item for entry in together[2].items} == {0, 1}
    assert together[5].items == []


@pytest.mark.parametrize("scoring", ["trie", "entity", "blend"])
def test_scores_under_rules_are_those_of_the_definition(scoring):
    model, prompt = MODELS[0], prompt_of([0, 3], FEW)
    head = head_of(model, FEW)
    blend = BlendWeights(token=0.4, entity=1.0, co_occurrence=0.5)
    pairs = {(3, 0): 4, (3, 6): 1, (0, 3): 2}
    if scoring == "trie":
        scores = token_scores_by_hand(model, prompt, FEW, range(8))
    else:
        weights = BlendWeights(token=0.0, entity=1.0, co_occurrence=0.0) if scoring == "entity" else blend
        scores = scores_by_hand(model, head, FEW, prompt, weights, pairs)
    scorer = None if scoring == "trie" else scorer_of(head, model, FEW, blend, pairs)
    config = DecodingConfig(scoring=scoring, exact=True)
    generator = TrieGuidedGenerator(model, catalog_of(FEW), SPECIAL, config, scorer, columns=TABLE.columns)
    expected = greedy([scores[item] for item in range(8)], 4, RULES[1], TABLE)
    (answer,) = generator.search([prompt], 4, rules=[RULES[1]])
    assert [entry.item for entry in answer.items] == expected
    assert [entry.score for entry in answer.items] == pytest.approx([scores[item] for item in expected], abs=1e-4)


def test_items_that_are_added_or_hidden_keep_the_rules():
    config = DecodingConfig(exact=True)
    catalog = catalog_of(FEW)
    first = build_columns({name: cells[:6] for name, cells in TABLE.cells.items()}, 6)
    small = TrieGuidedGenerator(MODELS[0], catalog_of(FEW[:6]), SPECIAL, config, columns=first)
    columns = first.extended({name: cells[6:] for name, cells in TABLE.cells.items()}, 2)
    present = [0, 2, 3, 4, 5, 6, 7]
    edited = small.of_items(catalog.items, present, columns)
    prompt = prompt_of([0, 3], FEW)
    scores = token_scores_by_hand(MODELS[0], prompt, FEW, present)
    ranked = [scores.get(item, -1e9) for item in range(8)]
    (found,) = edited.search([prompt], 8, rules=[RULES[1]])
    assert [entry.item for entry in found.items] == greedy(ranked, 8, RULES[1], TABLE, {1})
    (found,) = edited.hiding([0, 6]).search([prompt], 8, rules=[RULES[1]])
    assert [entry.item for entry in found.items] == greedy(ranked, 8, RULES[1], TABLE, {0, 1, 6})
    with pytest.raises(DataError, match="a row for each of 8 items, got 6; extend them with the items"):
        small.of_items(catalog.items, present)


def test_rules_that_do_not_fit_are_refused():
    generator = TrieGuidedGenerator(MODELS[0], catalog_of(FEW), SPECIAL, DecodingConfig(), columns=TABLE.columns)
    prompt = prompt_of([], FEW)
    with pytest.raises(DataError, match="rules must have one entry per prompt, got 2 for 1 prompts"):
        generator.search([prompt], 1, rules=[None, None])
    with pytest.raises(DataError, match="there is no column 'colour'; the columns are brand"):
        generator.search([prompt], 1, rules=[Rules(caps=(Cap(column="colour", at_most=1),))])
    plain = TrieGuidedGenerator(MODELS[0], catalog_of(FEW), SPECIAL, DecodingConfig())
    with pytest.raises(DataError, match="there is no column 'brand'; the catalogue has no columns for rules"):
        plain.search([prompt], 1, rules=[Rules(caps=(Cap(column="brand", at_most=1),))])
    assert plain.recommend([prompt], 2, rules=[Rules(allow=(4, 5))]) == plain.recommend([prompt], 2, None, [{4, 5}])


def test_a_cap_that_the_beams_would_miss_still_gives_as_many_items_as_there_are():
    # 27 items of one brand fill the beams; the others lie three levels deep
    titles = [(a, b, c) for a in range(3) for b in range(3) for c in range(3)]
    titles += [(3, a, b) for a in range(2) for b in range(2)]
    cells = {"brand": ["big"] * 27 + ["a", "b", "c", "d"]}
    columns, config = build_columns(cells, 31), DecodingConfig(num_beams=5)
    num_short = 0
    for model in MODELS:
        generator = TrieGuidedGenerator(model, catalog_of(titles), SPECIAL, config, columns=columns)
        for history in ([], [1], [28, 3], [5, 5, 5]):
            prompt = prompt_of(history, titles)
            rules = Rules(caps=(Cap(column="brand", at_most=1),))
            (found,) = generator.recommend([prompt], 5, rules=[rules])
            assert sorted(cells["brand"][entry.item] for entry in found) == ["a", "b", "big", "c", "d"]
            (plain,) = generator.recommend([prompt], 5)
            num_short += len({cells["brand"][entry.item] for entry in plain}) < 5
    assert num_short > 0, "beams alone are not enough"


def test_a_short_answer_of_beams_is_searched_exactly_if_another_choice_may_have_more_items(monkeypatch):
    # item 0 has both values and so forbids the two others, which fit together
    titles = [(2, 2), (1, 2), (1, 3)]
    columns = build_columns({"category": [["x", "y"], ["x"], ["y"]]}, 3)
    monkeypatch.setattr(searching, "_choose_from_beams", lambda space, queries, k, num_beams: [[(0, -9.0)]])
    rules = Rules(caps=(Cap(column="category", at_most=1),))
    num_items = []
    for model in MODELS:
        generator, exact = (
            TrieGuidedGenerator(model, catalog_of(titles), SPECIAL, DecodingConfig(exact=is_exact), columns=columns)
            for is_exact in (False, True)
        )
        for history in ([], [0], [1, 1], [2, 0, 1]):
            (answer,) = generator.search([prompt_of(history, titles)], 2, rules=[rules])
            (best,) = exact.search([prompt_of(history, titles)], 2, rules=[rules])
            assert answer.certificate is None
            num_items.append(len(answer.items))
            assert [e.item for e in answer.items] == ([e.item for e in best.items] if len(best.items) == 2 else [0])
    assert set(num_items) == {1, 2}, "both cases occur"
