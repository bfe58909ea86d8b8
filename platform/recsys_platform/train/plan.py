"""What a training is made of, checked as a whole before Ray starts: settings, dataset, weights and run folder."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recsys_model.backbones.gguf import is_gguf
from recsys_model.backbones.outline import check_weights, outline_of
from recsys_model.config import require
from recsys_model.errors import ConfigError, DataError
from recsys_model.text.tokenizer import load_tokenizer
from recsys_model.training.lora import check_lora
from recsys_platform.artifacts import Manifest, open_artifact, refuse_to_overwrite
from recsys_platform.config.run import RunConfig
from recsys_platform.file_names import TOKENIZER_FOLDER
from recsys_platform.train.entities import check_head
from recsys_platform.train.model import (
    base_weights_folder,
    check_model,
    load_base_geometry,
    verified_digest,
    with_precision,
)
from recsys_platform.train.questions import check_questions, check_tasks, warnings_of
from recsys_platform.train.reader import ExampleReader
from recsys_platform.train.runs import check_run_folder, identity_of_run

logger = logging.getLogger(__name__)

RUN_FOLDER = "ray_train"


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingPlan:
    """A training that nothing speaks against."""

    config: RunConfig
    """The run, `train.precision` resolved."""
    dataset: Manifest
    """The dataset."""
    weights_digest: str | None
    """Digest of the model behind `model.weights`; None for a new model."""
    resume: bool
    """Whether an unfinished run continues."""
    overwrite: bool
    """Whether earlier results are replaced."""

    @property
    def folder(self) -> Path:
        """Folder of the run while it is unfinished."""
        return self.config.folder / RUN_FOLDER

    @property
    def identity(self) -> dict[str, Any]:
        """Settings and digests that a resume is compared with."""
        return identity_of_run(self.config, self.dataset.digest, self.weights_digest)


def plan_train(config: RunConfig, *, resume: bool = False, overwrite: bool = False) -> TrainingPlan:
    """Check everything that a training needs, and return it; nothing is written, and Ray is not needed.

    Raises:
        ConfigError: the settings contradict each other, the dataset or the weights, or name a checkpoint to use.
        CheckpointError: an artifact is missing, damaged or in the way; there is an unfinished run and `resume` is
            false, or none and `resume` is true; or it was started with other settings.
        DataError: a split has no example.
    """
    _refuse_borrowed_checkpoint(config)
    config = with_precision(config)
    refuse_to_overwrite(config.checkpoint_folder, overwrite=overwrite)
    check_training_settings(config)
    dataset = open_artifact(config.dataset_folder, "dataset")
    check_dataset(config, dataset)
    for warning in [*warnings_of(config), *check_questions(config)]:
        logger.warning("%s", warning)
    weights_digest = None if config.model.weights is None else verified_digest(Path(config.model.weights))
    plan = TrainingPlan(
        config=config, dataset=dataset, weights_digest=weights_digest, resume=resume, overwrite=overwrite
    )
    check_run_folder(plan.folder, plan.identity, resume=resume, overwrite=overwrite)
    return plan


def check_training_settings(config: RunConfig) -> None:
    """Raise if the settings alone, or with the weights that they name, cannot be trained; no dataset is needed.

    Raises:
        ConfigError: settings contradict each other or the weights.
        CheckpointError: the weights are missing or do not fit their own geometry.
    """
    check_head(config)
    if config.model.weights is None:
        return
    geometry = load_base_geometry(config)
    path, model = base_weights_folder(Path(config.model.weights)), outline_of(geometry)
    if config.lora.enabled:
        check_lora(model, config.lora)
    if is_gguf(path):
        logger.warning("every worker unpacks %s again; run `recsys convert` once to avoid that", path)
    else:
        check_weights(path, model)


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
    language = dataset.config["text"].get("language", "en")
    require(
        config.text.language == language,
        f"text.language is {config.text.language}, but the dataset was made with {language}; run the data stage again, "
        f"or set text.language to {language}",
    )
    check_tasks(config, dataset)
    for split in ("train", "valid"):
        if ExampleReader(config.dataset_folder / "examples" / split).num_rows == 0:
            raise DataError(f"{config.dataset_folder} has no examples in its {split} split; it needs more interactions")


def _refuse_borrowed_checkpoint(config: RunConfig) -> None:
    """Raise if the run uses the checkpoint of another run, which a training would write over."""
    if config.checkpoint is not None:
        raise ConfigError(
            f"checkpoint names {config.checkpoint}, a trained model to use as it is, but this command trains one; take "
            "checkpoint out of the run"
        )
