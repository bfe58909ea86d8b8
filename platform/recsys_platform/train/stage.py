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

from recsys_model.backbones.gguf import is_gguf
from recsys_model.config import require
from recsys_model.entities.catalog import load_catalog
from recsys_model.entity_head.storage import write_item_ids
from recsys_model.errors import CheckpointError, ConfigError, DataError
from recsys_model.text.tokenizer import load_tokenizer
from recsys_platform.artifacts import Manifest, open_artifact, refuse_to_overwrite, write_artifact
from recsys_platform.checkpoints import ADAPTER_FOLDER, BASE_FILE, ENTITIES_FOLDER, WEIGHTS_FOLDER
from recsys_platform.config.run import RunConfig, config_to_dict
from recsys_platform.file_names import METRICS_FILE, TOKENIZER_FOLDER
from recsys_platform.json_lines import read_json_lines
from recsys_platform.train.blending import add_blend
from recsys_platform.train.display import shown_training
from recsys_platform.train.entities import check_head
from recsys_platform.train.loop import FINAL, train_loop
from recsys_platform.train.metrics import TENSORBOARD
from recsys_platform.train.model import base_weights_folder, check_model, verified_digest, with_precision
from recsys_platform.train.questions import check_questions, check_tasks, warnings_of
from recsys_platform.train.ray_internals import Trainer
from recsys_platform.train.reader import ExampleReader
from recsys_platform.train.report import CURVE_FILE, build_report, draw_learning_curve, write_report
from recsys_platform.train.runs import RUN_FILE, identity_of_run, open_run_folder

logger = logging.getLogger(__name__)

RUN_FOLDER = "ray_train"


def run_train(
    config: RunConfig, *, resume: bool = False, overwrite: bool = False, callbacks: Sequence[UserCallback] = ()
) -> dict[str, Any]:
    """Train on the run's dataset and write its checkpoint artifact; Ray must be initialised.

    The artifact holds the weights selected by `train.keep`, and with an entity head the blend of its scores.
    `callbacks` receive the reports of the workers.

    Raises:
        ConfigError: the settings contradict each other, the dataset or the weights, or name a checkpoint to use.
        CheckpointError: an artifact is missing, damaged or in the way; there is an unfinished run and `resume` is
            false, or none and `resume` is true; or the workers died more often than `train.max_failures`.
    """
    _refuse_borrowed_checkpoint(config)
    check_head(config)
    config = with_precision(config)
    refuse_to_overwrite(config.checkpoint_folder, overwrite=overwrite)
    dataset = open_artifact(config.dataset_folder, "dataset")
    check_dataset(config, dataset)
    for warning in [*warnings_of(config), *check_questions(config)]:
        logger.warning("%s", warning)
    weights_digest = None if config.model.weights is None else verified_digest(Path(config.model.weights))
    if config.model.weights is not None and is_gguf(Path(config.model.weights)):
        logger.warning("every worker unpacks %s again; run `recsys convert` once to avoid that", config.model.weights)
    folder = config.folder / RUN_FOLDER
    identity = identity_of_run(config, dataset.digest, weights_digest)
    open_run_folder(folder, identity, resume=resume, overwrite=overwrite)
    with shown_training(config.train, folder):
        fit(build_trainer(config, folder, callbacks))
    report = write_checkpoint(config, folder, dataset, weights_digest, overwrite=overwrite)
    shutil.rmtree(folder)
    logger.info("checkpoint %s: %d steps in %.1f minutes", config.checkpoint_folder, report["steps"], report["minutes"])
    return {"checkpoint": str(config.checkpoint_folder), **report}


def _refuse_borrowed_checkpoint(config: RunConfig) -> None:
    """Raise if the run uses the checkpoint of another run, which a training would write over."""
    if config.checkpoint is not None:
        raise ConfigError(
            f"checkpoint names {config.checkpoint}, a trained model to use as it is, but this command trains one; take "
            "checkpoint out of the run"
        )


def can_resume(config: RunConfig) -> bool:
    """Return whether the run has an unfinished training that `run_train(config, resume=True)` would resume."""
    return (config.folder / RUN_FOLDER / RUN_FILE).is_file()


def check_dataset(config: RunConfig, dataset: Manifest) -> None:
    """Raise unless the dataset has examples whose texts and tokens fit the model.

    Raises:
        ConfigError: they do not fit.
        DataError: a split has no example.
    """
    vocab_size = load_tokenizer(config.dataset_folder / TOKENIZER_FOLDER).vocab_size
    geometry = check_model(config, vocab_size)
    max_tokens = dataset.config["text"]["max_tokens"]
    require(
        max_tokens <= geometry.max_sequence_length,
        f"the dataset was made with text.max_tokens {max_tokens}, more than the model's max_sequence_length "
        f"{geometry.max_sequence_length}; run the data stage again with a smaller text.max_tokens",
    )
    check_tasks(config, dataset)
    for split in ("train", "valid"):
        if ExampleReader(config.dataset_folder / "examples" / split).num_rows == 0:
            raise DataError(f"{config.dataset_folder} has no examples in its {split} split; it needs more interactions")


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
            callbacks=list(callbacks),
            # Ray's own lines are about resources and reports; `shown_training` shows steps, losses and the time left
            logging_config=LoggingConfig(log_level="WARNING"),
        ),
    )


def fit(trainer: Trainer) -> None:
    """Train to the end.

    Raises:
        CheckpointError: the workers failed more often than allowed.
    """
    try:
        trainer.fit()
    except TrainingFailedError as error:
        raise CheckpointError(
            f"training failed: {error}\nfix the cause, then resume from the last checkpoint with --resume"
        ) from error


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
