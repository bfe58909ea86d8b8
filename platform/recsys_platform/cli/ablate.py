"""How `recsys ablate` is called, and the help that teaches it."""

import argparse

from recsys_platform.ablate.variants import BASE, FREE_GENERATION, VARIANTS

DESCRIPTION = """Tell what each change of the run is worth: train variants of it over several seeds and compare them.

The run as it stands is the base. Each variant changes a few settings, and is trained and evaluated like the base:

{variants}

A variant whose settings the base has already is left out.

  recsys ablate ray_configs/laptop/ablations.yaml
  recsys ablate ray_configs/laptop/ablations.yaml --only token-masking {free} --seeds 0 1

Runs are ordinary run folders, <storage>/<name>/ablate/<variant>-s<seed>. The result is <storage>/<name>/ablation: a
table in Markdown, further tables for users whose item is rare and for users whose last event has a time of its own, a
plot, and JSON. After an interruption start the command again: what is finished is not done again.
Only where train.epochs ends the trainings, not the clock, do all have the same number of steps.
"""
FREE_TITLE = (
    "trains nothing: a trained model generates without the trie; that of item-loss-lm where the base has item_loss trie"
)


def add_ablate_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `recsys ablate` takes beside the arguments of every stage."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = DESCRIPTION.format(variants=describe_variants(), free=FREE_GENERATION)
    parser.add_argument(
        "--seeds", type=int, nargs="+", default=[0, 1, 2], metavar="N", help="seeds of the trainings (default 0 1 2)"
    )
    parser.add_argument(
        "--only", nargs="+", default=[], metavar="NAME", help="variants to compare with the base (default all)"
    )
    parser.add_argument(
        "--minutes", type=float, metavar="M", help="replaces train.max_minutes: no training takes longer than M minutes"
    )


def describe_variants() -> str:
    """Return a line on each variant with the settings that it changes, and one on free generation."""
    lines = []
    for variant in VARIANTS:
        if variant is not BASE:
            changes = ", ".join(f"{key}={value}" for key, value in variant.changes.items())
            lines += [f"  {variant.name:<16} {variant.title}", f"  {'':<16}   {changes}"]
    return "\n".join([*lines, f"  {FREE_GENERATION:<16} {FREE_TITLE}"])
