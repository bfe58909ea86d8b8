"""Arguments and help of `recsys ablate`."""

import argparse

from recsys_platform.ablate.variants import BASE, FREE_GENERATION, VARIANTS

DESCRIPTION = """Measure what each part of a run contributes: train variants of it over several seeds and compare them.

The run itself is the base. Each variant changes a few settings, and is trained and evaluated like the base:

{variants}

A variant is skipped if the base already has its settings.

  recsys ablate ray_configs/laptop/ablations.yaml
  recsys ablate ray_configs/laptop/ablations.yaml --only token-masking {free} --seeds 0 1

Each training has a run folder <storage>/<name>/ablate/<variant>-s<seed>. The result is <storage>/<name>/ablation: a
table in Markdown, further tables for users whose target item is rare and for users whose last event has a time of its
own, a plot and JSON. After an interruption, run the same command again: it skips finished trainings and evaluations.
All trainings have the same number of steps only if train.epochs ends them, not train.max_minutes.
"""
FREE_TITLE = (
    "trains nothing: a trained model generates without the trie, the one of item-loss-lm if the base has item_loss trie"
)


def add_ablate_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `recsys ablate` that other stages do not have."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = DESCRIPTION.format(variants=describe_variants(), free=FREE_GENERATION)
    parser.add_argument(
        "--seeds", type=int, nargs="+", default=[0, 1, 2], metavar="N", help="seeds of the trainings (default 0 1 2)"
    )
    parser.add_argument(
        "--only", nargs="+", default=[], metavar="NAME", help="variants to compare with the base (default: all)"
    )
    parser.add_argument(
        "--minutes",
        type=float,
        metavar="M",
        help="overrides train.max_minutes: the maximum length of each training, in minutes",
    )


def describe_variants() -> str:
    """Return two lines per variant, its title and the settings that it changes, and one line on free generation."""
    lines = []
    for variant in VARIANTS:
        if variant is not BASE:
            changes = ", ".join(f"{key}={value}" for key, value in variant.changes.items())
            lines += [f"  {variant.name:<16} {variant.title}", f"  {'':<16}   {changes}"]
    return "\n".join([*lines, f"  {FREE_GENERATION:<16} {FREE_TITLE}"])
