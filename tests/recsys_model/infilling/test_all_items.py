"""`next_item_target: all`: every item of a text is a target, and requests are laid out as training was."""

import random

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from recsys_model.backbones.base import FullAttention
from recsys_model.config import HistoryLayout, ObjectiveConfig
from recsys_model.decoding.expansion import Expansion, SearchSpace
from recsys_model.entities.pool import EntityPool
from recsys_model.entities.token_trie import build_token_trie
from recsys_model.entity_head.scorer import EntityScorer
from recsys_model.entity_head.vectors import ItemVectors
from recsys_model.errors import DataError
from recsys_model.infilling.batch import pad_examples
from recsys_model.infilling.example import IGNORED_LABEL, Example, ExampleBuilder
from recsys_model.infilling.positions import PositionAutomaton
from recsys_model.infilling.prompt import build_prompt
from recsys_model.text.textualize import ATTRIBUTE, TokenizedText
from recsys_model.text.tokenizer import SpecialTokens
from tests.recsys_model.backbones.tiny_backbones import NAMES, tiny_backbone
from tests.recsys_model.decoding import tiny_decoding
from tests.recsys_model.decoding.tiny_entities import head_of, text_of
from tests.recsys_model.infilling.definition import SPECIAL as LARGE
from tests.recsys_model.infilling.definition import tokenized
from tests.recsys_model.infilling.random_texts import random_entities, random_pieces

SPECIAL = SpecialTokens(pad=90, eos=91, start=92, end=93, cls=94, mask=95, gmask=96, smask=97)
ITEMS = [(1, 2, 3), (6, 7), (1, 2), (6, 8, 9)]
NONE = [-1] * 7
NO_LABELS = [IGNORED_LABEL] * 7


def builder_of(items, special=SPECIAL, attributes=((40, 41),), **settings: object) -> ExampleBuilder:
    objective = ObjectiveConfig(next_item_target="all", **settings)  # type: ignore[arg-type]
    automaton = PositionAutomaton(EntityPool([*items, *attributes]), objective.intra_mode)
    return ExampleBuilder(objective, special, automaton, build_token_trie(items, special.end))


def text_with_features() -> TokenizedText:
    text = TokenizedText()
    text.add_text([50])
    text.add_entity([40, 41], ATTRIBUTE)
    for separator, item in ((51, 0), (52, 1), (52, 2)):
        text.add_text([separator])
        text.add_entity(ITEMS[item], item)
    return text


def test_what_comes_after_the_first_item_is_one_blank() -> None:
    assert builder_of(ITEMS).ask_for_all(text_with_features()) == Example(
        token_ids=[94, 50, 40, 41, 51, 96, 91, 92, 1, 2, 3, 92, 6, 7, 92, 1, 2],
        inter_position_ids=[0, 1, 2, 3, 4, 5, 6, 5, 5, 5, 5, 6, 6, 6, 7, 7, 7],
        intra_position_ids=[0, 0, 1, 2, 0, 0, 0, 1, 2, 3, 4, 1, 2, 3, 1, 2, 3],
        labels=[*NO_LABELS, 1, 2, 3, 93, 6, 7, 93, 1, 2, 93],
        trie_nodes=[*NONE, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1],
        part_a_len=7,
        input_items=[*NONE, -1, -1, -1, -1, 0, -1, -1, 1, -1, -1],
        earlier_items=[*[(-1, -1)] * 14, (0, -1), (-1, -1), (-1, -1)],
        item_targets=[*NONE, 0, -1, -1, -1, 1, -1, -1, 2, -1, -1],
    )


def test_with_vectors_for_a_history_only_the_last_item_is_told_and_asked_for_by_its_tokens() -> None:
    assert builder_of(ITEMS, history="vectors", item_loss="trie").ask_for_all(text_with_features()) == Example(
        token_ids=[94, 50, 40, 41, 51, 96, 91, 92, 92, 92, 1, 2],
        inter_position_ids=[0, 1, 2, 3, 4, 5, 6, 5, 6, 7, 7, 7],
        intra_position_ids=[0, 0, 1, 2, 0, 0, 0, 1, 1, 1, 2, 3],
        labels=[*NO_LABELS, IGNORED_LABEL, IGNORED_LABEL, 1, IGNORED_LABEL, 93],
        trie_nodes=[*NONE, -1, -1, 0, -1, 1],
        part_a_len=7,
        input_items=[*NONE, -1, 0, 1, -1, -1],
        earlier_items=[*[(-1, -1)] * 9, (0, -1), (-1, -1), (-1, -1)],
        item_targets=[*NONE, 0, 1, 2, -1, -1],
    )


def test_counted_from_the_last_item_position_ids_end_where_a_single_blank_stands() -> None:
    from_first = builder_of(ITEMS, history="vectors").ask_for_all(text_with_features())
    from_last = builder_of(ITEMS, history="vectors_from_last").ask_for_all(text_with_features())
    assert from_last.inter_position_ids == [0, 1, 2, 3, 4, 5, 6, 7, 6, 5, 5, 5]
    from_last.inter_position_ids = from_first.inter_position_ids
    assert from_last == from_first
    shorter = builder_of(ITEMS, history="vectors_from_last").ask_for_item(text_with_features(), 2)
    assert shorter.inter_position_ids == [0, 1, 2, 3, 4, 5, 6, 6, 5, 5, 5]


def test_what_a_text_tells_of_an_event_stands_behind_its_item() -> None:
    text = TokenizedText()
    text.add_text([50])
    text.add_entity(ITEMS[1], 1)
    text.add_text([53])
    text.add_entity([40, 41], ATTRIBUTE)
    text.add_text([52])
    text.add_entity(ITEMS[0], 0)
    text.add_text([54, 52])
    text.add_entity(ITEMS[2], 2)
    example = builder_of(ITEMS, history="vectors").ask_for_all(text)
    assert example.token_ids == [94, 50, 96, 91, 92, 53, 40, 41, 52, 92, 54, 52, 92, 1, 2]
    assert example.inter_position_ids == [0, 1, 2, 3, 2, 3, 3, 3, 3, 3, 4, 4, 4, 4, 4]
    assert example.intra_position_ids == [0, 0, 0, 0, 1, 0, 1, 2, 0, 1, 0, 0, 1, 2, 3]
    assert example.input_items == [-1, -1, -1, -1, -1, 1, -1, -1, -1, 1, 0, -1, 0, -1, -1]
    assert example.item_targets == [-1, -1, -1, -1, 1, -1, -1, -1, -1, 0, -1, -1, 2, -1, -1]
    told = builder_of(ITEMS).ask_for_all(text)
    assert told.token_ids == [94, 50, 96, 91, 92, 6, 7, 53, 40, 41, 52, 92, 1, 2, 3, 54, 52, 92, 1, 2]


def test_a_text_of_items_alone_is_a_row_of_items() -> None:
    text = TokenizedText()
    for item in (3, 0, 3):
        text.add_entity(ITEMS[item], item)
    text.add_text([55])
    example = builder_of(ITEMS).ask_for_all(text)
    assert example.token_ids == [94, 96, 91, 92, 6, 8, 9, 92, 1, 2, 3, 92, 6, 8, 9]
    assert example.inter_position_ids == [0, 1, 2, *[1] * 4, *[2] * 4, *[3] * 4]
    assert example.intra_position_ids == [0, 0, 0, 1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3, 4]
    assert example.input_items == [-1] * 3 + [-1, -1, -1, -1, 3, -1, -1, -1, 0, -1, -1, -1]
    assert example.item_targets == [-1] * 3 + [3, -1, -1, -1, 0, -1, -1, -1, 3, -1, -1, -1]


def test_tokens_without_a_choice_are_no_targets_or_weigh_less() -> None:
    # the trie: 0 -> 1 = "1 2" -> 3 = "3 [E]", 4 = "[E]"; 0 -> 2 = "6" -> 5 = "7 [E]", 6 = "8 9 [E]"
    trie = builder_of(ITEMS, item_loss="trie").ask_for_all(text_with_features())
    no = IGNORED_LABEL
    assert trie.labels == [*NO_LABELS, 1, no, 3, no, 6, 7, no, 1, no, 93]
    assert trie.trie_nodes == [*NONE, 0, -1, 1, -1, 0, 2, -1, 0, -1, 1]
    weighed = builder_of(ITEMS, forced_token_weight=0.1).ask_for_all(text_with_features())
    assert weighed.labels == [*NO_LABELS, 1, 2, 3, 93, 6, 7, 93, 1, 2, 93]
    assert weighed.trie_nodes == [*NONE, -1, -2, -1, -2, -1, -1, -2, -1, -2, -1]


def test_asking_for_one_item_ends_the_text_there_and_leaves_no_other_target() -> None:
    example = builder_of(ITEMS).ask_for_item(text_with_features(), 2)
    assert example.token_ids == [94, 50, 40, 41, 51, 96, 91, 92, 1, 2, 3, 92, 6, 7]
    assert example.labels == [IGNORED_LABEL] * 11 + [6, 7, 93]
    assert example.item_targets == [-1] * 11 + [1, -1, -1]
    assert example.input_items == [-1] * 11 + [0, -1, -1]
    with pytest.raises(DataError, match="got a text without one; give it a target"):
        builder_of(ITEMS).ask_for_all(text_with_features().before(1))


@given(
    seed=st.integers(0, 2**32 - 1),
    mode=st.sampled_from(["paper", "run", "glm"]),
    loss=st.sampled_from(["lm", "trie"]),
    history=st.sampled_from(["tokens", "vectors", "vectors_from_last"]),
)
def test_a_request_is_the_beginning_of_the_example_that_holds_its_answer(
    seed: int, mode: str, loss: str, history: str
) -> None:
    rng = random.Random(seed)
    entities = random_entities(rng)
    text = tokenized(random_pieces(rng, entities, with_item=True))
    builder = builder_of(entities.items, LARGE, entities.attributes, intra_mode=mode, item_loss=loss, history=history)
    target = rng.choice([number for number, item in enumerate(text.entity_items) if item >= 0])
    prompt = build_prompt(text.before(target), LARGE, mode, layout=history)  # type: ignore[arg-type]
    size = len(prompt.token_ids)
    example, whole = builder.ask_for_item(text, target), builder.ask_for_all(text)
    for name in ("token_ids", "inter_position_ids", "intra_position_ids", "input_items", "earlier_items"):
        assert getattr(prompt, name) == getattr(example, name)[:size]
        # with the items behind it in the text, nothing in front of the answer differs but ids that count from the last
        if (name, history) != ("inter_position_ids", "vectors_from_last"):
            assert getattr(prompt, name) == getattr(whole, name)[:size]
    assert prompt.part_a_len == example.part_a_len == whole.part_a_len
    own = (example.token_ids[size], example.inter_position_ids[size], example.intra_position_ids[size])
    assert own == (LARGE.start, prompt.mask_position, 1)
    assert (example.input_items[size], example.item_targets[size]) == (prompt.last_item, text.entity_items[target])
    assert example.earlier_items[size] == prompt.items_before_last
    assert set(example.labels[:size]) == {IGNORED_LABEL}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("history", ["tokens", "vectors", "vectors_from_last"])
@torch.no_grad()
def test_the_state_that_predicts_an_item_is_the_same_in_training_and_in_decoding(
    name: str, history: HistoryLayout
) -> None:
    titles = [(1, 2), (1, 2, 3), (5, 4), (0,)]
    model = tiny_backbone(name).double()
    head = head_of(model, titles, earlier_inputs=True).double()
    vectors_ND = head.item_vectors(model)
    inputs_ND = vectors_ND @ head.input_projection
    earlier_END = torch.stack([vectors_ND @ matrix_DD for matrix_DD in head.earlier_projections])
    scorer = EntityScorer(
        head=head,
        vectors=ItemVectors(vectors_ND / head.temperature, head.biases, inputs_ND, torch.zeros(1), earlier_END),
    )
    special = tiny_decoding.SPECIAL
    space = SearchSpace(model, build_token_trie(titles, special.end), special, "trie", scorer=scorer)
    builder = builder_of(titles, special, [(12, 13)], history=history)
    texts = [text_of(history, titles) for history in ([2], [0, 3, 1], [1, 1, 2, 0])]
    prompts = [build_prompt(text.before(len(text.entity_items) - 1), special, layout=history) for text in texts]
    decoded_RD = Expansion(space, prompts, space.lists.filter_of([()] * 3)).first_states()
    for text, prompt, decoded_D in zip(texts, prompts, decoded_RD, strict=True):
        batch = pad_examples([builder.ask_for_all(text)], special.pad)
        carries = batch.input_items >= 0
        added = torch.zeros(*batch.token_ids.shape, vectors_ND.shape[1], dtype=torch.float64)
        added[carries] = head(model, None, batch.input_items[carries], batch.earlier_items[carries]).inputs
        attention = FullAttention(model.visible(batch.part_a_lens, batch.token_ids.shape[1]))
        hidden = model.hidden_states(
            batch.token_ids, batch.inter_position_ids, batch.intra_position_ids, attention, added
        )
        torch.testing.assert_close(hidden[0, len(prompt.token_ids)], decoded_D, atol=1e-9, rtol=1e-9)
