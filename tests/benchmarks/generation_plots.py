"""Latency of a request against the size of the catalogue, the number of beams and the length of the history."""

import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt

from recsys_model.config import DecodingConfig
from recsys_model.decoding.beam import TrieGuidedGenerator
from recsys_model.entities.catalog import Catalog, CatalogItem
from recsys_model.infilling.example import PartA
from tests.benchmarks.generation_data import K, Setting
from tests.benchmarks.trie_rows import generated_titles

REPEATS = 5
BEAMS = (10, 20, 40, 80, 160)
LENGTHS = (32, 64, 128, 256, 500)


def write_plots(setting: Setting, folder: Path, largest: int) -> None:
    """Write three small pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    prompt = max(setting.prompts, key=lambda each: len(each.token_ids) <= 128 and len(each.token_ids))
    sizes = [size for size in (1_000, 10_000, 100_000, 1_000_000) if size <= largest]
    titles = generated_titles(max(sizes))
    top = setting.model.config.vocab_size - 1_000
    _write(
        folder / "latency_by_items.png",
        "items of the catalogue (generated titles)",
        sizes,
        {
            name: [_latency(_generator(setting, titles[:size], top, config), prompt) for size in sizes]
            for name, config in (("20 beams", DecodingConfig(num_beams=20)), ("exact", DecodingConfig(exact=True)))
        },
    )
    beams = [_latency(setting.generator(DecodingConfig(num_beams=width)), prompt) for width in BEAMS]
    _write(folder / "latency_by_beams.png", "beams (Amazon Beauty)", BEAMS, {"trie-guided": beams})
    generator = setting.generator(DecodingConfig(num_beams=20))
    longest = max(setting.prompts, key=lambda each: len(each.token_ids))
    lengths = [size for size in LENGTHS if size <= setting.model.config.max_sequence_length - 2]
    by_length = [_latency(generator, _of_length(longest, size)) for size in lengths]
    _write(folder / "latency_by_history.png", "tokens of part A", lengths, {"20 beams": by_length})


def _generator(
    setting: Setting, titles: Sequence[tuple[int, ...]], top: int, config: DecodingConfig
) -> TrieGuidedGenerator:
    """Return a generator over titles whose tokens are folded into the model's vocabulary."""
    # above the control tokens, which stand first in a vocabulary, and below its end
    rows = dict.fromkeys(tuple(token % top + 500 for token in title) for title in titles)
    items = [CatalogItem(f"i{number}", f"t{number}", f"t{number}", row) for number, row in enumerate(rows)]
    return TrieGuidedGenerator(setting.model, Catalog(items, {}), setting.special, config)


def _of_length(prompt: PartA, size: int) -> PartA:
    """Repeat the tokens of a history until part A has `size` tokens; `[CLS]`, blank and `[EOS]` stay."""
    first, inside, last = prompt.token_ids[0], prompt.token_ids[1:-2], prompt.token_ids[-2:]
    intra = prompt.intra_position_ids[1:-2]
    repeated = (inside * (size // max(len(inside), 1) + 1))[: size - 3]
    repeated_intra = (intra * (size // max(len(intra), 1) + 1))[: size - 3]
    token_ids = [first, *repeated, *last]
    return PartA(token_ids, list(range(size)), [0, *repeated_intra, 0, 0], size - 2)


def _latency(generator: TrieGuidedGenerator, prompt: PartA) -> float:
    """Return the median milliseconds of a request."""
    return 1e3 * statistics.median(_repeat(lambda: generator.recommend([prompt], K)))


def _repeat(call: Callable[[], object]) -> list[float]:
    call()
    seconds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return seconds


def _write(path: Path, label: str, places: Sequence[int], lines: dict[str, list[float]]) -> None:
    figure, axes = plt.subplots(figsize=(4.5, 3.0), layout="constrained")
    for name, values in lines.items():
        axes.plot(places, values, marker="o", label=name)
    axes.set(xscale="log", xlabel=label, ylabel=f"ms a request, top {K}", ylim=(0, None))
    axes.grid(visible=True, alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=80)
    plt.close(figure)
