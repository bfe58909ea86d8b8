"""Compare time and memory of building the item trie with pygtrie."""

import random
import statistics
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence

import pygtrie

from recsys_model.entities.token_trie import build_token_trie
from recsys_model.text.tokenizer import SpecialTokens
from tests.benchmarks.pairs import Row, time_pairs

END = 50_303
GENERATED_SPECIAL = SpecialTokens(
    pad=16_000, eos=16_001, start=16_002, end=16_003, cls=16_004, mask=16_005, gmask=16_006, smask=16_007
)
"""Behind the tokens of generated titles."""
SCALE = 1_000_000
"""Times and bytes of different numbers of titles are compared per million of them."""


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


def pygtrie_of(sequences: Sequence[Sequence[int]], end: int) -> pygtrie.Trie:
    """Build the reference."""
    trie = pygtrie.Trie()
    for item, row in enumerate(sequences):
        trie[(*row, end)] = item
    return trie


def trie_rows(sequences: list[tuple[int, ...]], end: int, pairs: int, *, quick: bool) -> Iterator[Row]:
    """Compare for the real titles, then for many generated ones."""
    yield time_pairs(
        f"build the trie of {len(sequences):,} titles",
        "pygtrie",
        lambda: build_token_trie(sequences, end),
        lambda: pygtrie_of(sequences, end),
        pairs=pairs,
    )
    yield memory_row("titles", sequences, sequences, end)
    count, other_count = (100_000, 20_000) if quick else (1_000_000, 100_000)
    titles = generated_titles(count)
    some = titles[:other_count]
    seconds, other_seconds = timed(lambda: build_token_trie(titles, END), lambda: pygtrie_of(some, END), pairs)
    largest = statistics.median(seconds)
    small = min(seconds_of(lambda: build_token_trie(titles[: count // 10], END)) for _ in range(3))
    yield Row(
        work=f"build the trie of {count:,} generated titles, per million",
        alternative=f"pygtrie, from {other_count:,} of them",
        ours=[value * SCALE / count for value in seconds],
        others=[value * SCALE / other_count for value in other_seconds],
        note=f"whole: {largest:.2f} s; a tenth: {small:.2f} s, so ten times as many on paper: "
        f"{largest * max(largest / small, 10.0):.0f} s",
    )
    yield memory_row("generated titles, per million", titles, titles[:20_000], END)


def memory_row(name: str, sequences: Sequence[Sequence[int]], others: Sequence[Sequence[int]], end: int) -> Row:
    """Compare what is left in use; the alternative's bytes are those of `others`, scaled by the number of titles."""
    trie = build_token_trie(sequences, end)
    tracemalloc.start()
    reference = pygtrie_of(others, end)
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    del reference
    scaled = used * len(sequences) / len(others)
    return Row(
        work=f"memory of the trie of {len(sequences):,} {name.split(',')[0]}",
        alternative="pygtrie" if len(others) == len(sequences) else f"pygtrie, scaled from {len(others):,} titles",
        ours=[trie.num_bytes / 1e6],
        others=[scaled / 1e6],
        unit="MB",
        note=f"{trie.num_bytes / len(trie.labels):.1f} bytes a token node, counted, so without an interval",
    )


def timed(ours: Callable[[], object], other: Callable[[], object], pairs: int) -> tuple[list[float], list[float]]:
    """Run both in turn."""
    row = time_pairs("", "", ours, other, pairs=pairs)
    return row.ours, row.others


def seconds_of(call: Callable[[], object]) -> float:
    """Time one call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start
