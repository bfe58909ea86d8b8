"""Over 100,000 drawn and padded examples, each equal to a slow reading of the definition, for every option.

`pytest -m slow` of this file draws a million.
"""

import itertools
import random
from collections.abc import Iterator
from functools import cache

import pytest

from recsys_model.config import ObjectiveConfig
from recsys_model.entities.pool import EntityPool
from recsys_model.entities.token_trie import TokenTrie, build_token_trie
from recsys_model.infilling.batch import ExampleCollator
from recsys_model.infilling.example import ExampleBuilder
from recsys_model.infilling.positions import PositionAutomaton
from tests.recsys_model.infilling.definition import BLANKS, SPECIAL, Entities, tokenized
from tests.recsys_model.infilling.example_checks import check_attention, check_row, rows_of
from tests.recsys_model.infilling.random_texts import random_entities, random_pieces

OPTIONS = {
    "mask_units": ["entity", "token"],
    "span_units": ["poisson", "single"],
    "span_order": ["chronological", "shuffled"],
    "document_span": ["suffix", "anywhere"],
    "next_item_target": ["last", "any"],
    "item_loss": ["lm", "trie"],
}
NUMBERS = {
    "mask_share": [0.15, 0.05, 0.4, 1.0],
    "poisson_mean": [3.0, 1.0, 8.0],
    "max_span_tokens": [39, 2],
    "document_min_share": [0.5, 0.2, 1.0],
}
BATCH_SIZE = 32
NUM_POOLS = 6


@cache
def entities(number: int) -> Entities:
    return random_entities(random.Random(number))


def objectives(level: str, intra_mode: str, segmentation: str) -> Iterator[ObjectiveConfig]:
    """Go round all values of the other options, with numbers drawn for each."""
    rng = random.Random(f"{level} {intra_mode} {segmentation}")
    weights = {f"{name}_weight": float(name == level) for name in BLANKS}
    for values in itertools.cycle(itertools.product(*OPTIONS.values())):
        chosen = dict(zip(OPTIONS, values, strict=True)) | {name: rng.choice(among) for name, among in NUMBERS.items()}
        yield ObjectiveConfig(**weights, **chosen, intra_mode=intra_mode, segmentation=segmentation)  # type: ignore[arg-type]


def collator(config: ObjectiveConfig, pool: Entities, trie: TokenTrie) -> ExampleCollator:
    automaton = PositionAutomaton(EntityPool([*pool.items, *pool.attributes]), config.intra_mode)
    return ExampleCollator(ExampleBuilder(config, SPECIAL, automaton, trie), SPECIAL.pad)


def check_examples(level: str, intra_mode: str, segmentation: str, num_examples: int) -> int:
    """Draw examples in batches, a new setting each, and check all; return how many spans were drawn."""
    rng = random.Random(f"{level} {intra_mode} {segmentation} {num_examples}")
    configs = objectives(level, intra_mode, segmentation)
    tries = [build_token_trie(entities(number).items, SPECIAL.end) for number in range(NUM_POOLS)]
    num_spans = 0
    for number in range(-(-num_examples // BATCH_SIZE)):
        config, pool, trie = next(configs), entities(number % NUM_POOLS), tries[number % NUM_POOLS]
        texts = [random_pieces(rng, pool, with_item=level == "next_item") for _ in range(BATCH_SIZE)]
        keys = [(number, index) for index in range(BATCH_SIZE)]
        batch = collator(config, pool, trie)([tokenized(pieces) for pieces in texts], keys)
        rows = rows_of(batch, trie)
        for row, pieces, part_a_len in zip(rows, texts, batch.part_a_lens.tolist(), strict=True):
            check_row(row, pieces, level, config, pool)
            assert part_a_len == row.span_of.count(0)
            num_spans += max(row.span_of)
        check_attention(batch, rows, number % BATCH_SIZE)
    return num_spans


EVERY_NUMBERING = pytest.mark.parametrize(
    ("level", "intra_mode", "segmentation"),
    list(itertools.product(BLANKS, ["paper", "run", "glm"], ["online", "gold"])),
)


@EVERY_NUMBERING
def test_every_example_is_what_the_definition_says(level: str, intra_mode: str, segmentation: str) -> None:
    assert check_examples(level, intra_mode, segmentation, num_examples=4_200) >= 4_200


@pytest.mark.slow
@EVERY_NUMBERING
def test_every_one_of_a_million_examples_is_what_the_definition_says(
    level: str, intra_mode: str, segmentation: str
) -> None:
    assert check_examples(level, intra_mode, segmentation, num_examples=41_700) >= 41_700
