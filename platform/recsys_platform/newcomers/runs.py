"""The run without the new items: its settings, and what is left of data, train and bundle."""

import dataclasses
import logging

from recsys_model.errors import CheckpointError, ConfigError, DataError
from recsys_platform.artifacts import Manifest, check_parent, open_artifact
from recsys_platform.config.input import DEFAULT_NEW_ITEMS
from recsys_platform.config.run import RunConfig, config_to_dict
from recsys_platform.data.stage import run_data
from recsys_platform.reuse import check_settings, data_settings
from recsys_platform.serve.bundling import run_bundle
from recsys_platform.serve.edit_log import log_path
from recsys_platform.train.model import with_precision
from recsys_platform.train.stage import can_resume, run_train

logger = logging.getLogger(__name__)

FOLDER = "new-items"
"""Name of the run, inside the folder of the one that it is made of."""


def build_run(base: RunConfig) -> RunConfig:
    """Return the run that holds items out and whose endpoint can be edited; its other settings are those of the base.

    Raises:
        ConfigError: the base names a dataset or checkpoint to use, which cannot be made without the new items.
    """
    for name, path in (("dataset", base.dataset), ("checkpoint", base.checkpoint)):
        if path is not None:
            raise ConfigError(
                f"{name} names {path}, but the {name} of recsys new-items is made anew without the new items; "
                f"take {name} out of the run"
            )
    return dataclasses.replace(
        base,
        name=FOLDER,
        storage=str(base.folder),
        data=dataclasses.replace(base.data, new_items=base.data.new_items or DEFAULT_NEW_ITEMS),
        # runs of this name are many; those that measure at the same time need names of their own
        serve=dataclasses.replace(base.serve, catalog_edits=True, name=base.serve.name or f"{base.name}-{FOLDER}"),
    )


def finish_run(run: RunConfig, *, overwrite: bool) -> tuple[Manifest, Manifest]:
    """Do what is left of data and training, make a bundle without edits, and return the manifests of the first two.

    Raises:
        RecsysError: a stage fails, something is there already that was made with other settings, or nobody can be
            asked about a new item.
    """
    dataset = _finish_data(run, overwrite=overwrite)
    checkpoint = _finish_training(run, dataset, overwrite=overwrite)
    run_bundle(run, overwrite=True)
    # edits that an earlier measurement made to an equal bundle
    log_path(run.bundle_folder, open_artifact(run.bundle_folder, "bundle").digest).unlink(missing_ok=True)
    return dataset, checkpoint


def _finish_data(run: RunConfig, *, overwrite: bool) -> Manifest:
    if overwrite or not run.dataset_folder.exists():
        run_data(run, overwrite=overwrite)
    dataset = open_artifact(run.dataset_folder, "dataset")
    # it also has the tokens of the entity head
    requested = {**data_settings(run), "entity": config_to_dict(run)["entity"]}
    check_settings(dataset.config, requested, run.dataset_folder)
    counts = dataset.counts["new_items"]
    if counts["asked"] == 0:
        raise DataError(
            f"none of the {counts['users']} users who took one of {counts['items']} new items did so behind all events "
            "that are trained on, so there is nobody to ask; raise data.new_items or choose another seed"
        )
    logger.info("%d new items, %d users to ask about one", counts["items"], counts["asked"])
    return dataset


def _finish_training(run: RunConfig, dataset: Manifest, *, overwrite: bool) -> Manifest:
    if overwrite or not run.checkpoint_folder.exists():
        run_train(run, resume=not overwrite and can_resume(run), overwrite=overwrite)
    checkpoint = open_artifact(run.checkpoint_folder, "checkpoint")
    settings = config_to_dict(with_precision(run))
    # how it is asked shapes no checkpoint
    trained = {name: value for name, value in settings.items() if name not in ("evaluate", "decoding", "generation")}
    check_settings(checkpoint.config, trained, run.checkpoint_folder)
    try:
        check_parent(checkpoint, dataset)
    except CheckpointError as error:
        raise CheckpointError(f"{error}, or pass --overwrite") from error
    return checkpoint
