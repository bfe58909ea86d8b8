"""Operations of a step of a causal decoder are those that PyTorch counts, whatever part A sees."""

from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from recsys_model.backbones.causal import CausalDecoder
from recsys_model.backbones.checkpoint import load_model
from recsys_model.config import LoraConfig, ObjectiveConfig
from recsys_model.entities.pool import EntityPool
from recsys_model.entities.token_trie import build_token_trie
from recsys_model.entity_config import EntityConfig
from recsys_model.entity_head.head import EntityHead
from recsys_model.infilling.batch import pack_examples
from recsys_model.infilling.example import ExampleBuilder
from recsys_model.infilling.positions import PositionAutomaton
from recsys_model.text.pretrained import load_pretrained_tokenizer
from recsys_model.text.textualize import TokenizedText
from recsys_model.training.lora import apply_lora
from recsys_model.training.loss import InfillingLoss
from tests.gpu.decoder_flops import sizes_of, step_flops, visible_pairs
from tests.gpu.quality_run import write_random_llama

RANK = 4
ITEMS = [[20, 21], [20, 22, 23], [30, 21], [40]]
OBJECTIVE = ObjectiveConfig(
    entity_weight=0.0, sentence_weight=0.0, document_weight=0.0, next_item_target="all", item_loss="trie"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    written = tmp_path_factory.mktemp("llama")
    write_random_llama(written)
    return written


def text_of(items: list[int]) -> TokenizedText:
    text = TokenizedText()
    for item in items:
        text.add_entity(ITEMS[item], item)
    return text


def test_the_flops_of_a_step_are_those_that_pytorch_counts(folder: Path) -> None:
    special = load_pretrained_tokenizer(folder).special
    trie = build_token_trie(ITEMS, special.end)
    builder = ExampleBuilder(OBJECTIVE, special, PositionAutomaton(EntityPool(ITEMS), OBJECTIVE.intra_mode), trie)
    rng = np.random.default_rng(0)
    examples = [builder.draw(text_of(items), rng) for items in ([0, 1, 2], [3, 1], [2, 3, 0, 1])]
    # one row without padding
    batch = pack_examples(examples, special.pad, sum(len(example.token_ids) for example in examples))
    model = load_model(folder, mask="causal")
    assert isinstance(model, CausalDecoder)
    head = EntityHead(model.config.hidden_size, ITEMS, EntityConfig(enabled=True))
    loss = InfillingLoss(apply_lora(model, LoraConfig(rank=RANK)), trie, OBJECTIVE, head)

    # the counter does not know the CPU's fused attention
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        sums = loss(batch)
        (sums.token + sums.entity).backward()

    # PyTorch counts every pair of an example, hidden or not
    num_pairs = sum(len(example.token_ids) ** 2 for example in examples)
    expected = step_flops(sizes_of(model.config, RANK, trie, len(ITEMS)), batch, num_pairs)
    assert counter.get_total_flops() == expected


@pytest.mark.parametrize("mask", ["prefix", "causal"])
def test_pairs_that_see_each_other_are_counted_as_the_mask_has_them(
    folder: Path, mask: Literal["prefix", "causal"]
) -> None:
    special = load_pretrained_tokenizer(folder).special
    trie = build_token_trie(ITEMS, special.end)
    builder = ExampleBuilder(OBJECTIVE, special, PositionAutomaton(EntityPool(ITEMS), OBJECTIVE.intra_mode), trie)
    examples = [builder.ask_for_all(text_of(items)) for items in ([0, 1, 2], [3, 1])]
    model = load_model(folder, mask=mask)

    masks = [model.visible(torch.tensor([e.part_a_len]), len(e.token_ids)) for e in examples]

    assert visible_pairs(pack_examples(examples, special.pad, 64), mask) == sum(int(each.sum()) for each in masks)
