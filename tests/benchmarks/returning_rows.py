"""Measure requests of returning users: a causal part A with one more event, and an identical part A of a GLM."""

import time
from collections.abc import Iterator, Sequence

import torch

from recsys_model.backbones.base import Backbone
from recsys_model.config import DecodingConfig
from recsys_model.decoding.generator import TrieGuidedGenerator
from recsys_model.decoding.prefix_cache import PartACache
from recsys_model.decoding.prompts import encode_prompts
from recsys_model.entities.catalog import Catalog
from recsys_model.infilling.prompt import Prompt
from recsys_model.text.tokenizer import SpecialTokens
from tests.benchmarks.pairs import Row

BYTES = 1 << 30


def returning_row(
    work: str,
    model: Backbone,
    catalog: Catalog,
    special: SpecialTokens,
    visits: Sequence[tuple[Prompt, Prompt]],
    pairs: int,
) -> Row:
    """Time the encoding of the second prompt of each pair by a prefix cache that knows the first, against encoding it anew."""
    ours, others = [], []
    for number in range(pairs + 1):
        before, now = visits[number % len(visits)]
        own, other = _seconds(model, special, before, now)
        if number:
            ours.append(own)
            others.append(other)
    same = sum(_same_answer(model, catalog, special, before, now) for before, now in visits[:2])
    share = sum(ours) / sum(others)
    return Row(
        work=work,
        alternative="encoding part A anew",
        ours=ours,
        others=others,
        note=f"{100 * share:.1f} % of the cold time; identical answers for {same} of {len(visits[:2])} users",
    )


@torch.inference_mode()
def _seconds(model: Backbone, special: SpecialTokens, before: Prompt, now: Prompt) -> tuple[float, float]:
    prefix_cache = PartACache(model, special, BYTES)
    prefix_cache.encode([before])
    start = time.perf_counter()
    prefix_cache.encode([now])
    middle = time.perf_counter()
    encode_prompts(model, [now], special)
    return middle - start, time.perf_counter() - middle


def _same_answer(model: Backbone, catalog: Catalog, special: SpecialTokens, before: Prompt, now: Prompt) -> bool:
    """Compare the items, and the scores to 1e-4."""
    keeping, cold = (
        TrieGuidedGenerator(model, catalog, special, DecodingConfig(reuse_mb=megabytes)) for megabytes in (1024, 0)
    )
    keeping.recommend([before], 10)
    (warm,), (fresh,) = keeping.recommend([now], 10), cold.recommend([now], 10)
    near = all(abs(own.score - other.score) <= 1e-4 for own, other in zip(warm, fresh, strict=True))
    return near and [own.item for own in warm] == [other.item for other in fresh]


def identical_rows(
    model: Backbone, catalog: Catalog, special: SpecialTokens, prompts: Sequence[Prompt], pairs: int
) -> Iterator[Row]:
    """A bidirectional part A is taken again only as a whole."""
    visits = [(prompt, prompt) for prompt in prompts]
    yield returning_row("part A of a GLM, the same as before", model, catalog, special, visits, pairs)
