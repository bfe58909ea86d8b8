"""The alternative for a GLM: beam search token by token, with dense masks and a cache copied per beam.

A dictionary of prefixes has the allowed tokens. The logits of the whole vocabulary are masked and normalised, so scores
equal those of `scoring: trie`. Each beam has its own copy of all keys and values, reordered at each step. The search
returns the best items, like beam search in `transformers`.

Shape suffixes: R = requests, W = beams, X = R * W, V = vocabulary, S = keys.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from recsys_model.backbones.base import Backbone, attend
from recsys_model.decoding.cache import PartAEncoder
from recsys_model.decoding.prompts import padded
from recsys_model.infilling.prompt import Prompt
from recsys_model.text.tokenizer import SpecialTokens


class CopiedCache:
    """Keys and values of each beam, part A included."""

    def __init__(self, keys: list[Tensor], values: list[Tensor], visible_RA: Tensor, num_beams: int) -> None:
        self._keys = [states.repeat_interleave(num_beams, dim=0) for states in keys]
        self._values = [states.repeat_interleave(num_beams, dim=0) for states in values]
        self._visible_XS = visible_RA.repeat_interleave(num_beams, dim=0)
        self._num_part_a_X1 = self._visible_XS.sum(dim=1, keepdim=True)
        self._num_fed = 0

    def reorder(self, parent_X: Tensor) -> None:
        """Copy what each beam goes on from."""
        self._keys = [states.index_select(0, parent_X) for states in self._keys]
        self._values = [states.index_select(0, parent_X) for states in self._values]

    def start_token(self) -> None:
        """Make the next token visible."""
        one_X1 = self._visible_XS.new_ones((len(self._visible_XS), 1))
        self._visible_XS = torch.cat([self._visible_XS, one_X1], dim=1)
        self._num_fed += 1

    def __call__(self, layer: int, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Append and attend."""
        self._keys[layer] = torch.cat([self._keys[layer], key], dim=2)
        self._values[layer] = torch.cat([self._values[layer], value], dim=2)
        return attend(query, self._keys[layer], self._values[layer], self._visible_XS[:, None, None])

    def positions(self) -> Tensor:
        """Return the place of the newest token of each beam."""
        return self._num_part_a_X1 + self._num_fed - 1


class PlainBeamSearch:
    """Beam search over the items, one token at a time."""

    def __init__(
        self, model: Backbone, sequences: Sequence[Sequence[int]], special: SpecialTokens, num_beams: int
    ) -> None:
        self._model, self._special, self._num_beams = model, special, num_beams
        self._allowed: dict[tuple[int, ...], list[int]] = {}
        allowed: dict[tuple[int, ...], set[int]] = {}
        self._item_of = {(*row, special.end): item for item, row in enumerate(sequences)}
        for row in self._item_of:
            for size in range(len(row)):
                allowed.setdefault(row[:size], set()).add(row[size])
        self._allowed = {prefix: sorted(tokens) for prefix, tokens in allowed.items()}
        self.num_passes = 0

    @torch.inference_mode()
    def recommend(
        self, prompts: Sequence[Prompt], k: int, part_a: PartAEncoder | None = None
    ) -> list[list[tuple[int, float]]]:
        """Return (item, score) of the best `k` items for each prompt, whose part A may be encoded already."""
        if part_a is None:
            part_a = read_padded(self._model, prompts, self._special)
        num_requests, num_beams = len(prompts), self._num_beams
        cache = CopiedCache(part_a.keys_LRGAE, part_a.values_LRGAE, part_a.visible_RA, num_beams)
        inter_X = torch.tensor([prompt.mask_position for prompt in prompts]).repeat_interleave(num_beams)
        texts: list[tuple[int, ...]] = [()] * (num_requests * num_beams)
        score_RW = torch.full((num_requests, num_beams), float("-inf"))
        score_RW[:, 0] = 0.0
        token_X = torch.full((num_requests * num_beams,), self._special.start)
        finished: list[dict[int, float]] = [{} for _ in prompts]
        step = 0
        while any(score_RW.isfinite().flatten().tolist()):
            cache.start_token()
            intra_X = torch.full_like(token_X, step + 1)
            hidden = self._model.hidden_states(token_X[:, None], inter_X[:, None], intra_X[:, None], cache)
            self.num_passes += 1
            logits_XV = self._model.logits(hidden[:, 0]).float()
            mask_XV = torch.full_like(logits_XV, float("-inf"))
            for beam, text in enumerate(texts):
                mask_XV[beam, self._allowed.get(text, [self._special.end])] = 0.0
            log_prob_XV = (logits_XV + mask_XV).log_softmax(dim=-1)
            total_RX = (score_RW.flatten()[:, None] + log_prob_XV).reshape(num_requests, -1)
            best = total_RX.topk(2 * num_beams, dim=1)
            vocab_size = logits_XV.shape[1]
            rows: list[list[tuple[float, int, int]]] = []
            for request in range(num_requests):
                row: list[tuple[float, int, int]] = []
                pairs = zip(best.values[request].tolist(), best.indices[request].tolist(), strict=True)
                for score, index in pairs:
                    beam, token = request * num_beams + index // vocab_size, index % vocab_size
                    if score == float("-inf"):
                        continue
                    if token == self._special.end:
                        finished[request][self._item_of[(*texts[beam], token)]] = score
                    elif len(row) < num_beams:
                        row.append((score, beam, token))
                bound = sorted(finished[request].values(), reverse=True)[k - 1 : k]
                if bound and (not row or row[0][0] <= bound[0]):
                    row = []
                empty = (float("-inf"), request * num_beams, self._special.pad)
                rows.append(row + [empty] * (num_beams - len(row)))
            score_RW = torch.tensor([[score for score, _, _ in row] for row in rows])
            parent_X = torch.tensor([beam for row in rows for _, beam, _ in row])
            token_X = torch.tensor([token for row in rows for _, _, token in row])
            texts = [(*texts[beam], token) for row in rows for _, beam, token in row]
            cache.reorder(parent_X)
            step += 1
        return [sorted(found.items(), key=lambda pair: -pair[1])[:k] for found in finished]


def read_padded(model: Backbone, prompts: Sequence[Prompt], special: SpecialTokens) -> PartAEncoder:
    """Return the keys and values of part A by one ordinary pass over padded rows."""
    lens_R = torch.tensor([len(prompt.token_ids) for prompt in prompts])
    encoder = PartAEncoder(torch.arange(int(lens_R.max())) < lens_R[:, None], is_causal=model.part_a_is_causal)
    columns = (
        ([prompt.token_ids for prompt in prompts], special.pad),
        ([prompt.inter_position_ids for prompt in prompts], 0),
        ([prompt.intra_position_ids for prompt in prompts], 0),
    )
    model.hidden_states(*(padded(rows, fill, torch.device("cpu")) for rows, fill in columns), encoder)
    return encoder
