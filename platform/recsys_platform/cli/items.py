"""How `recsys items` is called, what it does, and the help that teaches it."""

import argparse
from pathlib import Path
from typing import Any

from recsys_model.errors import ConfigError
from recsys_platform.cli.item_files import read_ids, read_items

DESCRIPTION = """Edit the catalogue of a running endpoint, on all of its replicas, without a restart.

  recsys items list
  recsys items add new.csv                       id,title and if known brand,categories (a|b); or JSON lines
  recsys items add --item B07="Camping Stove"
  recsys items remove B07 @sold-out.txt          @FILE names one id a line
  recsys items add new.csv --remove @old.txt     one step: no request sees only a part of it
  recsys items swap catalog.jsonl                from now on exactly these items

Titles are what the model generates. An item that it was not trained on is scored by its title alone. Removed items may
still stand in histories. The edits lie beside the bundle and are made again when it is served again.
The endpoint has to allow it: recsys serve CONFIG --set serve.catalog_edits=true
"""


def add_items_arguments(parser: argparse.ArgumentParser) -> list[argparse.ArgumentParser]:
    """Add what `recsys items` takes; return the parsers of its actions."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = DESCRIPTION
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="print the items, oldest first")
    adding = actions.add_parser("add", help="add the items of a file, or --item")
    adding.add_argument("file", nargs="?", type=Path, help="CSV or JSON lines with id and title")
    adding.add_argument("--item", action="append", default=[], metavar="ID=TITLE", help="an item; repeatable")
    adding.add_argument("--remove", action="append", default=[], metavar="ID", help="remove in the same step; or @FILE")
    removing = actions.add_parser("remove", help="remove items by their ids")
    removing.add_argument("ids", nargs="+", metavar="ID", help="an item id, or @FILE with one a line")
    swapping = actions.add_parser("swap", help="make the items of a file the whole catalogue")
    swapping.add_argument("file", type=Path, help="CSV or JSON lines with id and title")
    parsers = [listing, adding, removing, swapping]
    for action in parsers:
        action.add_argument("--url", default="http://127.0.0.1:8000", help="the endpoint (default %(default)s)")
        action.add_argument("--timeout-s", type=float, default=600.0, help="seconds to wait (default %(default)g)")
    return parsers


def run_items(options: argparse.Namespace) -> dict[str, Any]:
    """Do what `recsys items` was asked for; return the endpoint's answer, or `items` of a list.

    Raises:
        ConfigError: there is nothing to add, or an `--item` is not ID=TITLE.
        DataError: a file cannot be read, or the endpoint refuses the edit.
        RecsysError: the endpoint cannot be reached or failed.
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
        raise ConfigError("recsys items add wants a file or --item ID=TITLE, got neither")
    return edit_items(options.url, items, read_ids(options.remove), options.timeout_s)


def _read_item(text: str) -> dict[str, str]:
    item_id, separator, title = text.partition("=")
    if not separator or not item_id or not title:
        raise ConfigError(f"--item wants ID=TITLE, got {text!r}")
    return {"id": item_id, "title": title}
