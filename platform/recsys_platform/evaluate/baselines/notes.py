"""The notes of a report on its baselines: implementation, training, public figures, warnings.

A badly trained baseline flatters the model. On a recognised data set and under the protocol of the public figures,
each baseline whose whole 95 % interval is below the public range gets a warning.
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
"""Minimum number of users for a comparison with public figures."""
PUBLIC_NAMES = {"sasrec": "sasrec", "sasrec_cornac": "sasrec", "last_item": "last_item"}
"""Maps a baseline to its model in `public_figures`; other baselines have no public figures."""
_METRICS = (CHIEF_METRIC, "ndcg_at_10")
"""Metrics with public figures."""
_COUNTED = {
    "popularity": "this project: number of training events",
    "co_occurrence": "this project: how often an item came after the last one in training sequences",
    "item_knn": f"this project: cosine of the common users, {NUM_NEIGHBOURS} nearest neighbours per history item",
}
_NOTES = {
    "bpr": "bpr represents a user by the training events only; it does not see later events.",
    "mf": "mf represents a user by the training events only; it does not see later events.",
    "bert4rec": "bert4rec in cornac learns to predict the next item of each prefix of a sequence, not masked items.",
    "ease": "ease gets the whole history; cornac's own scores would use the training events only.",
}


def describe_baselines(
    runs: Sequence[BaselineRun],
    settings: EvaluateConfig,
    data: EvaluationData,
    num_items: int,
    tables: Sequence[RankingTable],
) -> BaselineNotes:
    """Return the notes on the baselines; `tables` are the report's rankings."""
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
    """Return the number of passes of a training, why it ended, and which pass ranks.

    Example:
        >>> training_in_words(TrainingRecord(num_passes=15))
        '15 passes, a fixed number; the last one ranks'
        >>> best = {"max_passes": 9, "patience": 3, "kept_pass": 8, "validation_ndcg_at_10": 0.05}
        >>> training_in_words(TrainingRecord(num_passes=9, **best))
        'all 9 passes; pass 8 ranks, the best by validation NDCG@10 (0.0500); more passes may improve it'
    """
    if not record.num_passes:
        return "no training"
    if not record.kept_pass:
        return f"{record.num_passes} passes, a fixed number; the last one ranks"
    ndcg = number(record.validation_ndcg_at_10)
    best_pass = f"pass {record.kept_pass} ranks, the best by validation NDCG@10 ({ndcg})"
    if record.num_passes - record.kept_pass < record.patience:
        return f"all {record.max_passes} passes; {best_pass}; more passes may improve it"
    return f"{record.num_passes} of {record.max_passes} passes, the last {record.patience} no better; {best_pass}"


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
        blocks = f"{config.num_blocks} blocks" if config.num_blocks else "no blocks, so only the last item counts"
        return (
            f"this project, in torch: width {config.hidden_size}, {blocks}, dropout {config.dropout}, histories of "
            f"{config.max_history}, softmax over all items"
        )
    if name in MODELS:
        return f"library cornac, class {MODELS[name].class_name}, with fixed settings, not tuned on this data"
    return _COUNTED[name]


def _public_in_words(name: str) -> str | None:
    model = PUBLIC_NAMES.get(name)
    published = [(dataset.name, dataset.figures[model]) for dataset in PUBLIC_DATASETS if model in dataset.figures]
    parts = [
        f"{dataset}: {', '.join(f'{metric_title(metric)} {figures[metric]}' for metric in _METRICS)} "
        f"({figures[CHIEF_METRIC].source})"
        for dataset, figures in published
    ]
    return "; ".join(parts) or None


def _reasons_against(settings: EvaluateConfig, data: EvaluationData) -> list[str]:
    """Return the reasons why the metrics cannot be compared with public figures."""
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
    """Return public figures for orientation, or why those of the data set do not apply."""
    if reasons:
        return [f"This is {dataset.name}. Its public figures have another protocol: {'; '.join(reasons)}."]
    return [
        f"For orientation, {name} reaches "
        f"{', '.join(f'{metric_title(metric)} {figure}' for metric, figure in figures.items())} "
        f"on {dataset.name} ({figures[CHIEF_METRIC].source})."
        for name, figures in dataset.orientation.items()
    ]


def _warnings(dataset: PublicDataset, runs: Sequence[BaselineRun], metrics: MethodMetrics) -> list[str]:
    """Return one sentence for each baseline below its public figures, with all metrics below."""
    sentences = []
    for run in runs:
        public = dataset.figures.get(PUBLIC_NAMES.get(run.name, ""), {})
        metrics_below = [
            f"{metric_title(metric)} {estimate(metrics[run.name][metric])}, public {figure}"
            for metric, figure in public.items()
            if _upper_limit(metrics[run.name][metric]) < figure.low
        ]
        if metrics_below:
            sentences.append(
                f"{title_of(run.name)} is below the public figures for {dataset.name}: {'; '.join(metrics_below)} "
                f"({public[CHIEF_METRIC].source}). A comparison with it flatters the model."
            )
    return sentences


def _upper_limit(measured: MeasuredValue) -> float:
    return measured.value if measured.interval is None else measured.interval[1]
