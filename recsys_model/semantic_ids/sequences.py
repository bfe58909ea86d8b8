"""The token sequences of answers: the tokens of a semantic id and those that end it."""

from collections.abc import Sequence

from recsys_model.errors import CheckpointError, ConfigError
from recsys_model.semantic_ids.checkpoint import PublishedCheckpoint, end_tokens
from recsys_model.semantic_ids.index import SemanticId, SemanticIndex
from recsys_model.semantic_ids.published_format import PublishedFormat


def build_sequences(
    index: SemanticIndex, checkpoint: PublishedCheckpoint, form: PublishedFormat
) -> list[tuple[int, ...]]:
    """Return the tokens of a complete answer for each different semantic id, in the order of `index.distinct`.

    Raises:
        CheckpointError: the checkpoint lacks tokens of the index, or rows for them.
        ConfigError: without an end one semantic id would begin another.
    """
    token_to_id = checkpoint.tokenizer.ids_of(index.tokens, index.source)
    rows = [tuple(token_to_id[token] for token in semantic_id) for semantic_id in index.distinct.semantic_ids]
    first = index.distinct.semantic_ids[0]
    ending = tuple(end_tokens(checkpoint.tokenizer, first, rows[0], form.end)) + _eos(checkpoint, form)
    checkpoint.check_rows([*token_to_id.values(), *ending])
    if not ending:
        _refuse_prefixes(index.distinct.semantic_ids)
    return [(*row, *ending) for row in rows]


def _eos(checkpoint: PublishedCheckpoint, form: PublishedFormat) -> tuple[int, ...]:
    if not form.ends_with_eos:
        return ()
    eos = checkpoint.tokenizer.eos
    if eos is None:
        raise CheckpointError(
            f"the tokenizer in {checkpoint.folder} must have a token that ends a text; set ends_with_eos to false"
        )
    return (eos,)


def _refuse_prefixes(semantic_ids: Sequence[SemanticId]) -> None:
    """Raise `ConfigError` if an id begins another one: without an end, the model cannot say which of them it means."""
    all_ids = set(semantic_ids)
    for semantic_id in semantic_ids:
        shorter = next((semantic_id[:n] for n in range(1, len(semantic_id)) if semantic_id[:n] in all_ids), None)
        if shorter is not None:
            raise ConfigError(
                f"semantic ids of different lengths need an end, since {''.join(shorter)} begins {''.join(semantic_id)}; "
                "set end, or ends_with_eos to true"
            )
