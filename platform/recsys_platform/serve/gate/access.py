"""Whether an endpoint has keys, where they come from, and whether it may be opened to the network."""

from collections.abc import Mapping
from pathlib import Path

from recsys_model.config import require
from recsys_model.errors import ConfigError
from recsys_platform.config.serve import ServeConfig
from recsys_platform.serve.address import is_loopback
from recsys_platform.serve.gate.key_file import CREATE, KEYS_VARIABLE, FixedKeys, KeySource, WatchedKeyFile, parse_keys


def environment_keys(environment: Mapping[str, str]) -> FixedKeys | None:
    """Return the keys in the variable `RECSYS_KEYS`, or None if it is not set.

    Raises:
        ConfigError: Its content is not that of a file of keys.
    """
    text = environment.get(KEYS_VARIABLE)
    return FixedKeys(parse_keys(text, KEYS_VARIABLE)) if text else None


def key_source(config: ServeConfig, environment: FixedKeys | None) -> KeySource | None:
    """Return where the keys of an endpoint come from, or None if it has none.

    Raises:
        ConfigError: Both the file and the variable are set, or the file is not valid.
    """
    if config.keys_file is None:
        return environment
    require(
        environment is None,
        f"keys are in serve.keys_file {config.keys_file} and in {KEYS_VARIABLE}; unset one of them",
    )
    return WatchedKeyFile(Path(config.keys_file).expanduser())


def check_access(config: ServeConfig, environment: Mapping[str, str]) -> None:
    """Refuse an endpoint that everyone on the network could use. Reads the keys; Ray is not needed.

    Raises:
        ConfigError: The address is public and there is no key, or the keys are not valid.
    """
    source = key_source(config, environment_keys(environment))
    if is_loopback(config.host) or (source is not None and source.current()):
        return
    raise ConfigError(
        f"serve.host {config.host} opens the endpoint to the network, but it has no API key: {CREATE} and set "
        "serve.keys_file, or keep the endpoint on this machine with --set serve.host=127.0.0.1"
    )
