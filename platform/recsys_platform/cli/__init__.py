"""The command `recsys`: its parser, the code of each sub-command and the texts that it prints."""

from recsys_platform.cli.commands import main
from recsys_platform.cli.parser import build_parser

__all__ = ["build_parser", "main"]
