"""Trie-guided generation against what one would otherwise use: building, one decoding step, whole requests.

    python -m tests.benchmarks.generation DATASET [--checkpoint FOLDER] [--pairs 5] [--quick]

DATASET is a dataset artifact (for Amazon Beauty: `recsys data ray_configs/laptop/beauty.yaml`). Without a checkpoint
the model is a glm-mini with random weights, whose beams part later than those of a trained one.
"""

import argparse
import dataclasses
import random
import tracemalloc
from collections.abc import Callable, Iterable
from pathlib import Path

import pygtrie
import torch
from torch import Tensor
from transformers import PrefixConstrainedLogitsProcessor

from recsys_model.backbones.base import Backbone
from recsys_model.backbones.glm import GLM
from recsys_model.config import PRESETS, DecodingConfig, GLMConfig
from recsys_model.decoding.beam import TrieGuidedGenerator
from recsys_model.decoding.hypotheses import Candidates, best_beams, rank_in_group
from recsys_model.decoding.scoring import ChildScorer
from recsys_model.entities.catalog import Catalog, load_catalog
from recsys_model.entities.token_trie import TokenTrie, build_token_trie
from recsys_model.infilling.example import PartA, build_prompt
from recsys_model.text.tokenizer import Tokenizer, load_tokenizer
from recsys_platform.checkpoints import load_trained_model
from recsys_platform.evaluate.cases import load_evaluation_data
from tests.benchmarks.pairs import Row, table, time_pairs
from tests.benchmarks.plain_beam import PlainBeamSearch

GLM_VOCABULARY, NUM_REQUESTS, NUM_BEAMS, K = 50_304, 8, 20, 10


def generated_titles(count: int, seed: int = 0) -> list[tuple[int, ...]]:
    """Draw distinct titles of 6 to 19 tokens, frequent tokens more often, as in language."""
    rng = random.Random(seed)
    vocabulary = list(range(16_000))
    weights = [1.0 / (rank + 10) for rank in vocabulary]
    titles: dict[tuple[int, ...], None] = {}
    while len(titles) < count:
        tokens = rng.choices(vocabulary, weights, k=200_000)
        place = 0
        while place < len(tokens) - 20:
            size = rng.randint(6, 19)
            titles[tuple(tokens[place : place + size])] = None
            place += size
    return list(titles)[:count]


def pygtrie_of(sequences: list[tuple[int, ...]], end: int) -> pygtrie.Trie:
    """Build the reference."""
    trie = pygtrie.Trie()
    for item, row in enumerate(sequences):
        trie[(*row, end)] = item
    return trie


def build_rows(name: str, sequences: list[tuple[int, ...]], end: int, pairs: int) -> list[Row]:
    """Compare seconds, and the memory that is left in use."""
    timed = time_pairs(
        f"build a trie of {len(sequences):,} {name}",
        "pygtrie",
        lambda: build_token_trie(sequences, end),
        lambda: pygtrie_of(sequences, end),
        pairs=pairs,
    )
    trie = build_token_trie(sequences, end)
    tracemalloc.start()
    reference = pygtrie_of(sequences, end)
    other, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    del reference
    note = f"{trie.num_bytes / len(trie.labels):.1f} bytes a token node"
    memory = Row(
        work=f"memory of {len(sequences):,} {name}",
        alternative="pygtrie",
        ours=[trie.num_bytes / 1e6],
        others=[other / 1e6],
        unit="MB",
        note=note,
    )
    return [timed, memory]


class Step:
    """160 beams at nodes on the way to random items: constrain, normalise, select."""

    def __init__(self, trie: TokenTrie, hidden_size: int) -> None:
        rng = random.Random(0)
        geometry = GLMConfig(num_layers=1, hidden_size=hidden_size, num_heads=4, vocab_size=GLM_VOCABULARY)
        self.model = GLM(geometry).eval()
        self.trie = trie
        self.scorer = ChildScorer(self.model, trie, "trie")
        leaves = trie.leaves()
        nodes = [self._inner_node(int(rng.choice(leaves)), rng) for _ in range(NUM_REQUESTS * NUM_BEAMS)]
        self.node_P = torch.tensor(nodes)
        self.hidden_PD = torch.randn(len(nodes), hidden_size)
        self.score_P = -torch.rand(len(nodes)) * 10
        self.texts = [tuple(trie.path(node)) for node in nodes]

    def _inner_node(self, leaf: int, rng: random.Random) -> int:
        path = []
        while leaf > 0:
            leaf = int(self.trie.parents[leaf])
            path.append(leaf)
        return rng.choice(path)

    @torch.inference_mode()
    def ours(self) -> Tensor:
        """Project on the children alone, normalise among them, choose."""
        children = self.scorer.expand(self.node_P)
        score_C = self.score_P[children.rows] + self.scorer.log_probs(self.hidden_PD, children)
        request_C = children.rows // NUM_BEAMS
        rank_C = rank_in_group(request_C, NUM_REQUESTS)
        slot_RM = torch.zeros((NUM_REQUESTS, int(rank_C.max()) + 1), dtype=torch.int64)
        node_RM, score_RM = torch.zeros_like(slot_RM), torch.full(slot_RM.shape, float("-inf"))
        node_RM[request_C, rank_C] = children.nodes
        score_RM[request_C, rank_C] = score_C
        return best_beams(torch.arange(NUM_REQUESTS), Candidates(score_RM, node_RM, slot_RM), NUM_BEAMS).scores

    def dense(self, processor: PrefixConstrainedLogitsProcessor) -> Tensor:
        """The same from logits that are there already, as transformers does it; beams have equally many tokens there."""
        longest = max(map(len, self.texts))
        ids = torch.tensor([[*text, *[-1] * (longest - len(text))] for text in self.texts])
        masked = processor(ids, self.logits_PV)
        total = self.score_P[:, None] + masked.log_softmax(dim=-1)
        return total.reshape(NUM_REQUESTS, -1).topk(NUM_BEAMS, dim=1).values


@torch.inference_mode()
def step_rows(trie: TokenTrie, sequences: list[tuple[int, ...]], end: int, hidden_size: int, pairs: int) -> list[Row]:
    """Compare with transformers' processor over a dictionary and over pygtrie."""
    step = Step(trie, hidden_size)
    step.logits_PV = step.model.logits(step.hidden_PD)
    prefixes: dict[tuple[int, ...], set[int]] = {}
    for row in sequences:
        for size, token in enumerate((*row, end)):
            prefixes.setdefault(row[:size], set()).add(token)
    allowed = {prefix: sorted(tokens) for prefix, tokens in prefixes.items()}
    reference = pygtrie_of(sequences, end)

    def by_dictionary(_: int, ids: Tensor) -> list[int]:
        return allowed[tuple(token for token in ids.tolist() if token >= 0)]

    def by_pygtrie(_: int, ids: Tensor) -> list[int]:
        path = tuple(token for token in ids.tolist() if token >= 0)

        def visit(_conv: object, at: tuple[int, ...], children: Iterable[int], _value: object = None) -> object:
            return list(children) if len(at) == len(path) else at[-1]

        return reference.traverse(visit, prefix=path) if path else reference.traverse(visit)

    rows = []
    for name, function in (("a dictionary", by_dictionary), ("pygtrie", by_pygtrie)):
        processor = PrefixConstrainedLogitsProcessor(function, NUM_BEAMS)
        torch.testing.assert_close(step.ours(), step.dense(processor), atol=1e-4, rtol=1e-5)
        note = "ours includes the projection of the children, the alternative's begins at given logits"
        rows.append(
            time_pairs(
                f"decoding step, 8 requests x 20 beams, vocabulary {GLM_VOCABULARY:,}, width {hidden_size}",
                f"transformers' prefix-constrained processor over {name}",
                step.ours,
                lambda processor=processor: step.dense(processor),
                pairs=pairs,
                note=note,
            )
        )
    return rows


def request_rows(
    model: Backbone, catalog: Catalog, tokenizer: Tokenizer, prompts: list[PartA], pairs: int
) -> list[Row]:
    """Compare whole requests, part A included, for one request and for sixteen."""
    plain = PlainBeamSearch(model, [item.token_ids for item in catalog.items], tokenizer.special, NUM_BEAMS)
    beams, exact = (
        TrieGuidedGenerator(model, catalog, tokenizer.special, config)
        for config in (DecodingConfig(num_beams=NUM_BEAMS), DecodingConfig(exact=True))
    )
    return [
        request_row(f"batch {len(batch)}, {name}", model, generator, plain, batch, pairs)
        for batch in (prompts[:1], prompts[:16])
        for name, generator in (("20 beams", beams), ("exact", exact))
    ]


def request_row(
    name: str,
    model: Backbone,
    generator: TrieGuidedGenerator,
    plain: PlainBeamSearch,
    batch: list[PartA],
    pairs: int,
) -> Row:
    """Time the best ten items of a batch; count forward passes, in which part A is one."""
    found, passes = count_passes(model, lambda: generator.recommend(batch, K))
    plain_found, plain_passes = count_passes(model, lambda: plain.recommend(batch, K))
    return time_pairs(
        f"whole request, {name}",
        "token-by-token beam search, dense masks, copied cache, 20 beams",
        lambda: generator.recommend(batch, K),
        lambda: plain.recommend(batch, K),
        pairs=pairs,
        note=f"{passes} forward passes against {plain_passes}; {compare(found, plain_found)}",
    )


def count_passes(model: Backbone, call: Callable[[], list]) -> tuple[list, int]:
    """Return what a call returns, and how often it went through the model; part A counts once."""
    inner, count = model.hidden_states, 0

    def counting(*args: object) -> Tensor:
        nonlocal count
        count += 1
        return inner(*args)  # type: ignore[arg-type]

    model.hidden_states = counting  # type: ignore[method-assign]
    try:
        return call(), count
    finally:
        del model.hidden_states


def compare(ours: list, others: list) -> str:
    """Say whose answers have the higher scores, which are exact log-probabilities on both sides."""
    gaps = [
        sum(entry.score for entry in own) / K - sum(score for _, score in other) / K
        for own, other in zip(ours, others, strict=True)
    ]
    return f"mean score of an answer {sum(gaps) / len(gaps):+.4f}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--checkpoint", type=Path)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="no large catalogues, fewer pairs")
    arguments = parser.parse_args()
    torch.manual_seed(0)
    catalog, tokenizer = load_catalog(arguments.dataset), load_tokenizer(arguments.dataset / "tokenizer")
    sequences = [item.token_ids for item in catalog.items]
    end = tokenizer.special.end
    trie = build_token_trie(sequences, end)
    rows = build_rows("titles", sequences, end, arguments.pairs)
    for width in (128, 1024):
        rows += step_rows(trie, sequences, end, width, arguments.pairs)
    cases = load_evaluation_data(arguments.dataset, "test", 64, 0).cases
    prompts = [build_prompt(case.text, tokenizer.special) for case in cases]
    rows += request_rows(
        load_model(arguments.checkpoint, tokenizer),
        catalog,
        tokenizer,
        prompts,
        arguments.pairs,
    )
    if not arguments.quick:
        rows += build_rows("generated titles", generated_titles(1_000_000), GLM_VOCABULARY - 1, 1)
    print(table(rows))


def load_model(checkpoint: Path | None, tokenizer: Tokenizer) -> Backbone:
    """Return the trained model, or a new glm-mini."""
    if checkpoint is not None:
        return load_trained_model(checkpoint, dtype=torch.float32, verify=False).eval()
    return GLM(dataclasses.replace(PRESETS["glm-mini"], vocab_size=tokenizer.vocab_size)).eval()


if __name__ == "__main__":
    main()
