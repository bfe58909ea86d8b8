from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from recsys_model.entities.catalog import load_catalog
from recsys_model.entities.token_trie import build_token_trie
from recsys_model.infilling.batch import ExampleCollator
from recsys_model.infilling.example import IGNORED_LABEL, ExampleBuilder
from recsys_model.infilling.positions import PositionAutomaton
from recsys_model.text.tokenizer import load_tokenizer
from recsys_platform.config.run import RunConfig
from recsys_platform.train.batches import TrainingBatches
from recsys_platform.train.reader import ExampleReader
from recsys_platform.train.sampler import validation_rows
from recsys_platform.train.validation import build_validation_batches
from tests.recsys_platform.tiny_dataset import SEQUENCES, tiny_config, write_tiny_dataset


@dataclass(frozen=True)
class Ready:
    """A tiny dataset with all that batches are made of."""

    config: RunConfig
    builder: ExampleBuilder
    pad_token: int
    item_tokens: list[tuple[int, ...]]

    @property
    def examples(self) -> Path:
        return self.config.dataset_folder / "examples"


@pytest.fixture(scope="module")
def ready(tmp_path_factory) -> Ready:
    config = tiny_config(tmp_path_factory.mktemp("batches"))
    write_tiny_dataset(config)
    special = load_tokenizer(config.dataset_folder / "tokenizer").special
    catalog = load_catalog(config.dataset_folder)
    tokens = [item.token_ids for item in catalog.items]
    automaton = PositionAutomaton(catalog.pool(), config.objective.intra_mode)
    builder = ExampleBuilder(config.objective, special, automaton, build_token_trie(tokens, special.end))
    return Ready(config, builder, special.pad, tokens)


class KeyCollator:
    """Gives back the keys of the examples in place of a batch."""

    def __call__(self, texts, keys):
        assert len(texts) == len(keys)
        return list(keys)


def keys_of(ready: Ready, rank: int, num_workers: int, micro_batch_size: int, accumulation: int = 1) -> TrainingBatches:
    return TrainingBatches(
        ExampleReader(ready.examples / "train"),
        KeyCollator(),
        seed=5,
        micro_batch_size=micro_batch_size,
        accumulation_steps=accumulation,
        worker_rank=rank,
        num_workers=num_workers,
    )


def take(batches: TrainingBatches, start: int, stop: int) -> list:
    steps = batches.from_step(start)
    return [next(steps) for _ in range(start, stop)]


@pytest.mark.parametrize(
    ("num_workers", "micro_batch_size", "accumulation"), [(1, 8, 1), (2, 4, 1), (4, 2, 1), (2, 2, 2)]
)
def test_a_step_has_the_same_examples_whoever_shares_them(ready, num_workers, micro_batch_size, accumulation):
    alone = [Counter(keys) for [keys] in take(keys_of(ready, 0, 1, 8), 0, 7)]

    shared = [
        take(keys_of(ready, rank, num_workers, micro_batch_size, accumulation), 0, 7) for rank in range(num_workers)
    ]

    together = [Counter(key for parts in step for part in parts for key in part) for step in zip(*shared, strict=True)]
    assert together == alone


def test_an_epoch_has_every_user_once_and_the_next_one_draws_anew(ready):
    batches = keys_of(ready, 0, 1, 8)
    steps = take(batches, 0, 6)

    assert batches.steps_per_epoch == 3
    for epoch in (0, 1):
        keys = [key for [part] in steps[3 * epoch : 3 * epoch + 3] for key in part]
        expected = [(5, epoch, user, len(items) - 3) for user, items in SEQUENCES.items()]
        assert sorted(keys) == sorted(expected)
    assert [key[2] for [part] in steps[:3] for key in part] != [key[2] for [part] in steps[3:] for key in part]


@pytest.mark.parametrize("start", [0, 1, 2, 3, 5, 8])
def test_starting_at_a_step_goes_on_as_if_never_stopped(ready, start):
    assert take(keys_of(ready, 1, 2, 3), start, 10) == take(keys_of(ready, 1, 2, 3), 0, 10)[start:]


def test_the_same_step_has_the_same_masks_in_another_process_and_other_ones_in_the_next_epoch(ready):
    def tokens(step: int) -> list:
        batches = keys_of(ready, 0, 1, 24)
        batches._collator = ExampleCollator(ready.builder, ready.pad_token)
        [batch] = next(batches.from_step(step))
        return batch.token_ids.tolist()

    assert tokens(0) == tokens(0)
    assert sorted(tokens(0)) != sorted(tokens(1))


def test_validation_rows_are_distinct_drawn_by_seed_and_ascending():
    rows = validation_rows(100, 10, seed=1).tolist()

    assert rows == sorted(set(rows))
    assert len(rows) == 10
    assert rows == validation_rows(100, 10, seed=1).tolist()
    assert rows != validation_rows(100, 10, seed=2).tolist()


@pytest.mark.parametrize("num_workers", [1, 2, 3])
def test_validation_asks_each_user_for_the_last_item_once_and_keeps_the_workers_in_step(ready, num_workers):
    reader = ExampleReader(ready.examples / "valid")
    parts = [
        build_validation_batches(
            reader,
            ready.builder,
            ready.pad_token,
            np.arange(7),
            micro_batch_size=2,
            worker_rank=rank,
            num_workers=num_workers,
        )
        for rank in range(num_workers)
    ]

    assert len({len(batches) for batches in parts}) == 1
    answers = [
        tuple(label for label in labels if label != IGNORED_LABEL)[:-1]
        for batches in parts
        for batch, counts in batches
        if counts
        for labels in batch.labels.tolist()
    ]
    users = list(SEQUENCES)[:7]
    assert sorted(answers) == sorted(ready.item_tokens[SEQUENCES[user][-2]] for user in users)
