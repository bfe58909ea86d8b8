"""Arguments of the Serve application, and the Serve config file that gives them."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recsys_model.errors import ConfigError
from recsys_platform.config.serve import ServeConfig
from recsys_platform.config.strict import build_section

IMPORT_PATH = "recsys_platform.serve.app:build_app"
PROXY_PATIENCE_S = 5.0
"""How much longer than `serve.request_timeout_s` the proxy waits: the endpoint says first what took so long."""
PROXY_FIELDS = ("host", "port")
APPLICATION_FIELDS = ("name", "route_prefix")
COMMAND_FIELDS = ("start_timeout_s",)
"""Settings of `recsys serve` that the application does not read."""


def serve_config(bundle: Path, config: ServeConfig, name: str) -> dict[str, Any]:
    """Return the content of a Serve config file for `serve deploy` and RayService; `name` is that of the application."""
    settings = dataclasses.asdict(config)
    if config.keys_file is not None:
        settings["keys_file"] = str(Path(config.keys_file).expanduser().absolute())
    address = {field: settings.pop(field) for field in PROXY_FIELDS}
    for field in (*APPLICATION_FIELDS, *COMMAND_FIELDS):
        del settings[field]
    return {
        "http_options": {**address, "request_timeout_s": config.request_timeout_s + PROXY_PATIENCE_S},
        "applications": [
            {
                "name": name,
                "route_prefix": config.route_prefix,
                "import_path": IMPORT_PATH,
                "args": {"bundle": str(bundle), **settings},
            }
        ],
    }


def read_args(args: Mapping[str, Any]) -> tuple[str, ServeConfig]:
    """Return bundle and settings of `build_app`'s arguments.

    Raises:
        ConfigError: arguments are missing, unknown or invalid.
    """
    bundle = args.get("bundle")
    for fields, place in (
        (PROXY_FIELDS, "http_options of the Serve config"),
        (APPLICATION_FIELDS, "the application in the Serve config"),
        (COMMAND_FIELDS, "the run file of `recsys serve`"),
    ):
        misplaced = [name for name in fields if name in args]
        if misplaced:
            raise ConfigError(f"args.{misplaced[0]} belongs into {place}, not into its args")
    if not isinstance(bundle, str) or not Path(bundle).is_absolute():
        raise ConfigError(f"args.bundle must be the absolute path of a bundle artifact, got {bundle!r}")
    settings = {name: value for name, value in args.items() if name != "bundle"}
    config = build_section(ServeConfig, settings, "args of the Serve application")
    if config.keys_file is not None and not Path(config.keys_file).is_absolute():
        raise ConfigError(f"args.keys_file must be an absolute path, got {config.keys_file!r}")
    return bundle, config
