"""Floating-point operations that a training step of a causal decoder with LoRA and an entity head cannot do without.

A multiplication of a token by a matrix of n weights is 2n forward and 2n for the gradient of its input; the gradient of
the weights, 2n more, is needed where they are trained. Counted are the linears of the layers and their adapters,
attention between tokens that see each other, the softmax over all items, the one over the first tokens of all items
(`item_loss: trie`) and the matrices of the head. Left out are norms, the optimiser, and the few scores of later tokens.
"""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from recsys_model.backbones.geometry import CausalConfig
from recsys_model.entities.catalog import load_catalog
from recsys_model.entities.token_trie import TokenTrie, build_token_trie
from recsys_model.infilling.batch import Batch, ExampleCollator
from recsys_model.infilling.example import ExampleBuilder
from recsys_model.infilling.item_places import NO_ITEM
from recsys_model.infilling.positions import PositionAutomaton
from recsys_model.text.tokenizer import load_tokenizer
from recsys_platform.config.run import RunConfig
from recsys_platform.train.batches import TrainingBatches
from recsys_platform.train.reader import ExampleReader

NUM_BATCHES = 8
"""Batches of a run whose mean stands for all of them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DecoderSizes:
    """What the operations of a step depend on beside its batch."""

    num_layers: int
    hidden_size: int
    inner_size: int
    """Of the MLP, which has three matrices."""
    query_size: int
    """All heads together."""
    key_size: int
    """All heads of keys together; those of values have as many numbers."""
    rank: int
    """Of the adapters on all linears."""
    num_items: int
    num_first_tokens: int
    """Different tokens that items begin with."""
    mask: Literal["prefix", "causal"]
    """What part A sees."""


def sizes_of(config: CausalConfig, rank: int, trie: TokenTrie, num_items: int) -> DecoderSizes:
    """Return the sizes of a decoder that is adapted with a rank and scores the items of a trie."""
    settings = config.settings
    num_heads = settings["num_attention_heads"]
    head_size = settings.get("head_dim") or config.hidden_size // num_heads
    first, end = trie.first_child[0], trie.first_child[1]
    return DecoderSizes(
        num_layers=settings["num_hidden_layers"],
        hidden_size=config.hidden_size,
        inner_size=settings["intermediate_size"],
        query_size=num_heads * head_size,
        key_size=(settings.get("num_key_value_heads") or num_heads) * head_size,
        rank=rank,
        num_items=num_items,
        num_first_tokens=int(end - first),
        mask=config.mask,
    )


def visible_pairs(batch: Batch, mask: Literal["prefix", "causal"]) -> int:
    """Count query and key tokens of a packed batch of which one sees the other."""
    assert batch.segments is not None, "a packed batch knows where its examples lie"
    pairs = 0
    for lens, part_a_lens in zip(batch.segments.lens, batch.segments.part_a_lens, strict=True):
        for length, part_a_len in zip(lens, part_a_lens, strict=True):
            whole = part_a_len if mask == "prefix" else 0
            own = length - whole
            pairs += length * whole + own * (own + 1) // 2
    return pairs


def step_flops(sizes: DecoderSizes, batch: Batch, num_pairs: int) -> int:
    """Return the operations of a step, forward and backward, with so many pairs of tokens that see each other."""
    width, queries, keys, inner = sizes.hidden_size, sizes.query_size, sizes.key_size, sizes.inner_size
    linears = [(width, queries), (width, keys), (width, keys), (queries, width)]
    linears += [(width, inner), (width, inner), (inner, width)]
    base = sum(inputs * outputs for inputs, outputs in linears)
    adapters = sizes.rank * sum(inputs + outputs for inputs, outputs in linears)
    layers = sizes.num_layers * (batch.num_tokens * (4 * base + 6 * adapters) + 12 * queries * num_pairs)
    scored = batch.num_item_targets * (sizes.num_items + sizes.num_first_tokens)
    # the words of an item are frozen, so their projection has a gradient of the matrix alone
    projections = 4 * sizes.num_items + 6 * int((batch.input_items != NO_ITEM).sum())
    return layers + 6 * width * scored + width * width * projections


def flops_a_token(config: RunConfig, geometry: CausalConfig) -> float:
    """Return the operations of a training step for each of its tokens, the mean of the first batches of a run.

    Raises:
        CheckpointError: the run has no dataset.
    """
    tokenizer, catalog = load_tokenizer(config.dataset_folder / "tokenizer"), load_catalog(config.dataset_folder)
    trie = build_token_trie([item.token_ids for item in catalog.items], tokenizer.special.end)
    automaton = PositionAutomaton(catalog.pool(), config.objective.intra_mode)
    builder = ExampleBuilder(config.objective, tokenizer.special, automaton, trie)
    batches = TrainingBatches(
        ExampleReader(config.dataset_folder / "examples" / "train"),
        ExampleCollator(builder, tokenizer.special.pad, config.train.row_tokens),
        seed=config.seed,
        micro_batch_size=config.train.batch_size,
        accumulation_steps=1,
        worker_rank=0,
        num_workers=1,
    )
    sizes = sizes_of(geometry, config.lora.rank, trie, len(catalog.items))
    steps = itertools.islice(batches.from_step(0), NUM_BATCHES)
    return _mean_flops(sizes, itertools.chain.from_iterable(steps))


def _mean_flops(sizes: DecoderSizes, batches: Iterable[Batch]) -> float:
    flops = num_tokens = 0
    for batch in batches:
        flops += step_flops(sizes, batch, visible_pairs(batch, sizes.mask))
        num_tokens += batch.num_tokens
    return flops / num_tokens
