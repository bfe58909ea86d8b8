"""Layout of part A and part B: Figure 1 literally, and general texts against a slow reading."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_model.backbones.base import part_a_and_part_b_mask
from recsys_model.config import PLAIN_GLM, ObjectiveConfig
from recsys_model.entities.pool import EntityPool
from recsys_model.entities.token_trie import build_token_trie
from recsys_model.errors import DataError
from recsys_model.infilling.batch import ExampleCollator, pad_examples
from recsys_model.infilling.example import IGNORED_LABEL, ExampleBuilder
from recsys_model.infilling.positions import PositionAutomaton
from recsys_model.infilling.prompt import build_prompt
from recsys_model.text.textualize import ATTRIBUTE, TokenizedText
from recsys_model.text.tokenizer import SpecialTokens

SPECIAL = SpecialTokens(pad=90, eos=91, start=92, end=93, cls=94, mask=95, gmask=96, smask=97)
ITEMS = [(1, 2, 3), (6, 7), (1, 2), (6, 8, 9)]


def builder(**settings: object) -> ExampleBuilder:
    automaton = PositionAutomaton(EntityPool([*ITEMS, (40, 41)]))
    trie = build_token_trie(ITEMS, SPECIAL.end)
    return ExampleBuilder(ObjectiveConfig(**settings), SPECIAL, automaton, trie)  # type: ignore[arg-type]


def figure_1_text() -> TokenizedText:
    """x1 x2 x3 form e1; x4 and x5 are separate tokens; x6 x7 form e2."""
    text = TokenizedText()
    text.add_entity([1, 2, 3], 0)
    text.add_text([4, 5])
    text.add_entity([6, 7], 1)
    return text


def test_figure_1_of_the_paper() -> None:
    example = builder().lay_out(figure_1_text(), [(0, 3), (4, 5)], SPECIAL.mask)
    assert example.part_a_len == 7
    assert example.token_ids == [94, 95, 4, 95, 6, 7, 91, 92, 1, 2, 3, 92, 5]
    assert example.inter_position_ids == [0, 1, 2, 3, 4, 5, 6, 1, 1, 1, 1, 3, 3]
    assert example.intra_position_ids == [0, 0, 0, 0, 1, 2, 0, 1, 2, 3, 4, 1, 2]
    assert example.labels == [IGNORED_LABEL] * 7 + [1, 2, 3, 93, 5, 93]


def test_figure_1_as_plain_glm_would_train_on_it() -> None:
    automaton = PositionAutomaton(EntityPool(ITEMS), PLAIN_GLM.intra_mode)
    plain = ExampleBuilder(PLAIN_GLM, SPECIAL, automaton, build_token_trie(ITEMS, SPECIAL.end))
    example = plain.lay_out(figure_1_text(), [(1, 3), (4, 6)], SPECIAL.mask, order=[1, 0])
    assert example.token_ids == [94, 1, 95, 4, 95, 7, 91, 92, 5, 6, 92, 2, 3]
    assert example.inter_position_ids == [0, 1, 2, 3, 4, 5, 6, 4, 4, 4, 2, 2, 2]
    assert example.intra_position_ids == [0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 1, 2, 3]
    assert example.labels == [IGNORED_LABEL] * 7 + [5, 6, 93, 2, 3, 93]


def test_token_of_a_cut_entity_keeps_its_place_in_part_a() -> None:
    example = builder().lay_out(figure_1_text(), [(1, 2)], SPECIAL.mask)
    assert example.token_ids[: example.part_a_len] == [94, 1, 95, 3, 4, 5, 6, 7, 91]
    assert example.intra_position_ids[: example.part_a_len] == [0, 1, 0, 3, 0, 0, 1, 2, 0]


def test_text_without_a_token_is_refused() -> None:
    with pytest.raises(DataError, match="at least 1 token"):
        builder().draw(TokenizedText(), np.random.default_rng(0))


def test_supervised_task_on_a_text_without_items_is_refused() -> None:
    only_next_item = builder(entity_weight=0.0, sentence_weight=0.0, document_weight=0.0)
    with pytest.raises(DataError, match=r"objective\.next_item_weight"):
        only_next_item.draw(text_of([("attribute", 0)]), np.random.default_rng(0))


def test_objectives_are_drawn_as_often_as_their_weights_say() -> None:
    mixed = builder(entity_weight=0.5, sentence_weight=0.3, document_weight=0.2, next_item_weight=0.0)
    text = text_of([("item", 0), ("end", 60), ("item", 1)])
    blanks = [
        next(t for t in mixed.draw(text, np.random.default_rng(n)).token_ids if t in (95, 96, 97)) for n in range(4000)
    ]
    # standard deviations 32, 29 and 25
    assert abs(blanks.count(SPECIAL.mask) - 2000) < 160
    assert abs(blanks.count(SPECIAL.smask) - 1200) < 145
    assert abs(blanks.count(SPECIAL.gmask) - 800) < 125


def test_prompt_ends_with_the_only_blank() -> None:
    prompt = build_prompt(figure_1_text(), SPECIAL)
    assert prompt.token_ids == [94, 1, 2, 3, 4, 5, 6, 7, 96, 91]
    assert prompt.inter_position_ids == list(range(10))
    assert prompt.intra_position_ids == [0, 1, 2, 3, 0, 0, 1, 2, 0, 0]
    assert prompt.mask_position == 8


def test_supervised_example_has_the_prompt_that_serving_builds() -> None:
    text = figure_1_text()
    example = builder().ask_for_item(text, 1)
    prompt = build_prompt(text.before(1), SPECIAL)
    assert example.token_ids[: example.part_a_len] == prompt.token_ids
    assert example.intra_position_ids[: example.part_a_len] == prompt.intra_position_ids
    assert example.token_ids[example.part_a_len :] == [SPECIAL.start, 6, 7]
    assert set(example.inter_position_ids[example.part_a_len :]) == {prompt.mask_position}


def test_trie_loss_asks_only_where_the_catalogue_leaves_a_choice() -> None:
    trie = build_token_trie(ITEMS, SPECIAL.end)
    example = builder(item_loss="trie").ask_for_item(figure_1_text(), 1)
    labels, nodes = example.labels[example.part_a_len :], example.trie_nodes[example.part_a_len :]
    assert labels == [6, 7, IGNORED_LABEL], "6 or 1, then 7 or 8, and after 6 7 nothing but [E]"
    assert nodes[0] == 0
    assert trie.children(nodes[1])[0].tolist() == [7, 8]


def test_trie_loss_decides_between_a_title_and_a_longer_one_at_the_end_of_the_span() -> None:
    text = TokenizedText()
    text.add_entity([1, 2], 2)
    example = builder(item_loss="trie").lay_out(text, [(0, 2)], SPECIAL.gmask)
    trie = build_token_trie(ITEMS, SPECIAL.end)
    assert example.labels[example.part_a_len :] == [1, IGNORED_LABEL, SPECIAL.end]
    assert trie.children(example.trie_nodes[-1])[0].tolist() == [3, SPECIAL.end]


UNITS = st.lists(
    st.one_of(
        st.tuples(st.just("item"), st.integers(0, len(ITEMS) - 1)),
        st.tuples(st.just("attribute"), st.just(0)),
        st.tuples(st.just("text"), st.sampled_from([1, 6, 50, 51])),
        st.tuples(st.just("end"), st.just(60)),
    ),
    min_size=1,
    max_size=15,
)


def text_of(units: list[tuple[str, int]]) -> TokenizedText:
    text = TokenizedText()
    for kind, value in units:
        if kind == "item":
            text.add_entity(ITEMS[value], value)
        elif kind == "attribute":
            text.add_entity([40, 41], ATTRIBUTE)
        else:
            text.add_text([value])
        if kind == "end":
            text.end_sentence()
    return text


@pytest.mark.parametrize("objective", ["entity", "sentence", "document", "next_item"])
@settings(deadline=None)
@given(units=UNITS, seed=st.integers(0, 2**32 - 1))
def test_filling_the_blanks_gives_the_text_back(objective: str, units: list, seed: int) -> None:
    weights = {f"{name}_weight": float(name == objective) for name in ("entity", "sentence", "document", "next_item")}
    if objective == "next_item":
        units = [*units, ("item", 0)]
    text = text_of(units)
    example = builder(**weights).draw(text, np.random.default_rng(seed))
    part_a, part_b = example.token_ids[: example.part_a_len], example.token_ids[example.part_a_len :]
    targets = example.labels[example.part_a_len :]
    assert all(label == IGNORED_LABEL for label in example.labels[: example.part_a_len])
    spans: list[list[int]] = []
    for token, target in zip(part_b, targets, strict=True):
        if token == SPECIAL.start:
            spans.append([])
        spans[-1].append(target)
    assert all(span[-1] == SPECIAL.end for span in spans)
    blank = {"entity": SPECIAL.mask, "sentence": SPECIAL.smask}.get(objective, SPECIAL.gmask)
    filled: list[int] = []
    for token in part_a[1:-1]:
        filled += spans.pop(0)[:-1] if token == blank else [token]
    assert filled == text.token_ids
    assert spans == []
    for token, inter in zip(part_b, example.inter_position_ids[example.part_a_len :], strict=True):
        assert part_a[inter] == blank, f"token {token} of part B points at its mask token"


@settings(deadline=None)
@given(lens=st.lists(st.integers(1, 5), min_size=1, max_size=3), num_tokens=st.integers(5, 8))
def test_part_b_never_sees_a_later_token_and_part_a_never_sees_part_b(lens: list[int], num_tokens: int) -> None:
    visible = part_a_and_part_b_mask(torch.tensor(lens), num_tokens)
    for row, part_a_len in enumerate(lens):
        for query in range(num_tokens):
            seen = {key for key in range(num_tokens) if visible[row, query, key]}
            assert seen == set(range(max(query + 1, part_a_len)))


def test_batch_is_padded_on_the_right_and_its_draws_depend_on_the_key_alone() -> None:
    texts = [text_of([("item", 0), ("end", 60), ("item", 1)]), text_of([("item", 3)])]
    collate = ExampleCollator(builder(), SPECIAL.pad)
    batch = collate(texts, [(0, 0, "u", 1), (0, 0, "v", 1)])
    alone = collate(texts[1:], [(0, 0, "v", 1)])
    width = alone.token_ids.shape[1]
    assert batch.token_ids[1, :width].tolist() == alone.token_ids[0].tolist()
    assert set(batch.token_ids[1, width:].tolist()) <= {SPECIAL.pad}
    assert set(batch.labels[1, width:].tolist()) <= {IGNORED_LABEL}


def test_num_targets_counts_the_labels() -> None:
    example = builder().lay_out(figure_1_text(), [(0, 3)], SPECIAL.mask)
    assert pad_examples([example, example], SPECIAL.pad).num_targets == 8


def test_a_tokenizer_without_frame_gives_chatglms_published_layout():
    # the published code's ids and positions: text [gMASK] <sop> answer <eop>
    special = SpecialTokens(pad=0, eos=None, start=154, end=155, cls=None, mask=150, gmask=151, smask=150)
    text = TokenizedText()
    text.add_text([42, 133, 51, 127, 44, 24])
    text.add_entity([49, 22, 109, 44], 0)
    builder = ExampleBuilder(
        ObjectiveConfig(intra_mode="glm"),
        special,
        PositionAutomaton(EntityPool(), "glm"),
        build_token_trie([(49, 22, 109, 44)], special.end),
    )

    example = builder.ask_for_item(text, 0)

    assert example.token_ids == [42, 133, 51, 127, 44, 24, 151, 154, 49, 22, 109, 44]
    assert example.inter_position_ids == [0, 1, 2, 3, 4, 5, 6, 6, 6, 6, 6, 6]
    assert example.intra_position_ids == [0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5]
    assert example.labels == [IGNORED_LABEL] * 7 + [49, 22, 109, 44, 155]
    assert example.part_a_len == 7
    prompt = build_prompt(text.before(0), special, "glm")
    assert (prompt.token_ids, prompt.mask_position) == ([42, 133, 51, 127, 44, 24, 151], 6)
