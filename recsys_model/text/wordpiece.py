"""BERT word pieces, the tokenizer of glm-large and glm-515m.

These models have one mask token, `[MASK]`, for entity, sentence and document level. Their `[S]` and `[E]` are rows
behind BERT's vocabulary.
"""

import json
from pathlib import Path

import tokenizers

from recsys_model.errors import CheckpointError
from recsys_model.text.tokenizer import SpecialTokens, Tokenizer, refuse_added_tokens

VOCAB_FILE = "vocab.txt"
SETTINGS_FILE = "tokenizer_config.json"
NUM_BERT_TOKENS = 30522
GLM_BERT_VOCAB_SIZE = 30592
"""Rows of the word embedding of glm-large and glm-515m, the unused ones included."""
START_ID, END_ID = 30522, 30523
_CONTROL_TOKENS = ("[PAD]", "[CLS]", "[SEP]", "[MASK]")


def load_bert_tokenizer(folder: Path) -> Tokenizer:
    """Read BERT's `vocab.txt`; text is put in lower case unless `tokenizer_config.json` says otherwise.

    Part A ends with `[SEP]`, which is what follows the text in the published model.

    Raises:
        CheckpointError: the file is missing or is not the English BERT's, or the folder has added tokens of its own.
    """
    path = folder / VOCAB_FILE
    try:
        words = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{folder} holds no BERT tokenizer: {error}") from error
    token_to_id = {word: token for token, word in enumerate(words)}
    missing = [name for name in (*_CONTROL_TOKENS, "[UNK]") if name not in token_to_id]
    if len(words) != NUM_BERT_TOKENS or missing:
        raise CheckpointError(
            f"{path} is not the English BERT's: {NUM_BERT_TOKENS} tokens expected, got {len(words)}; "
            f"missing: {', '.join(missing) or 'none'}"
        )
    refuse_added_tokens(folder)
    pad, cls, sep, mask = (token_to_id[name] for name in _CONTROL_TOKENS)
    special = SpecialTokens(pad=pad, eos=sep, start=START_ID, end=END_ID, cls=cls, mask=mask, gmask=mask, smask=mask)
    return Tokenizer(_word_pieces(token_to_id, _is_lower_case(folder)), special, GLM_BERT_VOCAB_SIZE)


def _word_pieces(token_to_id: dict[str, int], lower_case: bool) -> tokenizers.Tokenizer:
    """Build the tokenizer without added tokens: brackets are punctuation, so no text makes a control token."""
    backend = tokenizers.Tokenizer(tokenizers.models.WordPiece(token_to_id, unk_token="[UNK]"))
    backend.normalizer = tokenizers.normalizers.BertNormalizer(lowercase=lower_case)
    backend.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    backend.decoder = tokenizers.decoders.WordPiece()
    return backend


def _is_lower_case(folder: Path) -> bool:
    path = folder / SETTINGS_FILE
    if not path.is_file():
        return True
    try:
        return bool(json.loads(path.read_text(encoding="utf-8")).get("do_lower_case", True))
    except (ValueError, AttributeError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from error
