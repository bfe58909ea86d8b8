"""Build the texts of many examples at once, token for token as `Textualizer` builds one.

A text is a sequence of pieces (a title, a field of an event, a full stop), and each piece is tokenised once. Events
become rows of piece ids. Array operations gather the tokens, so no Python object is created per event.

Shape suffixes: N = events of the batch, F = pieces of an event, E = texts, H = events of all histories,
K = those of them that fit, S = pieces of all texts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from recsys_model.config import TextConfig
from recsys_model.errors import DataError
from recsys_model.text.language import LANGUAGES
from recsys_model.text.pieces import Pieces, Texts, take_tokens
from recsys_model.text.ragged import Ints, Ragged, offsets_of, places_in
from recsys_model.text.textualize import (
    ATTRIBUTE,
    NUM_FRAME_TOKENS,
    Behaviour,
    EntityTokens,
    describe_field,
    feature_opening,
    history_opening,
)
from recsys_model.text.tokenizer import Tokenizer


@dataclass(frozen=True, kw_only=True, slots=True)
class Events:
    """Columns of some events (N)."""

    items: Ints
    """Catalogue indices."""
    timestamps: npt.NDArray[np.float64]
    """Unix seconds."""
    ratings: npt.NDArray[np.float64]
    """NaN where unknown."""
    actions: Ints
    """Index into `action_names`, -1 where unknown."""
    action_names: Sequence[str]
    """What users did."""


class BatchTextualizer:
    """Builds the texts of whole batches; one instance per worker, since it caches tokens."""

    def __init__(
        self,
        tokenizer: Tokenizer,
        catalog: EntityTokens,
        config: TextConfig,
        item_categories: Sequence[tuple[str, ...]] = (),
    ) -> None:
        self.config = config
        """How rows become text."""
        self.catalog = catalog
        """Items and attributes."""
        self.item_categories = item_categories
        """Categories of each item, coarse to fine; empty if the catalogue has none."""
        self.encode_text = lru_cache(maxsize=65536)(tokenizer.encode_text)
        """Text -> its tokens."""
        self._encode_entity = lru_cache(maxsize=65536)(tokenizer.encode_entity)

    def encode_attribute(self, value: str) -> Sequence[int]:
        """Return the tokens of an attribute value, also of one that the catalogue lacks."""
        token_ids = self.catalog.attributes.get(value)
        return self._encode_entity(value) if token_ids is None else token_ids

    def open(self, events: Events) -> "EventTexts":
        """Return a builder of texts over these events."""
        return EventTexts(self, events)


class EventTexts:
    """Builds texts of the events of one batch."""

    def __init__(self, textualizer: BatchTextualizer, events: Events) -> None:
        self._textualizer = textualizer
        self._config = textualizer.config
        self._language = LANGUAGES[textualizer.config.language]
        self._pieces = Pieces()
        self._piece_NF = self._event_pieces(events)
        self._answer_end = self._pieces.add("answer", (), ends_sentence=True)
        self.num_too_long = 0
        """Events that were left out of the built texts because they take more than half of the room."""

    def build(self, history: Ragged, target_E: Ints, features: Sequence[Mapping[str, str]]) -> Texts:
        """Return the text of each user's features, history and target, cut as `Textualizer.build` does.

        Args:
            history: Events of each text, chronological (E).
            target_E: The event whose item stands at the end of each text.
            features: Features of each text's user (E).

        Raises:
            DataError: a target alone is longer than `max_tokens`.
        """
        opening_E = np.array([self._opening(user_features) for user_features in features], dtype=np.int64)
        answer_E = self._piece_NF[target_E, 0]
        room_E = self._config.max_tokens - NUM_FRAME_TOKENS - self._lengths(opening_E) - self._lengths(answer_E)
        if len(room_E) and room_E.min() < 0:
            longest = self._lengths(answer_E)[room_E.argmin()]
            raise DataError(
                f"text.max_tokens is {self._config.max_tokens}, too small for an item of {longest} tokens; raise it"
            )
        feature_rows = [
            self._features(user_features, room) for user_features, room in zip(features, room_E.tolist(), strict=True)
        ]
        room_E = room_E - np.array([length for _, length in feature_rows], dtype=np.int64)
        feature_pieces = Ragged.of_lists([pieces for pieces, _ in feature_rows])
        piece_KF, num_kept_E = self._latest_that_fit(history, room_E)
        return self._gather(feature_pieces, opening_E, piece_KF, num_kept_E, answer_E)

    def _event_pieces(self, events: Events) -> Ints:
        """Return the pieces of each event's sentence: its item, its fields and the full stop, [N, F]."""
        item_I, item_N = np.unique(events.items, return_inverse=True)
        tokens = self._textualizer.catalog.items
        ids_I = [self._pieces.add(("item", item), tokens[item].token_ids, item=item) for item in item_I.tolist()]
        columns = [np.array(ids_I, dtype=np.int64)[item_N]]
        columns += [self._field_pieces(events, name) for name in self._config.behaviour_fields]
        end = self._plain(self._language.sentence_end, ends_sentence=True)
        return np.stack([*columns, np.full(len(item_N), end)], axis=1)

    def _field_pieces(self, events: Events, name: str) -> Ints:
        """Return the piece of one field of each event, [N]; an empty piece if the field is unknown."""
        _, first_V, value_N = np.unique(self._field_keys(events, name), return_index=True, return_inverse=True)
        texts_V = [describe_field(self._behaviour(events, event), name, self._language) for event in first_V.tolist()]
        ids_V = [-1 if text is None else self._plain(text) for text in texts_V]
        unknown = self._pieces.add("unknown", ())
        return np.array([unknown if piece < 0 else piece for piece in ids_V], dtype=np.int64)[value_N]

    def _field_keys(self, events: Events, name: str) -> npt.NDArray[np.generic]:
        """Return a key of each event (N); events with equal keys have the same text of this field."""
        if name == "action":
            return events.actions
        if name == "categories":
            return events.items
        return events.ratings if name == "rating" else _months(events.timestamps)

    def _behaviour(self, events: Events, event: int) -> Behaviour:
        rating, action = float(events.ratings[event]), int(events.actions[event])
        item = int(events.items[event])
        categories = self._textualizer.item_categories
        return Behaviour(
            item=item,
            timestamp=float(events.timestamps[event]),
            action=None if action < 0 else events.action_names[action],
            categories=categories[item] if categories else (),
            rating=None if np.isnan(rating) else rating,
        )

    def _plain(self, text: str, *, ends_sentence: bool = False) -> int:
        key = ("text", text, ends_sentence)
        return self._pieces.add(key, self._textualizer.encode_text(text), ends_sentence=ends_sentence)

    def _opening(self, features: Mapping[str, str]) -> int:
        return self._plain(history_opening(self._language, is_first=not features))

    def _features(self, features: Mapping[str, str], room: int) -> tuple[list[int], int]:
        """Return the pieces of as many features as fit into `room` tokens, and their number of tokens."""
        pieces: list[int] = []
        end = self._plain(self._language.sentence_end, ends_sentence=True)
        length = self._pieces.num_tokens[end]
        for name, value in features.items():
            opening = self._plain(feature_opening(self._language, name, is_first=not pieces))
            entity = self._pieces.add(("value", value), self._textualizer.encode_attribute(value), item=ATTRIBUTE)
            length += self._pieces.num_tokens[opening] + self._pieces.num_tokens[entity]
            if length > room:
                length -= self._pieces.num_tokens[opening] + self._pieces.num_tokens[entity]
                break
            pieces += [opening, entity]
        return ([*pieces, end], length) if pieces else ([], 0)

    def _lengths(self, pieces: Ints) -> Ints:
        return self._pieces.arrays()[1][pieces]

    def _latest_that_fit(self, history: Ragged, room_E: Ints) -> tuple[Ints, Ints]:
        """Return the pieces of the latest events that fit, and the number of events in each text."""
        piece_HF = self._piece_NF[history.values]
        text_H = np.repeat(np.arange(len(room_E)), history.lengths)
        length_H = self._lengths(piece_HF).sum(axis=1)
        is_short_H = 2 * length_H <= room_E[text_H]
        latest_H = _find_latest(length_H, np.ones_like(is_short_H), text_H, history.offsets, room_E)
        short_H = _find_latest(length_H, is_short_H, text_H, history.offsets, room_E)
        num_latest_E, num_short_E = (
            np.bincount(text_H[fits_H], minlength=len(room_E)) for fits_H in (latest_H, short_H)
        )
        leaves_out_E = num_short_E > num_latest_E
        self.num_too_long += int((~is_short_H & leaves_out_E[text_H]).sum())
        fits_H = np.where(leaves_out_E[text_H], short_H, latest_H)
        return piece_HF[fits_H], np.maximum(num_latest_E, num_short_E)

    def _gather(self, features: Ragged, opening_E: Ints, piece_KF: Ints, num_kept_E: Ints, answer_E: Ints) -> Texts:
        """Put the pieces of each text in a row and take their tokens."""
        num_fields = piece_KF.shape[1]
        offsets_E = offsets_of(features.lengths + 1 + num_kept_E * num_fields + 2)
        piece_S = np.empty(offsets_E[-1], dtype=np.int64)
        opening_at_E = offsets_E[:-1] + features.lengths
        piece_S[places_in(offsets_E[:-1], features.lengths)] = features.values
        piece_S[opening_at_E] = opening_E
        piece_S[places_in(opening_at_E + 1, num_kept_E * num_fields)] = piece_KF.ravel()
        piece_S[offsets_E[1:] - 2] = answer_E
        piece_S[offsets_E[1:] - 1] = self._answer_end
        return take_tokens(self._pieces, Ragged(piece_S, offsets_E))


def _find_latest(
    length_H: Ints, is_told_H: npt.NDArray[np.bool_], text_H: Ints, offsets_E: Ints, room_E: Ints
) -> npt.NDArray[np.bool_]:
    """Return which events are the latest ones to tell that fit together (H)."""
    total_H = np.append(0, np.cumsum(np.where(is_told_H, length_H, 0)))
    from_event_to_end_H = total_H[offsets_E[1:]][text_H] - total_H[:-1]
    return is_told_H & (from_event_to_end_H <= room_E[text_H])


def _months(timestamps: npt.NDArray[np.float64]) -> npt.NDArray[np.generic]:
    """Return the month of each time, which is rounded to microseconds as `datetime` does."""
    seconds = np.trunc(timestamps)
    carried = np.floor(np.rint((timestamps - seconds) * 1e6) / 1e6)
    return (seconds + carried).astype(np.int64).astype("datetime64[s]").astype("datetime64[M]").astype(np.int64)
