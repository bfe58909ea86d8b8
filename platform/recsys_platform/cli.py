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

from recsys_model.errors import ConfigError, RecsysError
from recsys_platform import summaries
from recsys_platform.config import RunConfig, load_config

DESCRIPTION = """Train and serve RecSysLLM, an LLM recommender, from interaction tables.

A run is one YAML file; its stages hand over folders under <storage>/<name>:

  recsys data CONFIG       tables -> dataset      (Ray Data)
  recsys train CONFIG      dataset -> checkpoint  (Ray Train, DeepSpeed)
  recsys tune CONFIG       search the LoRA rank   (Ray Tune)
  recsys evaluate CONFIG   checkpoint -> report   (Ray actors)
  recsys bundle CONFIG     checkpoint -> bundle
  recsys serve CONFIG      bundle -> HTTP         (Ray Serve)
  recsys recommend         ask a running endpoint
  recsys audit TABLE.csv   find figures of HR and NDCG that no ranking can have

Every command joins the cluster that RAY_ADDRESS names, else starts a local Ray, and also runs as
  ray job submit --working-dir . -- recsys train ray_configs/laptop/demo.yaml
"""

EPILOG = """Settings can be changed without editing the file:
  recsys train ray_configs/laptop/demo.yaml --set lora.rank=16 --set train.epochs=2
"""

Result = dict[str, Any]


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    parser = argparse.ArgumentParser(
        prog="recsys", description=DESCRIPTION, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_stage(commands, "data", "turn tables into a dataset of training examples", _data)
    train = _add_stage(commands, "train", "train on the dataset and write a checkpoint", _train)
    resuming = train.add_mutually_exclusive_group()
    resuming.add_argument("--resume", action="store_true", help="go on with a run whose driver was stopped")
    resuming.add_argument(
        "--resume-if-started", action="store_true", help="resume where there is something to resume, else start"
    )
    _add_stage(commands, "tune", "search the LoRA rank on a frozen base model", _tune)
    _add_stage(commands, "evaluate", "rank held-out items and write a report", _evaluate)
    _add_stage(commands, "bundle", "collect what is served in one folder", _bundle)
    _add_stage(commands, "serve", "answer HTTP requests until interrupted", _serve)
    _add_recommend(commands)
    audit = commands.add_parser("audit", help="find figures of HR and NDCG that no ranking can have; status 1 if any")
    audit.add_argument("table", type=Path, help="CSV: method, dataset, hr@1, hr@5, ndcg@5, hr@10, ndcg@10; any empty")
    _finish(audit, _audit)
    shop = commands.add_parser("demo-shop", help="write the tables of the generated demo shop")
    shop.add_argument("folder", type=Path, help="where the tables go")
    shop.add_argument("--seed", type=int, default=7, help="seed of the generator (default 7)")
    _finish(shop, _demo_shop)
    demo = _add_stage(commands, "demo", "run every stage on the demo shop and ask for a recommendation", _demo)
    demo.set_defaults(overwrite=True)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit status: 0 done, 1 refused, failed or found impossible, 2 wrong usage."""
    options = build_parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", stream=sys.stderr)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        result = options.run(options)
    except RecsysError as error:
        print(f"recsys {options.command}: {error}", file=sys.stderr)
        if options.json:
            print(json.dumps({"command": options.command, "error": str(error), "type": type(error).__name__}))
        return 1
    if options.json:
        print(json.dumps({"command": options.command, **result}, allow_nan=False))
    return 1 if result.get("impossible") else 0


def _add_stage(commands: Any, name: str, help_text: str, run: Callable[..., Result]) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=help_text, description=help_text.capitalize() + ".")
    parser.add_argument("config", type=Path, help="YAML file of the run, for example ray_configs/laptop/demo.yaml")
    parser.add_argument(
        "--set",
        dest="overrides",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="change one setting; repeatable",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace what an earlier run of this stage wrote")
    _finish(parser, run)
    return parser


def _finish(parser: argparse.ArgumentParser, run: Callable[[argparse.Namespace], Result]) -> None:
    parser.add_argument("--json", action="store_true", help="end standard output with one JSON document")
    parser.set_defaults(run=run)


def _add_recommend(commands: Any) -> None:
    parser = commands.add_parser("recommend", help="ask a running endpoint for recommendations")
    parser.add_argument("--url", default="http://127.0.0.1:8000", help="the endpoint (default %(default)s)")
    parser.add_argument(
        "--history",
        action="append",
        default=[],
        metavar="ITEM[@TIME]",
        help="an item id or title and, if known, an ISO 8601 time; oldest first; repeatable",
    )
    parser.add_argument(
        "--feature", action="append", default=[], metavar="NAME=VALUE", help="a user feature; repeatable"
    )
    parser.add_argument("-k", type=int, default=10, help="how many items (default %(default)s)")
    parser.add_argument("--include-seen", action="store_true", help="also recommend items of the history")
    parser.add_argument("--timeout-s", type=float, default=30.0, help="seconds to wait for the answer")
    _finish(parser, _recommend)


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


def _evaluate(options: argparse.Namespace) -> Result:
    from recsys_platform.cluster import connected
    from recsys_platform.evaluate.stage import run_evaluate

    config = _load(options)
    with connected(config.num_cpus):
        result = run_evaluate(config, overwrite=options.overwrite)
    _say(summaries.of_evaluation(result))
    return result


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

    payload: dict[str, Any] = {"history": [_event(text) for text in options.history], "k": options.k}
    payload["user_features"] = dict(_feature(text) for text in options.feature)
    payload["exclude_seen"] = not options.include_seen
    answer = ask(options.url, payload, options.timeout_s)
    _say(summaries.of_answer(answer))
    return answer


def _audit(options: argparse.Namespace) -> Result:
    from recsys_model.evaluation.audit_table import audit_file

    rows = audit_file(options.table)
    _say(summaries.of_audit(rows))
    impossible = [{"line": row.line, "row": row.label, "broken": str(row.broken)} for row in rows if row.broken]
    return {"table": str(options.table), "rows": len(rows), "impossible": impossible}


def _demo_shop(options: argparse.Namespace) -> Result:
    from recsys_platform.demo.shop import write_demo_shop

    counts = write_demo_shop(options.folder, seed=options.seed)
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
    return {"data": data, "train": train, "evaluate": evaluation, "bundle": bundle, "answer": answer}


def _event(text: str) -> dict[str, str]:
    """Read `item@time`; an `@` inside a title is kept where no time follows it."""
    item, separator, moment = text.rpartition("@")
    if separator and moment[:4].isdigit():
        return {"item": item, "time": moment}
    return {"item": text}


def _feature(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator or not name:
        raise ConfigError(f"--feature wants NAME=VALUE, got {text!r}")
    return name, value


if __name__ == "__main__":
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    sys.exit(main())
