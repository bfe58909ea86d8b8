"""ServedCatalog: one version of the catalogue and everything built from it."""

from dataclasses import dataclass

from recsys_model.decoding.generator import TrieGuidedGenerator
from recsys_model.entities.live_catalog import LiveCatalog
from recsys_model.text.textualize import Textualizer


@dataclass(frozen=True, kw_only=True, slots=True)
class ServedCatalog:
    """One version of the catalogue and everything built from it; an edit replaces the whole object."""

    catalog: LiveCatalog
    """Resolves item ids and titles."""
    textualizer: Textualizer
    """Writes histories of its items as text."""
    generator: TrieGuidedGenerator
    """Searches the items that are not removed."""

    def title_of(self, index: int) -> str:
        """Return the title of an item; one without a title is shown with the text that the model generates for it."""
        item = self.catalog.items[index]
        return item.title or item.text
