"""Turn user features and behaviours into one text with marked entities (paper, Data Phase).

    User: age 25-34, city Berlin. History: Red Tent, buy. Red Tent Pole. Camping Stove

Values of features and titles of items are entities; everything else is plain text. A behaviour is
a sentence with its own full stop, so a full stop inside a title does not end one. The words and marks are those of
`text.language` (`recsys_model.text.language`).
"""

import bisect
import copy
import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Protocol

from recsys_model.config import TextConfig
from recsys_model.errors import DataError
from recsys_model.text.language import LANGUAGES, Language
from recsys_model.text.tokenizer import Tokenizer

ATTRIBUTE = -1
"""Value in `entity_items` for an entity that is not an item."""
NUM_FRAME_TOKENS = 2
"""`[CLS]` and `[EOS]`."""


class TokenizedEntity(Protocol):
    """Anything with token ids."""

    @property
    def token_ids(self) -> Sequence[int]:
        """Tokens of the entity."""
        ...


class EntityTokens(Protocol):
    """The part of a catalogue that this module uses."""

    @property
    def items(self) -> Sequence[TokenizedEntity]:
        """Items in catalogue order."""
        ...

    @property
    def attributes(self) -> Mapping[str, Sequence[int]]:
        """Attribute value -> its tokens."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Behaviour:
    """One event of a user's history."""

    item: int
    """Index in the catalogue."""
    timestamp: float
    """Unix seconds."""
    action: str | None = None
    """What the user did, if known."""
    categories: tuple[str, ...] = ()
    """Categories of the item, coarse to fine."""
    rating: float | None = None
    """Rating by the user, if known."""


@dataclass(slots=True)
class TokenizedText:
    """Token ids of a text, without `[CLS]` and `[EOS]`, and where its entities and sentences are."""

    token_ids: list[int] = field(default_factory=list)
    """The tokens."""
    entity_starts: list[int] = field(default_factory=list)
    """First token of each entity."""
    entity_ends: list[int] = field(default_factory=list)
    """One past the last token of each entity."""
    entity_items: list[int] = field(default_factory=list)
    """Catalogue index of each entity, or `ATTRIBUTE`."""
    sentence_ends: list[int] = field(default_factory=list)
    """One past the last token of each sentence."""

    def __len__(self) -> int:
        return len(self.token_ids)

    def add_text(self, token_ids: Sequence[int]) -> None:
        """Append plain text."""
        self.token_ids.extend(token_ids)

    def add_entity(self, token_ids: Sequence[int], item: int) -> None:
        """Append an entity."""
        self.entity_starts.append(len(self.token_ids))
        self.token_ids.extend(token_ids)
        self.entity_ends.append(len(self.token_ids))
        self.entity_items.append(item)

    def end_sentence(self) -> None:
        """Mark the end of a sentence here."""
        self.sentence_ends.append(len(self.token_ids))

    def extend(self, other: "TokenizedText") -> None:
        """Append another text."""
        offset = len(self.token_ids)
        self.token_ids.extend(other.token_ids)
        self.entity_starts.extend(start + offset for start in other.entity_starts)
        self.entity_ends.extend(end + offset for end in other.entity_ends)
        self.entity_items.extend(other.entity_items)
        self.sentence_ends.extend(end + offset for end in other.sentence_ends)

    def before(self, entity: int) -> "TokenizedText":
        """Return the text in front of one of its entities, an index into `entity_starts`."""
        return self.first_tokens(self.entity_starts[entity])

    def first_tokens(self, num_tokens: int) -> "TokenizedText":
        """Return the first tokens; an entity that they would cut is left out from its first token on."""
        num_entities = bisect.bisect_right(self.entity_ends, num_tokens)
        if num_entities < len(self.entity_starts):
            num_tokens = min(num_tokens, self.entity_starts[num_entities])
        return TokenizedText(
            token_ids=self.token_ids[:num_tokens],
            entity_starts=self.entity_starts[:num_entities],
            entity_ends=self.entity_ends[:num_entities],
            entity_items=self.entity_items[:num_entities],
            sentence_ends=[end for end in self.sentence_ends if end <= num_tokens],
        )


class Textualizer:
    """Builds the text of one example."""

    def __init__(self, tokenizer: Tokenizer, catalog: EntityTokens, config: TextConfig) -> None:
        self._config = config
        self._language = LANGUAGES[config.language]
        self._catalog = catalog
        self._encode_text = lru_cache(maxsize=65536)(tokenizer.encode_text)
        self._encode_entity = lru_cache(maxsize=65536)(tokenizer.encode_entity)

    def of_catalog(self, catalog: EntityTokens) -> "Textualizer":
        """Return a textualizer of another catalogue that shares the token cache."""
        other = copy.copy(self)
        other._catalog = catalog
        return other

    def build(
        self, features: Mapping[str, str], history: Sequence[Behaviour], target: int | None = None
    ) -> TokenizedText:
        """Return the text of a user's features and history, chronological, and of the target at its end.

        The oldest behaviour is dropped first, then the last feature, until the text fits. Behaviours that take more than half of
        the room go before, if more behaviours are told then: one long title does not drop the past.

        Raises:
            DataError: the target alone is longer than `max_tokens`.
        """
        answer = TokenizedText()
        if target is not None:
            answer.add_entity(self._catalog.items[target].token_ids, target)
            answer.end_sentence()
        opening = TokenizedText()
        opening.add_text(self._encode_text(history_opening(self._language, is_first=not features)))
        room = self._config.max_tokens - NUM_FRAME_TOKENS - len(opening) - len(answer)
        if room < 0:
            raise DataError(
                f"text.max_tokens is {self._config.max_tokens}, too small for an item of {len(answer)} tokens; raise it"
            )
        text = self._features(features, room)
        text.extend(opening)
        for sentence in self._latest_that_fit(history, room - len(text) + len(opening)):
            text.extend(sentence)
        text.extend(answer)
        return text

    def _features(self, features: Mapping[str, str], room: int) -> TokenizedText:
        """Return as many features as fit into `room` tokens, as one sentence."""
        if not features:
            return TokenizedText()
        text = TokenizedText()
        end = self._encode_text(self._language.sentence_end)
        for name, value in features.items():
            piece = TokenizedText()
            piece.add_text(self._encode_text(feature_opening(self._language, name, is_first=len(text) == 0)))
            piece.add_entity(self._attribute(value), ATTRIBUTE)
            if len(text) + len(piece) + len(end) > room:
                break
            text.extend(piece)
        if len(text) > 0:
            text.add_text(end)
            text.end_sentence()
        return text

    def _latest_that_fit(self, history: Sequence[Behaviour], room: int) -> list[TokenizedText]:
        sentences = [self._behaviour(behaviour) for behaviour in history]
        lengths = [len(sentence) for sentence in sentences]
        return [sentences[place] for place in places_that_fit(lengths, room)]

    def _behaviour(self, behaviour: Behaviour) -> TokenizedText:
        sentence = TokenizedText()
        sentence.add_entity(self._catalog.items[behaviour.item].token_ids, behaviour.item)
        for name in self._config.behaviour_fields:
            field_text = describe_field(behaviour, name, self._language)
            if field_text is not None:
                sentence.add_text(self._encode_text(field_text))
        sentence.add_text(self._encode_text(self._language.sentence_end))
        sentence.end_sentence()
        return sentence

    def _attribute(self, value: str) -> Sequence[int]:
        token_ids = self._catalog.attributes.get(value)
        return self._encode_entity(value) if token_ids is None else token_ids


def places_that_fit(lengths: Sequence[int], room: int) -> list[int]:
    """Return the places of the latest behaviours that fit together into `room` tokens.

    If some take more than half of it and more are told without these, they are left out.

    Example:
        >>> places_that_fit([3, 3, 2, 6, 2], 10), places_that_fit([3, 6, 2], 10), places_that_fit([2, 3], 10)
        ([0, 1, 2, 4], [1, 2], [0, 1])
    """
    latest = _latest_places(lengths, range(len(lengths)), room)
    if len(latest) == len(lengths):
        return latest
    short = _latest_places(lengths, [place for place, length in enumerate(lengths) if 2 * length <= room], room)
    return short if len(short) > len(latest) else latest


def _latest_places(lengths: Sequence[int], places: Sequence[int], room: int) -> list[int]:
    kept: list[int] = []
    for place in reversed(places):
        room -= lengths[place]
        if room < 0:
            break
        kept.append(place)
    return kept[::-1]


def history_opening(language: Language, *, is_first: bool) -> str:
    """Return what opens a history, at the beginning of a text or behind the features."""
    return language.history_opening if is_first else f"{language.gap}{language.history_opening}"


def feature_opening(language: Language, name: str, *, is_first: bool) -> str:
    """Return what stands before the value of a user's feature."""
    mark = language.features_opening if is_first else language.feature_separator
    return f"{mark}{language.gap}{name}"


def describe_field(behaviour: Behaviour, name: str, language: Language) -> str | None:
    """Return one field of a behaviour (see `TextConfig.behaviour_fields`) behind its separator, None if it is unknown."""
    value = _field_value(behaviour, name, language)
    return None if value is None else f"{language.feature_separator}{language.gap}{value}"


def _field_value(behaviour: Behaviour, name: str, language: Language) -> str | None:
    if name == "action":
        return behaviour.action
    if name == "categories":
        return behaviour.categories[-1] if behaviour.categories else None
    if name == "rating":
        return None if behaviour.rating is None else language.rated.format(rating=behaviour.rating)
    return language.month_of(datetime.datetime.fromtimestamp(behaviour.timestamp, tz=datetime.UTC))
