"""One run of the ablation: what is left of data, train and evaluate, and nothing where all is there.

Every run is an ordinary run folder, so `recsys evaluate`, `bundle` and `serve` could go on from it.
"""

import dataclasses
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from recsys_model.evaluation.metrics import LARGEST_K, rank_in
from recsys_platform.ablate.free import INVALID, FreeGenerationWorker
from recsys_platform.ablate.results import RANK_COLUMN
from recsys_platform.ablate.variants import (
    Variant,
    build_run,
    data_run,
    free_generation_folder,
    source_of_free_generation,
)
from recsys_platform.artifacts import Manifest, check_parent, open_artifact, write_artifact
from recsys_platform.config.run import RunConfig, config_to_dict
from recsys_platform.data.stage import run_data
from recsys_platform.evaluate.ranking.cases import Case, load_evaluation_data
from recsys_platform.evaluate.ranking.rankings import RANKS_FILE
from recsys_platform.evaluate.ranking.workers import recommend_for_all
from recsys_platform.evaluate.report.json_format import write_json
from recsys_platform.evaluate.report.write import JSON_FILE
from recsys_platform.evaluate.stage import run_evaluate
from recsys_platform.evaluate.workers.model import WorkerSettings
from recsys_platform.reuse import check_settings, data_settings
from recsys_platform.train.stage import can_resume, run_train

logger = logging.getLogger(__name__)

NOT_OF_CHECKPOINT = ("evaluate", "decoding")
"""Settings that shape no checkpoint."""
FREE_NAMES = ("seed", "evaluate", "decoding")
"""Settings that shape free generation with a trained model."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Ablation:
    """What all runs share."""

    base: RunConfig
    """The run that every variant is compared with."""
    max_minutes: float | None = None
    """Replaces `train.max_minutes` of all runs where it is given."""
    overwrite: bool = False
    """Whether finished runs are done again."""

    def run_of(self, variant: Variant, seed: int) -> RunConfig:
        """Return the run of one variant and seed."""
        return build_run(self.base, variant, seed, self.max_minutes)


def finish_data(ablation: Ablation, variant: Variant) -> Manifest:
    """Write the dataset of a variant unless it is there or belongs to another run, and return its manifest.

    Raises:
        CheckpointError: it is there, but made with other settings.
        DataError: the input breaks its contract.
    """
    run = data_run(ablation.base, variant)
    if run.dataset is None and (ablation.overwrite or not run.dataset_folder.exists()):
        run_data(run, overwrite=ablation.overwrite)
    manifest = open_artifact(run.dataset_folder, "dataset")
    check_settings(manifest.config, {**data_settings(run), "seed": run.seed}, run.dataset_folder)
    return manifest


def finish_run(ablation: Ablation, variant: Variant, seed: int, dataset: Manifest) -> None:
    """Do what is left of the run of a variant and seed: the training and the evaluation.

    Raises:
        RecsysError: a stage fails, or something is there already that was made with other settings.
    """
    run = ablation.run_of(variant, seed)
    # users and histories are those of the base's seed
    evaluated = dataclasses.replace(run, seed=ablation.base.seed)
    if not ablation.overwrite and is_finished(run, evaluated, dataset):
        logger.info("%s is finished already", run.name)
        return
    if variant.trains and (ablation.overwrite or not run.checkpoint_folder.exists()):
        run_train(run, resume=not ablation.overwrite and can_resume(run), overwrite=ablation.overwrite)
    run_evaluate(evaluated, overwrite=ablation.overwrite)


def is_finished(run: RunConfig, evaluated: RunConfig, dataset: Manifest) -> bool:
    """Return whether a run has its evaluation; what there is of it must be made with these settings and this dataset.

    Raises:
        CheckpointError: it was made with others.
    """
    if not run.checkpoint_folder.exists():
        return False
    checkpoint = open_artifact(run.checkpoint_folder, "checkpoint")
    trained = {name: value for name, value in config_to_dict(run).items() if name not in NOT_OF_CHECKPOINT}
    check_settings(checkpoint.config, trained, run.checkpoint_folder)
    check_parent(checkpoint, dataset)
    if not run.evaluation_folder.exists():
        return False
    evaluation = open_artifact(run.evaluation_folder, "evaluation")
    check_settings(evaluation.config, config_to_dict(evaluated), run.evaluation_folder)
    check_parent(evaluation, checkpoint)
    return True


def finish_free_generation(ablation: Ablation, seed: int) -> None:
    """Let the trained model of a seed write items without the trie, and write the evaluation, unless it is there.

    Raises:
        CheckpointError: the model is missing, or the evaluation is of another one.
    """
    base, folder = ablation.base, free_generation_folder(ablation.base, seed)
    run = ablation.run_of(source_of_free_generation(base), seed)
    checkpoint = open_artifact(run.checkpoint_folder, "checkpoint")
    settings = config_to_dict(dataclasses.replace(run, seed=base.seed))
    if folder.exists() and not ablation.overwrite:
        evaluation = open_artifact(folder, "evaluation")
        check_parent(evaluation, checkpoint)
        check_settings(evaluation.config, {name: settings[name] for name in FREE_NAMES}, folder)
        return
    cases = load_evaluation_data(run.dataset_folder, base.evaluate.split, base.evaluate.num_users, base.seed).cases
    item_lists = _generate_freely(run, cases)
    parents = {"dataset": checkpoint.parents["dataset"], "checkpoint": checkpoint.digest}
    with write_artifact(folder, "evaluation", settings, parents, overwrite=ablation.overwrite) as (partial, counts):
        counts |= count_invalid(item_lists)
        write_json(partial / JSON_FILE, counts)
        _write_ranks(partial / RANKS_FILE, cases, item_lists)


def count_invalid(item_lists: Sequence[Sequence[int]]) -> dict[str, Any]:
    """Return the share of texts that name no item, among all and among the first ones.

    Example:
        >>> count_invalid([[4, -1, -1, 2], [-1, 3, -1, -1]])
        {'users': 2, 'invalid_share': 0.625, 'invalid_first_share': 0.5}
    """
    invalid = [[item == INVALID for item in items] for items in item_lists]
    return {
        "users": len(item_lists),
        "invalid_share": sum(map(sum, invalid)) / sum(map(len, invalid)),
        "invalid_first_share": sum(flags[0] for flags in invalid) / len(invalid),
    }


def _generate_freely(run: RunConfig, cases: Sequence[Case]) -> list[list[int]]:
    evaluate = run.evaluate
    settings = WorkerSettings.of(run, run.objective)
    ranked_cases = recommend_for_all(
        cases,
        settings,
        k=LARGEST_K,
        num_workers=evaluate.num_workers,
        batch_size=evaluate.batch_size,
        worker=FreeGenerationWorker,
    )
    return [ranked.items for ranked in ranked_cases]


def _write_ranks(path: Path, cases: Sequence[Case], item_lists: Sequence[Sequence[int]]) -> None:
    ranks = [rank_in(items, case.target_item) for items, case in zip(item_lists, cases, strict=True)]
    columns = {
        "user_id": pa.array([case.user_id for case in cases], type=pa.string()),
        "target_item": pa.array([case.target_item for case in cases], type=pa.int32()),
        RANK_COLUMN: pa.array(ranks, type=pa.int32()),
        "recommended": pa.array(item_lists, type=pa.list_(pa.int32())),
    }
    pq.write_table(pa.table(columns), path)
