"""Arguments of `recsys recommend`, and the request that they describe."""

import argparse
from typing import Any

from recsys_model.errors import ConfigError
from recsys_platform.cli.item_files import read_ids
from recsys_platform.cli.summaries import DEFAULT_URL


def add_recommend_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `recsys recommend`."""
    parser.add_argument("--url", default=DEFAULT_URL, help="URL of the endpoint (default %(default)s)")
    parser.add_argument(
        "--history",
        action="append",
        default=[],
        metavar="ITEM[@TIME]",
        help="an item id or title, optionally with an ISO 8601 time; oldest first; repeatable",
    )
    parser.add_argument(
        "--feature", action="append", default=[], metavar="NAME=VALUE", help="a user feature; repeatable"
    )
    parser.add_argument("-k", type=int, default=10, help="number of items (default %(default)s)")
    parser.add_argument("--include-seen", action="store_true", help="also recommend items of the history")
    parser.add_argument(
        "--deny",
        action="append",
        default=[],
        metavar="ID",
        help="never recommend this item, or @FILE with one id per line; repeatable",
    )
    parser.add_argument(
        "--allow",
        action="append",
        metavar="ID",
        help="recommend only this item, for example if it is in stock, or @FILE with one id per line; repeatable",
    )
    parser.add_argument("--timeout-s", type=float, default=30.0, help="timeout in seconds (default %(default)g)")


def build_payload(options: argparse.Namespace) -> dict[str, Any]:
    """Return the JSON body of the request that the arguments describe.

    Raises:
        ConfigError: A `--feature` is not NAME=VALUE.
        DataError: A file of item ids cannot be read.
    """
    payload: dict[str, Any] = {
        "history": [read_event(text) for text in options.history],
        "k": options.k,
        "user_features": dict(read_feature(text) for text in options.feature),
        "exclude_seen": not options.include_seen,
        "deny": read_ids(options.deny),
    }
    return payload if options.allow is None else payload | {"allow": read_ids(options.allow)}


def read_event(text: str) -> dict[str, str]:
    """Parse `item@time`; an `@` without a time after it is part of the title.

    Example:
        >>> read_event("Red Tent@2024-05-01"), read_event("Lamp @home")
        ({'item': 'Red Tent', 'time': '2024-05-01'}, {'item': 'Lamp @home'})
    """
    item, separator, time = text.rpartition("@")
    if separator and time[:4].isdigit():
        return {"item": item, "time": time}
    return {"item": text}


def read_feature(text: str) -> tuple[str, str]:
    """Parse `name=value`.

    Raises:
        ConfigError: The name or the equals sign is missing.
    """
    name, separator, value = text.partition("=")
    if not separator or not name:
        raise ConfigError(f"--feature must be NAME=VALUE, got {text!r}")
    return name, value
