"""Takes padded batches apart and compares each example with the definition."""

import itertools
from collections.abc import Sequence

from recsys_model.backbones.base import part_a_and_part_b_mask
from recsys_model.config import ObjectiveConfig
from recsys_model.entities.token_trie import TokenTrie
from recsys_model.infilling.batch import Batch
from tests.recsys_model.infilling.definition import (
    BLANKS,
    NO_LABEL,
    NO_NODE,
    SPECIAL,
    Entities,
    Piece,
    ReadText,
    Row,
    expected_row,
    read,
    visible,
)
from tests.recsys_model.infilling.span_rules import CHECKS

WHOLE_VOCABULARY = -1


def rows_of(batch: Batch, trie: TokenTrie) -> list[Row]:
    """Take a batch apart; what is left of each example must be padding."""
    columns = (batch.token_ids, batch.inter_position_ids, batch.intra_position_ids, batch.labels, batch.trie_nodes)
    rows = []
    for tokens, inter, intra, labels, nodes in zip(*(column.tolist() for column in columns), strict=True):
        size = len(tokens) - next(count for count in itertools.count() if tokens[-1 - count] != SPECIAL.pad)
        fillings = (SPECIAL.pad, 0, 0, NO_LABEL, WHOLE_VOCABULARY)
        padded = zip((tokens, inter, intra, labels, nodes), fillings, strict=True)
        assert all(set(values[size:]) <= {filling} for values, filling in padded)
        chosen = [NO_NODE if node == WHOLE_VOCABULARY else tuple(trie.path(node)) for node in nodes[:size]]
        rows.append(Row(tokens[:size], inter[:size], intra[:size], labels[:size], chosen, []))
    assert batch.num_tokens == sum(len(row.tokens) for row in rows)
    assert batch.num_targets == sum(label != NO_LABEL for row in rows for label in row.labels)
    return rows


def drawn_spans(row: Row, text: ReadText, blank: int) -> tuple[list[tuple[int, int]], list[int]]:
    """Find what the blanks hide, and the order of the spans in part B; text after the last blank may be left out."""
    starts = [place for place, token in enumerate(row.tokens) if token == SPECIAL.start]
    bounds = itertools.pairwise([*starts, len(row.tokens)])
    blank_to_size = {row.inter[start]: stop - start - 1 for start, stop in bounds}
    in_order = [row.inter[start] for start in starts]
    chronological = sorted(in_order)
    spans, position = [], 0
    for place in range(1, starts[0] - 1):
        size = blank_to_size[place] if row.tokens[place] == blank else 1
        if row.tokens[place] == blank:
            spans.append((position, position + size))
        position += size
    assert len(spans) == len(starts), "one span for each blank"
    return spans, [chronological.index(place) for place in in_order]


def before_end(pieces: Sequence[Piece], end: int) -> list[Piece]:
    """Keep the pieces in front of a token: the supervised task leaves out what follows its answer."""
    kept, position = [], 0
    for piece in pieces:
        position += len(piece.tokens)
        if position <= end:
            kept.append(piece)
    return kept


def check_row(row: Row, pieces: Sequence[Piece], level: str, config: ObjectiveConfig, pool: Entities) -> None:
    """Compare one example with the definition and fill in which token belongs to which span."""
    text = read(pieces)
    spans, order = drawn_spans(row, text, BLANKS[level])
    CHECKS[level](text, spans, config)
    if config.span_order == "chronological":
        assert order == list(range(len(spans)))
    if level == "next_item":
        text = read(before_end(pieces, spans[0][1]))
    expected = expected_row(text, spans, order, level, config, pool)
    row.span_of = expected.span_of
    assert row == expected


def check_attention(batch: Batch, rows: Sequence[Row], which: int) -> None:
    """Compare what the tokens of one example see, in the batch that it is padded into."""
    width = batch.token_ids.shape[1]
    seen_TT = part_a_and_part_b_mask(batch.part_a_lens[which : which + 1], width)[0].tolist()
    size = len(rows[which].tokens)
    assert [seen[:size] for seen in seen_TT[:size]] == visible(rows[which])
    assert not any(any(seen[size:]) for seen in seen_TT[:size]), "no token sees padding"
