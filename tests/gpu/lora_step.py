"""LoRA steps of GLM geometries with random weights: useful tokens a second, utilisation, peak memory. Without Ray.

    python -m tests.gpu.lora_step [--sizes glm-large glm-2b glm-10b] [--row-tokens 1024] [--rows 8] [--checkpointing]
                                  [--layout packed|padded] [--steps 10] [--rank 8] [--device cuda] [--json FILE]

Rows are full of drawn histories that are masked as in training. The base is frozen in bf16; of the adapters, AdamW
keeps fp32 copies, as DeepSpeed does. Utilisation is `model_flops` of a step over its seconds and over the dense bf16
FLOP/s of the device; what activation checkpointing computes twice counts once, pairs that no token sees count nothing.
"""

import argparse
import json
import statistics
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from recsys_model.backbones.activation_checkpointing import recompute_activations
from recsys_model.config import GLMConfig, LoraConfig, ObjectiveConfig
from recsys_model.entities.pool import EntityPool
from recsys_model.entities.token_trie import TokenTrie, build_token_trie
from recsys_model.infilling.batch import Batch, generator_for, pack_examples, pad_examples
from recsys_model.infilling.example import Example, ExampleBuilder
from recsys_model.infilling.positions import PositionAutomaton
from recsys_model.training.lora import apply_lora
from recsys_model.training.loss import InfillingLoss
from tests.benchmarks.infilling_examples import SPECIAL, random_items, random_text
from tests.gpu.sizes import SIZES, device_name, peak_memory_gib, peaks, random_model, synchronize

WARM_UP = 3
"""Steps before time is taken; FlexAttention compiles in the first."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StepFigures:
    """What a size does on a device."""

    size: str
    device: str
    layout: str
    rows: int
    row_tokens: int
    checkpointing: bool
    seconds: list[float]
    """Of each step."""
    useful_tokens: int
    """Tokens of a step that are no padding."""
    useful_tokens_per_s: float
    model_flops: float
    """Of a step."""
    utilisation: float | None
    """Share of the device's dense bf16 FLOP/s; None for an unknown device."""
    peak_memory_gib: float | None
    smallest_grad_norm: float
    """Of the adapters' tensors, after the warm-up; above 0, or something does not learn."""
    loss: float


def model_flops(config: GLMConfig, rank: int, num_tokens: int, num_pairs: int, num_targets: int) -> float:
    """Return the floating-point operations that a LoRA step of so many tokens cannot do without.

    A multiplication of a token by a matrix of n weights is 2n forward and 2n for the gradient of its input; the
    gradient of the weights, 2n more, is needed of the adapters alone. Attention costs 4 D for a pair of tokens that
    see each other (scores and values, all heads) and 8 D backward. The vocabulary is scored at the targets only.
    """
    width = config.hidden_size
    base = 12 * width * width
    # qkv, dense, and both linears of the MLP: rank x (inputs + outputs)
    adapter = rank * ((width + 3 * width) + 2 * width + 2 * (width + 4 * width))
    per_token = config.num_layers * (4 * base + 6 * adapter)
    attention = config.num_layers * 12 * width * num_pairs
    # the input of the first block needs no gradient: its first linear and adapter save one multiplication
    unneeded = 2 * (3 * width * width + rank * width)
    return num_tokens * (per_token - unneeded) + attention + 4 * width * config.vocab_size * num_targets


def visible_pairs(examples: list[Example]) -> int:
    """Count query and key tokens of which one sees the other: all of part A, and part B up to the query."""
    counts = [(example.part_a_len, len(example.token_ids) - example.part_a_len) for example in examples]
    return sum((a + b) * a + b * (b + 1) // 2 for a, b in counts)


def draw_examples(config: GLMConfig, row_tokens: int, rows: int) -> tuple[list[Example], TokenTrie]:
    """Draw examples that fill the rows, each at most as long as a row and the model's positions."""
    rng = np.random.default_rng(0)
    items = random_items(rng)
    trie = build_token_trie(items, SPECIAL.end)
    objective = ObjectiveConfig()
    builder = ExampleBuilder(objective, SPECIAL, PositionAutomaton(EntityPool(items), objective.intra_mode), trie)
    longest = min(row_tokens, config.max_sequence_length)
    examples: list[Example] = []
    num_tokens = number = 0
    while num_tokens < rows * row_tokens:
        text = random_text(items, int(rng.integers(2, max(3, longest // 14))), rng)
        example = builder.draw(text, generator_for(("gpu", number)))
        number += 1
        if len(example.token_ids) <= longest and max(example.inter_position_ids) <= config.max_sequence_length:
            examples.append(example)
            num_tokens += len(example.token_ids)
    return examples, trie


class MasterAdamW:
    """AdamW on fp32 copies of trainable bf16 parameters, as DeepSpeed keeps them."""

    def __init__(self, parameters: list[nn.Parameter]) -> None:
        self._parameters = parameters
        self._masters = [nn.Parameter(parameter.detach().float()) for parameter in parameters]
        self._optimizer = torch.optim.AdamW(self._masters, lr=1e-4)

    def grad_norms(self) -> Tensor:
        """Return the norm of each tensor's gradient."""
        return torch.stack([p.grad.float().norm() for p in self._parameters if p.grad is not None])

    @torch.no_grad()
    def step(self) -> None:
        """Update, clear the gradients and round into the model."""
        for master, parameter in zip(self._masters, self._parameters, strict=True):
            assert parameter.grad is not None, "every adapter takes part in the loss"
            master.grad = parameter.grad.float()
            parameter.grad = None
        nn.utils.clip_grad_norm_(self._masters, 1.0)
        self._optimizer.step()
        for master, parameter in zip(self._masters, self._parameters, strict=True):
            parameter.copy_(master)


def measure(options: argparse.Namespace, size: str) -> StepFigures:
    """Train a few steps of one size."""
    device, config = torch.device(options.device), SIZES[size]
    examples, trie = draw_examples(config, options.row_tokens, options.rows)
    batch = lay_out(examples, options).to(device)
    model = random_model(size, device)
    if options.checkpointing:
        recompute_activations(model)
    dtype = next(model.parameters()).dtype
    adapted = apply_lora(model, LoraConfig(rank=options.rank)).to(dtype)
    loss = InfillingLoss(adapted, trie).to(device).train()
    optimizer = MasterAdamW([p for p in adapted.parameters() if p.requires_grad])
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    seconds, told, norms = [], 0.0, torch.zeros(1)
    for step in range(WARM_UP + options.steps):
        synchronize(device)
        start = time.perf_counter()
        value = loss(batch).token / batch.num_targets
        value.backward()
        if step == WARM_UP - 1:
            norms = optimizer.grad_norms()
        optimizer.step()
        synchronize(device)
        if step >= WARM_UP:
            seconds.append(time.perf_counter() - start)
        told = float(value.detach())
    flops = model_flops(config, options.rank, batch.num_tokens, visible_pairs(examples), batch.num_targets)
    median, best = statistics.median(seconds), peaks(device)
    return StepFigures(
        size=size,
        device=device_name(device),
        layout=options.layout,
        rows=len(batch.token_ids),
        row_tokens=batch.token_ids.shape[1],
        checkpointing=options.checkpointing,
        seconds=seconds,
        useful_tokens=batch.num_tokens,
        useful_tokens_per_s=batch.num_tokens / median,
        model_flops=flops,
        utilisation=None if best is None else flops / median / best[0],
        peak_memory_gib=peak_memory_gib(device),
        smallest_grad_norm=float(norms.min()),
        loss=told,
    )


def lay_out(examples: list[Example], options: argparse.Namespace) -> Batch:
    """Pack the examples in rows, or pad each to the longest."""
    if options.layout == "padded":
        return pad_examples(examples, SPECIAL.pad)
    return pack_examples(examples, SPECIAL.pad, options.row_tokens)


def parse_options(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", choices=list(SIZES), default=["glm-large", "glm-2b", "glm-10b"])
    parser.add_argument("--row-tokens", type=int, default=1024)
    parser.add_argument("--rows", type=int, default=8)
    parser.add_argument("--layout", choices=["packed", "padded"], default="packed")
    parser.add_argument("--checkpointing", action="store_true", help="activation checkpointing")
    parser.add_argument("--rank", type=int, default=8)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--json", type=Path, help="gets all figures")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> list[StepFigures]:
    """Print a line for every size."""
    options = parse_options(arguments)
    found: list[StepFigures] = []
    for size in options.sizes:
        figures = measure(options, size)
        found.append(figures)
        share = "unknown" if figures.utilisation is None else f"{figures.utilisation:.1%}"
        memory = "not measured" if figures.peak_memory_gib is None else f"{figures.peak_memory_gib:.1f} GiB"
        print(
            f"{size} on {figures.device}: {figures.rows} rows of {figures.row_tokens} tokens, {figures.layout}, "
            f"{figures.useful_tokens_per_s:,.0f} useful tokens/s, utilisation {share}, peak memory {memory}, "
            f"smallest gradient norm of an adapter {figures.smallest_grad_norm:.2g}, loss {figures.loss:.3f}",
            flush=True,
        )
        if options.json is not None:
            options.json.write_text(json.dumps([asdict(one) for one in found], indent=1) + "\n", encoding="utf-8")
    return found


if __name__ == "__main__":
    main()
