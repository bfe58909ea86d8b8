"""What the command `recsys` understands: its sub-commands, their options, and a typed event or feature."""

import argparse
from pathlib import Path
from typing import Any

from recsys_model.errors import ConfigError
from recsys_platform.cli.ablate import add_ablate_arguments
from recsys_platform.cli.item_files import read_ids
from recsys_platform.cli.items import add_items_arguments
from recsys_platform.cli.new_items import add_new_items_arguments
from recsys_platform.cli.semantic_ids import add_semantic_ids_arguments
from recsys_platform.cli.summaries import DEFAULT_URL

DESCRIPTION = """Train and serve RecSysLLM, an LLM recommender, from interaction tables.

A run is one YAML file; its stages hand over folders under <storage>/<name>:

  recsys data CONFIG       tables -> dataset      (Ray Data)
  recsys train CONFIG      dataset -> checkpoint  (Ray Train, DeepSpeed)
  recsys tune CONFIG       search the LoRA rank   (Ray Tune)
  recsys ablate CONFIG     what each part of the paper is worth, as a table
  recsys evaluate CONFIG   checkpoint -> report   (Ray actors)
  recsys new-items CONFIG  what becomes of items that nobody has bought yet, over HTTP
  recsys compare A B       is one of two evaluations better, user by user
  recsys bundle CONFIG     checkpoint -> bundle
  recsys serve CONFIG      bundle -> HTTP         (Ray Serve)
  recsys recommend         ask a running endpoint
  recsys items             add, remove and list the items of a running endpoint
  recsys convert GGUF DIR  unpack a model file once, for all processes that read it
  recsys semantic-ids      check and ask a published generative recommender, without an endpoint
  recsys audit TABLE.csv   find figures of HR and NDCG that no ranking can have

Every stage joins the cluster that RAY_ADDRESS names, else starts a local Ray, and also runs as
  ray job submit --working-dir . -- recsys train ray_configs/laptop/demo.yaml
"""

EPILOG = """Settings can be changed without editing the file:
  recsys train ray_configs/laptop/demo.yaml --set lora.rank=16 --set train.epochs=2
"""
PROGRESS = "Progress goes to standard error: one live bar on a terminal, else one line every 30 seconds."
DATA_EPILOG = """It tells how many held-out events a tie in time decides. Events of a user with equal times stand as in
the table; --set data.tie_order=seeded orders them by a hash of seed, user and item."""

TRAIN_EPILOG = f"""{PROGRESS} It has epoch, step, loss, time left, tokens a second and the last
validation; metrics.jsonl in the checkpoint has every metric of every log step. If the command is stopped,
the same command with --resume goes on from the last checkpoint."""

EVALUATE_EPILOG = f"""{PROGRESS} If the command is stopped, the same command goes on.

evaluate.baselines names what ranks the same users beside the model: popularity, co_occurrence, item_knn
(counted), sasrec, last_item (trained here, stopped by validation NDCG@10), and ease, bpr, mf, most_popular, gru4rec,
sasrec_cornac, bert4rec (of the package cornac)."""


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    parser = argparse.ArgumentParser(
        prog="recsys", description=DESCRIPTION, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_stage(commands, "data", "turn tables into a dataset of training examples").epilog = DATA_EPILOG
    train = _add_stage(commands, "train", "train on the dataset and write a checkpoint")
    train.epilog = TRAIN_EPILOG
    resuming = train.add_mutually_exclusive_group()
    resuming.add_argument("--resume", action="store_true", help="go on with a run whose driver was stopped")
    resuming.add_argument(
        "--resume-if-started", action="store_true", help="resume where there is something to resume, else start"
    )
    _add_stage(commands, "tune", "search the LoRA rank on a frozen base model")
    add_ablate_arguments(_add_stage(commands, "ablate", "tell what each change of the run is worth"))
    _add_stage(commands, "evaluate", "rank held-out items and write a report").epilog = EVALUATE_EPILOG
    add_new_items_arguments(_add_stage(commands, "new-items", "tell what becomes of items that nobody has bought yet"))
    compare = commands.add_parser("compare", help="tell whether one of two evaluations is better, user by user")
    compare.add_argument("first", type=Path, metavar="EVALUATION_A", help="folder <storage>/<name>/evaluation of a run")
    compare.add_argument("second", type=Path, metavar="EVALUATION_B", help="that of the run it is compared with")
    compare.add_argument("--out", type=Path, metavar="FOLDER", help="also write compare.md and compare.json there")
    _add_json(compare)
    _add_stage(commands, "bundle", "collect what is served in one folder")
    _add_stage(commands, "serve", "answer HTTP requests until interrupted")
    _add_recommend(commands)
    for action in add_items_arguments(commands.add_parser("items", help="edit the catalogue of a running endpoint")):
        _add_json(action)
    semantic_ids = commands.add_parser("semantic-ids", help="check and ask a published generative recommender")
    for action in add_semantic_ids_arguments(semantic_ids):
        _add_json(action)
    convert = commands.add_parser("convert", help="unpack a GGUF file into a folder that loads in a second")
    convert.add_argument("source", type=Path, help="GGUF file, or folder of a published model")
    convert.add_argument("folder", type=Path, help="new folder, for model.weights and tokenizer.path")
    convert.add_argument("--precision", choices=["fp32", "bf16"], default="fp32", help="default %(default)s")
    _add_json(convert)
    audit = commands.add_parser("audit", help="find figures of HR and NDCG that no ranking can have; status 1 if any")
    audit.add_argument("table", type=Path, help="CSV: method, dataset, hr@1, hr@5, ndcg@5, hr@10, ndcg@10; any empty")
    _add_json(audit)
    shop = commands.add_parser("demo-shop", help="write the tables of the generated demo shop")
    shop.add_argument("folder", type=Path, help="where the tables go")
    shop.add_argument("--seed", type=int, default=7, help="seed of the generator (default 7)")
    shop.add_argument("--users", type=int, default=1000, help="customers (default %(default)s)")
    shop.add_argument("--items", type=int, default=300, help="products, 101 to 500 (default %(default)s)")
    _add_json(shop)
    demo = _add_stage(commands, "demo", "run every stage on the demo shop and ask for a recommendation")
    demo.set_defaults(overwrite=True)
    return parser


def _add_stage(commands: Any, name: str, help_text: str) -> argparse.ArgumentParser:
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
    _add_json(parser)
    return parser


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="end standard output with one JSON document")


def _add_recommend(commands: Any) -> None:
    parser = commands.add_parser("recommend", help="ask a running endpoint for recommendations")
    parser.add_argument("--url", default=DEFAULT_URL, help="the endpoint (default %(default)s)")
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
    parser.add_argument(
        "--deny", action="append", default=[], metavar="ID", help="never recommend this item; @FILE names one a line"
    )
    parser.add_argument(
        "--allow",
        action="append",
        metavar="ID",
        help="recommend this item or others so named, nothing else, as for those in stock; @FILE names one a line",
    )
    parser.add_argument("--timeout-s", type=float, default=30.0, help="seconds to wait for the answer")
    _add_json(parser)


def read_event(text: str) -> dict[str, str]:
    """Read `item@time`; an `@` inside a title is kept where no time follows it.

    Example:
        >>> read_event("Red Tent@2024-05-01"), read_event("Lamp @home")
        ({'item': 'Red Tent', 'time': '2024-05-01'}, {'item': 'Lamp @home'})
    """
    item, separator, moment = text.rpartition("@")
    if separator and moment[:4].isdigit():
        return {"item": item, "time": moment}
    return {"item": text}


def read_lists(options: argparse.Namespace) -> dict[str, list[str]]:
    """Return the `deny` and, where it is given, the `allow` list of a request.

    Raises:
        DataError: a file cannot be read.
    """
    lists = {"deny": read_ids(options.deny)}
    return lists if options.allow is None else lists | {"allow": read_ids(options.allow)}


def read_feature(text: str) -> tuple[str, str]:
    """Read `name=value`.

    Raises:
        ConfigError: there is no name or no equals sign.
    """
    name, separator, value = text.partition("=")
    if not separator or not name:
        raise ConfigError(f"--feature wants NAME=VALUE, got {text!r}")
    return name, value
