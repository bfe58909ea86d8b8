"""The Training Phase read a second time: loops over the definition, token by token.

Nothing of `recsys_model.infilling` is used. A text is the list of pieces that it was made of, so that
boundaries are known here without any array of starts and ends.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from recsys_model.config import ObjectiveConfig
from recsys_model.text.textualize import ATTRIBUTE, TokenizedText
from recsys_model.text.tokenizer import SpecialTokens

SPECIAL = SpecialTokens(pad=9000, eos=9001, start=9002, end=9003, cls=9004, mask=9005, gmask=9006, smask=9007)
BLANKS = {"entity": SPECIAL.mask, "sentence": SPECIAL.smask, "document": SPECIAL.gmask, "next_item": SPECIAL.gmask}
NO_LABEL = -100
NO_NODE = None


@dataclass(frozen=True)
class Piece:
    """An entity, or a run of separate tokens, that may end a sentence."""

    kind: str
    tokens: tuple[int, ...]
    item: int = ATTRIBUTE
    ends_sentence: bool = False


@dataclass
class ReadText:
    """What is known of each token of a text, one entry a token."""

    tokens: list[int] = field(default_factory=list)
    entity: list[int | None] = field(default_factory=list)
    """Number of the entity that the token belongs to."""
    place: list[int] = field(default_factory=list)
    """1, 2, ... inside an entity, 0 outside."""
    sentence: list[int] = field(default_factory=list)
    """Number of its sentence."""
    items: list[int] = field(default_factory=list)
    """Catalogue index of each entity."""


def read(pieces: Sequence[Piece]) -> ReadText:
    """Write down, token by token, what the pieces say."""
    text, sentence = ReadText(), 0
    for piece in pieces:
        is_entity = piece.kind != "text"
        for place, token in enumerate(piece.tokens, start=1):
            text.tokens.append(token)
            text.entity.append(len(text.items) if is_entity else None)
            text.place.append(place if is_entity else 0)
            text.sentence.append(sentence)
        if is_entity:
            text.items.append(piece.item)
        sentence += piece.ends_sentence
    return text


def tokenized(pieces: Sequence[Piece]) -> TokenizedText:
    """Build what the product reads from the same pieces."""
    text = TokenizedText()
    for piece in pieces:
        if piece.kind == "text":
            text.add_text(piece.tokens)
        else:
            text.add_entity(piece.tokens, piece.item)
        if piece.ends_sentence:
            text.end_sentence()
    return text


class Entities:
    """Items and attribute values: what begins one of them, and how a beginning of an item may go on."""

    def __init__(self, items: Sequence[tuple[int, ...]], attributes: Sequence[tuple[int, ...]]) -> None:
        self.items, self.attributes = items, attributes
        self.beginnings = {entity[:size] for entity in [*items, *attributes] for size in range(1, len(entity) + 1)}
        self.continuations: dict[tuple[int, ...], set[int]] = {}
        for item in items:
            for size in range(len(item) + 1):
                following = item[size] if size < len(item) else SPECIAL.end
                self.continuations.setdefault(item[:size], set()).add(following)


@dataclass
class Row:
    """An example: part A, then part B."""

    tokens: list[int]
    inter: list[int]
    intra: list[int]
    labels: list[int]
    nodes: list[tuple[int, ...] | None]
    """What was chosen of an item before each of its targets; `NO_NODE` where the vocabulary is the choice."""
    span_of: list[int]
    """0 in part A, 1 in the first span of part B, 2 in the second, ..."""


def expected_row(
    text: ReadText,
    spans: Sequence[tuple[int, int]],
    order: Sequence[int],
    level: str,
    config: ObjectiveConfig,
    pool: Entities,
) -> Row:
    """Lay out the example that hides `spans`, chronological, in `order`."""
    row = Row([], [], [], [], [], [])
    blank_index = _part_a(row, text, spans, level, config)
    for number, span in enumerate((spans[index] for index in order), start=1):
        inputs = [SPECIAL.start, *(text.tokens[token] for token in range(*span))]
        row.tokens += inputs
        row.inter += [blank_index[span]] * len(inputs)
        row.intra += span_ids(text, span, config, pool)
        row.span_of += [number] * len(inputs)
        labels, nodes = _targets(text, span, config, pool)
        row.labels += labels
        row.nodes += nodes
    return row


def _part_a(
    row: Row, text: ReadText, spans: Sequence[tuple[int, int]], level: str, config: ObjectiveConfig
) -> dict[tuple[int, int], int]:
    """Write part A; return where the blank of each span is."""
    hidden_by = {token: span for span in spans for token in range(*span)}
    blank_index: dict[tuple[int, int], int] = {}
    corrupt = [(SPECIAL.cls, 0)]
    for token, (value, place) in enumerate(zip(text.tokens, text.place, strict=True)):
        span = hidden_by.get(token)
        if span is None:
            corrupt.append((value, 0 if config.intra_mode == "glm" else place))
        elif span not in blank_index:
            blank_index[span] = len(corrupt)
            corrupt.append((BLANKS[level], 0))
    corrupt.append((SPECIAL.eos, 0))
    for position, (value, place) in enumerate(corrupt):
        row.tokens.append(value)
        row.inter.append(position)
        row.intra.append(place)
        row.labels.append(NO_LABEL)
        row.nodes.append(NO_NODE)
        row.span_of.append(0)
    return blank_index


def span_ids(text: ReadText, span: tuple[int, int], config: ObjectiveConfig, pool: Entities) -> list[int]:
    """Number `[S]` and the tokens of a span."""
    ids = [1]
    grown: tuple[int, ...] = ()
    was_separate = False
    for token in range(*span):
        is_first = token == span[0]
        if config.segmentation == "gold":
            is_separate = text.entity[token] is None
            goes_on = not is_first and not is_separate and text.entity[token] == text.entity[token - 1]
        else:
            goes_on = grown != () and (*grown, text.tokens[token]) in pool.beginnings
            grown = (*grown, text.tokens[token]) if goes_on else (text.tokens[token],)
            grown = grown if grown in pool.beginnings else ()
            is_separate = grown == ()
        in_run = config.intra_mode == "run" and not is_first and was_separate and is_separate
        counts_on = is_first or goes_on or in_run or config.intra_mode == "glm"
        ids.append(ids[-1] + 1 if counts_on else 1)
        was_separate = is_separate
    return ids


def _targets(
    text: ReadText, span: tuple[int, int], config: ObjectiveConfig, pool: Entities
) -> tuple[list[int], list[tuple[int, ...] | None]]:
    """Each input is followed by its target; with `item_loss: trie` whole items are chosen in the catalogue."""
    start, end = span
    labels = [*text.tokens[start:end], SPECIAL.end]
    nodes: list[tuple[int, ...] | None] = [NO_NODE] * len(labels)
    if config.item_loss == "lm":
        return labels, nodes
    for entity in sorted({number for number in text.entity[start:end] if number is not None}):
        own = [token for token in range(len(text.tokens)) if text.entity[token] == entity]
        if text.items[entity] == ATTRIBUTE or own[0] < start or own[-1] >= end:
            continue
        item = pool.items[text.items[entity]]
        choices = len(item) + 1 if own[-1] == end - 1 else len(item)
        for size in range(choices):
            is_choice = len(pool.continuations[item[:size]]) > 1
            nodes[own[0] - start + size] = item[:size] if is_choice else NO_NODE
            if not is_choice:
                labels[own[0] - start + size] = NO_LABEL
    return labels, nodes


def visible(row: Row) -> list[list[bool]]:
    """Return for each token which tokens it sees: part A sees part A; a span also earlier spans and its own past."""
    return [
        [
            other == 0 or (own > 0 and (other < own or (other == own and key <= query)))
            for key, other in enumerate(row.span_of)
        ]
        for query, own in enumerate(row.span_of)
    ]
