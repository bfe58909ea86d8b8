"""The argument parser of `recsys`: sub-commands, options and help texts."""

import argparse
from pathlib import Path
from typing import Any, get_args

from recsys_model.config.text import LanguageCode
from recsys_platform.cli.ablate import add_ablate_arguments
from recsys_platform.cli.items import add_items_arguments
from recsys_platform.cli.keys import add_keys_arguments
from recsys_platform.cli.link import add_link_arguments
from recsys_platform.cli.new_items import add_new_items_arguments
from recsys_platform.cli.recommend import add_recommend_arguments
from recsys_platform.cli.semantic_ids import add_semantic_ids_arguments

DESCRIPTION = """Train and serve RecSysLLM, an LLM recommender, from interaction tables.

A run is one YAML file. Its stages write and read artifacts under <storage>/<name>:

  recsys data CONFIG       tables -> dataset      (Ray Data)
  recsys train CONFIG      dataset -> checkpoint  (Ray Train, DeepSpeed)
  recsys tune CONFIG       search the LoRA rank   (Ray Tune)
  recsys ablate CONFIG     measure what each part of the paper contributes, over several seeds
  recsys evaluate CONFIG   checkpoint -> report   (Ray actors)
  recsys new-items CONFIG  measure how items without training events are recommended, over HTTP
  recsys compare A B       test whether one of two evaluations is better, user by user
  recsys link CONFIG TEXT  show which items of the dataset a free text names
  recsys bundle CONFIG     checkpoint -> bundle
  recsys serve CONFIG      bundle -> HTTP         (Ray Serve)
  recsys recommend         request recommendations from a running endpoint
  recsys items             add, remove and list the items of a running endpoint
  recsys keys              make and revoke the API keys of an endpoint
  recsys convert GGUF DIR  convert a GGUF file into a folder that loads in a second
  recsys semantic-ids      check a published generative recommender, and recommend with it, without an endpoint
  recsys audit TABLE.csv   find values of HR and NDCG that no ranking can produce

A stage joins the cluster at RAY_ADDRESS, or starts a local Ray. It also runs as a job:
  ray job submit --working-dir . -- recsys train ray_configs/laptop/demo.yaml
"""

EPILOG = """--set overrides a setting of the file:
  recsys train ray_configs/laptop/demo.yaml --set lora.rank=16 --set train.epochs=2
"""
PROGRESS = "Progress goes to standard error: one live bar on a terminal, else one line every 30 seconds."
DATA_EPILOG = """Begin with --check: it takes two seconds, writes nothing, prints what each column is taken for with three
examples, and every doubt. Status 1 means that an error would stop the stage whatever the other rows hold.

  recsys data my.yaml --check
  recsys data my.yaml

Tables are Parquet, JSON or text with a delimiter. What the file does not say is set under input.interactions,
input.items and input.users (docs/tables.md has an example of each):

  columns: {user_id: customer, item_id: event.sku}   our name: their name, also inside a struct
  delimiter: tab          else the header line shows it
  header: false           columns then are places, counted from 0: {user_id: 0}
  encoding: latin-1       of text that is not UTF-8
  explode: events         lists become rows
  where: label == 1       which rows count; the others are counted and left out
  order: rows             events without times, in the order of the table
  path: events/day=*/part-*.parquet
and items: from_interactions where there is no table of items.

The command also reports how many held-out events a tie in time decides. Events of a user with equal times keep the
order of the table; --set data.tie_order=seeded orders them by a hash of seed, user and item."""

TRAIN_EPILOG = f"""{PROGRESS} It shows epoch, step, loss, time left, tokens per second and the last
validation; metrics.jsonl in the checkpoint has every metric of every log step. After an interruption, the same
command with --resume continues from the last checkpoint. Its length, logging and validation may have other
settings then (train.epochs, train.max_minutes, ...); others are refused by name."""

EVALUATE_EPILOG = f"""{PROGRESS} After an interruption, the same command continues.

evaluate.baselines lists the methods that rank the same users: popularity, co_occurrence, item_knn
(counted), sasrec, last_item (trained here, stopped by validation NDCG@10), and ease, bpr, mf, most_popular, gru4rec,
sasrec_cornac, bert4rec (of the package cornac)."""


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of `recsys` with all sub-commands."""
    parser = argparse.ArgumentParser(
        prog="recsys", description=DESCRIPTION, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_run_commands(commands)
    _add_endpoint_commands(commands)
    _add_file_commands(commands)
    return parser


def _add_run_commands(commands: Any) -> None:
    """Add the commands that read the YAML file of a run."""
    data = _add_stage(commands, "data", "turn tables into a dataset of training examples")
    data.epilog, data.formatter_class = DATA_EPILOG, argparse.RawDescriptionHelpFormatter
    data.add_argument(
        "--check",
        action="store_true",
        help="read only the first rows, and print what each column is taken for and what is odd",
    )
    train = _add_stage(commands, "train", "train on the dataset and write a checkpoint")
    train.epilog = TRAIN_EPILOG
    resuming = train.add_mutually_exclusive_group()
    resuming.add_argument("--resume", action="store_true", help="continue an interrupted training")
    resuming.add_argument(
        "--resume-if-started", action="store_true", help="continue an interrupted training if there is one, else start"
    )
    _add_stage(commands, "tune", "search the LoRA rank on a frozen base model")
    add_ablate_arguments(_add_stage(commands, "ablate", "measure what each part of a run contributes"))
    _add_stage(commands, "evaluate", "rank held-out items and write a report").epilog = EVALUATE_EPILOG
    add_new_items_arguments(
        _add_stage(commands, "new-items", "measure how items without training events are recommended")
    )
    add_link_arguments(_add_run_command(commands, "link", "show which items of a dataset a free text names"))
    _add_stage(commands, "bundle", "write all files that serving needs into one folder")
    _add_stage(commands, "serve", "answer HTTP requests until interrupted")
    demo = _add_stage(commands, "demo", "run every stage on the demo shop and request a recommendation")
    demo.set_defaults(overwrite=True)


def _add_endpoint_commands(commands: Any) -> None:
    """Add the commands that send requests to a running endpoint."""
    recommend = commands.add_parser("recommend", help="request recommendations from a running endpoint")
    add_recommend_arguments(recommend)
    _add_json(recommend)
    for action in add_items_arguments(commands.add_parser("items", help="edit the catalogue of a running endpoint")):
        _add_json(action)


def _add_file_commands(commands: Any) -> None:
    """Add the commands that only read and write files, without Ray."""
    for action in add_keys_arguments(commands.add_parser("keys", help="make and revoke API keys of an endpoint")):
        _add_json(action)
    compare = commands.add_parser("compare", help="test whether one of two evaluations is better, user by user")
    compare.add_argument("first", type=Path, metavar="EVALUATION_A", help="folder <storage>/<name>/evaluation of a run")
    compare.add_argument("second", type=Path, metavar="EVALUATION_B", help="folder of the evaluation to compare with")
    compare.add_argument("--out", type=Path, metavar="FOLDER", help="also write compare.md and compare.json there")
    _add_json(compare)
    semantic_ids = commands.add_parser("semantic-ids", help="check and run a published generative recommender")
    for action in add_semantic_ids_arguments(semantic_ids):
        _add_json(action)
    convert = commands.add_parser("convert", help="convert a GGUF file into a folder that loads in a second")
    convert.add_argument("source", type=Path, help="GGUF file, or folder of a published model")
    convert.add_argument("folder", type=Path, help="new folder, for model.weights and tokenizer.path")
    convert.add_argument("--precision", choices=["fp32", "bf16"], default="fp32", help="default %(default)s")
    _add_json(convert)
    audit = commands.add_parser("audit", help="find values of HR and NDCG that no ranking can produce; status 1 if any")
    audit.add_argument(
        "table", type=Path, help="CSV: method, dataset, hr@1, hr@5, ndcg@5, hr@10, ndcg@10; cells may be empty"
    )
    audit.add_argument(
        "--digits", type=int, metavar="N", help="digits of all values (default: those of the longest cell of a column)"
    )
    _add_json(audit)
    shop = commands.add_parser("demo-shop", help="write the tables of the generated demo shop")
    shop.add_argument("folder", type=Path, help="folder of the tables")
    shop.add_argument("--seed", type=int, default=7, help="seed of the generator (default 7)")
    shop.add_argument("--users", type=int, default=1000, help="customers (default %(default)s)")
    shop.add_argument("--items", type=int, default=300, help="products, 101 to 500 (default %(default)s)")
    shop.add_argument(
        "--language",
        choices=get_args(LanguageCode),
        default="en",
        help="words of the tables (default %(default)s); zh, Chinese, also has ratings and reviews",
    )
    _add_json(shop)


def _add_stage(commands: Any, name: str, help_text: str) -> argparse.ArgumentParser:
    parser = _add_run_command(commands, name, help_text)
    parser.add_argument("--overwrite", action="store_true", help="replace the artifact of an earlier run of this stage")
    return parser


def _add_run_command(commands: Any, name: str, help_text: str) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=help_text, description=help_text.capitalize() + ".")
    parser.add_argument("config", type=Path, help="YAML file of the run, for example ray_configs/laptop/demo.yaml")
    parser.add_argument(
        "--set",
        dest="overrides",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="override a setting; repeatable",
    )
    _add_json(parser)
    return parser


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="end standard output with one JSON document")
