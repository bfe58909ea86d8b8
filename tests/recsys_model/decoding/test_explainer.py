"""Explanations against whole forward passes and scores from scratch: walks, parts, and events that are left out."""

import dataclasses
import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_model.config import DecodingConfig
from recsys_model.decoding.explainer import Explainer
from recsys_model.decoding.generator import TrieGuidedGenerator
from recsys_model.entities.rules import Cap, NumberRange, Rules
from recsys_model.entity_config import BlendWeights
from recsys_model.errors import DataError
from recsys_model.infilling.positions import PositionAutomaton
from recsys_model.infilling.prompt import build_prompt
from recsys_model.text.textualize import ATTRIBUTE, TokenizedText
from tests.recsys_model.backbones.tiny_backbones import NAMES, tiny_backbone
from tests.recsys_model.decoding.test_rules import FEW, TABLE
from tests.recsys_model.decoding.tiny_decoding import SPECIAL, next_logits
from tests.recsys_model.decoding.tiny_entities import (
    ATTRIBUTE_TOKENS,
    ENTITY_ALONE,
    catalog_of,
    head_of,
    prompt_of,
    scorer_of,
    scores_by_hand,
)
from tests.recsys_model.decoding.tiny_models import FLAT, MODELS

BLEND = BlendWeights(token=0.4, entity=1.0, co_occurrence=0.5, history_decay=0.6)
PAIRS = {(3, 0): 4, (3, 6): 1, (0, 3): 2, (7, 2): 9}
SCORINGS = ("trie", "lm", "entity", "blend")
ENDED = [(*row, SPECIAL.end) for row in FEW]


def text_of_tokens(token_ids):
    return " ".join(f"<{token}>" for token in token_ids)


def generator_of(model, scoring, **options):
    scorer = scorer_of(head_of(model, FEW), model, FEW, BLEND, PAIRS)
    config = DecodingConfig(scoring=scoring, exact=True, **options)
    return TrieGuidedGenerator(model, catalog_of(FEW), SPECIAL, config, scorer, columns=TABLE.columns)


def explain(model, scoring, history, item, **options):
    generator = generator_of(model, scoring)
    prompt = prompt_of(history, FEW)
    return generator, prompt, Explainer(generator, text_of_tokens).explain(prompt, item, **options)


@pytest.mark.parametrize("scoring", SCORINGS)
@pytest.mark.parametrize("name", NAMES)
def test_the_parts_add_up_to_the_score_that_a_search_gives(name, scoring):
    model = tiny_backbone(name)
    for history in ([0, 3], [], [4, 4, 1, 7]):
        generator = generator_of(model, scoring)
        prompt = prompt_of(history, FEW)
        explainer = Explainer(generator, text_of_tokens)
        (answer,) = generator.search([prompt], 8)
        for entry in answer.items:
            found = explainer.explain(prompt, entry.item)
            assert found.item == entry.item
            assert found.score == pytest.approx(entry.score, abs=1e-4)
            assert sum(part.contribution for part in found.parts) == found.score
            assert all(part.contribution == part.weight * part.value for part in found.parts)


def test_a_blend_has_three_parts_and_each_is_that_of_the_definition():
    model = MODELS[1]
    prompt, head = prompt_of([7, 0, 3], FEW), head_of(MODELS[1], FEW)
    explainer = Explainer(generator_of(model, "blend"), text_of_tokens)
    alone = {
        "tokens": BlendWeights(token=1.0, entity=0.0, co_occurrence=0.0),
        "items": ENTITY_ALONE,
        "counts": BlendWeights(token=0.0, entity=0.0, co_occurrence=1.0, history_decay=0.6),
    }
    expected = {name: scores_by_hand(model, head, FEW, prompt, weights, PAIRS) for name, weights in alone.items()}
    for item in range(8):
        parts = explainer.explain(prompt, item).parts
        assert [(part.name, part.weight) for part in parts] == [("tokens", 0.4), ("items", 1.0), ("counts", 0.5)]
        for part in parts:
            assert part.value == pytest.approx(expected[part.name][item], abs=1e-4)
    assert expected["counts"][0] > 0.0


@pytest.mark.parametrize(("scoring", "names"), [("trie", ["tokens"]), ("lm", ["tokens"]), ("entity", ["items"])])
def test_other_scorings_have_the_one_part_that_they_use(scoring, names):
    _, _, found = explain(MODELS[0], scoring, [0, 3], 4)
    assert [(part.name, part.weight) for part in found.parts] == [(name, 1.0) for name in names]


@pytest.mark.parametrize("scoring", ["trie", "lm"])
def test_every_token_has_its_log_probability_and_both_position_ids(scoring):
    # whole forward passes, without an entity head
    model = MODELS[0]
    generator = TrieGuidedGenerator(model, catalog_of(FEW), SPECIAL, DecodingConfig(scoring=scoring))
    explainer = Explainer(generator, text_of_tokens)
    automaton = PositionAutomaton(catalog_of(FEW).pool())
    prompt = prompt_of([3], FEW, layout="text")
    for item, ended in enumerate(ENDED):
        found = explainer.explain(prompt, item)
        logits = next_logits(model, automaton, prompt, list(ended[:-1]))
        intra = automaton.span_ids(ended[:-1])
        assert [token.token_id for token in found.tokens] == list(ended)
        assert [token.text for token in found.tokens] == [f"<{token}>" for token in ended]
        assert [token.intra_position_id for token in found.tokens] == [*intra[1:], None]
        assert [token.inter_position_id for token in found.tokens] == [prompt.mask_position] * len(FEW[item]) + [None]
        for depth, token in enumerate(found.tokens):
            siblings = sorted({other[depth] for other in ENDED if other[:depth] == ended[:depth]})
            among = siblings if scoring == "trie" else list(range(logits.shape[1]))
            expected = float(logits[depth, ended[depth]] - logits[depth, among].logsumexp(0))
            assert token.log_prob == pytest.approx(expected, abs=1e-5)
        read = [(token.token_id, token.inter_position_id, token.intra_position_id) for token in found.prompt]
        columns = (prompt.token_ids, prompt.inter_position_ids, prompt.intra_position_ids)
        assert read == [*zip(*columns, strict=True), (SPECIAL.start, prompt.mask_position, 1)]


@pytest.mark.parametrize("scoring", SCORINGS)
def test_a_branch_lists_where_titles_part_with_the_probability_of_each_way(scoring):
    model, item = MODELS[2], 4
    prompt = prompt_of([0, 3], FEW)
    generator = generator_of(model, scoring)
    found = Explainer(generator, text_of_tokens).explain(prompt, item)
    ended = ENDED[item]
    depths = [d for d in range(len(ended)) if len({row[d] for row in ENDED if row[:d] == ended[:d]}) > 1]
    assert [branch.num_tokens for branch in found.branches] == depths
    for branch in found.branches:
        begun = [row for row in ENDED if row[: branch.num_tokens] == ended[: branch.num_tokens]]
        assert branch.num_children == len(branch.children) == len({row[branch.num_tokens] for row in begun})
        assert [child.probability for child in branch.children] == sorted(
            (child.probability for child in branch.children), reverse=True
        )
        total = sum(child.probability for child in branch.children)
        assert total == pytest.approx(1.0, abs=1e-5) if scoring != "lm" else total < 1.0
        for child in branch.children:
            start, size = branch.num_tokens, len(child.token_ids)
            below = [row for row in begun if row[start : start + size] == child.token_ids]
            assert child.num_items == len(below) == len([row for row in begun if row[start] == child.token_ids[0]])
            assert child.is_on_path == (ended in below)
            assert child.text == text_of_tokens(child.token_ids)
        on_path = next(child for child in branch.children if child.is_on_path)
        assert math.log(on_path.probability) == pytest.approx(found.tokens[branch.num_tokens].log_prob, abs=1e-5)


@pytest.mark.parametrize("scoring", ["entity", "blend"])
def test_what_the_head_gives_the_ways_multiplies_to_the_probability_of_the_item(scoring):
    prompt = prompt_of([0, 3], FEW)
    expected = scores_by_hand(MODELS[1], head_of(MODELS[1], FEW), FEW, prompt)
    explainer = Explainer(generator_of(MODELS[1], scoring), text_of_tokens)
    for item in range(8):
        branches = explainer.explain(prompt, item).branches
        on_path = [child for branch in branches for child in branch.children if child.is_on_path]
        assert sum(math.log(child.item_probability) for child in on_path) == pytest.approx(expected[item], abs=1e-4)
        for branch in branches:
            assert sum(child.item_probability for child in branch.children) == pytest.approx(1.0, abs=1e-6)


def test_without_a_head_items_have_no_probability_of_their_own():
    _, _, found = explain(MODELS[0], "trie", [1], 2)
    assert {child.item_probability for branch in found.branches for child in branch.children} == {None}


def test_a_long_branch_lists_its_best_children_and_the_one_on_the_path():
    for item in range(8):
        _, _, found = explain(MODELS[0], "trie", [1], item, max_children=1)
        _, _, whole = explain(MODELS[0], "trie", [1], item)
        for branch, other in zip(found.branches, whole.branches, strict=True):
            assert branch.num_children == other.num_children
            assert branch.children == tuple(c for n, c in enumerate(other.children) if n == 0 or c.is_on_path)


def test_an_explanation_is_plain_enough_for_json():
    _, _, found = explain(MODELS[0], "blend", [0, 3], 4)
    document = json.loads(json.dumps(dataclasses.asdict(found), allow_nan=False))
    assert document["tokens"][-1]["inter_position_id"] is None
    assert document["parts"][0]["name"] == "tokens"


def history_text(history):
    """A text with a feature, and events that are sentences."""
    text = TokenizedText()
    text.add_text([10])
    text.add_entity(ATTRIBUTE_TOKENS, ATTRIBUTE)
    text.end_sentence()
    for item in history:
        text.add_entity(FEW[item], item)
        text.add_text([11])
        text.end_sentence()
    return text


@settings(max_examples=60)
@given(
    st.sampled_from([*MODELS[:2], FLAT]),
    st.sampled_from(SCORINGS),
    st.sampled_from(["text", "tokens", "vectors"]),
    st.lists(st.integers(0, 7), max_size=5),
    st.integers(0, 7),
    st.sets(st.integers(0, 7), max_size=3),
    st.booleans(),
)
def test_left_out_events_have_the_scores_and_ranks_of_histories_without_them(
    model, scoring, layout, history, item, excluded, has_rules
):
    excluded = excluded - {item}
    rules = Rules(where=(NumberRange(column="price", at_least=0),), caps=(Cap(column="brand", at_most=1),))
    rules = rules if has_rules and item != 7 else None
    generator = generator_of(model, scoring)

    def build(text):
        return build_prompt(text, SPECIAL, layout=layout)

    effects = Explainer(generator, text_of_tokens).leave_events_out(
        history_text(history), build, item, excluded, None, rules
    )
    assert effects.item == item
    assert [(event.event, event.item) for event in effects.events] == list(enumerate(history))
    histories = [history, *(history[:place] + history[place + 1 :] for place in range(len(history)))]
    standings = [effects.whole, *(event.without for event in effects.events)]
    allowed = [other for other in range(8) if other not in excluded and (rules is None or other != 7)]
    for left, standing in zip(histories, standings, strict=True):
        (scores,) = generator.score_candidates([build(history_text(left))], [range(8)])
        assert standing.score == pytest.approx(scores[item], abs=1e-4)
        clearly = sum(scores[other] > scores[item] + 1e-4 for other in allowed)
        perhaps = sum(abs(scores[other] - scores[item]) <= 1e-4 for other in allowed if other != item)
        assert clearly < standing.rank <= 1 + clearly + perhaps
        assert standing.is_rank_exact


@pytest.mark.parametrize("scoring", SCORINGS)
def test_items_that_tie_are_ranked_by_their_index(scoring):
    # all tokens are alike and the head is flat, so items of one branch have one score
    scorer = scorer_of(head_of(FLAT, FEW, size=0.0), FLAT, FEW, BLEND, {})
    config = DecodingConfig(scoring=scoring, exact=True)
    generator = TrieGuidedGenerator(FLAT, catalog_of(FEW), SPECIAL, config, scorer)
    explainer = Explainer(generator, text_of_tokens)
    text = history_text([2])
    (scores,) = generator.score_candidates([build_prompt(text, SPECIAL, layout="tokens")], [range(8)])
    in_order = sorted(range(8), key=lambda item: (-scores[item], item))
    assert len(set(scores)) < 8
    for rank, item in enumerate(in_order, start=1):
        effects = explainer.leave_events_out(text, lambda text: build_prompt(text, SPECIAL, layout="tokens"), item)
        assert effects.whole.rank == rank


def test_scores_without_an_event_are_those_of_whole_forward_passes():
    model = MODELS[0]
    head = head_of(model, FEW)
    explainer = Explainer(generator_of(model, "blend"), text_of_tokens)
    history = [7, 0, 3]
    effects = explainer.leave_events_out(
        history_text(history), lambda text: build_prompt(text, SPECIAL, layout="tokens"), 2
    )
    for place, event in enumerate(effects.events):
        left = history[:place] + history[place + 1 :]
        prompt = build_prompt(history_text(left), SPECIAL, layout="tokens")
        scores = scores_by_hand(model, head, FEW, prompt, BLEND, PAIRS)
        assert event.without.score == pytest.approx(scores[2], abs=1e-4)
        assert event.without.rank == 1 + sum(score > scores[2] for score in scores.values())
    # item 2 was bought after item 7
    assert effects.whole.score > effects.events[0].without.score


def test_prompts_reuse_keys_where_the_layout_lets_a_shorter_history_share_them():
    long = [0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3]
    explainer = Explainer(generator_of(MODELS[0], "entity"), text_of_tokens)
    reused = {
        layout: explainer.leave_events_out(
            history_text(long[: 4 if layout == "text" else 12]),
            lambda text, layout=layout: build_prompt(text, SPECIAL, layout=layout),
            5,
        ).num_reused_tokens
        for layout in ("text", "vectors")
    }
    assert reused["text"] == 0
    assert reused["vectors"] > 0


def test_a_rank_whose_search_was_cut_short_is_called_a_bound():
    titles = [(a, b, c) for a in range(4) for b in range(4) for c in range(4)]
    generator = TrieGuidedGenerator(MODELS[0], catalog_of(titles), SPECIAL, DecodingConfig(exact=True))
    explainer = Explainer(generator, text_of_tokens)
    (answer,) = generator.search([build_prompt(history_text([]), SPECIAL)], 64)
    worst = answer.items[-1].item
    for max_expansions in (1, 4, 100):
        effects = explainer.leave_events_out(
            history_text([]), lambda text: build_prompt(text, SPECIAL), worst, max_expansions=max_expansions
        )
        assert effects.whole.is_rank_exact == (max_expansions == 100)
        assert effects.whole.rank == 64 if max_expansions == 100 else effects.whole.rank < 64


def test_what_cannot_be_explained_is_refused():
    explainer = Explainer(generator_of(MODELS[0], "trie"), text_of_tokens)
    prompt = prompt_of([], FEW)
    with pytest.raises(DataError, match="only an item that is present in the catalogue has a score, got the index 8"):
        explainer.explain(prompt, 8)
    hidden = Explainer(generator_of(MODELS[0], "trie").hiding([2]), text_of_tokens)
    with pytest.raises(DataError, match="got the index 2"):
        hidden.explain(prompt, 2)
    with pytest.raises(DataError, match="item 3 has no rank, since lists or rules of the request forbid it"):
        explainer.leave_events_out(history_text([1]), lambda text: build_prompt(text, SPECIAL), 3, {3})
