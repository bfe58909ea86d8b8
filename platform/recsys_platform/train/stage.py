"""The training stage: dataset in, checkpoint out, through a Ray Train run that survives dead workers."""

import json
import logging
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ray.train.torch import TorchConfig

# ray.train exports the same classes, but type checkers see a union of the old and the new ones there
from ray.train.v2.api.callback import UserCallback
from ray.train.v2.api.config import CheckpointConfig, FailureConfig, LoggingConfig, ScalingConfig
from ray.train.v2.api.config import RunConfig as RayRunConfig
from ray.train.v2.api.exceptions import TrainingFailedError

from recsys_model.entities.catalog import load_catalog
from recsys_model.entity_head.storage import write_item_ids
from recsys_model.errors import CheckpointError
from recsys_platform.artifacts import Manifest, write_artifact
from recsys_platform.capacity import Demand, check_room
from recsys_platform.checkpoints import ADAPTER_FOLDER, BASE_FILE, ENTITIES_FOLDER, WEIGHTS_FOLDER
from recsys_platform.config.run import RunConfig, config_to_dict
from recsys_platform.file_names import METRICS_FILE
from recsys_platform.json_lines import read_json_lines
from recsys_platform.train.blending import add_blend
from recsys_platform.train.display import shown_training
from recsys_platform.train.faults import EndAtFaults, fault_behind, with_way_out
from recsys_platform.train.loop import FINAL, train_loop
from recsys_platform.train.metrics import TENSORBOARD
from recsys_platform.train.model import base_weights_folder
from recsys_platform.train.plan import RUN_FOLDER, TrainingPlan, plan_train
from recsys_platform.train.ray_internals import Trainer
from recsys_platform.train.report import CURVE_FILE, build_report, draw_learning_curve, write_report
from recsys_platform.train.runs import RUN_FILE, open_run_folder

logger = logging.getLogger(__name__)


def run_train(
    config: RunConfig, *, resume: bool = False, overwrite: bool = False, callbacks: Sequence[UserCallback] = ()
) -> dict[str, Any]:
    """Check the run with `plan_train`, then train with `execute`; Ray must be initialised.

    Raises:
        RecsysError: see both.
    """
    return execute(plan_train(config, resume=resume, overwrite=overwrite), callbacks=callbacks)


def execute(plan: TrainingPlan, *, callbacks: Sequence[UserCallback] = ()) -> dict[str, Any]:
    """Train as planned and write the run's checkpoint artifact; Ray must be initialised.

    The artifact holds the weights selected by `train.keep`, and with an entity head the blend of its scores.
    `callbacks` receive the reports of the workers.

    Raises:
        ConfigError: the cluster can never hold the workers.
        RecsysError: of a fault that another start would repeat, for example a diverged loss.
        CheckpointError: the workers died more often than `train.max_failures`.
    """
    config, folder = plan.config, plan.folder
    check_room([workers_of(config)])
    open_run_folder(folder, plan.identity, resume=plan.resume, overwrite=plan.overwrite)
    with shown_training(config.train, folder):
        fit(build_trainer(config, folder, callbacks), folder)
    report = write_checkpoint(config, folder, plan.dataset, plan.weights_digest, overwrite=plan.overwrite)
    shutil.rmtree(folder)
    logger.info("checkpoint %s: %d steps in %.1f minutes", config.checkpoint_folder, report["steps"], report["minutes"])
    return {"checkpoint": str(config.checkpoint_folder), **report}


def can_resume(config: RunConfig) -> bool:
    """Return whether the run has an unfinished training that `run_train(config, resume=True)` would resume."""
    return (config.folder / RUN_FOLDER / RUN_FILE).is_file()


def workers_of(config: RunConfig) -> Demand:
    """Return what all workers of a training together need of the cluster."""
    train = config.train
    return Demand(
        setting="train.num_workers",
        count=train.num_workers,
        num_cpus=train.cpus_per_worker,
        num_gpus=1 if train.use_gpu else 0,
        way_out="lower train.num_workers or train.cpus_per_worker",
    )


def build_trainer(config: RunConfig, folder: Path, callbacks: Sequence[UserCallback] = ()) -> Trainer:
    """Return an unstarted trainer; it writes into `folder`, which all nodes must share."""
    train = config.train
    resources = {"CPU": float(train.cpus_per_worker), **({"GPU": 1.0} if train.use_gpu else {})}
    return Trainer(
        train_loop,
        train_loop_config={"config": config, "folder": str(folder)},
        torch_config=TorchConfig(backend="nccl" if train.use_gpu else "gloo"),
        scaling_config=ScalingConfig(
            num_workers=train.num_workers, use_gpu=train.use_gpu, resources_per_worker=resources
        ),
        run_config=RayRunConfig(
            name=config.name,
            storage_path=str(folder),
            checkpoint_config=CheckpointConfig(num_to_keep=train.keep_checkpoints),
            failure_config=FailureConfig(max_failures=train.max_failures),
            callbacks=[EndAtFaults(), *callbacks],
            # Ray's own lines are about resources and reports; `shown_training` shows steps, losses and the time left
            logging_config=LoggingConfig(log_level="WARNING"),
        ),
    )


def fit(trainer: Trainer, folder: Path) -> None:
    """Train to the end; a fault before the first checkpoint removes the run's `folder`, which holds nothing to resume.

    Raises:
        RecsysError: of a fault that another start would repeat.
        CheckpointError: the workers failed more often than allowed.
    """
    try:
        trainer.fit()
    except TrainingFailedError as error:
        fault = fault_behind(error)
        if fault is None:
            raise CheckpointError(
                f"training failed: {error}\nfix the cause, then resume from the last checkpoint with --resume"
            ) from error
        has_checkpoint = any(folder.glob("*/checkpoint_*"))
        if not has_checkpoint:
            shutil.rmtree(folder)
        raise with_way_out(fault, has_checkpoint=has_checkpoint) from error


def write_checkpoint(
    config: RunConfig, run_folder: Path, dataset: Manifest, weights_digest: str | None, *, overwrite: bool
) -> dict[str, Any]:
    """Turn a finished run into the checkpoint artifact and return its report."""
    parents = {"dataset": dataset.digest} | ({} if weights_digest is None else {"weights": weights_digest})
    with write_artifact(
        config.checkpoint_folder, "checkpoint", config_to_dict(config), parents, overwrite=overwrite
    ) as (folder, counts):
        final = run_folder / FINAL
        if (final / ADAPTER_FOLDER).is_dir():
            shutil.copytree(final / ADAPTER_FOLDER, folder / ADAPTER_FOLDER)
            path = base_weights_folder(Path(str(config.model.weights)))
            base = {"path": str(path), "digest": weights_digest, "mask": config.model.mask}
            (folder / BASE_FILE).write_text(json.dumps(base, indent=1) + "\n", encoding="utf-8")
        else:
            shutil.copytree(final / WEIGHTS_FOLDER, folder / WEIGHTS_FOLDER)
        if (final / ENTITIES_FOLDER).is_dir():
            shutil.copytree(final / ENTITIES_FOLDER, folder / ENTITIES_FOLDER)
            items = load_catalog(config.dataset_folder).items
            write_item_ids(folder / ENTITIES_FOLDER, [item.item_id for item in items])
            add_blend(config, folder)
        shutil.copytree(run_folder / TENSORBOARD, folder / TENSORBOARD)
        shutil.copy(run_folder / METRICS_FILE, folder)
        draw_learning_curve(folder / CURVE_FILE, read_json_lines(run_folder / METRICS_FILE))
        report = build_report(run_folder, final, config.train.keep)
        write_report(folder, report)
        counts.update(report)
    return report
