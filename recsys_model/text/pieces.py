"""Tokenised pieces of text, and texts gathered from them by array operations.

Shape suffixes: P = pieces, E = texts, S = pieces of all texts, T = tokens of all texts.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from recsys_model.text.ragged import Ints, Ragged, offsets_of, places_in

PLAIN = -2
"""Item of a piece that is not an entity."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Texts:
    """What `TokenizedText` holds, of many texts (E)."""

    token_ids: Ragged
    """The tokens."""
    entity_starts: Ragged
    """First token of each entity."""
    entity_ends: Ragged
    """One past the last token of each entity."""
    entity_items: Ragged
    """Catalogue index of each entity, or `ATTRIBUTE`."""
    sentence_ends: Ragged
    """One past the last token of each sentence."""


class Pieces:
    """Tokenised texts, each with the entity that it is."""

    def __init__(self) -> None:
        self._key_to_piece: dict[object, int] = {}
        self._tokens: list[Sequence[int]] = []
        self._items: list[int] = []
        self._ends_sentence: list[bool] = []
        self._arrays: tuple[Ints, Ints, Ints, Ints, npt.NDArray[np.bool_]] | None = None
        self.num_tokens: list[int] = []
        """Tokens of each piece."""

    def add(self, key: object, tokens: Sequence[int], *, item: int = PLAIN, ends_sentence: bool = False) -> int:
        """Return the id of the piece with this key; a new key adds a piece."""
        piece = self._key_to_piece.setdefault(key, len(self._tokens))
        if piece == len(self._tokens):
            self._tokens.append(tokens)
            self._items.append(item)
            self._ends_sentence.append(ends_sentence)
            self.num_tokens.append(len(tokens))
            self._arrays = None
        return piece

    def arrays(self) -> tuple[Ints, Ints, Ints, Ints, npt.NDArray[np.bool_]]:
        """Return first tokens (P), numbers of tokens (P), all tokens, items (P), and whether a sentence ends (P)."""
        if self._arrays is None:
            lengths_P = np.array(self.num_tokens, dtype=np.int64)
            tokens = np.fromiter(itertools.chain.from_iterable(self._tokens), np.int64, int(lengths_P.sum()))
            items_P, ends_P = np.array(self._items, dtype=np.int64), np.array(self._ends_sentence)
            self._arrays = offsets_of(lengths_P)[:-1], lengths_P, tokens, items_P, ends_P
        return self._arrays


def take_tokens(pieces: Pieces, texts: Ragged) -> Texts:
    """Return the texts (E) that consist of these pieces (S)."""
    first_P, length_P, tokens, item_P, ends_P = pieces.arrays()
    piece_S = texts.values
    length_S = length_P[piece_S]
    end_S = np.cumsum(length_S)
    token_offsets_E = np.append(0, end_S)[texts.offsets]
    token_T = tokens[places_in(first_P[piece_S], length_S)]
    # places inside a text, not inside all of them
    end_S -= np.repeat(token_offsets_E[:-1], texts.lengths)
    item_S = item_P[piece_S]
    is_entity_S, ends_S = item_S != PLAIN, ends_P[piece_S]
    entity_offsets_E = np.append(0, np.cumsum(is_entity_S))[texts.offsets]
    return Texts(
        token_ids=Ragged(token_T, token_offsets_E),
        entity_starts=Ragged((end_S - length_S)[is_entity_S], entity_offsets_E),
        entity_ends=Ragged(end_S[is_entity_S], entity_offsets_E),
        entity_items=Ragged(item_S[is_entity_S], entity_offsets_E),
        sentence_ends=Ragged(end_S[ends_S], np.append(0, np.cumsum(ends_S))[texts.offsets]),
    )
