"""Arguments of `recsys semantic-ids`: published generative recommenders, checked and asked without an endpoint."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recsys_model.errors import ConfigError, DataError
from recsys_model.semantic_ids.index import LAYOUT_TITLES, LAYOUTS, SemanticIndex
from recsys_platform.cli.item_files import read_ids
from recsys_platform.config.strict import apply_override

if TYPE_CHECKING:  # torch takes seconds, and `check` without weights does not need it
    from recsys_model.semantic_ids.recommender import SemanticIdRecommender, SemanticRequest

DESCRIPTION = """Check and ask a published generative recommender: MiniOneRec, LC-Rec or OpenOneRec.

  recsys semantic-ids check X.index.json                      the project of a file, its items and shared semantic ids
  recsys semantic-ids check X.index.json --weights FOLDER     also whether the checkpoint has all tokens
  recsys semantic-ids recommend X.index.json --weights FOLDER --history 12 --history 40 -k 5

Prompt, separator and end are those that the project publishes; --set changes one of them, for example
--set 'separator=","'. docs/semantic-ids.md lists the files and settings.
"""
REQUEST_KEYS = ("history", "exclude_seen", "deny", "allow")


def add_semantic_ids_arguments(parser: argparse.ArgumentParser) -> list[argparse.ArgumentParser]:
    """Add the arguments of `recsys semantic-ids`; return the parsers of its actions."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = DESCRIPTION
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    check = actions.add_parser(
        "check", help="recognise an index file and, with --weights, compare it with a checkpoint"
    )
    recommend = actions.add_parser("recommend", help="recommend items with a checkpoint")
    for action in (check, recommend):
        action.add_argument("index", type=Path, metavar="FILE", help=".index.json, info.txt, or a map of pids")
        action.add_argument(
            "--weights", type=Path, metavar="FOLDER", required=action is recommend, help="folder of the checkpoint"
        )
        action.add_argument("--layout", choices=LAYOUTS, help="the project, where the file does not decide")
        action.add_argument(
            "--popularity", type=Path, metavar="FILE", help="training file: orders the items of one semantic id"
        )
        action.add_argument(
            "--set",
            dest="settings",
            action="append",
            default=[],
            metavar="KEY=VALUE",
            help="change one setting; repeatable",
        )
        action.add_argument("--precision", choices=["fp32", "bf16"], default="fp32", help="default %(default)s")
        action.add_argument("--device", default="cpu", help="for example cuda (default %(default)s)")
    _add_request_arguments(recommend)
    return [check, recommend]


def _add_request_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--history",
        action="append",
        default=[],
        metavar="ITEM",
        help="an item by its id, semantic id or title; oldest first; repeatable",
    )
    parser.add_argument(
        "--requests",
        type=Path,
        metavar="FILE",
        help='JSON lines, one user each: {"history": [...]}, in place of --history',
    )
    parser.add_argument("-k", type=int, default=10, help="number of items (default %(default)s)")
    parser.add_argument("--exact", action="store_true", help="the provably best items, with a certificate")
    parser.add_argument("--include-seen", action="store_true", help="also recommend items of the history")
    parser.add_argument(
        "--deny", action="append", default=[], metavar="ITEM", help="never recommend this item, or @FILE; repeatable"
    )
    parser.add_argument(
        "--allow", action="append", metavar="ITEM", help="recommend only this item, or @FILE; repeatable"
    )
    parser.add_argument(
        "--scoring", choices=["lm", "trie"], default="lm", help="lm: log-probabilities; trie: renormalised each step"
    )
    parser.add_argument("--batch-size", type=int, default=16, help="users searched together (default %(default)s)")


def run_semantic_ids(options: argparse.Namespace) -> dict[str, Any]:
    """Run `check` or `recommend` and return a JSON document.

    Raises:
        ConfigError: A setting is unknown or out of range, or the project cannot be served.
        DataError: A file is damaged, or a request names an unknown item.
        CheckpointError: The checkpoint cannot be used with the index.
    """
    index = _read_index(options)
    document = describe_index(index)
    if options.weights is None:
        _refuse_settings_without_weights(options)
        return document
    recommender = _load_recommender(index, options)
    if options.action == "check":
        return document | {"weights": str(options.weights), "num_tokens": len(index.tokens)}
    from recsys_model.semantic_ids.answers import answer_to_json

    if options.batch_size < 1:
        raise ConfigError(f"--batch-size must be at least 1, got {options.batch_size}")
    requests = _read_requests(options)
    answers = [
        answer
        for start in range(0, len(requests), options.batch_size)
        for answer in recommender.recommend(
            requests[start : start + options.batch_size], options.k, exact=options.exact
        )
    ]
    return document | {"answers": [answer_to_json(answer) for answer in answers]}


def describe_index(index: SemanticIndex) -> dict[str, Any]:
    """Return the project, size and shared semantic ids of an index as plain JSON types."""
    distinct = index.distinct
    return {
        "index": index.source,
        "layout": index.layout,
        "project": LAYOUT_TITLES[index.layout],
        "why": index.why,
        "num_items": index.num_items,
        "num_semantic_ids": len(distinct.semantic_ids),
        "num_shared": distinct.num_shared,
        "lengths": list(index.lengths),
        "shared_order": distinct.order,
        "notes": list(index.notes),
    }


def read_settings(texts: Sequence[str]) -> dict[str, Any]:
    r"""Parse `key=value` settings whose values are YAML.

    Raises:
        ConfigError: A setting has no equals sign, or its value is no YAML.

    Example:
        >>> read_settings(["max_history=5", 'end="\\n"', "ends_with_eos=false"])
        {'max_history': 5, 'end': '\n', 'ends_with_eos': False}
    """
    settings: dict[str, Any] = {}
    for text in texts:
        apply_override(settings, text)
    return settings


def _read_index(options: argparse.Namespace) -> SemanticIndex:
    from recsys_model.semantic_ids.layouts import read_semantic_index
    from recsys_model.semantic_ids.popularity import with_popularity

    index = read_semantic_index(options.index, options.layout)
    return index if options.popularity is None else with_popularity(index, options.popularity)


def _refuse_settings_without_weights(options: argparse.Namespace) -> None:
    given = {"--set": options.settings, "--precision": options.precision != "fp32", "--device": options.device != "cpu"}
    unused = [name for name, is_given in given.items() if is_given]
    if unused:
        raise ConfigError(f"{', '.join(unused)} changes how a checkpoint is used; name the checkpoint by --weights")


def _load_recommender(index: SemanticIndex, options: argparse.Namespace) -> "SemanticIdRecommender":
    import torch

    from recsys_model.semantic_ids.checkpoint import load_published_checkpoint
    from recsys_model.semantic_ids.published_format import published_format
    from recsys_model.semantic_ids.recommender import SemanticIdRecommender

    form = published_format(index.layout, read_settings(options.settings))
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16}[options.precision]
    checkpoint = load_published_checkpoint(options.weights, dtype=dtype, device=options.device)
    return SemanticIdRecommender(index, checkpoint, form, scoring=getattr(options, "scoring", "lm"))


def _read_requests(options: argparse.Namespace) -> list["SemanticRequest"]:
    """Return the request of the options, or one of each line of the file."""
    from recsys_model.semantic_ids.recommender import SemanticRequest

    common: dict[str, Any] = {
        "exclude_seen": not options.include_seen,
        "deny": read_ids(options.deny),
        "allow": None if options.allow is None else read_ids(options.allow),
    }
    if options.requests is None:
        return [SemanticRequest(history=options.history, **common)]
    if options.history:
        raise ConfigError("--requests has the histories; leave out --history")
    return [SemanticRequest(**{**common, **fields}) for fields in _read_request_lines(options.requests)]


def _read_request_lines(path: Path) -> list[dict[str, Any]]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"requests cannot be read from {path}: {error}") from error
    return [_read_request(path, number, line) for number, line in enumerate(lines, start=1) if line.strip()]


def _read_request(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        fields = json.loads(line)
    except ValueError as error:
        raise DataError(f"{path} line {number} must be a JSON object: {error}") from error
    if not isinstance(fields, dict) or not set(fields) <= set(REQUEST_KEYS):
        raise DataError(
            f"{path} line {number} must be a JSON object with keys of {', '.join(REQUEST_KEYS)}, got {line}"
        )
    for key, value in fields.items():
        is_list = isinstance(value, list) and all(isinstance(each, str) for each in value)
        if isinstance(value, bool) is not (key == "exclude_seen") or (key != "exclude_seen" and not is_list):
            kind = "true or false" if key == "exclude_seen" else "a list of texts"
            raise DataError(f"{path} line {number}: {key} must be {kind}, got {json.dumps(value)}")
    return fields
