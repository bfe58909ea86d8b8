"""On a GPU: packed training and generation give there what they give on the CPU."""

import copy

import pytest
import torch

from recsys_model.bundle import Bundle
from recsys_model.config import DecodingConfig
from recsys_model.decoding.generator import TrieGuidedGenerator
from recsys_model.infilling.batch import Batch, pack_examples, pad_examples
from recsys_model.infilling.prompt import build_prompt
from recsys_model.text.textualize import TokenizedText
from recsys_model.training.loss import InfillingLoss
from tests.gpu import lora_step
from tests.gpu.sizes import SIZES, random_model

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")

TINY, CPU, CUDA = SIZES["tiny"], torch.device("cpu"), torch.device("cuda")


def test_a_packed_batch_has_the_loss_and_gradients_of_the_padded_one_on_the_cpu() -> None:
    examples, trie = lora_step.draw_examples(TINY, 256, 4)
    model = random_model("tiny", CPU)

    def loss_and_gradients(batch: Batch, device: torch.device) -> tuple[float, dict[str, torch.Tensor]]:
        loss = InfillingLoss(copy.deepcopy(model), trie).to(device)
        value = loss(batch.to(device)).token / batch.num_targets
        value.backward()
        return float(value), {n: p.grad.cpu() for n, p in loss.named_parameters() if p.grad is not None}

    expected, expected_gradients = loss_and_gradients(pad_examples(examples, lora_step.SPECIAL.pad), CPU)
    found, gradients = loss_and_gradients(pack_examples(examples, lora_step.SPECIAL.pad, 256), CUDA)

    assert found == pytest.approx(expected, rel=1e-4)
    assert gradients.keys() == expected_gradients.keys()
    for name, gradient in gradients.items():
        torch.testing.assert_close(gradient, expected_gradients[name], rtol=1e-2, atol=1e-5, msg=name)


@pytest.mark.parametrize("config", [DecodingConfig(num_beams=8), DecodingConfig(exact=True)])
def test_the_generator_recommends_what_it_recommends_on_the_cpu(shop_bundle: Bundle, config: DecodingConfig) -> None:
    items, special = shop_bundle.catalog.items, shop_bundle.tokenizer.special
    text = TokenizedText()
    text.add_entity(list(items[0].token_ids), 0)
    text.add_entity(list(items[3].token_ids), 3)
    prompt = build_prompt(text, special)

    def recommended(device: torch.device) -> list:
        model = copy.deepcopy(shop_bundle.model).to(device)
        return TrieGuidedGenerator(model, shop_bundle.catalog, special, config).recommend([prompt], 5)[0]

    expected, found = recommended(CPU), recommended(CUDA)

    assert [one.item for one in found] == [one.item for one in expected]
    assert [one.score for one in found] == pytest.approx([one.score for one in expected], abs=1e-4)
