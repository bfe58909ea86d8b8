"""Choose the tokens of a published vocabulary that structure an example.

The rule, in this order, for `[S]`, `[E]`, `[gMASK]`, `[MASK]`, `[sMASK]`:

1. a token that has the name already, in GLM's or ChatGLM's spelling;
2. reserved or unused tokens, by id (`<|reserved_special_token_0|>`, `<unused0>`, `<|dummy_0|>`, `<|extra_0|>`);
3. other control tokens by id, but not those that begin, end or pad a text (SmolLM2's `<repo_name>`);
4. rows of the word embedding behind the vocabulary.

Rows come last: they are untrained, may be equal, and adapters do not change them. With too few tokens left, the
sentence and entity level use the mask token of the document level, as in glm-large. `[CLS]` is the token that begins a
text, if there is one, and `[EOS]` the one that ends it.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from recsys_model.errors import CheckpointError
from recsys_model.text.tokenizer import SpecialTokens

ROLE_TO_NAMES = {
    "start": ("<|startofpiece|>", "<sop>", "[S]"),
    "end": ("<|endofpiece|>", "<eop>", "[E]"),
    "gmask": ("[gMASK]",),
    "mask": ("[MASK]", "<mask>"),
    "smask": ("[sMASK]",),
}
REQUIRED_ROLES = ("start", "end", "gmask")
NEVER_FREE = ("<unk>", "[UNK]", "[CLS]", "[SEP]", "<s>", "</s>", "<|endoftext|>")
RESERVED = re.compile(r"reserved|unused|dummy|placeholder|extra")


@dataclass(frozen=True, kw_only=True, slots=True)
class ControlTokens:
    """The control tokens that a published tokenizer declares."""

    name_to_id: Mapping[str, int]
    """All control tokens."""
    begin: int | None
    """Begins a text."""
    end: int | None
    """Ends a text."""
    pad: int | None
    """Pads a batch."""


def choose_special(control: ControlTokens, spare_rows: Sequence[int], source: str) -> SpecialTokens:
    """Return the ids that structure an example; `spare_rows` are ids behind the vocabulary.

    Raises:
        CheckpointError: fewer than three tokens are left for `[S]`, `[E]` and a mask.

    Example:
        >>> names = {"<s>": 1, "</s>": 2, "<unused0>": 3, "<unused1>": 4, "[MASK]": 5}
        >>> choose_special(ControlTokens(name_to_id=names, begin=1, end=2, pad=None), [], "here")
        SpecialTokens(pad=2, eos=2, start=3, end=4, cls=1, mask=5, gmask=5, smask=5)
    """
    chosen = {
        role: control.name_to_id[name]
        for role, names in ROLE_TO_NAMES.items()
        for name in reversed(names)
        if name in control.name_to_id
    }
    if "mask" in chosen:
        chosen.setdefault("gmask", chosen["mask"])
    free = _free_tokens(control, set(chosen.values()), spare_rows)
    chosen |= zip((role for role in ROLE_TO_NAMES if role not in chosen), free, strict=False)
    missing = [role for role in REQUIRED_ROLES if role not in chosen]
    if missing:
        raise CheckpointError(
            f"{source} must have tokens that can stand for [S], [E] and a mask; none is left for "
            f"{', '.join(missing)} among {', '.join(control.name_to_id) or 'no control tokens'}"
        )
    end_of_text = None if control.end == chosen["end"] else control.end
    begin_of_text = None if control.begin == chosen["start"] else control.begin
    return SpecialTokens(
        pad=next(token for token in (control.pad, control.end, chosen["end"]) if token is not None),
        eos=end_of_text,
        start=chosen["start"],
        end=chosen["end"],
        cls=control.name_to_id.get("[CLS]", begin_of_text),
        mask=chosen.get("mask", chosen["gmask"]),
        gmask=chosen["gmask"],
        smask=chosen.get("smask", chosen["gmask"]),
    )


def _free_tokens(control: ControlTokens, taken: set[int], spare_rows: Sequence[int]) -> list[int]:
    """Return the tokens that may get a role, the best first."""
    kept = {control.begin, control.end, control.pad, *taken}
    names = {token: name.lower() for name, token in control.name_to_id.items() if name not in NEVER_FREE}
    free = [token for token in sorted(names) if token not in kept]
    reserved = [token for token in free if RESERVED.search(names[token])]
    return [*reserved, *(token for token in free if token not in reserved), *spare_rows]
