"""The command `recsys`: one sub-command a stage, one YAML a run.

This is the only file that prints. Results go to standard output, progress and logs to standard
error; with `--json` the last line of standard output is one JSON document.
"""

import argparse
import json
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from recsys_model.errors import RecsysError
from recsys_platform.cli import summaries
from recsys_platform.cli.parser import build_parser, read_event, read_feature, read_lists
from recsys_platform.config.run import RunConfig, load_config
from recsys_platform.ray_output import leave_out_stray_lines

Result = dict[str, Any]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit status: 0 done, 1 refused, failed or found impossible, 2 wrong usage."""
    options = build_parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", stream=sys.stderr)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    leave_out_stray_lines(os.environ, is_terminal=sys.stderr.isatty())
    try:
        result = COMMANDS[options.command](options)
    except RecsysError as error:
        print(f"recsys {options.command}: {error}", file=sys.stderr)
        if options.json:
            print(json.dumps({"command": options.command, "error": str(error), "type": type(error).__name__}))
        return 1
    if options.json:
        print(json.dumps({"command": options.command, **result}, allow_nan=False))
    return 1 if result.get("impossible") or result.get("failed") else 0


def _load(options: argparse.Namespace) -> RunConfig:
    return load_config(options.config, options.overrides)


def _say(text: str) -> None:
    print(text, flush=True)


def _data(options: argparse.Namespace) -> Result:
    from recsys_platform.cluster import connected
    from recsys_platform.data.stage import run_data

    config = _load(options)
    with connected(config.num_cpus):
        result = run_data(config, overwrite=options.overwrite)
    _say(summaries.of_data(result))
    return result


def _train(options: argparse.Namespace) -> Result:
    from recsys_platform.cluster import connected
    from recsys_platform.train.stage import can_resume, run_train

    config = _load(options)
    resume = options.resume or (options.resume_if_started and can_resume(config))
    with connected(config.num_cpus):
        result = run_train(config, resume=resume, overwrite=options.overwrite)
    _say(summaries.of_train(result))
    return result


def _tune(options: argparse.Namespace) -> Result:
    from recsys_platform.cluster import connected
    from recsys_platform.tune.stage import run_tune

    config = _load(options)
    with connected(config.num_cpus):
        result = run_tune(config, overwrite=options.overwrite)
    _say((Path(result["tune"]) / "ranks.md").read_text(encoding="utf-8"))
    _say(f"best LoRA rank: {result['best_rank']}; table and plot in {result['tune']}")
    return result


def _ablate(options: argparse.Namespace) -> Result:
    from recsys_platform.ablate.stage import MARKDOWN_FILE, run_ablate
    from recsys_platform.cluster import connected

    config = _load(options)
    with connected(config.num_cpus):
        settings = {"seeds": options.seeds, "only": options.only, "max_minutes": options.minutes}
        result = run_ablate(config, **settings, overwrite=options.overwrite)
    _say((Path(result["ablation"]) / MARKDOWN_FILE).read_text(encoding="utf-8"))
    _say(f"table, plot and JSON in {result['ablation']}")
    return result


def _evaluate(options: argparse.Namespace) -> Result:
    from recsys_platform.cluster import connected
    from recsys_platform.evaluate.stage import run_evaluate

    config = _load(options)
    with connected(config.num_cpus):
        result = run_evaluate(config, overwrite=options.overwrite)
    _say(summaries.of_evaluation(result))
    return result.to_json()


def _new_items(options: argparse.Namespace) -> Result:
    from recsys_platform.cluster import connected
    from recsys_platform.newcomers.stage import run_new_items

    config = _load(options)
    with connected(config.num_cpus):
        result = run_new_items(config, overwrite=options.overwrite)
    _say(summaries.of_new_items(result))
    return result


def _compare(options: argparse.Namespace) -> Result:
    from recsys_platform.evaluate.compare import compare_evaluations, write_comparison
    from recsys_platform.evaluate.report.json_format import to_json

    comparison = compare_evaluations(options.first, options.second)
    if options.out is not None:
        write_comparison(options.out, comparison)
    _say(summaries.of_comparison(comparison))
    return to_json(comparison)


def _bundle(options: argparse.Namespace) -> Result:
    from recsys_platform.serve.bundling import run_bundle

    result = run_bundle(_load(options), overwrite=options.overwrite)
    _say(f"bundle: {result['items']} items, {result['size_bytes'] / 1e6:.1f} MB in {result['bundle']}")
    return result


def _serve(options: argparse.Namespace) -> Result:
    from recsys_platform.cluster import connected
    from recsys_platform.serve.stage import start_endpoint, stop_endpoint

    config = _load(options)
    stopped = threading.Event()
    started = time.monotonic()
    with connected(config.num_cpus):
        url = start_endpoint(config)
        # only now: starting Ray puts its own handlers in their place
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stopped.set())
        _say(f"answering at {url}/v1/recommend; its documentation is at {url}/docs; Ctrl-C ends it")
        stopped.wait()
        stop_endpoint()
    return {"url": url, "seconds": round(time.monotonic() - started, 1)}


def _recommend(options: argparse.Namespace) -> Result:
    from recsys_platform.serve.client import ask

    payload: dict[str, Any] = {"history": [read_event(text) for text in options.history], "k": options.k}
    payload["user_features"] = dict(read_feature(text) for text in options.feature)
    payload["exclude_seen"] = not options.include_seen
    payload |= read_lists(options)
    answer = ask(options.url, payload, options.timeout_s)
    _say(summaries.of_answer(answer))
    return answer


def _items(options: argparse.Namespace) -> Result:
    from recsys_platform.cli.items import run_items

    result = run_items(options)
    _say(summaries.of_items(result))
    return result


def _convert(options: argparse.Namespace) -> Result:
    from recsys_platform.conversion import run_convert

    result = run_convert(options.source, options.folder, precision=options.precision)
    _say(f"model: {result['parameters']:,} parameters, {result['size_bytes'] / 1e6:.1f} MB in {result['model']}")
    return result


def _semantic_ids(options: argparse.Namespace) -> Result:
    from recsys_platform.cli.semantic_ids import run_semantic_ids

    result = run_semantic_ids(options)
    _say(summaries.of_semantic_ids(result))
    return result


def _audit(options: argparse.Namespace) -> Result:
    from recsys_model.evaluation.audit_table import audit_file

    rows = audit_file(options.table)
    _say(summaries.of_audit(rows))
    impossible = [{"line": row.line, "row": row.label, "broken": str(row.broken)} for row in rows if row.broken]
    return {"table": str(options.table), "rows": len(rows), "impossible": impossible}


def _demo_shop(options: argparse.Namespace) -> Result:
    from recsys_platform.demo.shop import write_demo_shop

    counts = write_demo_shop(options.folder, options.seed, options.users, options.items)
    _say(f"demo shop in {options.folder}: {summaries.of_shop(counts)}")
    return {"folder": str(options.folder), **counts}


def _demo(options: argparse.Namespace) -> Result:
    from recsys_platform.cluster import connected
    from recsys_platform.data.stage import run_data
    from recsys_platform.demo.shop import write_demo_shop
    from recsys_platform.demo.visitor import visitor_payload
    from recsys_platform.evaluate.stage import run_evaluate
    from recsys_platform.serve.bundling import run_bundle
    from recsys_platform.serve.client import ask
    from recsys_platform.serve.stage import start_endpoint, stop_endpoint
    from recsys_platform.train.stage import run_train

    config = _load(options)
    shop = Path(config.input.interactions.path).parent
    _say(f"[1/6] the demo shop: {summaries.of_shop(write_demo_shop(shop))}")
    with connected(config.num_cpus):
        _say("[2/6] data: tables -> dataset")
        data = run_data(config, overwrite=True)
        _say(summaries.of_data(data))
        _say("[3/6] train: dataset -> checkpoint")
        train = run_train(config, overwrite=True)
        _say(summaries.of_train(train))
        _say("[4/6] evaluate: every user's last purchase against the whole catalogue")
        evaluation = run_evaluate(config, overwrite=True)
        _say(summaries.of_evaluation(evaluation))
        _say("[5/6] bundle")
        bundle = run_bundle(config, overwrite=True)
        _say("[6/6] serve: one request over HTTP")
        url = start_endpoint(config)
        try:
            payload = visitor_payload(config)
            answer = ask(url, payload, 60.0)
        finally:
            stop_endpoint()
    _say(summaries.of_request(payload))
    _say(summaries.of_answer(answer))
    report = evaluation.folder / "report.html"
    _say(summaries.of_next_steps(report, payload, _program(), _run_arguments(options), url))
    return {"data": data, "train": train, "evaluate": evaluation.to_json(), "bundle": bundle, "answer": answer}


def _program() -> str:
    """Return how the user called this command; without an installed `recsys`, its name."""
    return sys.argv[0] if Path(sys.argv[0]).name == "recsys" else "recsys"


def _run_arguments(options: argparse.Namespace) -> list[str]:
    return [str(options.config), *(part for override in options.overrides for part in ("--set", override))]


COMMANDS: dict[str, Callable[[argparse.Namespace], Result]] = {
    "data": _data,
    "train": _train,
    "tune": _tune,
    "ablate": _ablate,
    "evaluate": _evaluate,
    "new-items": _new_items,
    "compare": _compare,
    "bundle": _bundle,
    "serve": _serve,
    "recommend": _recommend,
    "items": _items,
    "convert": _convert,
    "semantic-ids": _semantic_ids,
    "audit": _audit,
    "demo-shop": _demo_shop,
    "demo": _demo,
}
"""What each sub-command runs."""
