"""HR@1 of a trial on validation users, against the whole catalogue or among the candidates of a question."""

import dataclasses

import numpy as np

from recsys_model.entities.catalog import load_catalog
from recsys_model.evaluation.intervals import Estimate, bootstrap_mean
from recsys_model.evaluation.metrics import hit_gains, rank_in
from recsys_platform.artifacts import open_artifact
from recsys_platform.config.run import RunConfig
from recsys_platform.evaluate.ranking.cases import load_evaluation_data
from recsys_platform.evaluate.ranking.workers import recommend_for_all
from recsys_platform.evaluate.tasks.evaluation import ask_in_seen_words
from recsys_platform.evaluate.tasks.metrics import rank_of_answer
from recsys_platform.evaluate.workers.model import WorkerSettings

CANDIDATE_TASK = "candidate"
"""Task of Table 9: choose the next item from those that the question lists."""


def measure_hit_rate(config: RunConfig) -> tuple[Estimate, int]:
    """Return HR@1 of a run's checkpoint on `tune.num_users` validation users, and how many there are.

    Raises:
        DataError: `tune.competitors` is `candidates`, and no validation user can be asked.
    """
    ranks = _among_candidates(config) if config.tune.competitors == "candidates" else _in_catalogue(config)
    samples = config.evaluate.bootstrap_samples
    return bootstrap_mean(hit_gains(ranks, 1), num_samples=samples, seed=config.seed), len(ranks)


def _in_catalogue(config: RunConfig) -> np.ndarray:
    """Return the rank of each user's item, 0 where it did not come back."""
    cases = load_evaluation_data(config.dataset_folder, "valid", config.tune.num_users, config.seed).cases
    settings = WorkerSettings.of(config, config.objective)
    spread = {"num_workers": config.evaluate.num_workers, "batch_size": config.evaluate.batch_size}
    ranked_cases = recommend_for_all(cases, settings, k=1, **spread)
    return np.array([rank_in(ranked.items, case.target_item) for ranked, case in zip(ranked_cases, cases, strict=True)])


def _among_candidates(config: RunConfig) -> np.ndarray:
    """Return the rank of each user's item among the candidates of a question in seen words."""
    evaluate = dataclasses.replace(config.evaluate, split="valid", task_users=config.tune.num_users)
    asking = dataclasses.replace(config, evaluate=evaluate)
    checkpoint = open_artifact(config.checkpoint_folder, "checkpoint")
    ranking = WorkerSettings.of(config, config.objective)
    catalog = load_catalog(config.dataset_folder)
    answered = ask_in_seen_words(asking, CANDIDATE_TASK, checkpoint, ranking, catalog)
    return np.array([rank_of_answer(case, answer) for case, answer in answered])
