"""Both losses of a model with an entity head against loops over targets, items and tokens, in double precision."""

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from recsys_model.backbones.base import Backbone
from recsys_model.config import LoraConfig, ObjectiveConfig
from recsys_model.entity_config import EntityConfig
from recsys_model.entity_head.head import EntityHead
from recsys_model.entity_head.sampling import sample_items
from recsys_model.infilling.batch import Batch, pack_examples, pad_examples
from recsys_model.training.lora import apply_lora
from recsys_model.training.loss import InfillingLoss
from tests.recsys_model.backbones.tiny_backbones import NAMES, tiny_backbone
from tests.recsys_model.training.tiny_entity_loss import (
    SHARES,
    SPECIAL,
    TRIE,
    WORDS,
    batch_of,
    examples_of,
    naive_scores,
    naive_states,
    random_head,
)


def naive_losses(model: Backbone, head: EntityHead, batch: Batch, objective: ObjectiveConfig) -> tuple[Tensor, Tensor]:
    hidden, vectors = naive_states(model, head, batch)
    logits = model.logits(hidden)
    token, entity = torch.zeros((), dtype=torch.float64), torch.zeros((), dtype=torch.float64)
    for row, place in (batch.labels >= 0).nonzero().tolist():
        label, node = int(batch.labels[row, place]), int(batch.trie_nodes[row, place])
        if node < 0:
            weight = objective.forced_token_weight if node == -2 else 1.0
            token = token + weight * functional.cross_entropy(logits[row, place], torch.tensor(label))
        else:
            allowed = TRIE.children(node)[0].tolist()
            scores = logits[row, place, allowed] / objective.trie_temperature
            token = token + functional.cross_entropy(scores, torch.tensor(allowed.index(label)))
    for row, place in (batch.item_targets >= 0).nonzero().tolist():
        scores = naive_scores(head, batch, hidden, vectors, row, place)
        entity = entity + functional.cross_entropy(scores, batch.item_targets[row, place])
    return token, entity


def with_gradients(losses: Sequence[Tensor], *modules: torch.nn.Module) -> tuple[list[Tensor], dict[str, Tensor]]:
    (losses[0] + 2.0 * losses[1]).backward()
    named = [pair for module in modules for pair in module.named_parameters()]
    found = {name: parameter.grad.clone() for name, parameter in named if parameter.grad is not None}
    for module in modules:
        module.zero_grad()
    return [loss.detach() for loss in losses], found


def test_the_examples_ask_for_items_in_every_way() -> None:
    batch = batch_of()
    targets = [[item for item in row if item >= 0] for row in batch.item_targets.tolist()]
    assert targets == [[0, 3], [1, 3, 2], [4], [0, 4, 3, 2, 1], []]
    assert batch.num_item_targets == 11


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("objective", [{}, {"item_loss": "trie", "trie_temperature": 2.5}])
def test_losses_and_all_gradients_are_those_of_loops(name: str, objective: dict[str, Any]) -> None:
    model, head = tiny_backbone(name).double(), random_head()
    batch = batch_of(**objective)
    settings = ObjectiveConfig(**objective)
    expected = with_gradients(naive_losses(model, head, batch, settings), model, head)
    found = with_gradients(InfillingLoss(model, TRIE, settings, head)(batch), model, head)
    torch.testing.assert_close(found, expected, atol=1e-9, rtol=1e-9)
    assert found[0][0].dtype == torch.float64


@pytest.mark.parametrize(
    "settings",
    [
        {"words": False},
        {"residuals": False},
        {"inputs": False},
        {"earlier_inputs": True},
        {"repeat_bias": False},
        {"temperature": 3.0},
    ],
)
def test_losses_of_heads_of_other_parts_are_those_of_loops(settings: dict[str, Any]) -> None:
    model, head, batch = tiny_backbone("glm").double(), random_head(**settings), batch_of()
    expected = with_gradients(naive_losses(model, head, batch, ObjectiveConfig()), model, head)
    found = with_gradients(InfillingLoss(model, TRIE, ObjectiveConfig(), head)(batch), model, head)
    torch.testing.assert_close(found, expected, atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize("weight", [0.0, 0.1, 1.0])
def test_forced_tokens_count_by_their_weight(weight: float) -> None:
    objective = ObjectiveConfig(forced_token_weight=weight)
    model, head = tiny_backbone("glm").double(), random_head()
    batch = pad_examples(examples_of(objective), SPECIAL.pad)
    assert bool((batch.trie_nodes == -2).any()) == (weight != 1.0)
    expected = naive_losses(model, head, batch, objective)
    torch.testing.assert_close(tuple(InfillingLoss(model, TRIE, objective, head)(batch)), expected)


def test_a_weight_of_0_for_tokens_leaves_their_loss_out_and_the_entity_loss_as_it_is() -> None:
    model, head, batch = tiny_backbone("glm").double(), random_head(), batch_of()
    both = InfillingLoss(model, TRIE, ObjectiveConfig(), head)(batch)
    alone = InfillingLoss(model, TRIE, ObjectiveConfig(token_loss_weight=0.0), head)(batch)
    assert alone.token.item() == 0.0
    assert not alone.token.requires_grad
    assert both.token.item() > 0.0
    assert torch.equal(alone.entity, both.entity)


def test_a_model_without_a_head_has_no_entity_loss_and_a_batch_without_items_neither() -> None:
    model, head = tiny_backbone("glm").double(), random_head()
    assert InfillingLoss(model, TRIE)(batch_of()).entity.item() == 0.0
    no_items = pad_examples(examples_of(ObjectiveConfig())[-1:], SPECIAL.pad)
    entity = InfillingLoss(model, TRIE, ObjectiveConfig(), head)(no_items).entity
    assert entity.item() == 0.0
    entity.backward()
    assert head.biases.grad is not None
    assert not bool(head.biases.grad.any())


@pytest.mark.parametrize("name", NAMES)
def test_packing_and_padding_give_the_losses_and_gradients_of_the_examples_alone(name: str) -> None:
    model, head = tiny_backbone(name).double(), random_head()
    examples = examples_of(ObjectiveConfig())
    loss = InfillingLoss(model, TRIE, ObjectiveConfig(), head)
    alone = [loss(pad_examples([one], SPECIAL.pad)) for one in examples]
    expected = with_gradients([sum(each) for each in zip(*alone, strict=True)], model, head)  # type: ignore[misc]
    for batch in (pad_examples(examples, SPECIAL.pad), *(pack_examples(examples, SPECIAL.pad, n) for n in (24, 200))):
        torch.testing.assert_close(with_gradients(loss(batch), model, head), expected, atol=1e-9, rtol=1e-9)


def test_an_untrained_head_leaves_the_token_loss_equal_to_the_bit_also_with_adapters() -> None:
    batch = batch_of()
    for name in NAMES:
        plain = tiny_backbone(name)
        expected = InfillingLoss(plain, TRIE)(batch).token
        for model in (plain, apply_lora(tiny_backbone(name), LoraConfig(rank=2)).eval()):
            head = EntityHead(16, WORDS, EntityConfig())
            assert torch.equal(InfillingLoss(model, TRIE, head=head)(batch).token, expected), name


def test_in_training_the_softmax_is_over_sampled_items_and_in_evaluation_over_all() -> None:
    model, batch = tiny_backbone("glm").double(), batch_of()
    head, full = random_head(negatives=2), random_head()
    loss = InfillingLoss(model, TRIE, ObjectiveConfig(), head, SHARES)
    everything = InfillingLoss(model, TRIE, ObjectiveConfig(), full)(batch)
    torch.testing.assert_close(tuple(loss.eval()(batch)), tuple(everything))

    hidden, vectors = naive_states(model, head, batch)
    targets = batch.item_targets[batch.item_targets >= 0]
    where = (batch.item_targets >= 0).nonzero().tolist()
    torch.manual_seed(8)
    sampled = sample_items(targets, 2, SHARES)
    expected = torch.zeros((), dtype=torch.float64)
    for (row, place), target in zip(where, targets.tolist(), strict=True):
        all_scores, scores = naive_scores(head, batch, hidden, vectors, row, place), {}
        for item, log_share in zip(sampled.items.tolist(), sampled.log_shares.tolist(), strict=True):
            correction = 0.0 if item == target else log_share
            scores[item] = all_scores[item] - correction
        expected = expected + torch.logsumexp(torch.stack(list(scores.values())), 0) - scores[target]
    torch.manual_seed(8)
    found = loss.train()(batch)
    torch.testing.assert_close(found.entity, expected)
    torch.testing.assert_close(found.token, everything.token)
