"""What a run measures on held-out events while it trains: next item, and each task family that it trains."""

import logging

import torch.distributed as dist

from recsys_model.infilling.batch import Batch
from recsys_model.infilling.example import ExampleBuilder
from recsys_model.text.task_sampling import trained_families
from recsys_platform.config.run import RunConfig
from recsys_platform.facts import FACT_COLUMNS
from recsys_platform.train.batches import build_question_batches, build_validation_batches, validation_rows
from recsys_platform.train.order import Rows
from recsys_platform.train.questions import Questions
from recsys_platform.train.reader import ExampleReader

logger = logging.getLogger(__name__)

Validation = dict[str, list[tuple[Batch, bool]]]
"""Name of a loss -> this worker's batches, and whether each counts."""


def build_validation(
    config: RunConfig, builder: ExampleBuilder, pad_token: int, questions: Questions | None
) -> Validation:
    """Return the batches of `eval/loss`, the next item without a question, and of `eval/loss_<family>`.

    The families share `train.max_validation_batches` among them, at least one batch each, so that all together cost
    about as much as the next item alone.
    """
    reader = ExampleReader(config.dataset_folder / "examples" / "valid", () if questions is None else FACT_COLUMNS)
    micro_rows, world_size = config.train.batch_size, dist.get_world_size()

    def rows(num_batches: int) -> Rows:
        return validation_rows(reader.num_rows, num_batches * micro_rows * world_size, config.seed)

    share = {"micro_rows": micro_rows, "worker_rank": dist.get_rank(), "num_workers": world_size}
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
            losses[f"eval/loss_{family}"] = batches
        else:
            logger.warning("no validation example can be asked a question of the family %s", family)
    return losses
