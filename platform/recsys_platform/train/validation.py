"""Validation losses during a training: the next item, and each trained task family."""

import logging

import numpy as np
import torch.distributed as dist

from recsys_model.infilling.batch import Batch, pad_examples
from recsys_model.infilling.example import ExampleBuilder
from recsys_model.text.task_sampling import trained_families
from recsys_platform.config.run import RunConfig
from recsys_platform.file_names import FAMILY_LOSS
from recsys_platform.task_columns import FACT_COLUMNS
from recsys_platform.train.questions import Questions
from recsys_platform.train.reader import ExampleReader, to_examples
from recsys_platform.train.sampler import Rows, share_of_batches, validation_rows

logger = logging.getLogger(__name__)

VALIDATION = "validation"
"""Takes the place of the epoch in the draws of validation questions."""
Validation = dict[str, list[tuple[Batch, bool]]]
"""Name of a loss -> this worker's batches, and whether each counts."""


def build_validation(
    config: RunConfig, builder: ExampleBuilder, pad_token: int, questions: Questions | None
) -> Validation:
    """Return the batches of `eval/loss`, the next item without a question, and of `eval/loss_<family>`.

    The families share `train.max_validation_batches`, at least one batch each, so that all together cost about as much
    as the next item alone.
    """
    reader = ExampleReader(config.dataset_folder / "examples" / "valid", () if questions is None else FACT_COLUMNS)
    micro_batch_size, world_size = config.train.batch_size, dist.get_world_size()

    def rows(num_batches: int) -> Rows:
        return validation_rows(reader.num_rows, num_batches * micro_batch_size * world_size, config.seed)

    share = {"micro_batch_size": micro_batch_size, "worker_rank": dist.get_rank(), "num_workers": world_size}
    limit = config.train.max_validation_batches
    losses: Validation = {"eval/loss": build_validation_batches(reader, builder, pad_token, rows(limit), **share)}
    families = () if questions is None else trained_families(config.tasks)
    for family in families:
        assert questions is not None, "families are trained with questions"
        batches = build_question_batches(
            reader,
            builder,
            questions.of_family(family),
            pad_token,
            rows(max(1, limit // len(families))),
            seed=config.seed,
            **share,
        )
        if batches:
            losses[f"{FAMILY_LOSS}{family}"] = batches
        else:
            logger.warning("no validation example can be asked a question of the family %s", family)
    return losses


def build_validation_batches(
    reader: ExampleReader,
    builder: ExampleBuilder,
    pad_token: int,
    rows: Rows,
    *,
    micro_batch_size: int,
    worker_rank: int,
    num_workers: int,
) -> list[tuple[Batch, bool]]:
    """Return this worker's batches of next-item examples, the task of serving.

    ZeRO 3 gathers weights in each forward pass, so all workers need the same number of batches. A worker without rows
    repeats one; the second value says whether a batch counts.
    """

    def batch_of(part: Rows) -> Batch:
        texts = [example.text for example in to_examples(reader.read(part))]
        return pad_examples([builder.ask_for_item(text, len(text.entity_starts) - 1) for text in texts], pad_token)

    parts = share_of_batches(rows, micro_batch_size, worker_rank, num_workers)
    return [(batch_of(part), counts) for part, counts in parts]


def build_question_batches(
    reader: ExampleReader,
    builder: ExampleBuilder,
    questions: Questions,
    pad_token: int,
    rows: Rows,
    *,
    seed: int,
    micro_batch_size: int,
    worker_rank: int,
    num_workers: int,
) -> list[tuple[Batch, bool]]:
    """Return this worker's batches of questions, built from the rows with the necessary facts.

    All workers get the same number of batches, as with `build_validation_batches`. The questions depend on seed and row
    alone, so that the losses of a run are comparable.
    """
    table = reader.read(rows).select(FACT_COLUMNS).to_pylist()
    tasks = [questions.ask(row, (seed, row["user_id"], row["target_index"], VALIDATION)) for row in table]
    examples = [builder.ask(task) for task in tasks if task is not None]
    parts = share_of_batches(np.arange(len(examples)), micro_batch_size, worker_rank, num_workers)
    return [(pad_examples([examples[place] for place in part], pad_token), counts) for part, counts in parts]
