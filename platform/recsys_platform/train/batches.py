"""Build one worker's masked batches from the rows of the training split."""

from collections.abc import Iterator

import pyarrow as pa

from recsys_model.infilling.batch import Batch, ExampleCollator
from recsys_model.text.task_text import TaskText
from recsys_model.text.textualize import TokenizedText
from recsys_platform.task_columns import FACT_COLUMNS
from recsys_platform.train.questions import Questions
from recsys_platform.train.reader import ExampleReader, to_examples, token_counts
from recsys_platform.train.sampler import EpochOrder, count_batches, share_of_rank
from recsys_platform.train.seeds import MAX_SEED


class TrainingBatches:
    """The batches of one worker, in an order that all workers share, from any step on."""

    def __init__(
        self,
        reader: ExampleReader,
        collator: ExampleCollator,
        *,
        seed: int,
        micro_batch_size: int,
        accumulation_steps: int,
        worker_rank: int,
        num_workers: int,
        questions: Questions | None = None,
    ) -> None:
        self._reader = reader
        self._questions = questions
        self._collator = collator
        self._seed = seed
        self._micro_batch_size = micro_batch_size
        self._worker_rank = worker_rank
        self._num_workers = num_workers
        self._global_batch_size = micro_batch_size * accumulation_steps * num_workers
        self.steps_per_epoch = count_batches(reader.num_rows, self._global_batch_size)

    def from_step(self, step: int) -> Iterator[list[Batch]]:
        """Yield, without end, the micro batches of each optimiser step from `step` on."""
        epoch, first = divmod(step, self.steps_per_epoch)
        while True:
            yield from self._epoch(epoch, first)
            epoch, first = epoch + 1, 0

    def _epoch(self, epoch: int, start: int) -> Iterator[list[Batch]]:
        order = EpochOrder(self._reader.group_sizes, self._global_batch_size, (self._seed % MAX_SEED, epoch))
        for chunk in order.chunks(start):
            table = self._reader.read(chunk.rows)
            skipped = max(start - chunk.first_batch, 0)
            for batch in order.batches(chunk, token_counts(table))[skipped:]:
                parts = share_of_rank(batch, self._worker_rank, self._num_workers, self._micro_batch_size)
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
