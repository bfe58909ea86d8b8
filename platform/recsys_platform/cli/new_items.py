"""Arguments and help of `recsys new-items`."""

import argparse

from recsys_platform.config.input import DEFAULT_NEW_ITEMS

DESCRIPTION = f"""Measure how new items are recommended that no user has bought yet.

The command trains a second run without some of the items. It draws the share data.new_items ({DEFAULT_NEW_ITEMS:g} by
default) by seed and removes these items with all their events before the data stage. Then it serves the trained model
on serve.port, like `recsys serve`, and:

  1. requests recommendations for users whose next item is a new one, and for other users; no new item can appear yet
  2. adds the items by POST /v1/items with only title, brand and categories, like `recsys items add`
  3. measures the seconds until all replicas have them and until the first answer contains one
  4. requests the same users again: recall of the new items, how often they appear, what the other users get

  recsys new-items ray_configs/laptop/demo.yaml
  recsys new-items my.yaml --set data.new_items=0.1 --set evaluate.num_users=1000

evaluate.num_users is the number of users of each of the two kinds. The run folder is <storage>/<name>/new-items; the
report is <storage>/<name>/new-items/report. After an interruption, run the same command again: it skips a finished
dataset and training.
"""


def add_new_items_arguments(parser: argparse.ArgumentParser) -> None:
    """Set the help of `recsys new-items`; it has no arguments of its own."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = DESCRIPTION
