"""Arguments, help and code of `recsys keys`."""

import argparse
import dataclasses
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from recsys_model.errors import ConfigError
from recsys_platform.serve.gate.key_file import read_keys, write_keys
from recsys_platform.serve.gate.keys import SCOPES, ApiKey, digest_of, new_secret

DESCRIPTION = """Make and revoke the API keys of an endpoint. A running endpoint reads the file again within a second.

  recsys keys create keys.json --name shop --scope read --rate-per-s 50 --burst 100
  recsys keys create keys.json --name editors --scope read --scope edit
  recsys keys list keys.json
  recsys keys revoke keys.json shop
  recsys serve CONFIG --set serve.keys_file=keys.json --set serve.host=0.0.0.0

The file holds SHA-256 digests, so a key is shown once, when it is made. Clients send it as `Authorization: Bearer KEY`;
`recsys recommend` and `recsys items` take it from the variable RECSYS_KEY.

Scopes: read (recommendations, lists of items), edit (changes of the catalogue), admin (everything).
"""


def add_keys_arguments(parser: argparse.ArgumentParser) -> list[argparse.ArgumentParser]:
    """Add the arguments of `recsys keys`; return the parsers of its actions."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = DESCRIPTION
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    creating = actions.add_parser("create", help="add a key to the file, which is made if it is missing")
    listing = actions.add_parser("list", help="print names, scopes and limits")
    revoking = actions.add_parser("revoke", help="remove a key from the file")
    parsers = [creating, listing, revoking]
    for action in parsers:
        action.add_argument("file", type=Path, help="file of keys, for serve.keys_file")
    creating.add_argument("--name", required=True, help="name in logs and for revoking")
    creating.add_argument("--scope", action="append", required=True, choices=SCOPES, help="repeatable")
    creating.add_argument("--rate-per-s", type=float, metavar="N", help="requests a second (default: unlimited)")
    creating.add_argument("--burst", type=int, metavar="N", help="requests at once (default: the rate, rounded up)")
    revoking.add_argument("name", help="name of the key")
    return parsers


def run_keys(options: argparse.Namespace) -> dict[str, Any]:
    """Run an action of `recsys keys`; return the keys of the file, and for `create` the new key.

    Raises:
        ConfigError: The file is not valid or cannot be written, the name is taken or unknown, or a limit is out of range.
    """
    if options.action == "list":
        return _result(read_keys(options.file))
    if options.action == "revoke":
        return _revoke(options.file, options.name)
    return _create(options)


def describe(result: Mapping[str, Any]) -> str:
    """Return the new key, if there is one, and a line for each key of the file."""
    lines = [
        f"{each['name']}\t{', '.join(each['scopes'])}\t{_limit_of(each)}\t{each['created']}" for each in result["keys"]
    ]
    if "key" not in result:
        return "\n".join([*lines, f"{len(lines)} keys"])
    return f"the key {result['name']}, which is shown only now:\n{result['key']}"


def _limit_of(key: Mapping[str, Any]) -> str:
    return "unlimited" if key["rate_per_s"] is None else f"{key['rate_per_s']:g} requests a second"


def _create(options: argparse.Namespace) -> dict[str, Any]:
    secret = new_secret()
    key = ApiKey(
        name=options.name,
        sha256=digest_of(secret),
        scopes=tuple(dict.fromkeys(options.scope)),
        rate_per_s=options.rate_per_s,
        burst=options.burst,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    keys = read_keys(options.file) if options.file.exists() else ()
    write_keys(options.file, [*keys, key])
    return {"name": key.name, "key": secret, **_result([*keys, key])}


def _revoke(path: Path, name: str) -> dict[str, Any]:
    keys = read_keys(path)
    kept = [key for key in keys if key.name != name]
    if len(kept) == len(keys):
        raise ConfigError(
            f"{path} has no key of the name {name}; it has {', '.join(key.name for key in keys) or 'none'}"
        )
    write_keys(path, kept)
    return {"name": name, **_result(kept)}


def _result(keys: Sequence[ApiKey]) -> dict[str, Any]:
    """Return what is told of keys: all but their digests."""
    return {
        "keys": [{name: value for name, value in dataclasses.asdict(key).items() if name != "sha256"} for key in keys]
    }
