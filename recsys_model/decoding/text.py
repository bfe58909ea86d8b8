"""Free text for a blank: greedy or beam search, token by token, until `[E]`.

Part A is encoded once. All requests advance in lockstep. The intra position id of each token is decided when it is
fed back, by the automaton that numbers part B in training; it is a pair of integers per beam that is reordered
together with the cache (paper, Inference Phase).

Of the best 2W continuations of a request's W beams, those that end (`[E]`) and are among the first W finish a text;
the first W others go on. A request is done when it has W texts. With one beam this is greedy search.

Shape suffixes: R = requests, W = beams of a request, C = the best continuations, V = vocabulary.
"""

import dataclasses
from collections.abc import Sequence

import torch
from torch import Tensor

from recsys_model.backbones.base import Backbone, evaluating
from recsys_model.config import GenerationConfig
from recsys_model.decoding.cache import BeamCache
from recsys_model.decoding.hypotheses import DEAD, sort_keys
from recsys_model.decoding.prompts import Starts, check_position_id, encode_prompts
from recsys_model.decoding.text_beams import GeneratedText, TextSearch
from recsys_model.entity_head.vectors import ItemVectors
from recsys_model.infilling.positions import PositionAutomaton
from recsys_model.infilling.prompt import Prompt
from recsys_model.text.tokenizer import SpecialTokens


class TextGenerator:
    """Generates the text of a prompt's blank; the model's weights may change between calls."""

    def __init__(
        self,
        model: Backbone,
        special: SpecialTokens,
        automaton: PositionAutomaton,
        config: GenerationConfig,
        vectors: ItemVectors | None = None,
    ) -> None:
        """Take the automaton of training, and the vectors of the model's entity head, if it has one.

        Raises:
            ConfigError: `max_tokens` is more than the model has position ids for.
        """
        check_position_id(model, config.max_tokens + 1, "generation.max_tokens")
        self._model = model
        self._vectors = vectors
        self._special = special
        self._automaton = automaton
        self._config = config
        self._device = model.device
        control = {token for token in dataclasses.astuple(special) if token is not None} - {special.end}
        self._control_ids = torch.tensor(sorted(control), device=self._device)

    @torch.inference_mode()
    def generate(self, prompts: Sequence[Prompt]) -> list[GeneratedText]:
        """Return the best text for each prompt, without `[S]` and `[E]`.

        Control tokens are excluded, and probabilities are normalised over the other tokens.

        Raises:
            ConfigError: a prompt is too long for the model.
        """
        return self._search(prompts).best_texts() if prompts else []

    @torch.inference_mode()
    def generate_several(self, prompts: Sequence[Prompt]) -> list[list[GeneratedText]]:
        """Return the finished texts of each prompt, best first.

        There are `num_beams` or a few more, fewer where the search met `max_tokens` before.

        Raises:
            ConfigError: a prompt is too long for the model.
        """
        return self._search(prompts).finished_texts() if prompts else []

    def _search(self, prompts: Sequence[Prompt]) -> TextSearch:
        with evaluating(self._model):
            return self._advance_beams(prompts)

    def _advance_beams(self, prompts: Sequence[Prompt]) -> TextSearch:
        """Advance the beams of all requests until each is done."""
        cache = BeamCache(encode_prompts(self._model, prompts, self._special, self._vectors))
        starts = Starts(prompts, self._device, self._vectors)
        inter_R1 = starts.inter_R[:, None]
        search = TextSearch(len(prompts), self._special, self._automaton, self._config)
        for _ in range(self._config.max_tokens + 1):
            request_R = search.requests.to(self._device)
            added_RWD = starts.added_at(request_R, 1) if cache.is_empty else None
            cache.advance(search.parents.to(self._device))
            token_RW = search.last_tokens.to(self._device)
            intra_RW = search.last_intra_ids.to(self._device)
            inter_RW = inter_R1[request_R].expand_as(token_RW)
            hidden_RWD = self._model.hidden_states(token_RW, inter_RW, intra_RW, cache, added_RWD)
            search.advance(*self._best(self._log_probs(hidden_RWD), search.scores.to(self._device)))
            kept = search.drop_done_requests()
            if search.is_done:
                break
            if kept is not None:
                cache.keep_requests(kept.to(self._device))
        return search

    def _log_probs(self, hidden_RWD: Tensor) -> Tensor:
        """Return log-probabilities of all tokens, `DEAD` for control tokens, [R, W, V]."""
        logits_RWV = self._model.logits(hidden_RWD).float()
        return logits_RWV.index_fill(2, self._control_ids, DEAD).log_softmax(dim=-1)

    def _best(self, log_prob_RWV: Tensor, score_RW: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return score, beam and token of each request's best 2W continuations, best first, [R, C] each.

        Of equal scores the better beam comes first, then the lower token id.
        """
        vocab_size = log_prob_RWV.shape[2]
        score_RX = (score_RW[:, :, None] + log_prob_RWV).flatten(1)
        key_RX = sort_keys(score_RX, torch.arange(score_RX.shape[1], device=score_RX.device))
        best_RC = key_RX.topk(min(2 * self._config.num_beams, score_RX.shape[1]), dim=1).indices
        return score_RX.gather(1, best_RC).cpu(), (best_RC // vocab_size).cpu(), (best_RC % vocab_size).cpu()
