"""Log-probabilities of the allowed next tokens of many beams at once.

`trie`: normalised over the children of the beam's node, so an only child has log-probability 0 and needs no product.
`lm`: normalised over the whole vocabulary, as the language model gives it.

Shape suffixes: P = beams that are alive, C = children of all their nodes, U = different tokens among them,
D = hidden size, V = vocabulary, N = nodes of the trie.
"""

import warnings
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from recsys_model.backbones.base import Backbone
from recsys_model.config import Scoring
from recsys_model.entities.token_trie import TokenTrie

# the CSR layout is "in beta state"; filtered once, since catch_warnings() resets Python's once-per-location registry
warnings.filterwarnings("ignore", message="Sparse CSR tensor support")

DENSE_ADVANTAGE = {"cpu": 2}
"""An output of a dense product costs about this many times less than a picked one; picking copies nothing on a CPU."""
DENSE_ADVANTAGE_ELSEWHERE = 8
MAX_GATHERED_ELEMENTS = 1 << 24
"""Largest number of matrix elements that are gathered at a time."""
MAX_LOGITS = {"cpu": 1 << 20}
"""Logits of whole vocabularies that are computed at a time: on a CPU few enough to stay in its cache."""
MAX_LOGITS_ELSEWHERE = 1 << 27


@dataclass(frozen=True, slots=True)
class Children:
    """The children of several nodes, one after the other."""

    rows: Tensor
    """Index of the beam whose child it is, ascending, [C]."""
    nodes: Tensor
    """The child's node, [C]."""
    counts: Tensor
    """Number of children of each beam's node, [P]."""


class ChildScorer:
    """Expands nodes of a trie and scores their children with the output matrix of a model."""

    def __init__(self, model: Backbone, trie: TokenTrie, scoring: Scoring, temperature: float = 1.0) -> None:
        """Take the temperature by which logits are divided before they are normalised over children."""
        device = model.device
        self._temperature = temperature
        self._model = model
        self._scoring = scoring
        self._token_N = torch.from_numpy(trie.first_tokens()).to(device, torch.int64)
        self._first_child_N = torch.from_numpy(trie.first_child).to(device, torch.int64)

    def expand(self, node_P: Tensor) -> Children:
        """Return the children of the given nodes."""
        first_P = self._first_child_N[node_P]
        num_P = self._first_child_N[node_P + 1] - first_P
        row_C = torch.repeat_interleave(torch.arange(len(node_P), device=node_P.device), num_P)
        shift_P = first_P - (num_P.cumsum(0) - num_P)
        node_C = shift_P[row_C] + torch.arange(len(row_C), device=node_P.device)
        return Children(row_C, node_C, num_P)

    def log_probs(self, hidden_PD: Tensor, children: Children) -> Tensor:
        """Return the log-probability of every child given its beam's state, float32, [C]."""
        token_C = self._token_N[children.nodes]
        if self._scoring == "lm":
            return vocabulary_log_probs(self._model, hidden_PD, children.rows, token_C)
        logits_C = self._branch_logits(hidden_PD, children, token_C)
        return _segment_log_softmax(logits_C / self._temperature, children.rows, len(hidden_PD))

    def _branch_logits(self, hidden_PD: Tensor, children: Children, token_C: Tensor) -> Tensor:
        """Project on the tokens of branch nodes only; an only child gets 0, which becomes log-probability 0."""
        is_branch_P = children.counts > 1
        if is_branch_P.all():
            return self._project(hidden_PD, children.counts, children.rows, token_C)
        branch_P = is_branch_P.nonzero().squeeze(1)
        chosen_C = is_branch_P[children.rows].nonzero().squeeze(1)
        row_C = (is_branch_P.cumsum(0) - 1)[children.rows[chosen_C]]
        logits_C = torch.zeros(len(token_C), device=hidden_PD.device)
        logits_C[chosen_C] = self._project(hidden_PD[branch_P], children.counts[branch_P], row_C, token_C[chosen_C])
        return logits_C

    def _project(self, hidden_PD: Tensor, count_P: Tensor, row_C: Tensor, token_C: Tensor) -> Tensor:
        """Return `hidden[row] . output_rows[token]` for every pair, in float32; a row's tokens are distinct."""
        device, matrix_VD = hidden_PD.device.type, self._model.output_matrix
        worth = DENSE_ADVANTAGE.get(device, DENSE_ADVANTAGE_ELSEWHERE) * len(token_C)
        # the size of the fullest row is a cheap lower bound of the number of different tokens
        if len(hidden_PD) * max(count_P.tolist(), default=0) <= worth:
            used_V = torch.zeros(self._model.config.vocab_size, dtype=torch.bool, device=token_C.device)
            used_V[token_C] = True
            token_U = used_V.nonzero().squeeze(1)
            if len(hidden_PD) * len(token_U) <= worth:
                logits_PU = hidden_PD.float() @ self._model.output_rows(token_U).float().T
                return logits_PU[row_C, (used_V.cumsum(0) - 1)[token_C]]
        if device == "cpu" and matrix_VD.dtype == torch.float32:
            return _picked_products(hidden_PD.float(), matrix_VD, count_P, token_C)
        return _gathered_products(self._model, hidden_PD, row_C, token_C)


def _gathered_products(model: Backbone, hidden_PD: Tensor, row_C: Tensor, token_C: Tensor) -> Tensor:
    """Return `hidden[row] . output_rows[token]` for every pair, in float32, [C]."""
    chunk = max(1, MAX_GATHERED_ELEMENTS // model.config.hidden_size)
    pairs = zip(row_C.split(chunk), token_C.split(chunk), strict=True)
    products = [torch.linalg.vecdot(hidden_PD[row].float(), model.output_rows(token).float()) for row, token in pairs]
    return torch.cat(products)


def _picked_products(hidden_PD: Tensor, output_VD: Tensor, count_P: Tensor, token_C: Tensor) -> Tensor:
    """Return `hidden . output[token]` for the next `count` tokens of each row, on a CPU, without a copy, [C].

    >>> _picked_products(torch.tensor([[1.0], [2.0]]), torch.tensor([[3.0], [4.0]]), torch.tensor([1, 1]), torch.tensor([1, 0]))
    tensor([4., 6.])
    """
    wanted_PV = torch.sparse_csr_tensor(
        functional.pad(count_P.cumsum(0), (1, 0)),
        token_C,
        hidden_PD.new_zeros(len(token_C)),
        size=(len(hidden_PD), len(output_VD)),
        check_invariants=False,
    )
    return torch.sparse.sampled_addmm(wanted_PV, hidden_PD, output_VD.T, beta=0.0).values()


def vocabulary_log_probs(model: Backbone, hidden_PD: Tensor, row_C: Tensor, token_C: Tensor) -> Tensor:
    """Return the log-probability of each token after the state `row_C`, normalised over the vocabulary, float32, [C].

    The rows are ascending. A state is projected once, and the logits of few states exist at a time.
    """
    if not len(row_C):
        return hidden_PD.new_zeros(0, dtype=torch.float32)
    size = max(1, MAX_LOGITS.get(hidden_PD.device.type, MAX_LOGITS_ELSEWHERE) // model.config.vocab_size)
    edges = torch.arange(0, len(hidden_PD) + size, size, device=row_C.device)
    bounds = torch.searchsorted(row_C, edges).tolist()
    log_probs = []
    for number, some_PD in enumerate(hidden_PD.split(size)):
        logits_PV = model.logits(some_PD).float()
        own = slice(bounds[number], bounds[number + 1])
        row = row_C[own] - number * size
        if some_PD.dtype == torch.float32:
            logit = logits_PV[row, token_C[own]]
        else:
            # bfloat16 rounds a logit of 20 by up to 0.06, which evens out in the sum over the vocabulary, but not here
            logit = _gathered_products(model, some_PD, row, token_C[own])
        log_probs.append(logit - logits_PV.logsumexp(dim=-1)[row])
    return torch.cat(log_probs)


def target_log_probs(model: Backbone, hidden_XD: Tensor, token_X: Tensor) -> Tensor:
    """Return the log-probability of one token after each state, normalised over the vocabulary, float32, [X]."""
    return vocabulary_log_probs(model, hidden_XD, torch.arange(len(token_X), device=token_X.device), token_X)


def _segment_log_softmax(logits_C: Tensor, row_C: Tensor, num_rows: int) -> Tensor:
    """Log-softmax over the entries of each row.

    >>> _segment_log_softmax(torch.tensor([0.0, 0.0, 5.0]), torch.tensor([0, 0, 1]), 2).exp()
    tensor([0.5000, 0.5000, 1.0000])
    """
    largest_P = logits_C.new_zeros(num_rows).scatter_reduce(0, row_C, logits_C, "amax", include_self=False)
    shifted_C = logits_C - largest_P[row_C]
    total_P = logits_C.new_zeros(num_rows).index_add(0, row_C, shifted_C.exp())
    return shifted_C - total_P.log()[row_C]
