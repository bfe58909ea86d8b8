"""What a report says of its baselines: whose code, how trained, what others reach with them, and whether ours fall short.

A baseline that is trained badly flatters the model. Where the data set is a recognised one and the protocol is
that of public figures, a baseline whose whole 95 % interval lies below the public range is named in a warning.
"""

from collections.abc import Sequence

from recsys_model.evaluation.neighbours import NUM_NEIGHBOURS
from recsys_model.evaluation.public_figures import PUBLIC_DATASETS, PublicDataset, recognise
from recsys_platform.config.stages import EvaluateConfig
from recsys_platform.evaluate.baselines.cornac_settings import MODELS
from recsys_platform.evaluate.baselines.run import BaselineRun
from recsys_platform.evaluate.baselines.sasrec import SASREC_MODELS
from recsys_platform.evaluate.ranking.cases import EvaluationData
from recsys_platform.evaluate.report.content import BaselineEntry, BaselineNotes, TrainingRecord
from recsys_platform.evaluate.report.measured import CATALOGUE, MeasuredValue, MethodMetrics, RankingTable
from recsys_platform.evaluate.report.wording import CHIEF_METRIC, estimate, metric_title, number, title_of

MIN_USERS = 1000
"""Users from which on figures are compared with public ones."""
PUBLIC_NAMES = {"sasrec": "sasrec", "sasrec_cornac": "sasrec", "last_item": "last_item"}
"""Baseline -> the model of `public_figures` that it is; others have no public figure here."""
_METRICS = (CHIEF_METRIC, "ndcg_at_10")
"""The metrics of public figures."""
_COUNTED = {
    "popularity": "this project: number of training events",
    "co_occurrence": "this project: how often an item came later than the last one in training sequences",
    "item_knn": f"this project: cosine of the users in common, the {NUM_NEIGHBOURS} nearest of each item of the history",
}
_NOTES = {
    "bpr": "bpr knows a user by the training events alone and is not told the events since.",
    "mf": "mf knows a user by the training events alone and is not told the events since.",
    "bert4rec": "bert4rec is trained to find the next item of each beginning of a sequence, as cornac does, not masked items.",
    "ease": "ease is told the whole history; cornac's own scores would take the training events alone.",
}


def describe_baselines(
    runs: Sequence[BaselineRun],
    settings: EvaluateConfig,
    data: EvaluationData,
    num_items: int,
    tables: Sequence[RankingTable],
) -> BaselineNotes:
    """Return what a report says of the baselines; `tables` are the report's rankings."""
    dataset = recognise(len(data.training_sequences), num_items, data.num_events)
    reasons = _reasons_against(settings, data)
    metrics = next((table.metrics for table in tables if table.competitors == CATALOGUE), {})
    return BaselineNotes(
        dataset=None if dataset is None else dataset.name,
        methods=tuple(_describe(run) for run in runs),
        notes=(*_notes(runs), *(() if dataset is None else _notes_on(dataset, reasons))),
        warnings=() if dataset is None or reasons else tuple(_warnings(dataset, runs, metrics)),
    )


def training_in_words(record: TrainingRecord) -> str:
    """Return how a training was stopped and what was kept of it.

    Example:
        >>> training_in_words(TrainingRecord(num_passes=15))
        '15 passes, a fixed number; the last one is kept'
        >>> best = {"max_passes": 9, "patience": 3, "kept_pass": 8, "validation_ndcg_at_10": 0.05}
        >>> training_in_words(TrainingRecord(num_passes=9, **best))
        'all 9 passes allowed; pass 8 is kept, the best by validation NDCG@10 (0.0500); more passes may do better'
    """
    if not record.num_passes:
        return "nothing is trained"
    if not record.kept_pass:
        return f"{record.num_passes} passes, a fixed number; the last one is kept"
    best = f"the best by validation NDCG@10 ({number(record.validation_ndcg_at_10)})"
    kept = f"pass {record.kept_pass} is kept, {best}"
    if record.num_passes - record.kept_pass < record.patience:
        return f"all {record.max_passes} passes allowed; {kept}; more passes may do better"
    return f"{record.num_passes} of {record.max_passes} passes, the last {record.patience} no better; {kept}"


def _describe(run: BaselineRun) -> BaselineEntry:
    return BaselineEntry(
        method=run.name,
        implementation=_implementation(run.name),
        training=training_in_words(run.training),
        record=run.training,
        public=_public_in_words(run.name),
    )


def _implementation(name: str) -> str:
    if name in SASREC_MODELS:
        config = SASREC_MODELS[name]
        blocks = f"{config.num_blocks} blocks" if config.num_blocks else "no blocks, so the last item alone counts"
        return (
            f"this project, in torch: width {config.hidden_size}, {blocks}, dropout {config.dropout}, histories of "
            f"{config.max_history}, softmax over all items"
        )
    if name in MODELS:
        return f"library cornac, class {MODELS[name].class_name}, with fixed settings, not tuned to these data"
    return _COUNTED[name]


def _public_in_words(name: str) -> str | None:
    model = PUBLIC_NAMES.get(name)
    published = [(dataset.name, dataset.figures[model]) for dataset in PUBLIC_DATASETS if model in dataset.figures]
    parts = [
        f"{where}: {', '.join(f'{metric_title(metric)} {figures[metric]}' for metric in _METRICS)} "
        f"({figures[CHIEF_METRIC].source})"
        for where, figures in published
    ]
    return "; ".join(parts) or None


def _reasons_against(settings: EvaluateConfig, data: EvaluationData) -> list[str]:
    """Return what keeps the figures from being compared with public ones."""
    checks = {
        "the split is not leave-one-out": data.split.kind != "leave_one_out",
        f"evaluate.split is {settings.split}": settings.split != "test",
        f"data.tie_order is {data.tie_order}": data.tie_order != "table",
        "evaluate.exclude_seen is false": not settings.exclude_seen,
        f"evaluate.competitors lacks {CATALOGUE}": CATALOGUE not in settings.competitors,
        f"{len(data.cases):,} users are fewer than {MIN_USERS:,}": len(data.cases) < MIN_USERS,
    }
    return [reason for reason, holds in checks.items() if holds]


def _notes(runs: Sequence[BaselineRun]) -> list[str]:
    return [_NOTES[run.name] for run in runs if run.name in _NOTES]


def _notes_on(dataset: PublicDataset, reasons: Sequence[str]) -> list[str]:
    """Return how the figures stand to public ones of the same data set."""
    if reasons:
        return [f"This is {dataset.name}; its public figures are of another protocol: {'; '.join(reasons)}."]
    return [
        f"For orientation, {name} reaches "
        f"{', '.join(f'{metric_title(metric)} {figure}' for metric, figure in figures.items())} "
        f"on {dataset.name} ({figures[CHIEF_METRIC].source})."
        for name, figures in dataset.orientation.items()
    ]


def _warnings(dataset: PublicDataset, runs: Sequence[BaselineRun], metrics: MethodMetrics) -> list[str]:
    """Return a sentence for each baseline that falls short, on all metrics in which it does."""
    sentences = []
    for run in runs:
        public = dataset.figures.get(PUBLIC_NAMES.get(run.name, ""), {})
        short = [
            f"{metric_title(metric)} {estimate(metrics[run.name][metric])}, public {figure}"
            for metric, figure in public.items()
            if _largest(metrics[run.name][metric]) < figure.low
        ]
        if short:
            sentences.append(
                f"{title_of(run.name)} falls short of what is published for {dataset.name}: {'; '.join(short)} "
                f"({public[CHIEF_METRIC].source}). A comparison with it flatters the model."
            )
    return sentences


def _largest(figure: MeasuredValue) -> float:
    return figure.value if figure.interval is None else figure.interval[1]
