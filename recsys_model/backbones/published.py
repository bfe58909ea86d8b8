"""Run a model on inputs of the published code of GLM and ChatGLM-6B, to compare logits.

In the published code the two position ids are rows of one tensor, and the attention mask has several forms or is left out.
Training and decoding build an `Attention` instead and do not use this file.

Shape suffixes: B = examples, T = tokens, V = vocabulary.
"""

import torch
from torch import Tensor

from recsys_model.backbones.base import Backbone, FullAttention, part_a_and_part_b_mask
from recsys_model.errors import DataError

FAMILIES_THAT_MARK_HIDDEN_KEYS = ("chatglm",)
"""In their masks 1 stands for a key that is not seen; in GLM's for one that is."""


def published_logits(
    model: Backbone, token_ids: Tensor, position_ids: Tensor, attention_mask: Tensor | None = None
) -> Tensor:
    """Return the logits of every token, [B, T, V].

    `token_ids` is [B, T]; `position_ids` [B, 2, T], the inter ids in row 0 and the intra ids in row 1;
    `attention_mask` as in `visible_from_published`. Without one part A is empty for GLM, and for ChatGLM it is what stands in
    front of the first intra id above 0, which is where the published code finds `<sop>`. Call `model.eval()` before, as for
    any comparison.

    Raises:
        DataError: shapes do not fit each other, or the model has no positions in two rows.

    Example:
        >>> import torch
        >>> from recsys_model.backbones.glm import GLM
        >>> from recsys_model.config import GLMConfig
        >>> model = GLM(GLMConfig(num_layers=1, hidden_size=4, num_heads=2, vocab_size=9, max_sequence_length=8))
        >>> positions = torch.tensor([[[0, 1, 2, 1, 1], [0, 0, 0, 1, 2]]])
        >>> published_logits(model, torch.tensor([[5, 7, 6, 8, 3]]), positions, torch.tensor([3])).shape
        torch.Size([1, 5, 9])
    """
    num_examples, num_tokens = token_ids.shape
    if model.family == "causal":
        raise DataError("the model must have inter and intra positions, got a causal decoder; call it directly")
    if position_ids.shape != (num_examples, 2, num_tokens):
        raise DataError(
            f"position_ids must be [B, 2, T], here {(num_examples, 2, num_tokens)}, got {tuple(position_ids.shape)}"
        )
    marks_hidden = model.family in FAMILIES_THAT_MARK_HIDDEN_KEYS
    num_leading_B = (position_ids[:, 1].cumsum(dim=1) == 0).sum(dim=1)
    visible_BTT = visible_from_published(
        attention_mask,
        num_examples,
        num_tokens,
        ones_are_hidden=marks_hidden,
        part_a_lens_B=num_leading_B if marks_hidden else None,
    )
    hidden_BTD = model(token_ids, position_ids[:, 0], position_ids[:, 1], FullAttention(visible_BTT))
    return model.logits(hidden_BTD)


def visible_from_published(
    attention_mask: Tensor | None,
    num_examples: int,
    num_tokens: int,
    *,
    ones_are_hidden: bool = False,
    part_a_lens_B: Tensor | None = None,
) -> Tensor:
    """Return which keys each query sees, [B, T, T], from a mask of the published code.

    Args:
        attention_mask: One number for each example is the length of part A, whatever the tensor's shape. [B, 1, T, T] or
            [1, 1, T, T] is 1 where the key is seen, or, with `ones_are_hidden`, where it is not. [B, T] is 0 for padding, as
            tokenizers give it, in every family. None: there is no padding.
        num_examples: B.
        num_tokens: T.
        ones_are_hidden: See above.
        part_a_lens_B: Length of part A where the mask does not say it, that is for [B, T] and None; 0 by default.

    Raises:
        DataError: the mask has another shape.

    Example:
        >>> import torch
        >>> visible_from_published(torch.tensor([2]), 1, 3).int().tolist()
        [[[1, 1, 0], [1, 1, 0], [1, 1, 1]]]
    """
    lens_B = torch.zeros(num_examples, dtype=torch.int64) if part_a_lens_B is None else part_a_lens_B
    if attention_mask is None:
        return part_a_and_part_b_mask(lens_B, num_tokens)
    square = (1, num_tokens, num_tokens)
    if attention_mask.ndim == len(square) + 1 and attention_mask.shape[1:] == square:
        visible_B1TT = attention_mask == 0 if ones_are_hidden else attention_mask != 0
        return visible_B1TT[:, 0].expand(num_examples, -1, -1)
    if attention_mask.numel() == num_examples:
        return part_a_and_part_b_mask(attention_mask.reshape(num_examples), num_tokens)
    if attention_mask.shape == (num_examples, num_tokens):
        visible_BTT = part_a_and_part_b_mask(lens_B.to(attention_mask.device), num_tokens)
        # a padding token still sees itself, since a softmax over no key has no value
        itself_TT = torch.eye(num_tokens, dtype=torch.bool, device=attention_mask.device)
        return visible_BTT & (attention_mask != 0)[:, None, :] | itself_TT
    raise DataError(
        f"attention_mask must hold {num_examples} lengths of part A or be [B, T] or [B, 1, T, T] with T = {num_tokens}, "
        f"got {tuple(attention_mask.shape)}"
    )
