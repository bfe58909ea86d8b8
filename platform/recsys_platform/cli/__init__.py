"""The command `recsys`: what it understands, what it runs and what it prints."""

from recsys_platform.cli.commands import main
from recsys_platform.cli.parser import build_parser

__all__ = ["build_parser", "main"]
