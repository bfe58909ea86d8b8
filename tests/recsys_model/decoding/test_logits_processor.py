"""The trie inside `transformers.generate`, against its own prefix function over a dictionary."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import LlamaConfig, LlamaForCausalLM

from recsys_model.decoding.logits_processor import TrieLogitsProcessor, distinct_items, trie_items
from recsys_model.entities.token_trie import build_token_trie
from recsys_model.errors import DataError

END, VOCAB = 9, 12
SEQUENCES = st.lists(
    st.lists(st.integers(0, 5), min_size=1, max_size=5).map(tuple), min_size=1, max_size=15, unique=True
)


def tiny_llama(seed=0, **settings):
    torch.manual_seed(seed)
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    return LlamaForCausalLM(
        LlamaConfig(vocab_size=VOCAB, eos_token_id=END, pad_token_id=END, bos_token_id=8, **sizes, **settings)
    )


def allowed_by_lists(sequences, generated):
    """What may follow, by comparing with every item."""
    ended = [(*row, END) for row in sequences]
    if tuple(generated) in ended:
        return {END}
    return {row[len(generated)] for row in ended if row[: len(generated)] == tuple(generated)} or {END}


@settings(max_examples=100)
@given(SEQUENCES, st.data())
def test_exactly_the_tokens_that_go_on_along_an_item_are_allowed(sequences, data):
    size = data.draw(st.integers(0, 6))
    beginnings = [(*row, END, END, END, END, END)[:size] for row in sequences]
    rows = [*beginnings, *data.draw(st.lists(st.tuples(*[st.integers(0, 6)] * size), max_size=5))]
    input_ids = torch.tensor([[8, 8, *row] for row in rows], dtype=torch.int64)
    scores = torch.randn(len(rows), VOCAB)
    found = TrieLogitsProcessor(build_token_trie(sequences, END), 2)(input_ids, scores)
    for row, before, after in zip(rows, scores, found, strict=True):
        allowed = sorted(allowed_by_lists(sequences, row))
        if END in row:  # ended rows may only repeat the end
            allowed = [END]
        assert after.isfinite().nonzero().flatten().tolist() == allowed
        assert after[allowed].tolist() == before[allowed].tolist()


def test_beam_search_of_transformers_returns_the_same_as_with_its_own_prefix_function():
    model = tiny_llama()
    sequences = sorted({(a, b, c)[: 2 + (a + c) % 2] for a in range(4) for b in range(3) for c in range(4)})
    prompt = torch.tensor([[8, 1, 2], [8, 3, 3]])
    settings_of_both = {"num_beams": 6, "num_return_sequences": 6, "max_new_tokens": 6, "do_sample": False}

    def prefix_function(row, ids):
        return sorted(allowed_by_lists(sequences, ids[3:].tolist()))

    trie = build_token_trie(sequences, END)
    expected = model.generate(prompt, prefix_allowed_tokens_fn=prefix_function, **settings_of_both)
    found = model.generate(prompt, logits_processor=[TrieLogitsProcessor(trie, 3)], **settings_of_both)
    assert found.tolist() == expected.tolist()
    items = trie_items(trie, found[:, 3:])
    assert None not in items
    assert all(len(set(items[start : start + 6])) == 6 for start in (0, 6))
    texts = [tuple(row[: row.index(END)]) for row in found[:, 3:].tolist()]
    assert [sequences[item] for item in items] == texts


@pytest.mark.parametrize("num_beams", [5, 9])
@pytest.mark.parametrize("seed", range(4))
def test_without_a_length_penalty_items_are_ranked_by_probability_and_each_occurs_once(seed, num_beams):
    model = tiny_llama(seed, initializer_range=0.5)
    sequences = [(1,), (1, 2, 3, 4, 5), (2, 3), (2,), (3, 1, 1, 1, 1, 1, 1)]
    prompt = torch.tensor([[8, 4, 6]])
    trie = build_token_trie(sequences, END)
    beams = {"num_beams": num_beams, "num_return_sequences": num_beams, "max_new_tokens": trie.height}
    processors = [TrieLogitsProcessor(trie, 3)]
    rows = model.generate(prompt, **beams, length_penalty=0.0, do_sample=False, logits_processor=processors)
    log_probs = [log_prob(model, prompt[0].tolist(), [*sequence, END]) for sequence in sequences]
    assert distinct_items(trie, rows[:, 3:]) == sorted(range(5), key=lambda item: -log_probs[item])


@torch.no_grad()
def log_prob(model, prompt, answer):
    """The sum of the log-probabilities of the answer's tokens."""
    log_probs_TV = model(torch.tensor([prompt + answer])).logits[0].log_softmax(dim=-1)
    return sum(log_probs_TV[len(prompt) - 1 + place, token].item() for place, token in enumerate(answer))


def test_renormalised_scores_are_probabilities_over_what_is_allowed():
    processor = TrieLogitsProcessor(build_token_trie([(1, 2), (3,)], END), 1, renormalise=True)
    found = processor(torch.tensor([[8]]), torch.randn(1, VOCAB))
    assert found.exp().sum().item() == pytest.approx(1.0, abs=1e-6)
    assert found.isfinite().nonzero()[:, 1].tolist() == [1, 3]


def test_a_prompt_shorter_than_promised_is_refused():
    processor = TrieLogitsProcessor(build_token_trie([(1,)], END), 3)
    with pytest.raises(DataError, match="at most the 2 given tokens, got 3"):
        processor(torch.tensor([[8, 8]]), torch.zeros(1, VOCAB))


def test_a_trie_of_another_tokenizer_is_refused():
    processor = TrieLogitsProcessor(build_token_trie([(1, VOCAB)], END), 1)
    with pytest.raises(DataError, match="below the model's 12, got 12; make it with the model's own tokenizer"):
        processor(torch.tensor([[8]]), torch.zeros(1, VOCAB))
