"""Log-probabilities of tokens over the vocabulary, however many states are projected at a time."""

import copy

import pytest
import torch

from recsys_model.decoding import scoring
from recsys_model.decoding.scoring import ChildScorer, target_log_probs, vocabulary_log_probs
from recsys_model.entities.token_trie import build_token_trie
from tests.recsys_model.decoding.tiny_decoding import make_model

MODEL = make_model(3)


@pytest.mark.parametrize("max_logits", [1, 28, 3 * 28, 1 << 20])
@torch.no_grad()
def test_states_projected_a_few_at_a_time_give_what_all_at_once_give(monkeypatch, max_logits):
    monkeypatch.setitem(scoring.MAX_LOGITS, "cpu", max_logits)
    hidden = torch.randn(7, 16, generator=torch.Generator().manual_seed(0))
    expected = (hidden @ MODEL.word_embeddings.weight.T).log_softmax(dim=-1)
    # the second, fifth and last state are asked for nothing
    rows, tokens = torch.tensor([0, 0, 2, 3, 3, 3, 5]), torch.tensor([4, 27, 0, 1, 2, 1, 9])
    torch.testing.assert_close(vocabulary_log_probs(MODEL, hidden, rows, tokens), expected[rows, tokens])
    targets = torch.tensor([3, 1, 4, 1, 5, 9, 2])
    torch.testing.assert_close(target_log_probs(MODEL, hidden, targets), expected[torch.arange(7), targets])
    assert target_log_probs(MODEL, hidden[:0], targets[:0]).tolist() == []


@torch.no_grad()
def test_in_bfloat16_the_log_probabilities_are_as_fine_as_in_float32():
    model = copy.deepcopy(MODEL).to(torch.bfloat16)
    hidden = (8 * torch.randn(5, 16, generator=torch.Generator().manual_seed(0))).to(torch.bfloat16)
    logits = hidden.double() @ model.word_embeddings.weight.double().T
    rows, tokens = torch.arange(5).repeat_interleave(28), torch.arange(28).repeat(5)
    found = vocabulary_log_probs(model, hidden, rows, tokens).reshape(5, 28).double()
    # the sum over the vocabulary may shift all tokens of a state alike, so differences are compared
    torch.testing.assert_close(found - found[:, :1], logits - logits[:, :1], rtol=0, atol=1e-4)
    torch.testing.assert_close(found, logits.log_softmax(dim=1), rtol=0, atol=0.2)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("advantage", [0, 1_000_000])
@torch.no_grad()
def test_children_have_the_same_log_probabilities_whichever_way_they_are_projected(monkeypatch, dtype, advantage):
    monkeypatch.setitem(scoring.DENSE_ADVANTAGE, "cpu", advantage)
    model = copy.deepcopy(MODEL).to(dtype)
    trie = build_token_trie([(1, 2), (1, 3), (1, 3, 4), (5, 6), (5, 7), (8,)], 23)
    nodes = [node for node in range(trie.num_nodes) if trie.first_child[node + 1] > trie.first_child[node]]
    hidden = torch.randn(len(nodes), 16, generator=torch.Generator().manual_seed(0)).to(dtype)
    scorer = ChildScorer(model, trie, "trie")
    children = scorer.expand(torch.tensor(nodes))

    found = scorer.log_probs(hidden, children)

    tokens = torch.from_numpy(trie.first_tokens()).long()[children.nodes]
    logits = hidden.float() @ model.word_embeddings.weight.float().T
    for row in range(len(nodes)):
        own = children.rows == row
        torch.testing.assert_close(found[own], logits[row, tokens[own]].log_softmax(dim=0))
