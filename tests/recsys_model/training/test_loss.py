"""The loss against a plain, dense computation."""

import pytest
import torch
from torch.nn import functional

from recsys_model.backbones.base import FullAttention, part_a_and_part_b_mask
from recsys_model.backbones.glm import GLM
from recsys_model.config import GLMConfig, LoraConfig, ObjectiveConfig
from recsys_model.entities.pool import EntityPool
from recsys_model.entities.token_trie import build_token_trie
from recsys_model.errors import ConfigError
from recsys_model.infilling.batch import Batch, pad_examples
from recsys_model.infilling.example import IGNORED_LABEL, ExampleBuilder
from recsys_model.infilling.positions import PositionAutomaton
from recsys_model.text.textualize import TokenizedText
from recsys_model.text.tokenizer import SpecialTokens
from recsys_model.training.lora import apply_lora
from recsys_model.training.loss import InfillingLoss

SPECIAL = SpecialTokens(pad=20, eos=21, start=22, end=23, cls=24, mask=25, gmask=26, smask=27)
ITEMS = [(1, 2, 3), (1, 2), (1, 4), (6, 7)]
TRIE = build_token_trie(ITEMS, SPECIAL.end)


def tiny_glm() -> GLM:
    torch.manual_seed(0)
    return GLM(GLMConfig(num_layers=2, hidden_size=16, num_heads=2, vocab_size=28, max_sequence_length=40))


def batch_of(item_loss: str) -> Batch:
    objective = ObjectiveConfig(item_loss=item_loss)  # type: ignore[arg-type]
    builder = ExampleBuilder(objective, SPECIAL, PositionAutomaton(EntityPool(ITEMS)), TRIE)
    text = TokenizedText()
    for item in (0, 1, 3, 2):
        text.add_entity(ITEMS[item], item)
        text.add_text([9])
    examples = [
        builder.lay_out(text, [(0, 4), (6, 9)], SPECIAL.mask),
        builder.ask_for_item(text, 3),
        builder.ask_for_item(text, 1),
    ]
    return pad_examples(examples, SPECIAL.pad)


@pytest.mark.parametrize("item_loss", ["lm", "trie"])
def test_loss_and_gradient_equal_a_dense_softmax_restricted_to_the_allowed_tokens(item_loss: str) -> None:
    model, batch = tiny_glm(), batch_of(item_loss)
    loss = InfillingLoss(model, TRIE)(batch).token
    loss.backward()
    gradient = model.word_embeddings.weight.grad
    assert gradient is not None
    gradient = gradient.clone()
    model.zero_grad()

    visible = part_a_and_part_b_mask(batch.part_a_lens, batch.token_ids.shape[1])
    hidden = model(batch.token_ids, batch.inter_position_ids, batch.intra_position_ids, FullAttention(visible))
    logits = model.logits(hidden)
    expected = torch.zeros(())
    for row, place in (batch.labels != IGNORED_LABEL).nonzero().tolist():
        node = int(batch.trie_nodes[row, place])
        allowed = list(range(28)) if node < 0 else TRIE.children(node)[0].tolist()
        mask = torch.full((28,), -torch.inf)
        mask[allowed] = 0.0
        expected = expected + functional.cross_entropy(logits[row, place] + mask, batch.labels[row, place])
    expected.backward()
    torch.testing.assert_close(loss, expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(gradient, model.word_embeddings.weight.grad, atol=1e-5, rtol=1e-4)


def test_lm_loss_is_over_the_whole_vocabulary_everywhere() -> None:
    assert set(batch_of("lm").trie_nodes.flatten().tolist()) == {-1}
    assert (batch_of("trie").trie_nodes >= 0).any()


def test_padding_changes_no_loss() -> None:
    model = tiny_glm().eval()
    batch = batch_of("lm")
    whole = InfillingLoss(model, TRIE)(batch).token
    alone = [InfillingLoss(model, TRIE)(_row(batch, row)).token for row in range(3)]
    torch.testing.assert_close(whole, torch.stack(alone).sum(), atol=1e-4, rtol=1e-5)


def _row(batch: Batch, row: int) -> Batch:
    """Cut one example out of a batch, without its padding."""
    width = int((batch.token_ids[row] != SPECIAL.pad).sum())
    rows = slice(row, row + 1)
    return Batch(
        token_ids=batch.token_ids[rows, :width],
        inter_position_ids=batch.inter_position_ids[rows, :width],
        intra_position_ids=batch.intra_position_ids[rows, :width],
        labels=batch.labels[rows, :width],
        trie_nodes=batch.trie_nodes[rows, :width],
        part_a_lens=batch.part_a_lens[rows],
        input_items=batch.input_items[rows, :width],
        earlier_items=batch.earlier_items[rows, :width],
        item_targets=batch.item_targets[rows, :width],
        history=batch.history,
        num_tokens=width,
    )


def test_adapters_sit_on_the_four_linears_of_every_layer_and_change_nothing_at_first() -> None:
    batch = batch_of("lm")
    plain = InfillingLoss(tiny_glm().eval(), TRIE)(batch).token
    adapted = apply_lora(tiny_glm(), LoraConfig(rank=2)).eval()
    torch.testing.assert_close(InfillingLoss(adapted, TRIE)(batch).token, plain)
    names = {name for name, parameter in adapted.named_parameters() if parameter.requires_grad}
    linears = {name.split(".lora_")[0].rsplit(".", 1)[1] for name in names}
    assert linears == {"query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h"}
    assert len(names) == 2 * 4 * 2, "two factors on four linears in two layers"


def test_position_tables_train_along_when_asked() -> None:
    adapted = apply_lora(tiny_glm(), LoraConfig(rank=2, train_position_embeddings=True))
    names = [name for name, parameter in adapted.named_parameters() if parameter.requires_grad]
    assert sum("position_embeddings" in name for name in names) == 2


def test_rank_above_the_width_is_refused_with_the_linear_that_is_too_small() -> None:
    with pytest.raises(ConfigError, match=r"at most 16, the smallest dimension of .*query_key_value .* got 17"):
        apply_lora(tiny_glm(), LoraConfig(rank=17))
