"""Which tokens carry the identity of an item, and where an item is asked for as a whole: never what is still hidden.

Every token of a text and every item is unique here, so an example alone tells what it hides and where that comes.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys_model.config import ObjectiveConfig
from recsys_model.entities.pool import EntityPool
from recsys_model.entities.token_trie import build_token_trie
from recsys_model.infilling.example import OBJECTIVES, Example, ExampleBuilder
from recsys_model.infilling.item_places import NO_ITEM
from recsys_model.infilling.positions import PositionAutomaton
from recsys_model.text.textualize import ATTRIBUTE, TokenizedText
from tests.recsys_model.infilling.definition import SPECIAL

PIECES = st.lists(
    st.tuples(st.sampled_from(["item", "item", "attribute", "text", "end"]), st.integers(1, 4)), min_size=1, max_size=9
).map(lambda pieces: [*pieces, ("item", 2)])
SEEDS = st.integers(0, 2**32 - 1)


def text_of(pieces: list[tuple[str, int]]) -> TokenizedText:
    """Number tokens 0, 1, 2, ... and items too."""
    text = TokenizedText()
    for kind, size in pieces:
        tokens = range(len(text), len(text) + size)
        if kind == "item":
            text.add_entity(tokens, sum(item >= 0 for item in text.entity_items))
        elif kind == "attribute":
            text.add_entity(tokens, ATTRIBUTE)
        else:
            text.add_text(tokens)
        if kind == "end":
            text.end_sentence()
    return text


def items_of(text: TokenizedText) -> dict[int, list[int]]:
    """Return the tokens of each item."""
    places = zip(text.entity_items, text.entity_starts, text.entity_ends, strict=True)
    return {item: list(range(start, end)) for item, start, end in places if item >= 0}


def builder_of(text: TokenizedText, **settings: object) -> ExampleBuilder:
    entities = [tuple(range(*place)) for place in zip(text.entity_starts, text.entity_ends, strict=True)]
    trie = build_token_trie(list(items_of(text).values()), SPECIAL.end)
    objective = ObjectiveConfig(**settings)  # type: ignore[arg-type]
    return ExampleBuilder(objective, SPECIAL, PositionAutomaton(EntityPool(entities)), trie)


def expected_input_items(text: TokenizedText, example: Example, *, is_row: bool) -> list[int]:
    """Tell for each token, from what can be read up to it, which item it may carry.

    In a row that asks for all items, `[S]` carries the item before even where other text stands between them.
    """
    items, part_a = items_of(text), example.token_ids[: example.part_a_len]
    carried = []
    for token in part_a:
        own = [item for item, tokens in items.items() if token in [*tokens, tokens[-1] + 1]]
        whole = [item for item in own if set(items[item]) <= set(part_a)]
        # a token that is of one item and behind another tells of its own, if that may be told
        carried.append(max(whole, default=NO_ITEM))
    spans: list[list[int]] = []
    for token in example.token_ids[example.part_a_len :]:
        if token == SPECIAL.start:
            spans.append([])
            before = spans[-2] if len(spans) > 1 else []
            while is_row and before and before[-1] not in [tokens[-1] for tokens in items.values()]:
                before = before[:-1]
        else:
            before = list(spans[-1])
            spans[-1].append(token)
        complete = [item for item, tokens in items.items() if before[-len(tokens) :] == tokens]
        carried.append(complete[0] if complete else NO_ITEM)
    return carried


def expected_item_targets(text: TokenizedText, example: Example) -> list[int]:
    spans = " ".join(map(str, example.token_ids[example.part_a_len :])).split(str(SPECIAL.start))
    hidden_together = [set(map(int, span.split())) for span in spans]
    first_to_item = {
        tokens[0]: item
        for item, tokens in items_of(text).items()
        if any(set(tokens) <= hidden for hidden in hidden_together)
    }
    return [first_to_item.get(label, NO_ITEM) for label in example.labels]


def check(text: TokenizedText, example: Example, *, is_row: bool = False) -> None:
    visible = set(example.token_ids[: example.part_a_len])
    for item, tokens in items_of(text).items():
        if not set(tokens) <= visible:
            assert item not in example.input_items[: example.part_a_len], "part A tells of a hidden item"
    assert example.input_items == expected_input_items(text, example, is_row=is_row)
    assert example.item_targets == expected_item_targets(text, example)


@pytest.mark.parametrize("name", OBJECTIVES)
@given(
    pieces=PIECES,
    seed=SEEDS,
    mask_units=st.sampled_from(["entity", "token"]),
    span_order=st.sampled_from(["chronological", "shuffled"]),
    target=st.sampled_from(["last", "any", "all"]),
    share=st.sampled_from([0.15, 0.5]),
)
def test_no_objective_tells_of_an_item_before_it_was_read(
    name: str, pieces: list, seed: int, mask_units: str, span_order: str, target: str, share: float
) -> None:
    text = text_of(pieces)
    weights = {f"{other}_weight": float(other == name) for other in OBJECTIVES}
    options = {"mask_units": mask_units, "span_order": span_order, "next_item_target": target, "mask_share": share}
    example = builder_of(text, **weights, **options).draw(text, np.random.default_rng(seed))
    check(text, example, is_row=name == "next_item" and target == "all")


@given(pieces=PIECES, cuts=st.lists(st.integers(0, 40), max_size=8), seed=SEEDS)
def test_no_spans_whatever_they_cut_tell_of_an_item_before_it_was_read(pieces: list, cuts: list, seed: int) -> None:
    text = text_of(pieces)
    bounds = sorted({cut for cut in cuts if cut <= len(text)})
    spans = list(zip(bounds[::2], bounds[1::2], strict=False)) or [(0, len(text))]
    order = np.random.default_rng(seed).permutation(len(spans)).tolist()
    check(text, builder_of(text).lay_out(text, spans, SPECIAL.mask, order))


LITERAL = text_of([("text", 1), ("item", 2), ("text", 1), ("item", 2), ("item", 1), ("text", 1), ("item", 2)])
"""Tokens 0 to 9: items 0 = (1, 2), 1 = (4, 5), 2 = (6,), 3 = (8, 9)."""


def test_a_span_of_whole_items_carries_each_behind_its_last_token() -> None:
    example = builder_of(LITERAL).lay_out(LITERAL, [(4, 8)], SPECIAL.mask)
    # [CLS] 0 1 2 3 [MASK] 8 9 [EOS] [S] 4 5 6 7
    assert example.input_items == [-1, -1, 0, 0, 0, -1, 3, 3, -1, -1, -1, -1, 1, 2]
    assert example.item_targets == [-1] * 9 + [1, -1, 2, -1, -1]


def test_an_item_that_is_cut_is_carried_by_nothing_and_asked_for_nowhere() -> None:
    example = builder_of(LITERAL, mask_units="token").lay_out(LITERAL, [(2, 5), (9, 10)], SPECIAL.mask)
    # [CLS] 0 1 [MASK] 5 6 7 8 [MASK] [EOS] [S] 2 3 4 [S] 9
    assert example.input_items == [-1, -1, -1, -1, -1, 2, 2, -1, -1, -1, -1, -1, -1, -1, -1, -1]
    assert example.item_targets == [-1] * 16


def test_a_document_that_is_hidden_to_its_end_asks_for_each_of_its_items() -> None:
    example = builder_of(LITERAL).lay_out(LITERAL, [(3, 10)], SPECIAL.gmask)
    # [CLS] 0 1 2 [gMASK] [EOS] [S] 3 4 5 6 7 8 9
    assert example.input_items == [-1, -1, 0, 0, -1, -1, -1, -1, -1, -1, 1, 2, -1, -1]
    assert example.item_targets == [-1] * 6 + [-1, 1, -1, 2, -1, 3, -1, -1]
