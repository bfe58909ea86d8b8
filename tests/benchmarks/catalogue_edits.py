"""Time an edit of a served catalogue until the first request uses it, in one replica, without the network.

    python -m tests.benchmarks.catalogue_edits [--dataset FOLDER] [--titles 1000000] [--pairs 5] [--json FILE] [--quick]

An edit removes 1 % of the items and adds as many. Ours validates it, tokenises the new titles, builds the next version
and compiles its trie to the arrays of the search. The alternatives: reload the whole catalogue and tokenise all titles;
or edit a pygtrie trie in place, which no batched search can use. DATASET is a dataset artifact, by default that of
`tests/benchmarks/beauty_tokens.yaml`; generated titles are random tokens, not text.
"""

import argparse
import dataclasses
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pygtrie
import torch

from recsys_model.backbones.glm import GLM
from recsys_model.config import DecodingConfig, GLMConfig
from recsys_model.decoding.generator import TrieGuidedGenerator
from recsys_model.entities.catalog import Catalog, CatalogItem, EntityEncoder, build_catalog, load_catalog
from recsys_model.entities.edit_requests import NewItem, resolve_edit
from recsys_model.entities.live_catalog import CatalogEdit, LiveCatalog, live_catalog
from recsys_model.text.tokenizer import SpecialTokens, load_tokenizer
from tests.benchmarks.pairs import Row, time_pairs
from tests.benchmarks.report import Report
from tests.benchmarks.trie_rows import GENERATED_SPECIAL, generated_titles

SHARE, MAX_TOKENS, VOCABULARY = 0.01, 500, 50_304


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


def rows_of(name: str, load: Callable[[], Case], pairs: int) -> Iterator[Row]:
    """Yield the rows of one catalogue."""
    case = load()
    edit, work = case.resolve(), f"1 % of {name} removed and as many added"
    yield in_ms(time_pairs(work, "load the whole catalogue again", case.ours, case.afresh, pairs=pairs))
    in_place = pygtrie_edit(case)
    row = time_pairs(work, "edit a pygtrie in place", case.ours, in_place, pairs=pairs)
    # there and back is two edits
    yield in_ms(dataclasses.replace(row, others=[second / 2 for second in row.others]))
    for part, function in {
        "check it, tokenise the new titles": case.resolve,
        "until an edit without new items is in force": lambda: case.live.edited([edit]),
    }.items():
        row = time_pairs(f"{work}: of it, {part}", "", function, lambda: None, pairs=pairs)
        yield in_ms(dataclasses.replace(row, others=[]))


def in_ms(row: Row) -> Row:
    """Return a row of seconds in milliseconds."""
    ours, others = ([1000 * second for second in seconds] for seconds in (row.ours, row.others))
    return dataclasses.replace(row, ours=ours, others=others, unit="ms")


def main() -> None:
    """Print the rows of Beauty and of the generated titles."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", type=Path, default=Path.home() / "recsys-runs/beauty-tokens/dataset")
    parser.add_argument("--titles", type=int, default=1_000_000, help="generated titles; 0 leaves them out")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--json", type=Path, help="keeps the rows")
    parser.add_argument("--quick", action="store_true", help="3 pairs, at most 20,000 generated titles")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.quick:
        options.pairs, options.titles = 3, min(options.titles, 20_000)
    settings = {name: str(getattr(options, name)) for name in ("dataset", "titles", "pairs")}
    report = Report(options.json, settings)
    if options.dataset.is_dir():
        report.measure("beauty", lambda: rows_of("Amazon Beauty", lambda: beauty_case(options.dataset), options.pairs))
    else:
        print(f"{options.dataset} is no dataset artifact; only generated titles are measured", flush=True)
    if options.titles:
        name = f"{options.titles:,} generated titles"
        report.measure("generated", lambda: rows_of(name, lambda: generated_case(options.titles), options.pairs))


if __name__ == "__main__":
    main()
