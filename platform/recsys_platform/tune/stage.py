"""The tuning stage: which LoRA rank ranks best on a frozen base model."""

import dataclasses
import functools
import logging
import shutil
from pathlib import Path
from typing import Any

import ray.tune

from recsys_model.backbones.outline import outline_of
from recsys_model.config import require
from recsys_model.errors import CheckpointError
from recsys_model.training.lora import check_rank
from recsys_platform.artifacts import open_artifact, refuse_to_overwrite, write_artifact
from recsys_platform.capacity import Demand, check_room
from recsys_platform.config.run import RunConfig, config_to_dict
from recsys_platform.evaluate.workers.pool import workers_of as workers_of_evaluation
from recsys_platform.train.model import load_base_geometry, verified_digest, with_precision
from recsys_platform.train.plan import check_dataset, check_training_settings
from recsys_platform.train.stage import workers_of as workers_of_training
from recsys_platform.tune.report import PLOT_FILE, best_of, draw_plot, write_tables
from recsys_platform.tune.trial import RankResult, run_trial, trial_config

logger = logging.getLogger(__name__)

TRIAL_CPUS = 0.1
"""What a trial takes itself: it waits for its workers most of the time. Ray Tune refuses 0."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class TuningPlan:
    """A search that nothing speaks against."""

    config: RunConfig
    """The run."""
    overwrite: bool
    """Whether earlier results are replaced."""
    parents: dict[str, str] = dataclasses.field(default_factory=dict)
    """Digests of the dataset and of the base model."""

    @property
    def search_folder(self) -> Path:
        """Folder of the trials while the search is unfinished."""
        return self.config.folder / "ray_tune"

    @property
    def tune_folder(self) -> Path:
        """The artifact."""
        return self.config.folder / "tune"


def plan_tune(config: RunConfig, *, overwrite: bool = False) -> TuningPlan:
    """Check everything that the search needs, for every rank, and return it; nothing is written, and Ray is not needed.

    Raises:
        ConfigError: there is no base model, LoRA is off, a rank does not fit the base, or settings contradict each other.
        CheckpointError: an artifact is missing, damaged or in the way.
    """
    require(
        config.model.weights is not None and config.lora.enabled,
        "the rank is searched on a frozen base: set model.weights to a checkpoint or a published model, and "
        f"lora.enabled to true; got {config.model.weights!r} and {config.lora.enabled}",
    )
    require(
        config.decoding.scoring not in ("entity", "blend") or config.entity.enabled,
        f"decoding.scoring {config.decoding.scoring} needs an entity head; set entity.enabled to true, or "
        "decoding.scoring to trie",
    )
    require(
        config.tune.competitors == "catalogue"
        or (config.tasks.template_share > 0 and config.tasks.candidate_weight > 0),
        "tune.competitors candidates asks the task candidate, which the trials must be trained on; set "
        "tasks.template_share and tasks.candidate_weight above 0, or tune.competitors to catalogue, got "
        f"{config.tasks.template_share} and {config.tasks.candidate_weight}",
    )
    plan = TuningPlan(config=config, overwrite=overwrite)
    refuse_to_overwrite(plan.tune_folder, overwrite=overwrite)
    _refuse_unfinished(plan.search_folder, overwrite=overwrite)
    base = outline_of(load_base_geometry(config))
    for rank in config.tune.ranks:
        check_rank(base, rank, "each of tune.ranks")
    trial = with_precision(trial_config(config, min(config.tune.ranks), plan.search_folder))
    check_training_settings(trial)
    dataset = open_artifact(config.dataset_folder, "dataset")
    check_dataset(trial, dataset)
    parents = {"dataset": dataset.digest, "weights": verified_digest(Path(str(config.model.weights)))}
    return dataclasses.replace(plan, parents=parents)


def run_tune(config: RunConfig, *, overwrite: bool = False) -> dict[str, Any]:
    """Check the search with `plan_tune`, then make it with `execute`; Ray must be up.

    Raises:
        RecsysError: see both.
    """
    return execute(plan_tune(config, overwrite=overwrite))


def execute(plan: TuningPlan) -> dict[str, Any]:
    """Train adapters of every rank in `tune.ranks`, compare their HR@1 and write the tune artifact; Ray must be up.

    Raises:
        ConfigError: the cluster can never hold a trial.
        CheckpointError: a trial failed; the search leaves nothing behind.
    """
    config, overwrite = plan.config, plan.overwrite
    _check_room(config)
    shutil.rmtree(plan.search_folder, ignore_errors=True)
    plan.search_folder.mkdir(parents=True)
    try:
        results = collect_results(build_tuner(config, plan.search_folder).fit())
    except CheckpointError:
        # a search cannot be resumed: what is left of it would only be in the way of the next one
        shutil.rmtree(plan.search_folder)
        raise
    best = best_of(results)
    settings = config_to_dict(config)
    with write_artifact(plan.tune_folder, "tune", settings, plan.parents, overwrite=overwrite) as (folder, counts):
        write_tables(folder, results, config.tune.competitors)
        draw_plot(folder / PLOT_FILE, results)
        counts.update({"best_rank": best.rank, "users": best.num_users})
    shutil.rmtree(plan.search_folder)
    logger.info("best LoRA rank %d with HR@1 %.4f", best.rank, best.hr_at_1)
    return {
        "tune": str(plan.tune_folder),
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


def _check_room(config: RunConfig) -> None:
    """Raise unless the cluster can hold one trial with its workers, next to the others that wait for theirs."""
    num_trials = min(config.tune.max_concurrent_trials, len(config.tune.ranks))
    trials = Demand(
        setting="tune.max_concurrent_trials",
        count=num_trials,
        num_cpus=TRIAL_CPUS,
        way_out="lower tune.max_concurrent_trials",
    )
    check_room([trials, workers_of_training(config)])
    check_room([workers_of_evaluation(config.evaluate.num_workers, use_gpu=config.evaluate.use_gpu)])


def _refuse_unfinished(folder: Path, *, overwrite: bool) -> None:
    """Raise where a search is unfinished and `overwrite` is false.

    Raises:
        CheckpointError: naming the folder.
    """
    if folder.exists() and not overwrite:
        raise CheckpointError(f"{folder} holds an unfinished search; pass --overwrite to start anew")
