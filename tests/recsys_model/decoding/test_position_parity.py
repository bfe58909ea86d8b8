"""The intra ids while generating equal those of training, over random pools and over every real title."""

import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys_model.decoding.beam import node_intra_ids
from recsys_model.entities.catalog import build_catalog, make_unique_texts
from recsys_model.entities.pool import EntityPool
from recsys_model.entities.token_trie import build_token_trie
from recsys_model.infilling.positions import PositionAutomaton
from recsys_model.text.tokenizer import train_tokenizer

END = 99_999


def generated_ids(trie, intra_ids, item):
    """Ids of `[S]` and of the tokens on the way down to an item, as decoding looks them up."""
    node, ids = 0, [intra_ids[0]]
    for token in item:
        tokens, nodes = trie.children(node)
        node = int(nodes[tokens.tolist().index(token)])
        ids.append(intra_ids[node])
    return ids


entities = st.lists(st.integers(0, 3), min_size=1, max_size=6).map(tuple)


@given(
    st.lists(entities, min_size=1, max_size=20, unique=True),
    st.lists(entities, max_size=10),
    st.sampled_from(["paper", "run", "glm"]),
)
def test_ids_while_generating_equal_ids_of_training_over_nested_and_overlapping_entities(items, attributes, mode):
    automaton = PositionAutomaton(EntityPool([*items, *attributes]), mode)
    trie = build_token_trie(items, END)
    intra_ids = node_intra_ids(trie, automaton)
    for item in items:
        expected = automaton.span_ids(item)
        assert generated_ids(trie, intra_ids, item) == expected
        assert expected == list(range(1, len(item) + 2))


def test_end_is_only_a_target_and_has_no_id():
    trie = build_token_trie([(1, 2), (1,)], END)
    intra_ids = node_intra_ids(trie, PositionAutomaton(EntityPool([(1, 2), (1,)])))
    assert intra_ids == [1, 2, 3, 0, 0]


@pytest.mark.parametrize("name", ["amazon_beauty", "amazon_toys"])
def test_ids_while_generating_equal_ids_of_training_over_every_real_title(shared_data, name):
    columns = pyarrow.parquet.read_table(shared_data / name / "items.parquet").to_pydict()
    titles = [title or "" for title in columns["title"]]
    texts, _ = make_unique_texts(titles, columns["brand"], columns["categories"], columns["item_id"])
    tokenizer = train_tokenizer(texts[:2000], vocab_size=2000)
    attributes = {value for row in columns["categories"] for value in row}
    catalog = build_catalog(columns["item_id"], titles, texts, attributes, tokenizer)
    trie = build_token_trie([item.token_ids for item in catalog.items], tokenizer.special.end)
    automaton = PositionAutomaton(catalog.pool())
    intra_ids = node_intra_ids(trie, automaton)
    for item in catalog.items:
        assert generated_ids(trie, intra_ids, item.token_ids) == automaton.span_ids(item.token_ids)
