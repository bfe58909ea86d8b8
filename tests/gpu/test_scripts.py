"""The scripts for GPUs run at tiny size on a CPU too, and count floating-point operations as PyTorch counts them."""

import json
from pathlib import Path

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from recsys_model.config import LoraConfig
from recsys_model.infilling.batch import pack_examples
from recsys_model.training.lora import apply_lora
from recsys_model.training.loss import InfillingLoss
from tests.gpu import decode_step, lora_step
from tests.gpu.sizes import SIZES, random_model

TINY, RANK = SIZES["tiny"], 4


@pytest.mark.parametrize("further", [["--checkpointing"], ["--layout", "padded"]])
def test_a_lora_step_trains_every_adapter_and_tells_its_figures(tmp_path: Path, further: list[str]) -> None:
    path = tmp_path / "figures.json"

    small = ["--sizes", "tiny", "--row-tokens", "128", "--rows", "2", "--steps", "2", "--device", "cpu"]
    [figures] = lora_step.main([*small, "--json", str(path), *further])

    assert figures.smallest_grad_norm > 0
    assert len(figures.seconds) == 2
    assert figures.useful_tokens_per_s > 0
    assert figures.utilisation is None
    assert [one["useful_tokens"] for one in json.loads(path.read_text())] == [figures.useful_tokens]


def test_the_flops_of_a_step_are_those_that_pytorch_counts() -> None:
    examples, trie = lora_step.draw_examples(TINY, 128, 2)
    batch = pack_examples(examples, lora_step.SPECIAL.pad, max(len(example.token_ids) for example in examples))
    adapted = apply_lora(random_model("tiny", torch.device("cpu")), LoraConfig(rank=RANK))
    loss = InfillingLoss(adapted, trie)

    # the counter does not know the CPU's fused attention
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        loss(batch).token.backward()

    # PyTorch counts padding, and every pair of an example, hidden or not
    num_tokens = batch.token_ids.numel()
    num_pairs = sum(len(example.token_ids) ** 2 for example in examples)
    expected = lora_step.model_flops(TINY, RANK, num_tokens, num_pairs, batch.num_targets)
    assert counter.get_total_flops() == pytest.approx(expected, rel=1e-6)


def test_pairs_that_see_each_other_are_counted_as_the_mask_has_them() -> None:
    examples, _ = lora_step.draw_examples(TINY, 128, 2)
    model = random_model("tiny", torch.device("cpu"))

    masks = [model.visible(torch.tensor([e.part_a_len]), len(e.token_ids)) for e in examples]

    assert lora_step.visible_pairs(examples) == sum(int(mask.sum()) for mask in masks)


def test_a_decoding_run_times_part_a_and_every_step(tmp_path: Path) -> None:
    path = tmp_path / "figures.json"

    small = [
        "--size",
        "tiny",
        "--requests",
        "2",
        "--beams",
        "4",
        "--items",
        "50",
        "--history",
        "24",
        "--repetitions",
        "2",
        "--device",
        "cpu",
    ]
    figures = decode_step.main([*small, "--json", str(path)])

    assert figures.part_a_ms > 0
    assert figures.step_ms
    assert figures.request_ms == pytest.approx(figures.part_a_ms + sum(figures.step_ms), rel=0.5)
    assert json.loads(path.read_text())["step_ms"] == figures.step_ms
