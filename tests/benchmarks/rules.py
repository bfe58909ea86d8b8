"""Requests with rules beside the same requests without: the ratio is what the rules cost.

    python -m tests.benchmarks.rules RUN [--users 24] [--pairs 7] [--million] [--json FILE]

RUN is the folder of a run with an entity head. One thread, no Ray, requests one by one with their real histories. The
columns are made: brand is the first word of a title, category its last two words, price is drawn by a seed. So brands
begin titles, as in many catalogues, and caps bind. `--million` measures columns and masks of a million items.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from recsys_model.config import DecodingConfig
from recsys_model.decoding.item_lists import ItemLists
from recsys_model.entities.item_columns import ItemColumns, build_columns
from recsys_model.entities.rules import Cap, Contains, NumberRange, OneOf, Rules
from recsys_model.entities.token_trie import build_token_trie
from tests.benchmarks.entity_head import Run
from tests.benchmarks.pairs import Row, seconds_of, time_pairs
from tests.benchmarks.report import Report
from tests.benchmarks.request_rows import per_call

K = 10
SEARCHES = {
    "20 beams over tokens": DecodingConfig(num_beams=20),
    "exact over tokens": DecodingConfig(exact=True),
    "entity": DecodingConfig(scoring="entity"),
    "blend, 20 beams": DecodingConfig(scoring="blend", num_beams=20),
    "blend, exact": DecodingConfig(scoring="blend", exact=True),
}
CONDITIONS = (NumberRange(column="price", at_most=20.0),)
RULES = {
    "a price range (half of all items)": Rules(where=CONDITIONS),
    "at most 2 per brand": Rules(caps=(Cap(column="brand", at_most=2),)),
    "at most 2 per brand, 3 per category, and a price range": Rules(
        where=CONDITIONS, caps=(Cap(column="brand", at_most=2), Cap(column="category", at_most=3))
    ),
}


def made_columns(run: Run) -> ItemColumns:
    """Return columns that are made of the titles and a seed."""
    words = [item.text.split() for item in run.catalog.items]
    price = np.random.default_rng(0).lognormal(np.log(20.0), 0.8, len(words)).round(2).tolist()
    cells = {"brand": [each[0] for each in words], "category": [each[-2:] for each in words], "price": price}
    return build_columns(cells, len(words))


def request_rows(run: Run, num_users: int, pairs: int) -> Iterator[Row]:
    """Time the same users with and without rules."""
    columns = made_columns(run)
    prompts = {False: run.plain, True: run.blanks}
    for name, config in SEARCHES.items():
        generator = run.generator(config, columns)
        some = prompts[config.scoring != "trie" or run.objective.next_item_target == "all"]
        some = some[:: max(1, len(some) // num_users)][:num_users]
        for told, rules in RULES.items():
            row = time_pairs(
                f"a request without rules, {name}",
                f"with {told}",
                lambda generator=generator, some=some: [generator.search([prompt], K) for prompt in some],
                lambda generator=generator, some=some, rules=rules: [
                    generator.search([prompt], K, rules=[rules]) for prompt in some
                ],
                pairs=pairs,
                note=f"{len(some)} users one by one; the ratio is the cost of the rules; {displaced(generator, some, rules)}",
            )
            yield per_call(row, len(some))


def displaced(generator, prompts, rules) -> str:  # type: ignore[no-untyped-def]
    """Say how much the rules change, and that answers under them are as long and as proven as those without."""
    free = [generator.search([prompt], K)[0] for prompt in prompts]
    ruled = [generator.search([prompt], K, rules=[rules])[0] for prompt in prompts]
    kept = [
        len({entry.item for entry in one.items} & {entry.item for entry in other.items})
        for one, other in zip(free, ruled, strict=True)
    ]
    certificates = [answer.certificate for answer in ruled if answer.certificate is not None]
    proven = f", {sum(each.is_exact for each in certificates)} proven" if certificates else ""
    return f"{sum(kept) / len(kept):.1f} of {K} items stay, {min(len(a.items) for a in ruled)} items at least{proven}"


def million_rows(num_items: int = 1_000_000) -> Iterator[Row]:
    """Time columns and masks of a million items: read, first use of a condition, later uses, and the filter of a request."""
    rng = np.random.default_rng(0)
    brands = [f"brand {number}" for number in rng.integers(0, 20_000, num_items)]
    cells = {
        "brand": brands,
        "category": [[f"c{a}", f"c{a}-{b}"] for a, b in rng.integers(0, 50, (num_items, 2)).tolist()],
        "price": rng.lognormal(3.0, 0.8, num_items).tolist(),
        "title": [f"{brand} item {place}" for place, brand in enumerate(brands)],
    }
    yield Row(
        work=f"columns of {num_items:,} items",
        alternative="",
        ours=[seconds_of(lambda: build_columns(cells, num_items))],
        others=[],
    )
    columns = build_columns(cells, num_items)
    conditions = {
        "a range": NumberRange(column="price", at_most=20.0),
        "one of three brands": OneOf(column="brand", values=("brand 5", "brand 6", "brand 7")),
        "one of two categories": OneOf(column="category", values=("c7", "c8")),
        "a text in the title": Contains(column="title", text="ITEM 77"),
    }
    for name, condition in conditions.items():
        rules = Rules(where=(condition,))
        first = seconds_of(lambda rules=rules: columns.mask(rules))
        later = [seconds_of(lambda rules=rules: columns.mask(rules)) for _ in range(5)]
        yield Row(work=f"mask of {name}, later uses", alternative="first use", ours=later, others=[first] * 5)
    sequences = [
        (int(a), int(b), place % 1000, place // 1000)
        for place, (a, b) in enumerate(rng.integers(0, 300, (num_items, 2)))
    ]
    lists = ItemLists(build_token_trie(sequences, 5_000), torch.device("cpu"))
    mask = columns.mask(Rules(where=(conditions["a range"],)))
    seconds = [seconds_of(lambda: lists.filter_of([()], None, [mask])) for _ in range(5)]
    yield Row(work=f"filter of a request from a mask, {num_items:,} items", alternative="", ours=seconds, others=[])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--users", type=int, default=24)
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--million", action="store_true")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    run = Run(options.run, 4 * options.users)
    report = Report(options.json, {"run": str(options.run), "users": options.users, "pairs": options.pairs})
    report.measure("requests", lambda: request_rows(run, options.users, options.pairs))
    if options.million:
        report.measure("million", million_rows)


if __name__ == "__main__":
    main()
