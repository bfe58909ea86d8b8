"""How `recsys new-items` is called, and the help that teaches it."""

import argparse

from recsys_platform.config.input import DEFAULT_NEW_ITEMS

DESCRIPTION = f"""Tell what becomes of items that nobody has bought yet.

The run is done once more without some of its items: data.new_items of them ({DEFAULT_NEW_ITEMS:g} unless it is set), drawn
by seed, leave with all their events before anything is counted, learnt or written. Then the endpoint serves the result
on serve.port, as `recsys serve` does, and:

  1. users are asked for whose next item is a new one, and others; nothing new can be recommended yet
  2. the items are added by POST /v1/items, with title, brand and categories alone, as `recsys items add` does
  3. it takes the seconds until all replicas recommend from them and until the first answer shows one
  4. the same users are asked for again: recall of the new items, how often they are shown, what the others lose

  recsys new-items ray_configs/laptop/demo.yaml
  recsys new-items my.yaml --set data.new_items=0.1 --set evaluate.num_users=1000

evaluate.num_users takes so many users of each kind. The run is an ordinary one, <storage>/<name>/new-items, so `recsys
serve` could go on from it; the report is <storage>/<name>/new-items/report. After an interruption start the command
again: a finished dataset and training are not done again.
"""


def add_new_items_arguments(parser: argparse.ArgumentParser) -> None:
    """Turn the parser of a stage into that of `recsys new-items`."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = DESCRIPTION
