"""The report section on task families, with seen wordings (trained on) and unseen wordings."""

from collections.abc import Mapping, Sequence
from typing import get_args

from recsys_platform.evaluate.report.content import Report, TaskEntry, Wording
from recsys_platform.evaluate.report.document import Block, Bullets, Fold, Heading, Paragraph, Section, Table
from recsys_platform.evaluate.report.wording import estimate, in_order, method_title, metric_title

_WORDINGS = get_args(Wording)


def task_section(report: Report) -> Section:
    """Return one table per task with seen and unseen wordings side by side, and a few answers."""
    if not report.tasks:
        return Section("Task families", [Paragraph("The model was not trained on questions of task families.")])
    blocks: list[Block] = [
        Paragraph(
            "The model was trained on seen wordings and not on unseen ones, which test questions in new words. "
            "RMSE and MAE are errors: lower is better."
        )
    ]
    for entries in _by_task(report.tasks):
        blocks += [Heading(_heading(entries[0])), _table(report, entries), *_warnings(entries), *_statements(entries)]
        blocks += [_answers(entry) for entry in entries if entry.examples]
    return Section("Task families", blocks)


def _by_task(tasks: Sequence[TaskEntry]) -> list[list[TaskEntry]]:
    """Return the entries of each task, seen wordings first; tasks in the order in which they first appear."""
    names = dict.fromkeys(entry.task for entry in tasks)
    ordered = sorted(tasks, key=lambda entry: _WORDINGS.index(entry.templates))
    return [[entry for entry in ordered if entry.task == name] for name in names]


def _heading(entry: TaskEntry) -> str:
    task, family = entry.task.replace("_", " "), entry.family.replace("_", " ")
    return task if task == family else f"{task} ({family})"


def _table(report: Report, entries: Sequence[TaskEntry]) -> Table:
    """Return one row per method, with the wordings of each metric in adjacent columns."""
    metrics = dict.fromkeys(name for entry in entries for metrics in entry.metrics.values() for name in metrics)
    columns = [(metric, entry) for metric in metrics for entry in entries]
    methods = in_order(report, dict.fromkeys(method for entry in entries for method in entry.metrics))
    rows = [
        [
            method_title(report, method),
            *(estimate(entry.metrics.get(method, {}).get(metric)) for metric, entry in columns),
        ]
        for method in methods
    ]
    cases = ", ".join(f"{entry.num_cases:,} cases with {entry.templates} wordings" for entry in entries)
    head = ["method", *(f"{metric_title(metric)}, {entry.templates}" for metric, entry in columns)]
    return Table(f"{_heading(entries[0])}: {cases}", head, rows)


def _statements(entries: Sequence[TaskEntry]) -> list[Block]:
    texts = _each_once({entry.templates: entry.statements for entry in entries})
    return [Bullets(texts)] if texts else []


def _warnings(entries: Sequence[TaskEntry]) -> list[Block]:
    texts = _each_once({entry.templates: entry.warnings for entry in entries})
    return [Bullets(texts, title="Warnings")] if texts else []


def _each_once(wording_to_texts: Mapping[str, Sequence[str]]) -> list[str]:
    """Return texts common to all wordings, then those of one wording with its name in front."""
    first, *others = wording_to_texts.values()
    shared = [text for text in first if all(text in other for other in others)]
    own = [
        f"{wording.capitalize()} wordings: {text}"
        for wording, texts in wording_to_texts.items()
        for text in texts
        if text not in shared
    ]
    return [*shared, *own]


def _answers(entry: TaskEntry) -> Fold:
    lines: list[Block] = [
        Bullets([f"question: {example.question}", f"true answer: {example.truth}", f"answer: {example.answer}"])
        for example in entry.examples
    ]
    return Fold(f"Answers to {entry.templates} wordings, {', '.join(entry.template_ids)}", lines)
