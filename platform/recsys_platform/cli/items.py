"""Arguments, help and code of `recsys items`."""

import argparse
from pathlib import Path
from typing import Any

from recsys_model.errors import ConfigError
from recsys_platform.cli.item_files import read_ids, read_items
from recsys_platform.cli.summaries import DEFAULT_URL

DESCRIPTION = """Edit the catalogue of a running endpoint on all of its replicas, without a restart.

  recsys items list
  recsys items add new.csv                       CSV with id,title and optionally brand,categories (a|b); or JSON lines
  recsys items add --item B07="Camping Stove"
  recsys items remove B07 @sold-out.txt          @FILE has one id per line
  recsys items add new.csv --remove @old.txt     one step: no request sees only a part of it
  recsys items swap catalog.jsonl                replace the whole catalogue

The model generates titles. It scores an item without training events by its title alone, or with an entity head also
by the words of brand and categories. Histories may still name removed items. The edits are stored next to the bundle
and applied again when it is served again. The endpoint must allow edits:
  recsys serve CONFIG --set serve.catalog_edits=true
"""


def add_items_arguments(parser: argparse.ArgumentParser) -> list[argparse.ArgumentParser]:
    """Add the arguments of `recsys items`; return the parsers of its actions."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = DESCRIPTION
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="print all items, oldest first")
    adding = actions.add_parser("add", help="add the items of a file, of --item, or both")
    adding.add_argument("file", nargs="?", type=Path, help="CSV or JSON lines with id and title")
    adding.add_argument("--item", action="append", default=[], metavar="ID=TITLE", help="an item; repeatable")
    adding.add_argument(
        "--remove",
        action="append",
        default=[],
        metavar="ID",
        help="id to remove in the same step, or @FILE with one per line; repeatable",
    )
    removing = actions.add_parser("remove", help="remove items by their ids")
    removing.add_argument("ids", nargs="+", metavar="ID", help="an item id, or @FILE with one per line")
    swapping = actions.add_parser("swap", help="replace the whole catalogue by the items of a file")
    swapping.add_argument("file", type=Path, help="CSV or JSON lines with id and title")
    parsers = [listing, adding, removing, swapping]
    for action in parsers:
        action.add_argument("--url", default=DEFAULT_URL, help="URL of the endpoint (default %(default)s)")
        action.add_argument("--timeout-s", type=float, default=600.0, help="timeout in seconds (default %(default)g)")
    return parsers


def run_items(options: argparse.Namespace) -> dict[str, Any]:
    """Run an action of `recsys items`; return the endpoint's answer, or all items for `list`.

    Raises:
        ConfigError: There is nothing to add, or an `--item` is not ID=TITLE.
        DataError: A file cannot be read, or the endpoint refuses the edit.
        RecsysError: The endpoint cannot be reached or failed.
    """
    from recsys_platform.serve.client import edit_items, list_items, swap_items

    if options.action == "list":
        return {"items": list(list_items(options.url, options.timeout_s))}
    if options.action == "swap":
        return swap_items(options.url, read_items(options.file), options.timeout_s)
    if options.action == "remove":
        return edit_items(options.url, remove=read_ids(options.ids), timeout_s=options.timeout_s)
    items = [_read_item(text) for text in options.item] + (read_items(options.file) if options.file else [])
    if not items:
        raise ConfigError("recsys items add must have a file or --item ID=TITLE, got neither")
    return edit_items(options.url, items, read_ids(options.remove), options.timeout_s)


def _read_item(text: str) -> dict[str, str]:
    item_id, separator, title = text.partition("=")
    if not separator or not item_id or not title:
        raise ConfigError(f"--item must be ID=TITLE, got {text!r}")
    return {"id": item_id, "title": title}
