"""Answer: the items of one request with their scores, and with a certificate if the search was exact."""

from dataclasses import dataclass, replace

from recsys_model.decoding.exact import Certificate


@dataclass(frozen=True, slots=True)
class Recommendation:
    """One item for one request."""

    item: int
    """Catalogue index."""
    score: float
    """`trie`, `lm`: sum of the log-probabilities of its tokens and `[E]`; `entity`: log-probability of the item;
    `blend`: the weighted sum of the item's two log-probabilities and log(1 + co-occurrences with the latest items)."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The items of one request."""

    items: list[Recommendation]
    """Best first; of equal scores the lower catalogue index comes first."""
    certificate: Certificate | None
    """Bound on all other items with `exact`, else None."""

    def first(self, k: int) -> "Answer":
        """Return the answer with the best `k` items alone; they may be proven even if the others are not."""
        if len(self.items) <= k:
            return self
        certificate = self.certificate
        if certificate is not None:
            bound = max(certificate.bound, self.items[k].score)
            last = self.items[k - 1].score
            leaves_tie = not certificate.is_exact and certificate.bound == last
            certificate = replace(certificate, bound=bound, missing=max(0.0, bound - last), leaves_tie=leaves_tie)
        return Answer(self.items[:k], certificate)
