"""New items from end to end: a run without them, its endpoint, the edit over HTTP, and the report."""

import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from recsys_model.evaluation.metrics import LARGEST_K
from recsys_platform.artifacts import package_versions, refuse_to_overwrite, write_artifact
from recsys_platform.config.run import RunConfig, config_to_dict
from recsys_platform.evaluate.inputs import check_beams
from recsys_platform.evaluate.ranking.rankings import RANKS_FILE
from recsys_platform.evaluate.report.html_page import render_html
from recsys_platform.evaluate.report.json_format import to_json, write_json
from recsys_platform.evaluate.report.markdown import render_markdown
from recsys_platform.evaluate.report.write import HTML_FILE, JSON_FILE, MARKDOWN_FILE, PLOTS_FOLDER
from recsys_platform.newcomers.measuring import MAX_CLIENTS, Measured, measure
from recsys_platform.newcomers.metrics import build_figures, ranks_of
from recsys_platform.newcomers.requests import Visits, read_new_items, read_visits
from recsys_platform.newcomers.runs import build_run, finish_run
from recsys_platform.newcomers.sections import build_document, summarize
from recsys_platform.newcomers.statements import build_statements
from recsys_platform.serve.stage import check_endpoint, serving
from recsys_platform.train.plan import check_training_settings

logger = logging.getLogger(__name__)

REPORT_FOLDER = "report"


def run_new_items(config: RunConfig, *, overwrite: bool = False) -> dict[str, Any]:
    """Hold items out, train, serve, add the items and measure; Ray must be initialised.

    A finished dataset and training of an earlier attempt are not done again, unless `overwrite` asks for it.

    Returns:
        `{"report": folder, "summary": sentences, "seconds_in_all": ...}` and all figures of `build_figures`.

    Raises:
        ConfigError: the beam is too narrow, the run names a dataset, or the cluster cannot hold its endpoint next to others.
        CheckpointError: the report exists, or something that is there was made with other settings.
        DataError: the input breaks its contract, nobody can be asked, or the endpoint refuses an item.
        RecsysError: the endpoint fails.
    """
    started = time.monotonic()
    run = check_run(config, overwrite=overwrite)
    folder = run.folder / REPORT_FOLDER
    check_endpoint(run)
    dataset, checkpoint = finish_run(run, overwrite=overwrite)
    items = read_new_items(run.dataset_folder)
    visits = read_visits(
        run.dataset_folder,
        k=LARGEST_K,
        exclude_seen=run.evaluate.exclude_seen,
        fields=run.text.behaviour_fields,
        num_users=run.evaluate.num_users,
        seed=run.seed,
    )
    measured = _measure_endpoint(run, visits, items)
    sampling = {"num_samples": run.evaluate.bootstrap_samples, "seed": run.seed}
    figures = build_figures(visits, measured, [item["id"] for item in items], **sampling)
    plain_figures = to_json(figures)
    statements = build_statements(run, dataset.counts["new_items"], len(visits.of_new), len(visits.others))
    report = {
        "name": config.name,
        "statements": statements,
        **figures,
        "config": config_to_dict(run),
        "versions": package_versions(),
    }
    parents = {"dataset": dataset.digest, "checkpoint": checkpoint.digest}
    with write_artifact(folder, "new_items", config_to_dict(run), parents, overwrite=overwrite) as (partial, counts):
        counts |= plain_figures
        _write_report(partial, report)
        _write_ranks(partial / RANKS_FILE, visits, measured)
    seconds = round(time.monotonic() - started, 1)
    return {"report": str(folder), "summary": summarize(report), **plain_figures, "seconds_in_all": seconds}


def check_run(config: RunConfig, *, overwrite: bool = False) -> RunConfig:
    """Return the run that holds items out, after all checks that need neither Ray nor its dataset.

    Raises:
        ConfigError: the beam is too narrow, the run names a dataset, or its training cannot work.
        CheckpointError: the report exists, or weights are missing or damaged.
    """
    check_beams(config)
    run = build_run(config)
    refuse_to_overwrite(run.folder / REPORT_FOLDER, overwrite=overwrite)
    check_training_settings(run)
    return run


def _measure_endpoint(run: RunConfig, visits: Visits, items: list[dict[str, Any]]) -> Measured:
    with serving(run) as url:
        return measure(url, visits, items, min(MAX_CLIENTS, run.serve.max_queued_requests))


def _write_report(folder: Path, report: Mapping[str, Any]) -> None:
    """Write `report.json`, `report.html` and `report.md`."""
    write_json(folder / JSON_FILE, report)
    document = build_document(report)
    (folder / HTML_FILE).write_text(render_html(document, {}), encoding="utf-8")
    (folder / MARKDOWN_FILE).write_text(render_markdown(document, PLOTS_FOLDER), encoding="utf-8")


def _write_ranks(path: Path, visits: Visits, measured: Measured) -> None:
    """Write each user's next item, its rank before and after, and what was recommended after; 0 is not among the ten."""
    all_visits = [*visits.of_new, *visits.others]
    columns = {
        "user_id": pa.array([visit.user_id for visit in all_visits], pa.string()),
        "is_new": pa.array([visit.is_new for visit in all_visits], pa.bool_()),
        "target_item": pa.array([visit.target_item for visit in all_visits], pa.string()),
        "rank_before": pa.array(ranks_of(all_visits, [*measured.before, *measured.others_before]), pa.int32()),
        "rank_after": pa.array(ranks_of(all_visits, [*measured.after, *measured.others_after]), pa.int32()),
        "rank_among_new": pa.array(
            [*ranks_of(visits.of_new, measured.among_new).tolist(), *[None] * len(visits.others)], pa.int32()
        ),
        "recommended": pa.array([*measured.after, *measured.others_after], pa.list_(pa.string())),
    }
    pq.write_table(pa.table(columns), path)
