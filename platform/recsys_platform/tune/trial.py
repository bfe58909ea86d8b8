"""One trial: train adapters of one rank, then measure HR@1 on validation users."""

import dataclasses
from pathlib import Path
from typing import Any

import ray.tune
from ray.tune.integration.ray_train import TuneReportCallback

from recsys_platform.config.run import RunConfig
from recsys_platform.train.stage import run_train
from recsys_platform.tune.measuring import measure_hit_rate


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class RankResult:
    """One line of the table."""

    rank: int
    """Rank of the adapters."""
    alpha: float
    """LoRA alpha; the update is scaled by alpha / rank."""
    num_trainable_parameters: int
    """Parameters of the adapters."""
    num_users: int
    """Validation users."""
    hr_at_1: float
    """Share of the validation users whose item came first."""
    hr_at_1_low: float
    """Lower end of the 95 % interval of `hr_at_1`."""
    hr_at_1_high: float
    """Upper end of the 95 % interval of `hr_at_1`."""
    eval_loss: float
    """Validation loss of the last step."""
    minutes: float
    """Minutes of training, without set-up."""


def run_trial(space: dict[str, Any], *, config: RunConfig, folder: str) -> None:
    """Train and measure with `space["rank"]`, and report a `RankResult` to Ray Tune."""
    trial = trial_config(config, space["rank"], Path(folder))
    trained = run_train(trial, callbacks=[TuneReportCallback()])
    hit_rate, num_users = measure_hit_rate(trial)
    result = RankResult(
        rank=space["rank"],
        alpha=trial.lora.effective_alpha,
        num_users=num_users,
        num_trainable_parameters=trained["num_trainable_parameters"],
        hr_at_1=hit_rate.value,
        hr_at_1_low=hit_rate.low,
        hr_at_1_high=hit_rate.high,
        eval_loss=trained["metrics"]["eval/loss"],
        minutes=trained["minutes"],
    )
    ray.tune.report(dataclasses.asdict(result))


def trial_config(config: RunConfig, rank: int, folder: Path) -> RunConfig:
    """Return the run of one trial: a folder and a name of its own, on the dataset of the search."""
    return dataclasses.replace(
        config,
        name=f"{config.name}-rank-{rank}",
        storage=str(folder),
        dataset=str(config.dataset_folder),
        lora=dataclasses.replace(config.lora, rank=rank),
    )
