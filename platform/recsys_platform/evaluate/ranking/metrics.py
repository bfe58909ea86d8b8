"""Compute the metrics of a report from ranks: values with intervals, paired differences, and protocol statements."""

import json
from pathlib import Path

from recsys_model.config import DecodingConfig
from recsys_model.errors import DataError
from recsys_model.evaluation.audit import check_possible
from recsys_model.evaluation.metrics import METRIC_NAMES, measure, measure_difference
from recsys_model.evaluation.protocols import Protocol
from recsys_platform.config.run import RunConfig
from recsys_platform.evaluate.ranking.rankings import Ranks
from recsys_platform.evaluate.report.measured import (
    CATALOGUE,
    Competitors,
    Difference,
    MeasuredValue,
    MethodMetrics,
    Metrics,
    RankingTable,
    measured_values,
)
from recsys_platform.evaluate.report.wording import BEST_REACHABLE, CHIEF_METRIC, MODEL, MODEL_TITLE, title_of
from recsys_platform.splits import DatasetSplit, HeldOut, moment

TITLES: dict[Competitors, str] = {
    "catalogue": "Whole catalogue",
    "sampled": "Sampled negatives",
    "given": "Given candidates",
}
MODEL_STATEMENTS: dict[str, str] = {
    "beam": f"{MODEL_TITLE} ranks by trie-guided beam search; an item that the search does not return counts as a miss.",
    "exact": f"{MODEL_TITLE} ranks by exact trie-guided search: the items with the highest scores of the catalogue, "
    "proven for each user unless the search reached its limit.",
    "entity": f"{MODEL_TITLE} scores every item as a whole with its entity head, without a search.",
    "blend": f"{MODEL_TITLE} scores items by a weighted sum of token score, entity-head score and co-occurrence with the "
    "user's latest items; the weights were fitted on validation events.",
    "candidates": f"{MODEL_TITLE} scores each candidate after the same prompt, which does not list the candidates.",
}


def _search_of(decoding: DecodingConfig) -> str:
    """Return the key of the search in `MODEL_STATEMENTS`."""
    if decoding.scoring in ("entity", "blend"):
        return decoding.scoring
    return "exact" if decoding.exact else "beam"


def build_ranking(
    config: RunConfig, competitors: Competitors, ranks: Ranks, num_items: int, split: str, *, is_whole: bool = True
) -> RankingTable:
    """Return the metrics of all methods under one protocol, after a check that a ranking can have them.

    Args:
        config: The run.
        competitors: Candidate set of the protocol.
        ranks: Ranks of every method.
        num_items: Size of the catalogue.
        split: How the dataset was split, `leave_one_out` or `temporal`.
        is_whole: Whether the dataset has all items of its tables; only then is the best reachable result known.

    Raises:
        DataError: No ranking can have the metrics of a method.
    """
    sampling = {"num_samples": config.evaluate.bootstrap_samples, "seed": config.seed}
    metrics: dict[str, Metrics] = {
        method: measured_values(measure(values, **sampling)) for method, values in ranks.items()
    }
    others = sorted((name for name in ranks if name != MODEL), key=lambda name: -metrics[name][CHIEF_METRIC].value)
    differences = {name: measure_difference(ranks[MODEL], ranks[name], **sampling) for name in others}
    # the probabilities of the demo shop are about each customer's last event among all items
    is_shop_protocol = competitors == CATALOGUE and split == "leave_one_out" and is_whole
    best_reachable = load_best_reachable(config) if is_shop_protocol else None
    if best_reachable is not None:
        metrics[BEST_REACHABLE] = best_reachable
    refuse_impossible(metrics)
    return RankingTable(
        title=TITLES[competitors],
        competitors=competitors,
        statements=_statements(config, competitors, num_items, split),
        metrics=metrics,
        differences=tuple(
            Difference(baseline=name, metrics=measured_values(estimates)) for name, estimates in differences.items()
        ),
    )


def _statements(config: RunConfig, competitors: Competitors, num_items: int, split: str) -> tuple[str, ...]:
    protocol = Protocol(
        split="temporal" if split == "temporal" else "leave_one_out",
        competitors=competitors,
        num_negatives=config.evaluate.num_negatives,
        exclude_seen=config.evaluate.exclude_seen and competitors == CATALOGUE,
    )
    search = "candidates" if competitors != CATALOGUE else _search_of(config.decoding)
    return (*protocol.statements(num_items), MODEL_STATEMENTS[search])


def describe_cases(
    split: HeldOut, dataset_split: DatasetSplit, num_users: int, num_users_in_split: int, seed: int
) -> list[str]:
    """Return the statements that hold for all tables of a report: users, split and training events."""
    which = "All" if num_users == num_users_in_split else f"{num_users:,}, drawn with seed {seed}, of the"
    trained = (
        "every user's events but the last two"
        if dataset_split.kind == "leave_one_out"
        else f"all events before {moment(dataset_split.valid_from)}"
    )
    return [
        f"{which} {num_users_in_split:,} users of the {split} split.",
        *dataset_split.describe(split),
        f"The baselines rank the same cases and use the model's training events, {trained}.",
    ]


def describe_cut_searches(num_cut: int, num_cases: int, max_expansions: int) -> list[str]:
    """Return the statement on exact searches that reached their limit, if there are any.

    Example:
        >>> describe_cut_searches(2, 100, 5000)[0].split(";")[0]
        'For 2 of 100 users the exact search ended at decoding.max_expansions (5,000) nodes'
    """
    if not num_cut:
        return []
    limit = f"decoding.max_expansions ({max_expansions:,}) nodes"
    return [f"For {num_cut:,} of {num_cases:,} users the exact search ended at {limit}; their items are not proven."]


def refuse_impossible(metrics: MethodMetrics) -> None:
    """Refuse metrics that no ranking with one positive per case can have.

    Raises:
        DataError: The message has the method and the bound that it breaks.
    """
    for method, values in metrics.items():
        check_possible(title_of(method), {name: measured.value for name, measured in values.items()})


def load_best_reachable(config: RunConfig) -> Metrics | None:
    """Return the metrics in the `oracle.json` next to the tables of a demo shop; None without such a file.

    Raises:
        DataError: The file has no metrics.
    """
    table = config.input.interactions.path
    path = Path(table).parent / "oracle.json"
    if "://" in table or not path.is_file():
        return None
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        metrics = document.get("best_reachable", document)
        values = {name: float(metrics[name]) for name in METRIC_NAMES if name in metrics}
        split = document.get("split", "test")
    except (ValueError, TypeError, AttributeError) as error:
        raise DataError(f"{path} must hold metrics such as hr_at_10: {error!r}") from error
    if split != config.evaluate.split or CHIEF_METRIC not in values:
        return None
    return {name: MeasuredValue.exact(value) for name, value in values.items()}
