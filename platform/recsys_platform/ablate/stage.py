"""The ablation: every variant and seed trained and evaluated, and one table of what each change is worth."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ray.exceptions import RayError

from recsys_model.config import require
from recsys_model.errors import CheckpointError, RecsysError
from recsys_platform.ablate.plots import draw_differences
from recsys_platform.ablate.report import build_report
from recsys_platform.ablate.runs import Ablation, finish_data, finish_free_generation, finish_run
from recsys_platform.ablate.tables import format_ablation
from recsys_platform.ablate.variants import (
    BASE,
    FREE_GENERATION,
    Variant,
    build_run,
    choose_variants,
    source_of_free_generation,
)
from recsys_platform.artifacts import Manifest, package_versions, write_artifact
from recsys_platform.config.run import RunConfig, config_to_dict
from recsys_platform.evaluate.report.json_format import write_json
from recsys_platform.progress import CountedProgress
from recsys_platform.train.plan import check_training_settings

logger = logging.getLogger(__name__)

JSON_FILE = "ablation.json"
MARKDOWN_FILE = "ablation.md"
PLOT_FILE = "differences.png"

Job = tuple[str, Callable[[], None]]
"""Name of a run, and what does it."""


def run_ablate(
    config: RunConfig,
    *,
    seeds: Sequence[int] = (0, 1, 2),
    only: Sequence[str] = (),
    max_minutes: float | None = None,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Do all runs that are not finished, and write the ablation artifact anew; Ray must be initialised.

    A run that fails does not end the others.

    Args:
        config: The base.
        seeds: Seeds of the training, each once.
        only: Names of the variants beside the base, and `free-generation`; none takes all.
        max_minutes: Replaces `train.max_minutes` of all runs.
        overwrite: Whether finished datasets and runs are done again.

    Returns:
        The artifact's path, the rows of the table, what failed and why, and the seconds.

    Raises:
        ConfigError: a seed or a name is wrong.
        CheckpointError: no run of the base could be finished, so nothing can be compared.
    """
    started = time.monotonic()
    _check_seeds(seeds)
    ablation = Ablation(base=config, max_minutes=max_minutes, overwrite=overwrite)
    variants, is_free = plan(config, only)
    dataset = finish_data(ablation, BASE)
    failures = do_all(build_jobs(ablation, variants, seeds, dataset, is_free=is_free))
    if all(f"{BASE.name}-s{seed}" in failures for seed in seeds):
        raise CheckpointError("no run of the base could be finished:\n  " + "\n  ".join(failures.values()))
    report = build_report(ablation, variants, seeds, failures, is_free=is_free)
    report |= {"config": config_to_dict(config), "versions": package_versions()}
    folder = _write_artifact(config, dataset, report, {"runs": len(seeds) * len(variants), "failed": len(failures)})
    seconds = round(time.monotonic() - started, 1)
    return {"ablation": str(folder), "rows": report["rows"], "failed": failures, "seconds": seconds}


def _write_artifact(
    config: RunConfig, dataset: Manifest, report: dict[str, Any], run_counts: Mapping[str, int]
) -> Path:
    """Replace the ablation artifact and return its folder."""
    folder = config.folder / "ablation"
    with write_artifact(folder, "ablation", config_to_dict(config), {"dataset": dataset.digest}, overwrite=True) as (
        partial_folder,
        counts,
    ):
        _write_files(partial_folder, report)
        counts |= run_counts
    return folder


def _check_seeds(seeds: Sequence[int]) -> None:
    require(
        len(seeds) > 0 and len(set(seeds)) == len(seeds) and min(seeds, default=0) >= 0,
        f"--seeds must be different numbers from 0 on, got {list(seeds)}",
    )


def plan(config: RunConfig, only: Sequence[str]) -> tuple[list[Variant], bool]:
    """Return the variants to train, the base first, and whether free generation is compared too; Ray is not needed.

    Raises:
        ConfigError: a name is wrong, or the base cannot be trained.
        CheckpointError: the weights to start from are missing or damaged.
    """
    variants = choose_variants(config, only)
    is_free = not only or FREE_GENERATION in only
    source = source_of_free_generation(config)
    if is_free and source not in variants:
        variants.append(source)
    # a variant that cannot be trained fails alone; without the base there is nothing to compare with
    check_training_settings(build_run(config, BASE, config.seed))
    return variants, is_free


def build_jobs(
    ablation: Ablation, variants: Sequence[Variant], seeds: Sequence[int], dataset: Manifest, *, is_free: bool
) -> list[Job]:
    """Return what is to be done: all variants of one seed, then those of the next, so that half a result is one."""
    base_folder = ablation.base.dataset_folder
    manifests = {base_folder: dataset}

    def do_run(variant: Variant, seed: int) -> None:
        folder = Path(str(ablation.run_of(variant, seed).dataset))
        if folder not in manifests:
            manifests[folder] = finish_data(ablation, variant)
        finish_run(ablation, variant, seed, manifests[folder])

    jobs: list[Job] = []
    for seed in seeds:
        jobs += [(f"{variant.name}-s{seed}", partial(do_run, variant, seed)) for variant in variants]
        if is_free:
            jobs.append((f"{FREE_GENERATION}-s{seed}", partial(finish_free_generation, ablation, seed)))
    return jobs


def do_all(jobs: Sequence[Job]) -> dict[str, str]:
    """Do every job and return the message of each that failed."""
    failures: dict[str, str] = {}
    with CountedProgress("ablating", len(jobs), "runs") as progress:
        for name, job in jobs:
            progress.describe(name)
            try:
                job()
            except (RecsysError, RayError) as error:
                logger.error("%s failed, the others go on: %s", name, error)
                failures[name] = str(error)
            progress.advance()
    return failures


def _write_files(folder: Path, report: dict[str, Any]) -> None:
    write_json(folder / JSON_FILE, report)
    (folder / MARKDOWN_FILE).write_text(format_ablation(report, PLOT_FILE), encoding="utf-8")
    draw_differences(folder / PLOT_FILE, report)
