"""EntityScorer: a trained entity head over one catalogue, with the weights and counts of its blend."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from recsys_model.backbones.base import Backbone
from recsys_model.entity_config import BlendWeights
from recsys_model.entity_head.co_occurrence import CoOccurrenceCounts
from recsys_model.entity_head.head import EntityHead
from recsys_model.entity_head.storage import load_blend, load_head, write_blend, write_head
from recsys_model.entity_head.vectors import ItemVectors, ItemWithTokens, compute_vectors, extend_vectors, tokens_of


@dataclass(frozen=True, kw_only=True, slots=True)
class EntityScorer:
    """Replaced as a whole when the catalogue grows; the head stays."""

    head: EntityHead
    """The trained tables; vectors of items that are added later come from it."""
    vectors: ItemVectors
    """Of all items of the catalogue."""
    blend: BlendWeights | None = None
    """Weights of a blended score; None if none were fitted."""
    counts: CoOccurrenceCounts | None = None
    """Training events of pairs of items."""

    def of_items(self, model: Backbone, items: Sequence[ItemWithTokens]) -> "EntityScorer":
        """Return the scorer of a longer catalogue that begins with the items of this one."""
        return replace(self, vectors=extend_vectors(self.vectors, self.head, model, items))


def build_scorer(
    head: EntityHead,
    model: Backbone,
    items: Sequence[ItemWithTokens],
    blend: BlendWeights | None = None,
    counts: CoOccurrenceCounts | None = None,
) -> EntityScorer:
    """Return the scorer of a catalogue whose first items are those that the head was trained with.

    Raises:
        ConfigError: head and catalogue do not fit.
    """
    return EntityScorer(head=head, vectors=compute_vectors(head, model, items), blend=blend, counts=counts)


def write_scorer(folder: Path, scorer: EntityScorer) -> None:
    """Write the head and the blend of a scorer into `folder`, which is created."""
    write_head(folder, scorer.head)
    if scorer.blend is not None and scorer.counts is not None:
        write_blend(folder, scorer.blend, scorer.counts)


def load_scorer(folder: Path, model: Backbone, items: Sequence[ItemWithTokens]) -> EntityScorer | None:
    """Read the entity head in `folder` for a catalogue; None where there is no such folder.

    Raises:
        CheckpointError: a file is missing or damaged, or head, model and catalogue do not fit each other.
    """
    if not folder.is_dir():
        return None
    head = load_head(folder, model.config.hidden_size, [tokens_of(item) for item in items]).to(model.device)
    return build_scorer(head, model, items, *load_blend(folder))
