"""What each stage did, in the words that the command line prints."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recsys_model.evaluation.audit_table import AuditedRow
from recsys_platform.splits import new_item_statements_of

if TYPE_CHECKING:  # a command imports its stage alone, since Ray and torch take seconds
    from recsys_platform.evaluate.report.comparison import Comparison
    from recsys_platform.evaluate.report.content import TaskEntry
    from recsys_platform.evaluate.stage import EvaluationResult

Result = dict[str, Any]
DEFAULT_URL = "http://127.0.0.1:8000"


def of_shop(shop: Result) -> str:
    """Return the size of a demo shop and the best HR@10 that its generator leaves open."""
    counts = ", ".join(f"{number:,} {name}" for name, number in shop["counts"].items())
    return f"{counts}; best reachable HR@10 {shop['best_reachable']['hr_at_10']:.3f}"


def of_data(result: Result) -> str:
    """Return what became of the tables, every reason for a rejection on a line."""
    counts = result["counts"]
    source = counts["input"]
    lines = [f"input: {source['format']}, {source['why']}", *(f"  {note}" for note in source["notes"])]
    lines.append(f"dataset: {counts['users']} users, {counts['items']} items, {counts['interactions']} interactions")
    for table, reasons in counts["rejects"].items():
        lines += [f"  rejected in {table}: {number} with {reason}" for reason, number in reasons.items()]
    lines += [f"  {finding['text']}" for finding in counts["leaks"] if finding["is_shown"]]
    lines += [f"  {statement}" for statement in new_item_statements_of(counts)]
    lines += [f"  {statement}" for statement in counts["ties"]["statements"]]
    lines += [f"  note: {counts['ties']['finding']}"] if counts["ties"]["finding"] else []
    tasks = counts.get("tasks", {})
    lines += [
        f"  {split} examples that can be asked: {_pairs(tasks[split])}" for split in ("train", "valid", "test") if tasks
    ]
    if "explanations" in tasks:
        lines.append(f"  {tasks['explanations']['statement']}")
    lines.append(f"  examples: {counts['examples']}; in {result['dataset']} after {result['seconds']:.0f} s")
    return "\n".join(lines)


def of_train(result: Result) -> str:
    """Return how much was trained, for how long, and how it ended."""
    metrics = ", ".join(f"{name} {value:.4g}" for name, value in result["metrics"].items())
    resumed = f", resumed {result['resumed']} times" if result["resumed"] else ""
    return (
        f"checkpoint: {result['num_trainable_parameters']:,} of {result['num_parameters']:,} parameters trained, "
        f"{result['steps']} steps in {result['minutes']:.1f} min{resumed}; {metrics}; in {result['checkpoint']}"
    )


def of_evaluation(result: "EvaluationResult") -> str:
    """Return the protocol, a compact table of metrics and where the report lies."""
    from recsys_platform.evaluate.report.terminal import format_difference, format_table

    ranking = result.report.rankings[0]
    table = format_table(ranking.metrics)
    difference = format_difference(ranking.differences[0])
    tasks = "".join(f"\n{of_task(entry)}" for entry in result.report.tasks)
    return f"{result.protocol}\n\n{table}\n\n{difference}{tasks}\nreport: {result.folder / 'report.html'}"


def of_new_items(result: Result) -> str:
    """Return what became of new items, a sentence a line, and where the report lies."""
    return "\n".join([*result["summary"], f"report: {Path(result['report']) / 'report.html'}"])


def of_comparison(comparison: "Comparison") -> str:
    """Return the table and the verdict of a comparison of two evaluations, as it is written to a file."""
    from recsys_platform.evaluate.report.comparison import format_comparison

    return format_comparison(comparison)


def of_task(entry: "TaskEntry") -> str:
    """Return the figures of a task on one line, those of the baselines behind the model's."""
    from recsys_platform.evaluate.report.wording import MODEL

    parts = []
    for name, figure in entry.metrics.get(MODEL, {}).items():
        others = [
            f"{method} {figures[name].value:.3f}"
            for method, figures in entry.metrics.items()
            if method != MODEL and name in figures
        ]
        parts.append(f"{name} {figure.value:.3f}" + (f" ({', '.join(others)})" if others else ""))
    return f"{entry.task} ({entry.templates}, {entry.num_cases:,} questions): {', '.join(parts) or 'not asked'}"


def of_request(payload: dict[str, Any]) -> str:
    """Return the user whom the demo asks for."""
    features = ", ".join(f"{name} {value}" for name, value in payload["user_features"].items())
    lines = [f"a user ({features}) whose latest items are"]
    return "\n".join(lines + [f"    {event['item']}" for event in payload["history"][-5:]])


def of_answer(answer: dict[str, Any]) -> str:
    """Return recommended items, best first."""
    lines = ["recommended:"]
    for place, item in enumerate(answer["items"], start=1):
        lines.append(f"{place:4d}. {item['title']}  ({item['id']}, score {item['score']:.3f})")
    return "\n".join(lines)


def of_semantic_ids(result: Result) -> str:
    """Return the project and size of an index and, for each user, the recommended items."""
    levels = " or ".join(map(str, result["lengths"]))
    lines = [f"{result['project']}: {result['why']}"]
    lines.append(
        f"{result['num_items']:,} items, {result['num_semantic_ids']:,} semantic ids of {levels} tokens; "
        f"{result['num_shared']:,} shared by several items, in {result['shared_order']}"
    )
    lines += [f"  {note}" for note in result["notes"]]
    if "num_tokens" in result:
        lines.append(f"{result['weights']} has all {result['num_tokens']:,} tokens")
    for number, answer in enumerate(result.get("answers", ()), start=1):
        lines += _lines_of_semantic_answer(number, answer)
    return "\n".join(lines)


def _lines_of_semantic_answer(number: int, answer: Result) -> list[str]:
    proof = answer["certificate"]
    proven = "" if proof is None else ", proven" if proof["is_exact"] else f", not proven: bound {proof['bound']:.3f}"
    lines = [f"user {number}, {answer['num_history']} items of history{proven}:"]
    for place, item in enumerate(answer["items"], start=1):
        shared = "" if item["num_sharing"] == 1 else f", one of {item['num_sharing']} items"
        title = item["title"] or "(no title)"
        lines.append(f"{place:4d}. {title}  ({item['id']}, {item['semantic_id']}{shared}, score {item['score']:.3f})")
    return lines


def of_next_steps(report: Path, payload: Result, program: str, run: Sequence[str], url: str) -> str:
    """Return where the report of the demo lies, and three commands to try next with the time that each takes.

    Args:
        report: The HTML file of the evaluation.
        payload: The request of the demo.
        program: How the user calls `recsys`.
        run: The run file and the settings that were changed, as arguments.
        url: Of the endpoint.
    """
    item = payload["history"][-1]["item"]
    asking = ["--history", item, "-k", "5", *([] if url == DEFAULT_URL else ["--url", url])]
    return "\n".join(
        [
            f"report: {report}",
            "next:",
            f"  {shlex.join([program, 'serve', *run])}",
            "      answers over HTTP until Ctrl-C; ready in about 25 seconds",
            f"  {shlex.join([program, 'recommend', *asking])}",
            "      asks this endpoint, from a second terminal; about a second",
            f"  {shlex.join([program, 'new-items', *run])}",
            "      trains without some items, adds them while serving and measures; about 7 minutes on 2 cores",
        ]
    )


def of_items(result: Result) -> str:
    """Return what became of an edit of a catalogue, or its items, one a line."""
    if "catalog_version" not in result:
        lines = [f"{item['id']}\t{item['title']}" for item in result["items"]]
        return "\n".join([*lines, f"{len(lines)} items"])
    behind = f", {result['pending']} replicas still to follow" if result["pending"] else ""
    return (
        f"catalogue version {result['catalog_version']}: {result['added']} items added, {result['removed']} removed, "
        f"{result['items']} now, on {result['replicas']} replicas{behind}"
    )


def of_audit(rows: Sequence[AuditedRow]) -> str:
    """Return every impossible row with the bound that it breaks, and how many there are."""
    broken = [row for row in rows if row.broken is not None]
    lines = [f"line {row.line}, {row.label}: {row.broken}" for row in broken]
    return "\n".join([*lines, f"{len(broken)} of {len(rows)} rows are impossible"])


def _pairs(name_to_count: dict[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in name_to_count.items())
