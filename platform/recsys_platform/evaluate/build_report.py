"""Build the `Report` of an evaluation from its measurements."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from recsys_platform.artifacts import package_versions
from recsys_platform.config.run import RunConfig, config_to_dict
from recsys_platform.evaluate.baselines.notes import describe_baselines
from recsys_platform.evaluate.baselines.run import BaselineRun
from recsys_platform.evaluate.inputs import EvaluationInputs
from recsys_platform.evaluate.ranking.breakdowns import (
    build_breakdowns,
    build_examples,
    build_exposure,
    describe_exposure,
    load_learning_curve,
)
from recsys_platform.evaluate.ranking.candidates import digest_of_table
from recsys_platform.evaluate.ranking.cases import EvaluationData
from recsys_platform.evaluate.ranking.metrics import build_ranking, describe_cases, describe_cut_searches
from recsys_platform.evaluate.ranking.rankings import Rankings, Ranks
from recsys_platform.evaluate.report.content import ProtocolSettings, Report, SplitSettings
from recsys_platform.evaluate.report.measured import CATALOGUE, Breakdowns, RankingTable
from recsys_platform.evaluate.report.wording import MODEL, titles_of
from recsys_platform.evaluate.tasks.evaluation import TaskEvaluation


@dataclass(frozen=True, kw_only=True, slots=True)
class Measurements:
    """The measurements of an evaluation."""

    rankings: Rankings
    """Ranks and best items of all methods."""
    baseline_runs: Sequence[BaselineRun]
    """Rankings and training record of each baseline."""
    tasks: TaskEvaluation
    """Answers and metrics of the tasks."""
    seconds_recommending: float
    """Seconds of ranking by the model, including the start of the workers."""


def build_report(config: RunConfig, inputs: EvaluationInputs, measured: Measurements, started: float) -> Report:
    """Return the report of an evaluation; `started` is `time.monotonic()` at its start.

    Exposure, breakdowns and examples use the ranks in the whole catalogue.

    Raises:
        DataError: No ranking can have the metrics of a method.
    """
    data, num_items, rankings = inputs.data, inputs.num_items, measured.rankings
    ranks, num_users = rankings.ranks[CATALOGUE], len(data.cases)
    tables = _build_tables(config, inputs, rankings)
    targets = [case.target_item for case in data.cases]
    examples, examples_statement = build_examples(
        data.cases, inputs.catalog, rankings.best[MODEL], ranks[MODEL], config.seed
    )
    return Report(
        name=config.name,
        statements=_describe(config, data, rankings),
        rankings=tables,
        method_titles=titles_of(method for table in tables for method in table.metrics),
        protocol=_protocol_of(config, data),
        num_users=num_users,
        num_users_in_split=data.num_users_in_split,
        num_items=num_items,
        config=config_to_dict(config),
        versions=package_versions(),
        baselines=describe_baselines(measured.baseline_runs, config.evaluate, data, num_items, tables),
        exposure=build_exposure(rankings.best, targets, data.training_sequences, num_items),
        exposure_statements=describe_exposure(num_items, num_users),
        breakdowns=_break_down(data, ranks, num_items),
        learning_curve=load_learning_curve(config.checkpoint_folder),
        examples=examples,
        examples_statement=examples_statement,
        tasks=measured.tasks.entries,
        seconds_recommending=measured.seconds_recommending,
        users_per_second=num_users / max(measured.seconds_recommending, 1e-9),
        seconds=time.monotonic() - started,
    )


def _build_tables(config: RunConfig, inputs: EvaluationInputs, rankings: Rankings) -> tuple[RankingTable, ...]:
    kind, is_whole = inputs.data.split.kind, not inputs.data.new_item_statements
    return tuple(
        build_ranking(config, competitors, rankings.ranks[competitors], inputs.num_items, kind, is_whole=is_whole)
        for competitors in config.evaluate.competitors
    )


def _describe(config: RunConfig, data: EvaluationData, rankings: Rankings) -> tuple[str, ...]:
    """Return the statements that hold for all rankings, one sentence each."""
    return (
        *describe_cases(config.evaluate.split, data.split, len(data.cases), data.num_users_in_split, config.seed),
        *data.new_item_statements,
        *data.tie_statements,
        *describe_cut_searches(rankings.num_cut, len(data.cases), config.decoding.max_expansions),
    )


def _protocol_of(config: RunConfig, data: EvaluationData) -> ProtocolSettings:
    evaluate = config.evaluate
    return ProtocolSettings(
        dataset_split=SplitSettings.of(data.split),
        split=evaluate.split,
        exclude_seen=evaluate.exclude_seen,
        num_negatives=evaluate.num_negatives,
        negatives_seed=evaluate.negatives_seed,
        candidates_digest=digest_of_table(evaluate.candidates),
        competitors=evaluate.competitors,
        seed=config.seed,
    )


def _break_down(data: EvaluationData, ranks: Ranks, num_items: int) -> Breakdowns:
    return build_breakdowns(
        ranks,
        [case.target_item for case in data.cases],
        [len(case.history) for case in data.cases],
        data.training_sequences,
        num_items,
        [case.has_own_time for case in data.cases],
    )
