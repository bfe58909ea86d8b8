"""State of the search for free text: beams with tokens and position states, and finished texts.

Everything here is on the CPU and small: the scores of 2W continuations per request and step.

Shape suffixes: R = requests still searching, W = beams of a request, C = its best continuations.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from recsys_model.config import GenerationConfig
from recsys_model.decoding.hypotheses import DEAD
from recsys_model.infilling.positions import PositionAutomaton, PositionState
from recsys_model.text.tokenizer import SpecialTokens


@dataclass(frozen=True, slots=True)
class GeneratedText:
    """One text for one request."""

    token_ids: tuple[int, ...]
    """Its tokens."""
    log_prob: float
    """Sum of the log-probabilities of its tokens, and of `[E]` if it is complete; at most 0."""
    is_complete: bool
    """Whether it ended by itself, not because it had `max_tokens` tokens."""


@dataclass(frozen=True, slots=True)
class TextBeam:
    """An unfinished text."""

    token_ids: tuple[int, ...]
    """Its tokens, without `[S]`."""
    state: PositionState
    """State of the position automaton after the last of them."""
    score: float
    """Sum of log-probabilities, `DEAD` for a slot that holds nothing."""
    parent: int
    """Its parent among the beams of the previous step."""


class TextSearch:
    """The beams of all requests that are not done."""

    def __init__(
        self, num_requests: int, special: SpecialTokens, automaton: PositionAutomaton, config: GenerationConfig
    ) -> None:
        self._special = special
        self._automaton = automaton
        self._config = config
        self._finished: list[list[GeneratedText]] = [[] for _ in range(num_requests)]
        self._last_beams: list[TextBeam] = [TextBeam((), automaton.start(), 0.0, 0)] * num_requests
        self._requests = list(range(num_requests))
        self._beams = [[beam] for beam in self._last_beams]

    @property
    def is_done(self) -> bool:
        """Whether no request has a beam left."""
        return not self._requests

    @property
    def requests(self) -> Tensor:
        """Index of each request among all of the call, [R]."""
        return torch.tensor(self._requests)

    @property
    def scores(self) -> Tensor:
        """Sums of log-probabilities, [R, W]."""
        return torch.tensor([[beam.score for beam in beams] for beams in self._beams])

    @property
    def parents(self) -> Tensor:
        """The parent of each beam among the beams of the previous step, [R, W]."""
        return torch.tensor([[beam.parent for beam in beams] for beams in self._beams])

    @property
    def last_tokens(self) -> Tensor:
        """The token to feed next, `[S]` at first, [R, W]."""
        return torch.tensor([[(self._special.start, *beam.token_ids)[-1] for beam in beams] for beams in self._beams])

    @property
    def last_intra_ids(self) -> Tensor:
        """Intra position id of that token, [R, W]."""
        return torch.tensor([[beam.state.position for beam in beams] for beams in self._beams])

    def advance(self, score_RC: Tensor, beam_RC: Tensor, token_RC: Tensor) -> None:
        """Finish texts and choose the next beams from the best continuations of each request, best first."""
        rows = zip(self._requests, score_RC.tolist(), beam_RC.tolist(), token_RC.tolist(), strict=True)
        next_beams = [
            self._advance_request(request, self._beams[row], list(zip(*candidates, strict=True)))
            for row, (request, *candidates) in enumerate(rows)
        ]
        num_beams = max(map(len, next_beams))
        empty = TextBeam((), self._automaton.start(), DEAD, 0)
        self._beams = [beams + [empty] * (num_beams - len(beams)) for beams in next_beams]

    def drop_done_requests(self) -> Tensor | None:
        """Drop requests without beams once they are half of all; return the kept indices, None if all are kept."""
        kept = [row for row, beams in enumerate(self._beams) if beams and beams[0].score > DEAD]
        if 2 * len(kept) > len(self._beams):
            return None
        self._requests = [self._requests[row] for row in kept]
        self._beams = [self._beams[row] for row in kept]
        return torch.tensor(kept, dtype=torch.int64)

    def best_texts(self) -> list[GeneratedText]:
        """Return the best finished text of each request, else its best beam as it is."""
        return [
            max(texts, key=self._merit) if texts else GeneratedText(beam.token_ids, beam.score, is_complete=False)
            for texts, beam in zip(self._finished, self._last_beams, strict=True)
        ]

    def finished_texts(self) -> list[list[GeneratedText]]:
        """Return the finished texts of each request, best first; none where no beam came to an end."""
        return [sorted(texts, key=self._merit, reverse=True) for texts in self._finished]

    def _advance_request(
        self, request: int, beams: list[TextBeam], candidates: list[tuple[float, int, int]]
    ) -> list[TextBeam]:
        max_beams, finished = self._config.num_beams, self._finished[request]
        next_beams: list[TextBeam] = []
        for rank, (score, parent, token) in enumerate(candidates):
            beam = beams[parent]
            if score == DEAD:
                break
            if token == self._special.end:
                if rank < max_beams:
                    finished.append(GeneratedText(beam.token_ids, score, is_complete=True))
            elif len(next_beams) < max_beams:
                next_beams.append(self._grown(beam, parent, token, score))
        if len(finished) >= max_beams or not next_beams or len(beams[0].token_ids) == self._config.max_tokens:
            return []
        self._last_beams[request] = next_beams[0]
        return next_beams

    def _grown(self, beam: TextBeam, parent: int, token: int, score: float) -> TextBeam:
        return TextBeam((*beam.token_ids, token), self._automaton.feed(beam.state, token), score, parent)

    def _merit(self, text: GeneratedText) -> float:
        return text.log_prob / (len(text.token_ids) + 1) ** self._config.length_power
