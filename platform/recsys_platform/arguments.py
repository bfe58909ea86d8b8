"""What the command line understands of one typed event, and of one typed feature."""

from recsys_model.errors import ConfigError


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


def read_feature(text: str) -> tuple[str, str]:
    """Read `name=value`.

    Raises:
        ConfigError: there is no name or no equals sign.
    """
    name, separator, value = text.partition("=")
    if not separator or not name:
        raise ConfigError(f"--feature wants NAME=VALUE, got {text!r}")
    return name, value
