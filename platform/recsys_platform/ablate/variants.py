"""The variants: what each changes in a run's settings, and the folders of their runs.

A variant is a few settings that take the place of the base's. All else is the same, the number of steps too, as
long as `train.epochs` ends a run.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from recsys_model.config import require
from recsys_platform.config.run import RunConfig
from recsys_platform.reuse import data_settings

FOLDER = "ablate"
"""Folder of all runs, inside that of the base."""
FREE_GENERATION = "free-generation"
"""Name of the comparison that trains nothing: the items of a trained model without the trie."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Variant:
    """One row of the table."""

    name: str
    """How the command line and the folders call it."""
    title: str
    """What it is, in words."""
    changes: Mapping[str, Any]
    """Settings in place of the base's, `section.key` -> value."""
    needs_head: bool = False
    """Whether it takes a part of the entity head away, which the base must have then."""
    needs_blend: bool = False
    """Whether it takes a part of the blended score away, which the base must have then."""
    trains: bool = True
    """Whether it has a training of its own; otherwise it evaluates the base's checkpoint of the same seed."""

    def apply(self, config: RunConfig) -> RunConfig:
        """Return the run with the changes; as it is where it lacks what the variant takes away."""
        if self.needs_head and not config.entity.enabled:
            return config
        if self.needs_blend and config.decoding.scoring != "blend":
            return config
        sections: dict[str, dict[str, Any]] = {}
        for path, value in self.changes.items():
            section, key = path.split(".")
            sections.setdefault(section, {})[key] = value
        for section, values in sections.items():
            # all of a section at once: settings check each other
            changed = dataclasses.replace(getattr(config, section), **values)
            config = dataclasses.replace(config, **{section: changed})
        return config


BASE = Variant(name="base", title="base, the settings as they are", changes={})
NEXT_ITEM_ONLY = {f"objective.{level}_weight": 0.0 for level in ("entity", "sentence", "document")}
PLAIN = {"objective.mask_units": "token", "objective.span_order": "shuffled", "objective.intra_mode": "glm"}
VARIANTS = (
    BASE,
    Variant(
        name="token-masking",
        title="single tokens masked, not whole entities",
        changes={"objective.mask_units": "token"},
    ),
    Variant(
        name="shuffled-spans",
        title="hidden spans shuffled, not in chronological order",
        changes={"objective.span_order": "shuffled"},
    ),
    Variant(
        name="last-events",
        title="the latest events, not long, medium and short-term ones",
        changes={"window.bounds": "last"},
    ),
    Variant(
        name="intra-run",
        title="intra positions count runs of plain tokens too",
        changes={"objective.intra_mode": "run"},
    ),
    Variant(
        name="intra-glm", title="intra positions of plain GLM, not of entities", changes={"objective.intra_mode": "glm"}
    ),
    Variant(name="plain-glm", title="plain GLM: masks, order and positions know no entities", changes=PLAIN),
    Variant(
        name="item-loss-lm",
        title="an item's tokens normalised over the vocabulary",
        changes={"objective.item_loss": "lm"},
    ),
    Variant(
        name="item-loss-trie",
        title="an item's tokens normalised over the trie",
        changes={"objective.item_loss": "trie"},
    ),
    Variant(name="next-item-only", title="no blank infilling, the supervised task alone", changes=NEXT_ITEM_ONLY),
    Variant(
        name="ties-seeded",
        title="events of one time in a seeded order, not in the table's",
        changes={"data.tie_order": "seeded"},
    ),
    Variant(
        name="head-off",
        title="no entity head, items are scored by their tokens alone",
        changes={
            "entity.enabled": False,
            "train.keep": "last",
            "train.patience": None,
            "decoding.scoring": "trie",
            "objective.token_loss_weight": 1.0,
            "objective.history": "tokens",
        },
        needs_head=True,
    ),
    Variant(
        name="residuals-off",
        title="item vectors of words alone, no free part",
        changes={"entity.residuals": False},
        needs_head=True,
    ),
    Variant(
        name="words-off", title="item vectors of ids alone, no words", changes={"entity.words": False}, needs_head=True
    ),
    Variant(
        name="inputs-off",
        title="items are told by their tokens alone, no vector on the inputs",
        changes={"entity.inputs": False, "entity.earlier_inputs": False, "objective.history": "tokens"},
        needs_head=True,
    ),
    Variant(
        name="earlier-inputs-off",
        title="an input carries the last item alone, not the two before it",
        changes={"entity.earlier_inputs": False},
        needs_head=True,
    ),
    Variant(
        name="token-loss-off",
        title="the loss over whole items alone, none over tokens",
        changes={"objective.token_loss_weight": 0.0},
        needs_head=True,
    ),
    Variant(
        name="items-alone",
        title="the base's model, items ranked by the score of whole items alone, not blended",
        changes={"decoding.scoring": "entity"},
        needs_blend=True,
        trains=False,
    ),
    Variant(
        name="tokens-alone",
        title="the base's model, items ranked by their tokens in the trie alone, not blended",
        changes={"decoding.scoring": "trie"},
        needs_blend=True,
        trains=False,
    ),
)
"""Every variant there is; one that changes nothing in a base is no row of its table."""


def choose_variants(base: RunConfig, only: Sequence[str] = ()) -> list[Variant]:
    """Return the base and the variants that differ from it, all or those called `only`; `free-generation` is none.

    Raises:
        ConfigError: a name is unknown, or the base has the settings of a variant that was asked for by name.
    """
    names = [variant.name for variant in VARIANTS]
    unknown = sorted(set(only) - {*names, FREE_GENERATION})
    require(not unknown, f"--only must name variants of {[*names, FREE_GENERATION]}, got {unknown}")
    different = [variant for variant in VARIANTS if variant is BASE or variant.apply(base) != base]
    same = sorted(set(only) & (set(names) - {variant.name for variant in different}))
    require(not same, f"--only names {same}, but the base has these settings already; leave the name out")
    return [variant for variant in different if not only or variant is BASE or variant.name in only]


def same_as_base(base: RunConfig) -> list[Variant]:
    """Return the variants that change nothing in this base."""
    return [variant for variant in VARIANTS if variant is not BASE and variant.apply(base) == base]


def data_run(base: RunConfig, variant: Variant) -> RunConfig:
    """Return the run whose dataset a variant reads: the base, unless the variant changes what the data stage does."""
    changed = variant.apply(base)
    if data_settings(changed) == data_settings(base):
        return base
    return dataclasses.replace(changed, name=f"data-{variant.name}", storage=str(base.folder / FOLDER), dataset=None)


def build_run(base: RunConfig, variant: Variant, seed: int, max_minutes: float | None = None) -> RunConfig:
    """Return the run of one variant and seed, on the dataset of its `data_run`.

    The seed shapes the training alone: histories and users are those of the base's own seed. A variant without a
    training of its own uses the checkpoint of the base's run.
    """
    changed = variant.apply(base)
    train = changed.train if max_minutes is None else dataclasses.replace(changed.train, max_minutes=max_minutes)
    return dataclasses.replace(
        changed,
        name=f"{variant.name}-s{seed}",
        storage=str(base.folder / FOLDER),
        dataset=str(data_run(base, variant).dataset_folder),
        checkpoint=None if variant.trains else str(build_run(base, BASE, seed).checkpoint_folder),
        seed=seed,
        train=train,
    )


def free_generation_folder(base: RunConfig, seed: int) -> Path:
    """Return where free generation with the model of one seed is evaluated."""
    return base.folder / FOLDER / f"{FREE_GENERATION}-s{seed}" / "evaluation"


def source_of_free_generation(base: RunConfig) -> Variant:
    """Return the variant whose model writes freely: the base, or with `item_loss: trie` the one that learnt the vocabulary.

    A loss over trie children never says that other tokens are wrong, so such a model cannot write without the trie.
    """
    if base.objective.item_loss == "lm":
        return BASE
    return next(variant for variant in VARIANTS if variant.name == "item-loss-lm")
