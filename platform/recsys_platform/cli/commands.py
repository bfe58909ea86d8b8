"""The code of each sub-command of `recsys`: load the run file, start Ray, call a stage, print its result.

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

from recsys_model.errors import RecsysError
from recsys_platform.cli import summaries
from recsys_platform.cli.parser import build_parser
from recsys_platform.cli.recommend import build_payload
from recsys_platform.cli.summaries import Result
from recsys_platform.config.run import RunConfig, load_config
from recsys_platform.ray_output import leave_out_stray_lines

INTERRUPTED = 130
"""Exit status after Ctrl-C, as shells have it."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one sub-command and return its exit status.

    0: success. 1: an error, failed trainings of `ablate`, or impossible rows of `audit`. 2: wrong usage. 130:
    interrupted by Ctrl-C.

    Args:
        arguments: Arguments after `recsys`; None takes those of the process.
    """
    options = build_parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", stream=sys.stderr)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    leave_out_stray_lines(os.environ, is_terminal=sys.stderr.isatty())
    try:
        result = COMMANDS[options.command](options)
    except KeyboardInterrupt:
        print(f"recsys {options.command}: interrupted", file=sys.stderr)
        if options.json:
            print(json.dumps({"command": options.command, "error": "interrupted", "type": "KeyboardInterrupt"}))
        return INTERRUPTED
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
    if options.check:
        return _check_input(options)
    from recsys_platform.cluster import connected
    from recsys_platform.data.stage import run_data

    config = _load(options)
    with connected(config.num_cpus):
        result = run_data(config, overwrite=options.overwrite)
    _say(summaries.of_data(result))
    return result


def _check_input(options: argparse.Namespace) -> Result:
    from recsys_platform.data.input_check import check_input

    look = check_input(_load(options))
    _say(summaries.of_check(look))
    return {**look.to_dict(), "failed": bool(look.errors)}


def _train(options: argparse.Namespace) -> Result:
    from recsys_platform.cluster import connected
    from recsys_platform.train.plan import plan_train
    from recsys_platform.train.stage import can_resume, execute

    config = _load(options)
    resume = options.resume or (options.resume_if_started and can_resume(config))
    plan = plan_train(config, resume=resume, overwrite=options.overwrite)
    with connected(config.num_cpus):
        result = execute(plan)
    _say(summaries.of_train(result))
    return result


def _tune(options: argparse.Namespace) -> Result:
    from recsys_platform.cluster import connected
    from recsys_platform.tune.stage import execute, plan_tune

    config = _load(options)
    plan = plan_tune(config, overwrite=options.overwrite)
    with connected(config.num_cpus):
        result = execute(plan)
    _say((Path(result["tune"]) / "ranks.md").read_text(encoding="utf-8"))
    _say(f"best LoRA rank: {result['best_rank']}; table and plot in {result['tune']}")
    return result


def _ablate(options: argparse.Namespace) -> Result:
    from recsys_platform.ablate.stage import MARKDOWN_FILE, plan, run_ablate
    from recsys_platform.cluster import connected

    config = _load(options)
    plan(config, options.only)
    with connected(config.num_cpus):
        settings = {"seeds": options.seeds, "only": options.only, "max_minutes": options.minutes}
        result = run_ablate(config, **settings, overwrite=options.overwrite)
    _say((Path(result["ablation"]) / MARKDOWN_FILE).read_text(encoding="utf-8"))
    _say(f"table, plot and JSON in {result['ablation']}")
    return result


def _evaluate(options: argparse.Namespace) -> Result:
    from recsys_platform.cluster import connected
    from recsys_platform.evaluate.stage import prepare_evaluation, run_evaluate

    config = _load(options)
    inputs = prepare_evaluation(config, overwrite=options.overwrite)
    with connected(config.num_cpus):
        result = run_evaluate(config, inputs=inputs, overwrite=options.overwrite)
    _say(summaries.of_evaluation(result))
    return result.to_json()


def _new_items(options: argparse.Namespace) -> Result:
    from recsys_platform.cluster import connected
    from recsys_platform.newcomers.stage import check_run, run_new_items

    config = _load(options)
    check_run(config, overwrite=options.overwrite)
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
    _say(summaries.of_bundle(result))
    return result


def _serve(options: argparse.Namespace) -> Result:
    from recsys_platform.cluster import connected
    from recsys_platform.serve.gate.access import check_access
    from recsys_platform.serve.stage import ensure_bundle, serving

    config = _load(options)
    check_access(config.serve, os.environ)
    bundle = ensure_bundle(config)
    stopped = threading.Event()
    started = time.monotonic()
    with connected(config.num_cpus), serving(config, bundle) as url:
        # after the start of Ray, which installs its own handlers
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stopped.set())
        _say(f"serving {url}/v1/recommend, documented at {url}/docs; Ctrl-C stops it")
        stopped.wait()
    return {"url": url, "seconds": round(time.monotonic() - started, 1)}


def _recommend(options: argparse.Namespace) -> Result:
    from recsys_platform.serve.client import ask

    answer = ask(options.url, {**build_payload(options), "strict": True}, options.timeout_s)
    _say(summaries.of_answer(answer))
    return answer


def _items(options: argparse.Namespace) -> Result:
    from recsys_platform.cli.items import run_items

    result = run_items(options)
    _say(summaries.of_items(result))
    return result


def _keys(options: argparse.Namespace) -> Result:
    from recsys_platform.cli.keys import describe, run_keys

    result = run_keys(options)
    _say(describe(result))
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

    table = audit_file(options.table, options.digits)
    _say(summaries.of_audit(table))
    impossible = [{"line": row.line, "row": row.label, "broken": str(row.broken)} for row in table.rows if row.broken]
    return {
        "table": str(options.table),
        "rows": len(table.rows),
        "digits": dict(table.digits),
        "notes": list(table.notes),
        "impossible": impossible,
    }


def _demo_shop(options: argparse.Namespace) -> Result:
    from recsys_platform.demo.shop import write_demo_shop

    counts = write_demo_shop(options.folder, options.seed, options.users, options.items, options.language)
    _say(f"demo shop in {options.folder}: {summaries.of_shop(counts)}")
    return {"folder": str(options.folder), **counts}


def _demo(options: argparse.Namespace) -> Result:
    from recsys_platform.cli.demo import run_demo

    return run_demo(_load(options), _run_arguments(options), _say)


def _run_arguments(options: argparse.Namespace) -> list[str]:
    return [str(options.config), *(part for override in options.overrides for part in ("--set", override))]


def _link(options: argparse.Namespace) -> Result:
    from recsys_platform.cli.link import describe_links, link_text

    result = link_text(_load(options), options.text)
    _say(describe_links(result))
    return result


COMMANDS: dict[str, Callable[[argparse.Namespace], Result]] = {
    "data": _data,
    "train": _train,
    "tune": _tune,
    "ablate": _ablate,
    "evaluate": _evaluate,
    "new-items": _new_items,
    "compare": _compare,
    "link": _link,
    "bundle": _bundle,
    "serve": _serve,
    "recommend": _recommend,
    "items": _items,
    "keys": _keys,
    "convert": _convert,
    "semantic-ids": _semantic_ids,
    "audit": _audit,
    "demo-shop": _demo_shop,
    "demo": _demo,
}
"""Maps the name of a sub-command to its code."""
