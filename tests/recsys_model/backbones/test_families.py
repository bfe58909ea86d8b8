"""What holds for every family: files, adapters, the loss and the position tables."""

from pathlib import Path

import pytest
import torch
from peft import PeftModel
from torch import Tensor
from torch.nn import functional

from recsys_model.backbones.base import Backbone, FullAttention
from recsys_model.backbones.checkpoint import load_adapter, load_model, write_adapter, write_model
from recsys_model.backbones.families import build_backbone, document_from_geometry, family_of, geometry_from_document
from recsys_model.config import LoraConfig, ObjectiveConfig
from recsys_model.entities.pool import EntityPool
from recsys_model.entities.token_trie import build_token_trie
from recsys_model.errors import CheckpointError, ConfigError
from recsys_model.infilling.batch import Batch, pad_examples
from recsys_model.infilling.example import IGNORED_LABEL, ExampleBuilder
from recsys_model.infilling.positions import PositionAutomaton
from recsys_model.text.textualize import TokenizedText
from recsys_model.text.tokenizer import SpecialTokens
from recsys_model.training.lora import apply_lora
from recsys_model.training.loss import InfillingLoss
from tests.recsys_model.backbones.tiny_backbones import NAMES, VOCAB_SIZE, tiny_backbone

SPECIAL = SpecialTokens(pad=20, eos=21, start=22, end=23, cls=24, mask=25, gmask=26, smask=27)
ITEMS = [(1, 2, 3), (1, 2), (1, 4), (6, 7)]
TRIE = build_token_trie(ITEMS, SPECIAL.end)


def batch_of(item_loss: str) -> Batch:
    objective = ObjectiveConfig(item_loss=item_loss)  # type: ignore[arg-type]
    builder = ExampleBuilder(objective, SPECIAL, PositionAutomaton(EntityPool(ITEMS)), TRIE)
    text = TokenizedText()
    for item in (0, 1, 3, 2):
        text.add_entity(ITEMS[item], item)
        text.add_text([9])
    examples = [builder.lay_out(text, [(0, 4), (6, 9)], SPECIAL.mask), builder.ask_for_item(text, 1)]
    return pad_examples(examples, SPECIAL.pad)


def output(model: Backbone | PeftModel) -> Tensor:
    ids = torch.arange(6)[None]
    attention = FullAttention(model.visible(torch.tensor([4]), 6))
    with torch.no_grad():
        return model.logits(model.eval()(ids, ids, ids, attention))


def with_random_adapter(model: Backbone) -> PeftModel:
    adapted = apply_lora(model, LoraConfig(rank=2))
    for number, (_, parameter) in enumerate(adapted.named_parameters()):
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter, std=0.5, generator=torch.Generator().manual_seed(number))
    return adapted


@pytest.mark.parametrize("name", NAMES)
def test_a_model_folder_reads_back(tmp_path: Path, name: str) -> None:
    model = tiny_backbone(name)
    write_model(tmp_path, model)
    again = load_model(tmp_path)
    assert type(again) is type(model)
    assert again.config == model.config
    state = again.state_dict()
    assert all(torch.equal(tensor, state[key]) for key, tensor in model.state_dict().items())
    torch.testing.assert_close(output(again), output(model), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_plain_peft_loads_the_adapter_folder_and_so_do_we(tmp_path: Path, name: str) -> None:
    adapted = with_random_adapter(tiny_backbone(name))
    write_adapter(tmp_path, adapted)
    expected = output(adapted)
    assert not torch.allclose(expected, output(tiny_backbone(name)))
    assert {path.name for path in tmp_path.iterdir()} >= {"adapter_config.json", "adapter_model.safetensors"}
    assert torch.equal(output(PeftModel.from_pretrained(tiny_backbone(name), str(tmp_path))), expected)
    torch.testing.assert_close(output(load_adapter(tiny_backbone(name), tmp_path)), expected, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("item_loss", ["lm", "trie"])
def test_loss_and_gradients_equal_a_dense_softmax_over_the_allowed_tokens(name: str, item_loss: str) -> None:
    model, batch = tiny_backbone(name), batch_of(item_loss)
    loss = InfillingLoss(model, TRIE)(batch).token
    loss.backward()
    gradients = {key: p.grad.clone() for key, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()

    visible = model.visible(batch.part_a_lens, batch.token_ids.shape[1])
    hidden = model(batch.token_ids, batch.inter_position_ids, batch.intra_position_ids, FullAttention(visible))
    logits = model.logits(hidden)
    expected = torch.zeros(())
    for row, place in (batch.labels != IGNORED_LABEL).nonzero().tolist():
        node = int(batch.trie_nodes[row, place])
        allowed = list(range(VOCAB_SIZE)) if node < 0 else TRIE.children(node)[0].tolist()
        mask = torch.full((VOCAB_SIZE,), -torch.inf)
        mask[allowed] = 0.0
        expected = expected + functional.cross_entropy(logits[row, place] + mask, batch.labels[row, place])
    expected.backward()
    torch.testing.assert_close(loss, expected, atol=1e-4, rtol=1e-4)
    dense = {key: p.grad for key, p in model.named_parameters() if p.grad is not None}
    assert gradients.keys() == dense.keys()
    for key, gradient in gradients.items():
        torch.testing.assert_close(gradient, dense[key], atol=1e-3, rtol=1e-3, msg=key)


@pytest.mark.parametrize("name", NAMES)
def test_the_output_rows_are_those_of_the_projection(name: str) -> None:
    model = tiny_backbone(name)
    rows = model.output_rows(torch.arange(VOCAB_SIZE))
    hidden = torch.randn(3, 16, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(hidden @ rows.T, model.logits(hidden))


@pytest.mark.parametrize("name", NAMES)
def test_a_later_token_of_part_b_changes_nothing_before_it(name: str) -> None:
    model = tiny_backbone(name)
    ids = torch.tensor([[1, 2, 3, 4, 5, 6], [1, 2, 3, 4, 5, 7]])
    attention = FullAttention(model.visible(torch.tensor([3, 3]), 6))
    with torch.no_grad():
        one, two = model(ids, torch.arange(6).expand(2, -1), ids * 0, attention)
    assert torch.equal(one[:5], two[:5])
    assert not torch.equal(one[5], two[5])


@pytest.mark.parametrize("name", NAMES)
def test_the_intra_id_matters(name: str) -> None:
    model = tiny_backbone(name)
    ids = torch.arange(6)[None]
    attention = FullAttention(model.visible(torch.tensor([4]), 6))
    intra_ids = torch.tensor([[0, 1, 2, 0, 1, 2]])
    with torch.no_grad():
        assert not torch.allclose(model(ids, ids, intra_ids, attention), model(ids, ids, ids * 0, attention))


@pytest.mark.parametrize("name", NAMES)
def test_the_geometry_survives_config_json_and_knows_its_family(name: str) -> None:
    model = tiny_backbone(name)
    assert geometry_from_document(document_from_geometry(model.config)) == model.config
    assert family_of(model.config) == model.family == {"glm": "glm", "chatglm": "chatglm"}.get(name, "causal")
    assert type(build_backbone(model.config)) is type(model)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_new_model(name: str) -> None:
    states = []
    for _ in range(2):
        torch.manual_seed(5)
        states.append(build_backbone(tiny_backbone(name).config).state_dict())
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


@pytest.mark.parametrize("name", NAMES)
def test_rank_above_the_smallest_dimension_is_refused(name: str) -> None:
    smallest = 16 if "glm" in name else 8
    apply_lora(tiny_backbone(name), LoraConfig(rank=smallest))
    with pytest.raises(ConfigError, match=f"lora.rank must be at most {smallest}, the smallest dimension of .*got 17"):
        apply_lora(tiny_backbone(name), LoraConfig(rank=17))


def test_an_adapter_of_another_family_is_refused(tmp_path: Path) -> None:
    write_adapter(tmp_path, with_random_adapter(tiny_backbone("llama prefix")))
    with pytest.raises(CheckpointError, match="does not fit the model"):
        load_adapter(tiny_backbone("glm"), tmp_path)


def test_a_mask_for_a_glm_is_refused(tmp_path: Path) -> None:
    write_model(tmp_path, tiny_backbone("glm"))
    with pytest.raises(CheckpointError, match=r"model\.mask is for causal decoders, got 'causal' for a glm"):
        load_model(tmp_path, mask="causal")
