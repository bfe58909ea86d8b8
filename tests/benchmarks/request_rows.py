"""Compare whole requests of a GLM with plain beam search: passes, seconds, memory, and quality of the answers."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from recsys_model.backbones.base import Backbone
from recsys_model.config import DecodingConfig
from recsys_model.decoding.cache import PartAEncoder
from recsys_model.decoding.generator import TrieGuidedGenerator
from recsys_model.decoding.prompts import encode_prompts
from recsys_model.infilling.prompt import Prompt
from tests.benchmarks.generation_data import NUM_BEAMS, K, Setting
from tests.benchmarks.pairs import Row, time_pairs
from tests.benchmarks.plain_beam import PlainBeamSearch

PLAIN = f"token-by-token beam search, dense masks, copied cache, {NUM_BEAMS} beams"


def pass_rows(setting: Setting, count: int) -> Iterator[Row]:
    """Count the passes through the model that follow each other, part A included, for single requests."""
    for name, config in (("beams", DecodingConfig(num_beams=NUM_BEAMS)), ("exact", DecodingConfig(exact=True))):
        generator, plain = setting.generator(config), setting.plain()
        counts = [
            (
                count_passes(setting.model, partial(generator.recommend, [prompt], K))[1],
                count_passes(setting.model, partial(plain.recommend, [prompt], K))[1],
            )
            for prompt in setting.prompts[:count]
        ]
        yield Row(
            work=f"forward passes of a request, {name}, {count} users",
            alternative=PLAIN,
            ours=[float(own) for own, _ in counts],
            others=[float(other) for _, other in counts],
            unit="",
            note="counted; a pair is a user",
        )


def request_rows(setting: Setting, pairs: int, sizes: Sequence[int] = (1, 16), num_users: int = 16) -> Iterator[Row]:
    """Compare whole requests of the same users, one by one and together, then what comes behind part A alone."""
    plain = setting.plain()
    for size in sizes:
        batches = [setting.prompts[start : start + size] for start in range(0, num_users, size)]
        for name, config in (
            ("20 beams", DecodingConfig(num_beams=NUM_BEAMS)),
            ("exact", DecodingConfig(exact=True)),
            ("20 beams, scoring lm", DecodingConfig(num_beams=NUM_BEAMS, scoring="lm")),
        ):
            generator = setting.generator(config)
            note = "the alternative scores over the children only"
            if config.scoring == "trie":
                answers = [answer for batch in batches for answer in generator.recommend(batch, K)]
                note = compare(answers, [answer for batch in batches for answer in plain.recommend(batch, K)])
            row = time_pairs(
                f"whole request, batch {size}, {name}",
                PLAIN,
                lambda generator=generator, batches=batches: [generator.recommend(batch, K) for batch in batches],
                lambda batches=batches: [plain.recommend(batch, K) for batch in batches],
                pairs=pairs,
                note=note,
            )
            yield per_call(row, len(batches))
            if config.scoring == "trie":
                yield decode_row(setting, generator, plain, batches, name, pairs)


def decode_row(
    setting: Setting,
    generator: TrieGuidedGenerator,
    plain: PlainBeamSearch,
    batches: list[list[Prompt]],
    name: str,
    pairs: int,
) -> Row:
    """Time the search behind a part A that is encoded already."""
    with torch.inference_mode():
        encoded = [encode_prompts(setting.model, batch, setting.special) for batch in batches]
    space = generator._space
    whole = space.encode
    current = iter(encoded)
    space.encode = lambda prompts: next(current)  # type: ignore[method-assign]

    def ours() -> None:
        nonlocal current
        current = iter(encoded)
        for batch in batches:
            generator.recommend(batch, K)

    try:
        row = time_pairs(
            f"decode phase, batch {len(batches[0])}, {name}",
            PLAIN,
            ours,
            lambda: [plain.recommend(batch, K, part_a) for batch, part_a in zip(batches, encoded, strict=True)],
            pairs=pairs,
        )
    finally:
        space.encode = whole  # type: ignore[method-assign]
    return per_call(row, len(batches))


def per_call(row: Row, count: int) -> Row:
    """Return the seconds of one of so many calls."""
    ours, others = ([second / count for second in seconds] for seconds in (row.ours, row.others))
    return dataclasses.replace(row, ours=ours, others=others)


def memory_rows(setting: Setting, count: int) -> Iterator[Row]:
    """State the bytes of keys and values at the end of a request: part A once, part B of each beam."""
    generator, plain = setting.generator(DecodingConfig(num_beams=NUM_BEAMS)), setting.plain()
    own_a, own_b, others = [], [], []
    for prompt in setting.prompts[:count]:
        with torch.inference_mode():
            part_a = encode_prompts(setting.model, [prompt], setting.special)
        a_token = bytes_of(part_a) / len(prompt.token_ids)
        fed: list[int] = []
        count_passes(setting.model, lambda prompt=prompt: generator.recommend([prompt], K), fed)
        _, passes = count_passes(setting.model, lambda prompt=prompt: plain.recommend([prompt], K))
        own_a.append(bytes_of(part_a) / 1e6)
        own_b.append(a_token * sum(fed[1:]) / 1e6)
        others.append(a_token * NUM_BEAMS * (len(prompt.token_ids) + passes - 1) / 1e6)
    yield Row(
        work=f"keys and values of a request, {NUM_BEAMS} beams",
        alternative="a copy per beam",
        ours=[a + b for a, b in zip(own_a, own_b, strict=True)],
        others=others,
        unit="MB",
        note=f"part A once: {sum(own_a) / count:.3f} MB, part B of all beams: {sum(own_b) / count:.3f} MB, means of "
        f"{count} users; room that grows ahead of use (at most half) is not counted",
    )


def bytes_of(part_a: PartAEncoder) -> int:
    """Return the memory of all keys and values."""
    return sum(states.nbytes for states in (*part_a.keys_LRGAE, *part_a.values_LRGAE))


def count_passes(model: Backbone, call: Callable[[], Any], fed: list[int] | None = None) -> tuple[Any, int]:
    """Return what a call returns, and how often it went through the model; tokens of each pass go into `fed`."""
    inner = model.hidden_states
    tokens: list[int] = [] if fed is None else fed

    def counting(token_ids: Tensor, *others: Any) -> Tensor:
        tokens.append(token_ids.numel())
        return inner(token_ids, *others)

    model.hidden_states = counting  # type: ignore[method-assign]
    try:
        return call(), len(tokens)
    finally:
        del model.hidden_states


def compare(ours: list, others: list) -> str:
    """Say whose answers are better by their scores, which are exact log-probabilities on both sides."""
    gaps = [
        sum(entry.score for entry in own) / len(own) - sum(score for _, score in other) / len(other)
        for own, other in zip(ours, others, strict=True)
    ]
    same = sum({e.item for e in own} == {item for item, _ in other} for own, other in zip(ours, others, strict=True))
    return (
        f"mean score of an item {sum(gaps) / len(gaps):+.5f} against the alternative's, worst user {min(gaps):+.5f}; "
        f"same items for {same} of {len(ours)}"
    )
