"""Compare one decoding step (constrain, normalise, select) with transformers' prefix-constrained processor.

Shape suffixes: P = beams of all requests, R = requests, W = beams of a request, C = children of all beams,
M = children of the request that has most, D = hidden size, V = vocabulary.
"""

import itertools
import random
from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor
from transformers import PrefixConstrainedLogitsProcessor

from recsys_model.backbones.glm import GLM
from recsys_model.config import GLMConfig
from recsys_model.decoding.hypotheses import Beams, Candidates, best_beams, rank_in_group
from recsys_model.decoding.scoring import ChildScorer
from recsys_model.entities.token_trie import TokenTrie
from tests.benchmarks.pairs import Row, time_pairs
from tests.benchmarks.trie_rows import pygtrie_of

GLM_VOCABULARY, NUM_REQUESTS, NUM_BEAMS = 50_304, 8, 20
NUM_CALLS = 20
"""Steps in a row, as a search makes them, each with beams of its own."""


class Step:
    """Beams on the way to random items, or all at the root, where a search begins: constrain, normalise, select."""

    def __init__(self, trie: TokenTrie, hidden_size: int, num_beams: int) -> None:
        """Take the beams of a request; a single one is at the root, more are below it."""
        rng = random.Random(0)
        geometry = GLMConfig(num_layers=1, hidden_size=hidden_size, num_heads=4, vocab_size=GLM_VOCABULARY)
        self.model = GLM(geometry).eval()
        self.trie = trie
        self.scorer = ChildScorer(self.model, trie, "trie")
        self.lowest_item_N = torch.from_numpy(trie.lowest_items()).long()
        self.num_beams = num_beams
        leaves, count = trie.leaves(), NUM_REQUESTS * num_beams
        draws = [
            [0] * count if num_beams == 1 else [self._node_below_root(leaves, rng) for _ in range(count)]
            for _ in range(NUM_CALLS)
        ]
        self.nodes = [torch.tensor(nodes) for nodes in draws]
        self.hidden = [torch.randn(count, hidden_size) for _ in draws]
        with torch.no_grad():
            self.logits_PV = self.model.logits(self.hidden[0])
        self.score_P = -torch.rand(count) * 10
        self.texts = [tuple(trie.path(node)) for node in draws[0]]

    def _node_below_root(self, leaves: Sequence[int], rng: random.Random) -> int:
        path: list[int] = []
        while not path:
            node = int(self.trie.parents[int(rng.choice(leaves))])
            while node > 0:
                path.append(node)
                node = int(self.trie.parents[node])
        return rng.choice(path)

    @torch.inference_mode()
    def ours(self, draw: int) -> Beams:
        """Project on the children alone, normalise among them, choose; every draw has beams and states of its own."""
        children = self.scorer.expand(self.nodes[draw])
        score_C = self.score_P[children.rows] + self.scorer.log_probs(self.hidden[draw], children)
        request_C = children.rows // self.num_beams
        rank_C = rank_in_group(request_C, NUM_REQUESTS)
        slot_RM = torch.zeros((NUM_REQUESTS, int(rank_C.max()) + 1), dtype=torch.int64)
        node_RM, score_RM = torch.zeros_like(slot_RM), torch.full(slot_RM.shape, float("-inf"))
        node_RM[request_C, rank_C] = children.nodes
        score_RM[request_C, rank_C] = score_C
        slot_RM[request_C, rank_C] = children.rows % self.num_beams
        candidates = Candidates(score_RM, node_RM, slot_RM, self.lowest_item_N[node_RM])
        return best_beams(torch.arange(NUM_REQUESTS), candidates, NUM_BEAMS)

    def check(self, dense_RW: Tensor) -> None:
        """Stop unless the scores are those of the dense way, and every beam chosen is a child of the one it goes on from."""
        beams = self.ours(0)
        if not torch.allclose(beams.scores, dense_RW[:, : beams.scores.shape[1]], atol=1e-5, rtol=1e-6):
            raise SystemExit("the scores of a decoding step differ from the dense reference by more than 1e-5")
        parent_RW = torch.from_numpy(self.trie.parents).long()[beams.nodes]
        from_RW = self.nodes[0].reshape(NUM_REQUESTS, self.num_beams).gather(1, beams.parents)
        if not (parent_RW == from_RW).all():
            raise SystemExit("a decoding step chose a token that the trie does not allow")

    def dense(self, processor: PrefixConstrainedLogitsProcessor, *, project: bool = False) -> Tensor:
        """The first draw as transformers does it, where beams have equally many tokens.

        It begins at logits that are there, or with `project` at the states, as ours does.
        """
        longest = max(map(len, self.texts))
        ids = torch.tensor([[*text, *[-1] * (longest - len(text))] for text in self.texts])
        masked = processor(ids, self.model.logits(self.hidden[0]) if project else self.logits_PV)
        total = self.score_P[:, None] + masked.log_softmax(dim=-1)
        return total.reshape(NUM_REQUESTS, -1).topk(NUM_BEAMS, dim=1).values


@torch.inference_mode()
def step_rows(
    trie: TokenTrie, sequences: list[tuple[int, ...]], end: int, hidden_size: int, pairs: int
) -> Iterator[Row]:
    """Compare with transformers' processor over a dictionary and over pygtrie, alone and behind the projection it needs."""
    prefixes: dict[tuple[int, ...], set[int]] = {}
    for row in sequences:
        for size, token in enumerate((*row, end)):
            prefixes.setdefault(row[:size], set()).add(token)
    allowed = {prefix: sorted(tokens) for prefix, tokens in prefixes.items()}
    reference = pygtrie_of(sequences, end)

    def by_dictionary(_: int, ids: Tensor) -> list[int]:
        return allowed[tuple(token for token in ids.tolist() if token >= 0)]

    def by_pygtrie(_: int, ids: Tensor) -> list[int]:
        path = tuple(token for token in ids.tolist() if token >= 0)

        def visit(_conv: object, at: tuple[int, ...], children: Iterable[int], _value: object = None) -> object:
            return list(children) if len(at) == len(path) else at[-1]

        return reference.traverse(visit, prefix=path) if path else reference.traverse(visit)

    for num_beams, place in ((NUM_BEAMS, "below the root"), (1, "at the root")):
        step, draws = Step(trie, hidden_size, num_beams), itertools.cycle(range(NUM_CALLS))
        for name, function, project in (
            ("a dictionary", by_dictionary, False),
            ("pygtrie", by_pygtrie, False),
            ("a dictionary, behind the projection on the vocabulary", by_dictionary, True),
        ):
            processor = PrefixConstrainedLogitsProcessor(function, num_beams)
            step.check(step.dense(processor, project=project))
            begins = "as the alternative's does" if project else "the alternative's begins at given logits"
            yield time_pairs(
                f"decoding step, {NUM_REQUESTS} requests x {num_beams} beams {place}, vocabulary {GLM_VOCABULARY:,}, "
                f"width {hidden_size}",
                f"transformers' prefix-constrained processor over {name}",
                lambda step=step, draws=draws: step.ours(next(draws)),
                lambda step=step, processor=processor, project=project: step.dense(processor, project=project),
                pairs=max(pairs, 15),
                calls=NUM_CALLS,
                note=f"same scores to 1e-5, no invalid token; ours includes the projection of the children, {begins}",
            )
