"""The tuning stage: which LoRA rank ranks best on a frozen base model."""

import dataclasses
import functools
import logging
import shutil
from pathlib import Path
from typing import Any

import ray.tune

from recsys_model.config import require
from recsys_model.errors import CheckpointError
from recsys_platform.artifacts import open_artifact, refuse_to_overwrite, write_artifact
from recsys_platform.config.run import RunConfig, config_to_dict
from recsys_platform.evaluate.ranking.cases import load_evaluation_data
from recsys_platform.train.model import verified_digest
from recsys_platform.train.stage import check_dataset
from recsys_platform.tune.report import PLOT_FILE, best_of, draw_plot, write_tables
from recsys_platform.tune.trial import RankResult, run_trial

logger = logging.getLogger(__name__)

TRIAL_CPUS = 0.1
"""What a trial takes itself: it waits for its workers most of the time. Ray Tune refuses 0."""


def run_tune(config: RunConfig, *, overwrite: bool = False) -> dict[str, Any]:
    """Train adapters of every rank in `tune.ranks`, compare their HR@1 and write the tune artifact; Ray must be up.

    Raises:
        ConfigError: there is no base model, or LoRA is off.
        CheckpointError: an artifact is missing, damaged or in the way, or a trial failed.
    """
    tune_folder, search_folder = config.folder / "tune", config.folder / "ray_tune"
    require(
        config.model.weights is not None and config.lora.enabled,
        "the rank is searched on a frozen base: set model.weights to a checkpoint or a published model, and "
        f"lora.enabled to true; got {config.model.weights!r} and {config.lora.enabled}",
    )
    refuse_to_overwrite(tune_folder, overwrite=overwrite)
    dataset = open_artifact(config.dataset_folder, "dataset")
    check_dataset(config, dataset)
    parents = {"dataset": dataset.digest, "weights": verified_digest(Path(str(config.model.weights)))}
    _clear(search_folder, overwrite=overwrite)
    results = collect_results(build_tuner(config, search_folder).fit())
    best = best_of(results)
    num_users = len(load_evaluation_data(config.dataset_folder, "valid", config.tune.num_users, config.seed).cases)
    with write_artifact(tune_folder, "tune", config_to_dict(config), parents, overwrite=overwrite) as (folder, counts):
        write_tables(folder, results, num_users)
        draw_plot(folder / PLOT_FILE, results)
        counts.update({"best_rank": best.rank, "users": num_users})
    shutil.rmtree(search_folder)
    logger.info("best LoRA rank %d with HR@1 %.4f", best.rank, best.hr_at_1)
    return {
        "tune": str(tune_folder),
        "best_rank": best.rank,
        "rows": [dataclasses.asdict(result) for result in results],
    }


def build_tuner(config: RunConfig, folder: Path) -> ray.tune.Tuner:
    """Return the search, not started; it writes into `folder`, which all nodes must see."""
    trial = functools.partial(run_trial, config=config, folder=str(folder))
    return ray.tune.Tuner(
        ray.tune.with_resources(trial, {"cpu": TRIAL_CPUS}),
        param_space={"rank": ray.tune.grid_search(list(config.tune.ranks))},
        tune_config=ray.tune.TuneConfig(max_concurrent_trials=config.tune.max_concurrent_trials),
        run_config=ray.tune.RunConfig(name="search", storage_path=str(folder)),
    )


def collect_results(grid: ray.tune.ResultGrid) -> list[RankResult]:
    """Return the line of each trial, ascending by rank.

    Raises:
        CheckpointError: a trial failed.
    """
    failures = [f"{result.config}: {result.error}" for result in grid if result.error is not None]
    if failures:
        raise CheckpointError("trials failed; mend the cause and start again:\n  " + "\n  ".join(failures))
    names = [item.name for item in dataclasses.fields(RankResult)]
    reported = [result.metrics or {} for result in grid]
    results = [RankResult(**{name: metrics[name] for name in names}) for metrics in reported]
    return sorted(results, key=lambda result: result.rank)


def _clear(folder: Path, *, overwrite: bool) -> None:
    """Make room for a new search.

    Raises:
        CheckpointError: a search that did not finish is in the way and `overwrite` is false.
    """
    if folder.exists() and not overwrite:
        raise CheckpointError(f"{folder} holds an unfinished search; pass --overwrite to start anew")
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
