"""How `recsys recommend` is called."""

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what a request to a running endpoint consists of."""
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
