"""From an edit of a served catalogue to the first request that sees it, in one replica, without the network.

    python -m tests.benchmarks.catalogue_edits [--dataset FOLDER] [--titles 1000000] [--pairs 7] [--keep rows.jsonl]

An edit removes 1 % of the items and adds as many. Ours: check it, tokenise the new titles, make the next version, and
compile its trie to the arrays that are searched. The alternatives: load the whole catalogue again, every title
tokenised; and a pygtrie trie that is edited in place, which no batched search can walk. DATASET is a dataset artifact,
by default that of `ray_configs/laptop/beauty.yaml` where it lies; the generated titles are drawn tokens, not text.
"""

import argparse
import random
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pygtrie
import torch

from recsys_model.backbones.glm import GLM
from recsys_model.config import DecodingConfig, GLMConfig
from recsys_model.decoding.beam import TrieGuidedGenerator
from recsys_model.entities.catalog import Catalog, CatalogItem, EntityEncoder, build_catalog, load_catalog
from recsys_model.entities.edit_requests import NewItem, resolve_edit
from recsys_model.entities.live_catalog import CatalogEdit, LiveCatalog, live_catalog
from recsys_model.text.tokenizer import SpecialTokens, load_tokenizer
from tests.benchmarks.generation import generated_titles
from tests.benchmarks.kept_rows import KeptRows
from tests.benchmarks.pairs import interval_of_median

SHARE, MAX_TOKENS, VOCABULARY = 0.01, 500, 50_304
GENERATED_SPECIAL = SpecialTokens(
    pad=16_000, eos=16_001, start=16_002, end=16_003, cls=16_004, mask=16_005, gmask=16_006, smask=16_007
)


class Spelled:
    """Stands for a tokenizer where titles are drawn tokens: a text spells its token ids."""

    def encode_entity(self, text: str) -> list[int]:
        return [int(token) for token in text.split()]


class Case:
    """One catalogue, and an edit of 1 % of it."""

    def __init__(self, catalog: Catalog, newcomers: Sequence[str], encoder: EntityEncoder, special: SpecialTokens):
        self.catalog, self.encoder, self.special = catalog, encoder, special
        self.live = live_catalog(catalog)
        drawn = random.Random(0).sample(range(len(catalog.items)), len(newcomers))
        self.removed = [catalog.items[index].item_id for index in drawn]
        self.added = [NewItem(item_id=f"new-{number}", title=title) for number, title in enumerate(newcomers)]
        with torch.random.fork_rng():
            geometry = GLMConfig(
                num_layers=1, hidden_size=32, num_heads=2, vocab_size=VOCABULARY, max_sequence_length=MAX_TOKENS + 12
            )
            self.model = GLM(geometry).eval()
        self.generator = TrieGuidedGenerator(self.model, catalog, special, DecodingConfig())

    def resolve(self) -> CatalogEdit:
        edit = resolve_edit(self.live, self.added, self.removed, self.encoder, MAX_TOKENS)
        assert isinstance(edit, CatalogEdit), edit
        return edit

    def follow(self, edit: CatalogEdit) -> LiveCatalog:
        after = self.live.edited([edit])
        self.generator.of_items(after.items, after.present())
        return after

    def ours(self) -> None:
        self.follow(self.resolve())

    def afresh(self) -> None:
        """Everything again: what a restart costs beside the weights."""
        after = self.live.edited([self.resolve()])
        items = [after.items[index] for index in after.present()]
        names = [[item.item_id for item in items], [item.title for item in items], [item.text for item in items]]
        catalog = build_catalog(*names, [], self.encoder)
        live_catalog(catalog)
        TrieGuidedGenerator(self.model, catalog, self.special, DecodingConfig())


def beauty_case(folder: Path) -> Case:
    tokenizer = load_tokenizer(folder / "tokenizer")
    catalog = load_catalog(folder)
    count = round(SHARE * len(catalog.items))
    titles = [f"{item.title} Refill {number}" for number, item in enumerate(catalog.items[:count])]
    return Case(catalog, titles, tokenizer, tokenizer.special)


def generated_case(count: int) -> Case:
    extra = round(SHARE * count)
    spelled = [" ".join(map(str, tokens)) for tokens in generated_titles(count + extra)]
    encode = Spelled().encode_entity
    items = [CatalogItem(f"i{n}", text, text, tuple(encode(text))) for n, text in enumerate(spelled[:count])]
    return Case(Catalog(items, {}), spelled[count:], Spelled(), GENERATED_SPECIAL)


def pygtrie_edit(case: Case) -> Callable[[], None]:
    """Return a function that makes the edit in a trie and takes it back."""
    trie = pygtrie.Trie()
    for index, item in enumerate(case.catalog.items):
        trie[(*item.token_ids, case.special.end)] = index
    edit = case.resolve()
    old = {
        index: case.catalog.items[index].token_ids
        for index in map(case.live.index_of, edit.removed)
        if index is not None
    }

    def work() -> None:
        for tokens in old.values():
            del trie[(*tokens, case.special.end)]
        for item in edit.added:
            trie[(*tuple(case.encoder.encode_entity(item.text)), case.special.end)] = 0

    def there_and_back() -> None:
        work()
        for item in edit.added:
            del trie[(*item.token_ids, case.special.end)]
        for index, tokens in old.items():
            trie[(*tokens, case.special.end)] = index

    there_and_back()
    return there_and_back


def seconds(work: Callable[[], Any], pairs: int) -> list[float]:
    work()
    found: list[float] = []
    for _ in range(pairs):
        start = time.perf_counter()
        work()
        found.append(time.perf_counter() - start)
    return found


def told(times: list[float]) -> dict[str, Any]:
    low, high = interval_of_median(times)
    return {"ms": 1000 * statistics.median(times), "low_ms": 1000 * low, "high_ms": 1000 * high}


def measure(rows: KeptRows, name: str, load: Callable[[], Case], pairs: int) -> None:
    cases: list[Case] = []

    def case() -> Case:
        if not cases:
            cases.append(load())
        return cases[0]

    def denied() -> dict[str, Any]:
        edit = case().resolve()
        return told(seconds(lambda: case().live.edited([edit]), pairs))

    rows.measure(f"{name}: edit to visible, ours", lambda: told(seconds(case().ours, pairs)))
    rows.measure(f"{name}: of it, check and tokenise", lambda: told(seconds(case().resolve, pairs)))
    rows.measure(f"{name}: of it, until removed items are denied", denied)
    rows.measure(f"{name}: the whole catalogue again", lambda: told(seconds(case().afresh, max(3, pairs // 2))))
    # there and back is two edits
    rows.measure(
        f"{name}: pygtrie edited in place", lambda: told([t / 2 for t in seconds(pygtrie_edit(case()), pairs)])
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", type=Path, default=Path.home() / "recsys-runs/beauty/dataset")
    parser.add_argument("--titles", type=int, default=1_000_000, help="generated titles; 0 leaves them out")
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--keep", type=Path, help="go on with the rows of this file")
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = KeptRows(options.keep)
    if options.dataset.is_dir():
        measure(rows, "Amazon Beauty", lambda: beauty_case(options.dataset), options.pairs)
    else:
        print(f"{options.dataset} is no dataset artifact; only generated titles are measured", flush=True)
    if options.titles:
        measure(rows, f"{options.titles:,} generated titles", lambda: generated_case(options.titles), options.pairs)


if __name__ == "__main__":
    main()
