"""Measure and plot the latency of a request by size of the catalogue, number of beams and length of the history."""

import dataclasses
import statistics
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from recsys_model.config import DecodingConfig
from recsys_model.decoding.generator import TrieGuidedGenerator
from recsys_model.entities.catalog import Catalog, CatalogItem
from recsys_model.infilling.prompt import Prompt
from recsys_platform.evaluate.report.plot_style import LIGHT, Theme, add_legend, line_style, to_png
from tests.benchmarks.generation_data import NUM_BEAMS, K, Setting
from tests.benchmarks.pairs import Row, time_pairs
from tests.benchmarks.plain_beam import PlainBeamSearch
from tests.benchmarks.trie_rows import generated_titles
from tests.recsys_model.decoding.plain_prompt import plain_prompt

SIZES = (1_000, 10_000, 100_000, 1_000_000)
PLAIN_ITEMS = 100_000
"""Beyond, the dictionary of the alternative does not fit."""
BEAMS = (10, 20, 40, 80, 160)
LENGTHS = (32, 64, 128, 256, 500)
OURS, EXACT, PLAIN = "trie-guided beams", "trie-guided, exact", "token-by-token beams"
Calls = dict[str, Callable[[], object]]
"""Name of a way to answer a request -> the call."""


def growth_rows(setting: Setting, folder: Path | None, largest: int, pairs: int) -> Iterator[Row]:
    """Time requests of growing size, and draw a picture of each kind of growth into `folder`."""
    prompt = max(setting.prompts, key=lambda each: len(each.token_ids) <= 128 and len(each.token_ids))
    kinds = {
        "items": ("generated titles", over_items(setting, prompt, largest)),
        "beams": ("beams over Amazon Beauty", over_beams(setting, prompt)),
        "history": ("tokens of part A, Amazon Beauty", over_lengths(setting)),
    }
    for name, (label, points) in kinds.items():
        lines: dict[str, list[tuple[int, float]]] = {}
        for place, calls in points:
            for row in rows_of(f"request, {place:,} {label}", calls, pairs):
                yield row
                way = row.work.rpartition(": ")[2]
                lines.setdefault(way, []).append((place, statistics.median(row.ours)))
                if row.others:
                    lines.setdefault(PLAIN, []).append((place, statistics.median(row.others)))
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"latency_by_{name}.png").write_bytes(to_png(partial(picture, label, lines), LIGHT))


def rows_of(work: str, calls: Calls, pairs: int) -> Iterator[Row]:
    """Time each way, the first of them beside the alternative where it is there."""
    for way in (OURS, EXACT):
        if way in calls:
            plain = calls.get(PLAIN) if way == OURS else None
            row = time_pairs(f"{work}: {way}", PLAIN, calls[way], plain or (lambda: None), pairs=pairs)
            ours, others = ([1000 * second for second in seconds] for seconds in (row.ours, row.others))
            yield dataclasses.replace(row, ours=ours, others=others if plain else [], unit="ms")


def over_items(setting: Setting, prompt: Prompt, largest: int) -> Iterator[tuple[int, Calls]]:
    """Yield generated catalogues of growing size, whose tokens are folded into the model's vocabulary."""
    # above the control tokens, which stand first in a vocabulary, and below its end
    top = setting.model.config.vocab_size - 1_000
    titles = [tuple(token % top + 500 for token in title) for title in generated_titles(largest)]
    for size in (size for size in SIZES if size <= largest):
        rows = list(dict.fromkeys(titles[:size]))
        items = [CatalogItem(f"i{number}", f"t{number}", f"t{number}", row) for number, row in enumerate(rows)]
        catalog = Catalog(items, {})
        ways = {OURS: DecodingConfig(num_beams=NUM_BEAMS), EXACT: DecodingConfig(exact=True)}
        calls: Calls = {
            way: answering(TrieGuidedGenerator(setting.model, catalog, setting.special, config), prompt)
            for way, config in ways.items()
        }
        if size <= PLAIN_ITEMS:
            calls[PLAIN] = answering(PlainBeamSearch(setting.model, rows, setting.special, NUM_BEAMS), prompt)
        yield size, calls


def over_beams(setting: Setting, prompt: Prompt) -> Iterator[tuple[int, Calls]]:
    """Yield searches of growing width."""
    for width in BEAMS:
        ours, plain = setting.generator(DecodingConfig(num_beams=width)), setting.plain(width)
        yield width, {OURS: answering(ours, prompt), PLAIN: answering(plain, prompt)}


def over_lengths(setting: Setting) -> Iterator[tuple[int, Calls]]:
    """Yield prompts of growing length, made of the longest history."""
    ours, plain = setting.generator(DecodingConfig(num_beams=NUM_BEAMS)), setting.plain()
    longest = max(setting.prompts, key=lambda each: len(each.token_ids))
    for size in (size for size in LENGTHS if size <= setting.model.config.max_sequence_length - 2):
        prompt = of_length(longest, size)
        yield size, {OURS: answering(ours, prompt), PLAIN: answering(plain, prompt)}


def answering(search: TrieGuidedGenerator | PlainBeamSearch, prompt: Prompt) -> Callable[[], object]:
    """Return a call for the best items of one prompt."""
    return lambda: search.recommend([prompt], K)


def of_length(prompt: Prompt, size: int) -> Prompt:
    """Repeat the tokens of a history until part A has `size` tokens; `[CLS]`, blank and `[EOS]` stay."""
    first, inside, last = prompt.token_ids[0], prompt.token_ids[1:-2], prompt.token_ids[-2:]
    intra = prompt.intra_position_ids[1:-2]
    repeated = (inside * (size // max(len(inside), 1) + 1))[: size - 3]
    repeated_intra = (intra * (size // max(len(intra), 1) + 1))[: size - 3]
    token_ids = [first, *repeated, *last]
    return plain_prompt(token_ids, [0, *repeated_intra, 0, 0], size - 2)


def picture(label: str, lines: dict[str, Sequence[tuple[int, float]]], theme: Theme) -> Figure:
    """Draw milliseconds against size, both on logarithmic axes."""
    figure = mpl.figure.Figure(figsize=(5.2, 3.6), layout="constrained")
    axes = figure.add_subplot()
    for number, way in enumerate((OURS, EXACT, PLAIN)):
        if way in lines:
            places, milliseconds = zip(*lines[way], strict=True)
            axes.plot(places, milliseconds, label=way, **line_style(theme, number))
    axes.set(xscale="log", yscale="log", xlabel=label, title=f"ms a request, top {K}")
    axes.set_xticks([place for place, _ in lines[OURS]])
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter("{x:,g}")
        axis.set_minor_formatter(NullFormatter())
    add_legend(figure)
    return figure
