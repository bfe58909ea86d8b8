"""The texts that `recsys` prints about the result of each command."""

import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recsys_model.evaluation.audit_table import AuditedTable
from recsys_platform.data.input.reasons import is_kept
from recsys_platform.splits import new_item_statements_of

if TYPE_CHECKING:  # Ray and torch take seconds to import: each command imports only its own stage
    from recsys_platform.data.input_check import InputLook
    from recsys_platform.evaluate.report.comparison import Comparison
    from recsys_platform.evaluate.report.content import Report, TaskEntry
    from recsys_platform.evaluate.stage import EvaluationResult

Result = dict[str, Any]
DEFAULT_URL = "http://127.0.0.1:8000"


def of_shop(shop: Result) -> str:
    """Return the table sizes of a demo shop and the best HR@10 that its generator allows."""
    counts = ", ".join(f"{number:,} {name}" for name, number in shop["counts"].items())
    return f"{counts}; best reachable HR@10 {shop['best_reachable']['hr_at_10']:.3f}"


def of_data(result: Result) -> str:
    """Return the counts of the data stage, one line per reason of rejection and per statement."""
    counts = result["counts"]
    source = counts["input"]
    lines = [f"input: {source['format']}, {source['why']}", *(f"  {note}" for note in source["notes"])]
    lines.append(f"dataset: {counts['users']} users, {counts['items']} items, {counts['interactions']} interactions")
    for table, reasons in counts["rejects"].items():
        lines += [
            f"  {'kept' if is_kept(reason) else 'rejected'} in {table}: {number} with {reason}"
            for reason, number in reasons.items()
        ]
    lines += [f"  {text}" for text in _about_items(counts)]
    lines += [f"  note: {note}" for note in counts["text_notes"]]
    lines += [f"  {finding['text']}" for finding in counts["leaks"] if finding["is_shown"]]
    lines += [f"  {statement}" for statement in new_item_statements_of(counts)]
    lines += [f"  {statement}" for statement in counts["ties"]["statements"]]
    lines += [f"  note: {counts['ties']['finding']}"] if counts["ties"]["finding"] else []
    tasks = counts.get("tasks", {})
    lines += [f"  {split} examples per task: {_pairs(tasks[split])}" for split in ("train", "valid", "test") if tasks]
    if "explanations" in tasks:
        lines.append(f"  {tasks['explanations']['statement']}")
    lines.append(f"  examples: {counts['examples']}; in {result['dataset']} after {result['seconds']:.0f} s")
    return "\n".join(lines)


def of_check(look: "InputLook") -> str:
    """Return what each column was taken for, with examples, then notes, doubts and errors."""
    lines = [f"input: {look.source}"]
    for table in look.tables:
        lines.append(f"{table.table}: {table.source}; {table.num_rows:,} rows looked at")
        others = [column.name for column in table.columns if column.role == "not read"]
        columns = [column for column in table.columns if column.role != "not read"]
        width = max(len(column.role) for column in columns)
        for column in columns:
            name = "" if column.role.endswith(column.name) else f"  (column {column.name})"
            lines.append(f"  {column.role:<{width}}  {_quoted(column.examples) or 'no value'}{name}")
        lines += [f"  not read: {', '.join(others)}"] if others else []
    lines += [f"note: {note}" for note in look.notes]
    lines += [f"doubt: {doubt}" for doubt in look.doubts]
    lines += [f"error: {error}" for error in look.errors]
    number = len(look.doubts)
    verdict = "the data stage would stop" if look.errors else f"{number or 'no'} doubt{'' if number == 1 else 's'}"
    return "\n".join([*lines, f"{verdict}; only the first rows were read, and nothing was written"])


def _quoted(examples: Sequence[str]) -> str:
    return ", ".join(json.dumps(example, ensure_ascii=False) for example in examples)


def _about_items(counts: Result) -> list[str]:
    """Return what was changed in items and their texts, where anything was."""
    key_to_text = {
        "items_left_out": "items of the table without an interaction were left out",
        "items_without_row": "items of the interactions have no row in the items table and are told by their ids",
        "items_with_several_titles": "items have more than one title in the interactions, of which the first is used",
        "items_without_title": "items have no title and are told by brand, category or id",
        "titles_cut": "titles were longer than a text (text.max_tokens) and are cut",
        "events_too_long": "events were left out of the texts of users, since their long titles would drop older events",
    }
    return [f"{counts[key]:,} {text}" for key, text in key_to_text.items() if counts.get(key)]


def of_train(result: Result) -> str:
    """Return the trained parameters, steps, minutes and last metrics of a training."""
    metrics = ", ".join(f"{name} {value:.4g}" for name, value in result["metrics"].items())
    resumed = f", resumed {result['resumed']} times" if result["resumed"] else ""
    return (
        f"checkpoint: {result['num_trainable_parameters']:,} of {result['num_parameters']:,} parameters trained, "
        f"{result['steps']} steps in {result['minutes']:.1f} min{resumed}; {metrics}; in {result['checkpoint']}"
    )


def of_evaluation(result: "EvaluationResult") -> str:
    """Return the protocol, a compact table of metrics and the path of the report."""
    from recsys_platform.evaluate.report.terminal import format_difference, format_table

    ranking = result.report.rankings[0]
    table = format_table(ranking.metrics)
    difference = format_difference(ranking.differences[0])
    tasks = "".join(f"\n{of_task(entry)}" for entry in result.report.tasks)
    paper = "".join(f"\n\n{text}" for text in of_paper_tables(result.report))
    return f"{result.protocol}\n\n{table}\n\n{difference}{tasks}{paper}\nreport: {result.folder / 'report.html'}"


def of_paper_tables(report: "Report") -> list[str]:
    """Return each table of the paper that a report makes, with the printed rows of the paper's own model."""
    from recsys_platform.display_width import align
    from recsys_platform.evaluate.report.paper_tables import TABLES, compared_table, faults_of

    texts = []
    for paper in TABLES:
        table = compared_table(report, paper, only_model=True)
        if table is not None:
            lines = [
                table.caption,
                align([list(table.head), *map(list, table.rows)]),
                *faults_of(paper, only_model=True),
            ]
            texts.append("\n".join(lines))
    return texts


def of_new_items(result: Result) -> str:
    """Return the summary of the new-items report, one sentence per line, and its path."""
    return "\n".join([*result["summary"], f"report: {Path(result['report']) / 'report.html'}"])


def of_comparison(comparison: "Comparison") -> str:
    """Return the table and the verdict of a comparison of two evaluations, as in compare.md."""
    from recsys_platform.evaluate.report.comparison import format_comparison

    return format_comparison(comparison)


def of_task(entry: "TaskEntry") -> str:
    """Return the metrics of a task on one line: the model's value, then those of the baselines in brackets; and warnings."""
    from recsys_platform.evaluate.report.wording import EXPECTED_RATING, MODEL

    parts = []
    own = MODEL if MODEL in entry.metrics else EXPECTED_RATING
    for name, measured in entry.metrics.get(own, {}).items():
        baselines = [
            f"{method} {metrics[name].value:.3f}"
            for method, metrics in entry.metrics.items()
            if method != own and name in metrics
        ]
        parts.append(f"{name} {measured.value:.3f}" + (f" ({', '.join(baselines)})" if baselines else ""))
    line = f"{entry.task} ({entry.templates}, {entry.num_cases:,} questions): {', '.join(parts) or 'not asked'}"
    return "\n".join([line, *(f"  warning: {warning}" for warning in entry.warnings)])


def of_request(payload: dict[str, Any]) -> str:
    """Return the features and the latest items of the demo's request."""
    features = ", ".join(f"{name} {value}" for name, value in payload["user_features"].items())
    lines = [f"a user ({features}) whose latest items are"]
    return "\n".join(lines + [f"    {event['item']}" for event in payload["history"][-5:]])


def of_bundle(result: Result) -> str:
    """Tell what a bundle holds and with what it was compared."""
    compared = result["compared_users"]
    same = f"recommends to {compared} validation users what the evaluated model does" if compared else "not compared"
    size = f"{result['size_bytes'] / 1e6:.1f} MB"
    return f"bundle: {result['items']} items, {size} in {result['bundle']}; {result['weights']}; {same}"


def of_answer(answer: dict[str, Any]) -> str:
    """Return the recommended items of an answer, best first."""
    lines = ["recommended:"]
    for position, item in enumerate(answer["items"], start=1):
        lines.append(f"{position:4d}. {item['title']}  ({item['id']}, score {item['score']:.3f})")
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
    """Return the path of the demo's report and three commands to try next, each with its duration.

    Args:
        report: The HTML file of the evaluation.
        payload: The request of the demo.
        program: The command by which the user calls `recsys`.
        run: The run file and its `--set` overrides, as arguments.
        url: URL of the endpoint.
    """
    item = payload["history"][-1]["item"]
    arguments = ["--history", item, "-k", "5", *([] if url == DEFAULT_URL else ["--url", url])]
    return "\n".join(
        [
            f"report: {report}",
            "next:",
            f"  {shlex.join([program, 'serve', *run])}",
            "      answers over HTTP until Ctrl-C; ready in about 25 seconds",
            f"  {shlex.join([program, 'recommend', *arguments])}",
            "      requests recommendations from it, in a second terminal; about a second",
            f"  {shlex.join([program, 'new-items', *run])}",
            "      trains without some items, adds them while serving and measures; about 7 minutes on 2 cores",
        ]
    )


def of_items(result: Result) -> str:
    """Return the result of an edit of the catalogue, or all items, one per line."""
    if "catalog_version" not in result:
        lines = [f"{item['id']}\t{item['title']}" for item in result["items"]]
        return "\n".join([*lines, f"{len(lines)} items"])
    pending = f", {result['pending']} replicas pending" if result["pending"] else ""
    return (
        f"catalogue version {result['catalog_version']}: {result['added']} items added, {result['removed']} removed, "
        f"{result['items']} now, on {result['replicas']} replicas{pending}"
    )


def of_audit(table: AuditedTable) -> str:
    """Return how the values were read, every impossible row with the bound that it breaks, and their number."""
    impossible = [row for row in table.rows if row.broken is not None]
    notes = [f"note: {note}" for note in table.notes]
    lines = [f"line {row.line}, {row.label}: {row.broken}" for row in impossible]
    return "\n".join([*notes, *lines, f"{len(impossible)} of {len(table.rows)} rows are impossible"])


def _pairs(name_to_count: dict[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in name_to_count.items())
