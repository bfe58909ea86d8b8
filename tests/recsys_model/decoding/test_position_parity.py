"""The intra ids while generating equal those of training, over random pools and over every real title."""

import pyarrow.parquet
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from recsys_model.backbones.glm import GLM
from recsys_model.config import GLMConfig
from recsys_model.decoding.cache import lay_out
from recsys_model.decoding.edges import Edges
from recsys_model.entities.catalog import build_catalog, make_unique_texts
from recsys_model.entities.pool import EntityPool
from recsys_model.entities.token_trie import build_token_trie
from recsys_model.infilling.positions import PositionAutomaton
from recsys_model.text.tokenizer import train_tokenizer

START, END = 99_998, 99_999


def generated_ids(trie, edges, item):
    """Tokens and ids that decoding feeds on the way down to an item, one label after the other."""
    node, tokens, ids = 0, [], []
    ended = (*item, END)
    while True:
        nodes = torch.tensor([[node]])
        layout = lay_out(edges.num_tokens(nodes))
        fed_tokens, fed_ids = edges.tokens(nodes, layout)
        tokens += fed_tokens[0].tolist()
        ids += fed_ids[0].tolist()
        if trie.leaf_item(node) is not None:
            return tokens, ids
        choices, children = trie.children(node)
        node = int(children[choices.tolist().index(ended[len(tokens) - 1])])


def edges_of(trie):
    geometry = GLMConfig(num_layers=1, hidden_size=2, num_heads=1, vocab_size=8)
    return Edges(GLM(geometry), trie, START, "lm")


entities = st.lists(st.integers(0, 3), min_size=1, max_size=6).map(tuple)


@given(
    st.lists(entities, min_size=1, max_size=20, unique=True),
    st.lists(entities, max_size=10),
    st.sampled_from(["paper", "run", "glm"]),
)
def test_ids_while_generating_equal_ids_of_training_over_nested_and_overlapping_entities(items, attributes, mode):
    automaton = PositionAutomaton(EntityPool([*items, *attributes]), mode)
    trie = build_token_trie(items, END)
    edges = edges_of(trie)
    for item in items:
        assert generated_ids(trie, edges, item) == ([START, *item], automaton.span_ids(item))


@pytest.mark.parametrize("name", ["amazon_beauty", "amazon_toys"])
def test_ids_while_generating_equal_ids_of_training_over_every_real_title(shared_data, name):
    columns = pyarrow.parquet.read_table(shared_data / name / "items.parquet").to_pydict()
    titles = [title or "" for title in columns["title"]]
    texts, _ = make_unique_texts(titles, columns["brand"], columns["categories"], columns["item_id"])
    tokenizer = train_tokenizer(texts[:2000], vocab_size=2000)
    attributes = {value for row in columns["categories"] for value in row}
    catalog = build_catalog(columns["item_id"], titles, texts, attributes, tokenizer)
    trie = build_token_trie([item.token_ids for item in catalog.items], END)
    automaton = PositionAutomaton(catalog.pool())
    edges = edges_of(trie)
    for item in catalog.items:
        ids = automaton.span_ids(item.token_ids)
        assert generated_ids(trie, edges, item.token_ids) == ([START, *item.token_ids], ids)
