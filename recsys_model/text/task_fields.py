"""Values of template fields as tokens: titles and feature values are entities, all other words are text.

Each value is tokenised separately and begins with a blank.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from recsys_model.config import TextConfig
from recsys_model.text.language import LANGUAGES
from recsys_model.text.task_facts import TaskFacts, fold
from recsys_model.text.textualize import (
    ATTRIBUTE,
    Behaviour,
    EntityTokens,
    TokenizedText,
    describe_field,
)
from recsys_model.text.tokenizer import Tokenizer


@dataclass(slots=True)
class Value:
    """The value of one field, in pieces that can be left out one by one."""

    field: str
    """Name of the field."""
    pieces: list[TokenizedText]
    """Behaviours, features or candidates in order, or the value as one piece; empty if the fact is unknown."""

    def __len__(self) -> int:
        return sum(len(piece) for piece in self.pieces)


class FieldWriter:
    """Writes the value of any field."""

    def __init__(
        self,
        tokenizer: Tokenizer,
        catalog: EntityTokens,
        config: TextConfig,
        item_attributes: Sequence[Mapping[str, str]],
    ) -> None:
        self._catalog = catalog
        self._config = config
        self._language = LANGUAGES[config.language]
        self._item_attributes = item_attributes
        self._tokenizer = tokenizer
        self._encode_text = lru_cache(maxsize=65536)(tokenizer.encode_text)
        self._encode_entity = lru_cache(maxsize=65536)(tokenizer.encode_entity)

    def literal(self, text: str) -> TokenizedText:
        """Return words of a template."""
        return TokenizedText(token_ids=list(self._encode_text(text)))

    def free_text(self, text: str) -> TokenizedText:
        """Return a review or an answer in words; all its tokens are separate tokens."""
        return TokenizedText(token_ids=self._tokenizer.encode_text(f" {fold(text)}"))

    def item(self, item: int) -> TokenizedText:
        """Return the entity of an item."""
        text = TokenizedText()
        text.add_entity(self._catalog.items[item].token_ids, item)
        return text

    def value(self, name: str, facts: TaskFacts) -> Value:
        """Return the value of a field; it has no pieces if the fact is unknown."""
        if name == "user":
            return Value(name, self._named(facts.features))
        if name == "attributes":
            return Value(name, self._named(self._attributes(facts.asked_item)))
        if name == "history":
            return Value(name, self._listed(self._behaviour(event) for event in facts.history))
        if name == "candidates":
            return Value(name, self._listed(self.item(item) for item in facts.candidates))
        if name == "item":
            return Value(name, [] if facts.asked_item is None else [self.item(facts.asked_item)])
        return Value(name, self._words(name, facts))

    def _attributes(self, item: int | None) -> Mapping[str, str]:
        if not self._item_attributes or item is None:
            return {}
        names = self._language.attribute_names
        return {names.get(name, name): value for name, value in self._item_attributes[item].items()}

    def _words(self, name: str, facts: TaskFacts) -> list[TokenizedText]:
        if name in ("review", "summary"):
            text = facts.review if name == "review" else facts.summary
            return [self.free_text(text)] if fold(text) else []
        word = fold(facts.feature) if name == "feature" else "" if facts.rating is None else f"{facts.rating:g}"
        return [self._attribute(word)] if word else []

    def _named(self, name_to_value: Mapping[str, str]) -> list[TokenizedText]:
        """Return `name value` for each feature, a separator before all but the first, which begins with a blank."""
        pieces: list[TokenizedText] = []
        for name, value in name_to_value.items():
            if not fold(value):
                continue
            opening = f"{self._language.feature_separator}{self._language.gap}" if pieces else " "
            piece = self.literal(f"{opening}{name}")
            piece.extend(self._attribute(value))
            pieces.append(piece)
        return pieces

    def _listed(self, entries: Iterable[TokenizedText]) -> list[TokenizedText]:
        """Return the entries, a separator behind all but the last; it is tokenised apart, so none in a title counts."""
        pieces = list(entries)
        for piece in pieces[:-1]:
            piece.add_text(self._encode_text(self._language.list_separator))
        return pieces

    def _behaviour(self, behaviour: Behaviour) -> TokenizedText:
        text = self.item(behaviour.item)
        for name in self._config.behaviour_fields:
            field_text = describe_field(behaviour, name, self._language)
            if field_text is not None:
                text.add_text(self._encode_text(field_text))
        return text

    def _attribute(self, value: str) -> TokenizedText:
        text = TokenizedText()
        token_ids = self._catalog.attributes.get(value)
        text.add_entity(self._encode_entity(value) if token_ids is None else token_ids, ATTRIBUTE)
        return text
