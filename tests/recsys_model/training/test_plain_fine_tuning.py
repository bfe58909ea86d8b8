"""The baseline of the SmolLM2 benchmark is ordinary supervised fine-tuning: of transformers' own loss, searched alike."""

import numpy as np
import pytest
import torch
import transformers

from recsys_model.backbones.causal import CausalDecoder
from recsys_model.config import DecodingConfig, TextConfig
from recsys_model.decoding.generator import TrieGuidedGenerator
from recsys_model.entities.catalog import Catalog, build_catalog
from recsys_model.entities.token_trie import build_token_trie
from recsys_model.infilling.batch import pad_examples
from recsys_model.text.tokenizer import Tokenizer, train_tokenizer
from recsys_model.training.loss import InfillingLoss
from tests.benchmarks.smollm2_layouts import QuestionLayout
from tests.recsys_model.backbones.tiny_backbones import tiny_backbone

TITLES = ["Red Tent", "Red Tent Pole", "Blue Tent", "Camping Stove", "Lamp"]
HISTORY, TARGET = [0, 3], 1


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train_tokenizer(TITLES, 300)


@pytest.fixture(scope="module")
def catalog(tokenizer: Tokenizer) -> Catalog:
    return build_catalog([str(item) for item in range(len(TITLES))], TITLES, TITLES, [], tokenizer)


@pytest.fixture(scope="module")
def model(tokenizer: Tokenizer) -> CausalDecoder:
    """A model whose intra table is zero, as that of a published one is."""
    model = tiny_backbone("qwen2 causal", tokenizer.vocab_size, num_positions=256)
    assert isinstance(model, CausalDecoder)
    torch.nn.init.zeros_(model.intra_position_embeddings.weight)
    return model


def whole_answer(layout: QuestionLayout, catalog: Catalog) -> tuple[list[int], int]:
    """Return question, title and end as one row of tokens, and how many belong to the question."""
    prompt = layout.prompt(HISTORY)
    question = [*prompt.token_ids, layout.special.start]
    return [*question, *catalog.items[TARGET].token_ids, layout.special.end], len(question)


def test_its_loss_is_that_of_transformers_on_question_and_title(
    tokenizer: Tokenizer, catalog: Catalog, model: CausalDecoder
) -> None:
    layout = QuestionLayout(tokenizer, catalog, TextConfig())
    row, question_len = whole_answer(layout, catalog)
    plain = transformers.Qwen2ForCausalLM(transformers.Qwen2Config(**model.config.settings)).eval()
    plain.load_state_dict({**model.state_dict(), "lm_head.weight": model.model.embed_tokens.weight}, strict=False)
    labels = torch.tensor([[-100] * question_len + row[question_len:]])
    expected = plain(torch.tensor([row]), labels=labels).loss.item() * (len(row) - question_len)

    batch = pad_examples([layout.example(HISTORY, TARGET, np.random.default_rng(0))], tokenizer.special.pad)
    trie = build_token_trie([item.token_ids for item in catalog.items], layout.special.end)
    with torch.no_grad():
        assert InfillingLoss(model, trie)(batch).token.item() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("scoring", ["lm", "trie"])
def test_the_search_scores_what_it_trains(
    tokenizer: Tokenizer, catalog: Catalog, model: CausalDecoder, scoring: str
) -> None:
    layout = QuestionLayout(tokenizer, catalog, TextConfig(), item_loss=scoring)
    trie = build_token_trie([item.token_ids for item in catalog.items], layout.special.end)
    batch = pad_examples([layout.example(HISTORY, TARGET, np.random.default_rng(0))], tokenizer.special.pad)
    with torch.no_grad():
        expected = -InfillingLoss(model, trie)(batch).token.item()
    config = DecodingConfig(num_beams=len(TITLES), scoring="lm" if scoring == "lm" else "trie")
    found = TrieGuidedGenerator(model, catalog, layout.special, config).recommend([layout.prompt(HISTORY)], len(TITLES))
    assert {each.item: each.score for each in found[0]}[TARGET] == pytest.approx(expected, abs=1e-3)
