"""From the rows of a split to the masked batches of one worker."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from recsys_model.infilling.batch import Batch, ExampleCollator, pad_examples
from recsys_model.infilling.example import ExampleBuilder
from recsys_model.text.task_text import TaskText
from recsys_model.text.textualize import TokenizedText
from recsys_platform.facts import FACT_COLUMNS
from recsys_platform.train.order import EpochOrder, Rows, count_batches, share_of_rank
from recsys_platform.train.questions import Questions
from recsys_platform.train.reader import ExampleReader, to_examples, token_counts

MAX_SEED = 2**32
VALIDATION = "validation"
"""Stands for the epoch where questions are drawn for a validation loss."""


class TrainingBatches:
    """The batches of one worker, in an order that all workers share, from any step on."""

    def __init__(
        self,
        reader: ExampleReader,
        collator: ExampleCollator,
        *,
        seed: int,
        micro_rows: int,
        accumulation_steps: int,
        worker_rank: int,
        num_workers: int,
        questions: Questions | None = None,
    ) -> None:
        self._reader = reader
        self._questions = questions
        self._collator = collator
        self._seed = seed
        self._micro_rows = micro_rows
        self._worker_rank = worker_rank
        self._num_workers = num_workers
        self._batch_rows = micro_rows * accumulation_steps * num_workers
        self.steps_per_epoch = count_batches(reader.num_rows, self._batch_rows)

    def from_step(self, step: int) -> Iterator[list[Batch]]:
        """Yield, without end, the micro batches of each optimiser step from `step` on."""
        epoch, first = divmod(step, self.steps_per_epoch)
        while True:
            yield from self._epoch(epoch, first)
            epoch, first = epoch + 1, 0

    def _epoch(self, epoch: int, start: int) -> Iterator[list[Batch]]:
        order = EpochOrder(self._reader.group_sizes, self._batch_rows, (self._seed % MAX_SEED, epoch))
        for chunk in order.chunks(start):
            table = self._reader.read(chunk.rows)
            skipped = max(start - chunk.first_batch, 0)
            for batch in order.batches(chunk, token_counts(table))[skipped:]:
                parts = share_of_rank(batch, self._worker_rank, self._num_workers, self._micro_rows)
                yield [self._micro_batch(table.take(rows), epoch) for rows in parts]

    def _micro_batch(self, rows: pa.Table, epoch: int) -> Batch:
        examples = to_examples(rows)
        texts: list[TokenizedText | TaskText] = [example.text for example in examples]
        if self._questions is not None:
            for place, row in enumerate(rows.select(FACT_COLUMNS).to_pylist()):
                key = (self._seed, row["user_id"], row["target_index"], epoch)
                texts[place] = self._questions.ask(row, key) or texts[place]
        return self._collator(
            texts, [(self._seed, epoch, example.user_id, example.target_index) for example in examples]
        )


def validation_rows(num_rows: int, limit: int, seed: int) -> Rows:
    """Return at most `limit` distinct rows, ascending; the same ones whatever the number of workers.

    Example:
        >>> validation_rows(3, 10, seed=0).tolist()
        [0, 1, 2]
    """
    if num_rows <= limit:
        return np.arange(num_rows)
    return np.sort(np.random.default_rng(seed % MAX_SEED).choice(num_rows, size=limit, replace=False))


def build_validation_batches(
    reader: ExampleReader,
    builder: ExampleBuilder,
    pad_token: int,
    rows: Rows,
    *,
    micro_rows: int,
    worker_rank: int,
    num_workers: int,
) -> list[tuple[Batch, bool]]:
    """Return this worker's batches of next-item examples: what the model will be asked when it serves.

    ZeRO 3 gathers weights in each forward pass, so all workers need equally many batches. Where others still
    have rows and this worker has none, it repeats a row; the second value says whether a batch counts.
    """

    def batch_of(part: Rows) -> Batch:
        texts = [example.text for example in to_examples(reader.read(part))]
        return pad_examples([builder.ask_for_item(text, len(text.entity_starts) - 1) for text in texts], pad_token)

    parts = share_of_batches(rows, micro_rows, worker_rank, num_workers)
    return [(batch_of(part), counts) for part, counts in parts]


def build_question_batches(
    reader: ExampleReader,
    builder: ExampleBuilder,
    questions: Questions,
    pad_token: int,
    rows: Rows,
    *,
    seed: int,
    micro_rows: int,
    worker_rank: int,
    num_workers: int,
) -> list[tuple[Batch, bool]]:
    """Return this worker's batches of questions about those of the rows that can be asked one; see above.

    The wording depends on seed and row alone, so that the losses of a run can be compared with each other.
    """
    table = reader.read(rows).select(FACT_COLUMNS).to_pylist()
    asked = [questions.ask(row, (seed, row["user_id"], row["target_index"], VALIDATION)) for row in table]
    examples = [builder.ask(task) for task in asked if task is not None]
    parts = share_of_batches(np.arange(len(examples)), micro_rows, worker_rank, num_workers)
    return [(pad_examples([examples[place] for place in part], pad_token), counts) for part, counts in parts]


def share_of_batches(rows: Rows, micro_rows: int, worker_rank: int, num_workers: int) -> list[tuple[Rows, bool]]:
    """Return the rows of each of this worker's batches, equally many on all workers, and whether they count.

    Workers take turns row by row, so rows of one length go to all of them.
    """
    num_rounds = -(-len(rows) // (micro_rows * num_workers))
    mine = rows[worker_rank::num_workers]
    parts = [(mine[start : start + micro_rows], True) for start in range(0, len(mine), micro_rows)]
    return parts + [(rows[:1], False)] * (num_rounds - len(parts))
