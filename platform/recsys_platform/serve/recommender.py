"""Recommender: answer a batch of requests with one bundle. Plain Python, tested without Ray.

Valid requests are decoded together. An invalid one gets its list of problems and does not affect the others. The
catalogue may change between batches, never within one: a batch uses the `ServedCatalog` with which it begins.
"""

import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from recsys_model.bundle import Bundle, load_bundle
from recsys_model.decoding.answers import Answer
from recsys_model.decoding.exact import Certificate
from recsys_model.decoding.generator import TrieGuidedGenerator
from recsys_model.entities.live_catalog import CatalogUpdate, LiveCatalog, live_catalog
from recsys_model.text.textualize import Textualizer
from recsys_platform.artifacts import Manifest, open_artifact
from recsys_platform.serve.request_reader import Query, RequestReader
from recsys_platform.serve.schemas import (
    ExactnessCertificate,
    ModelInfo,
    RecommendedItem,
    RecommendRequest,
    RecommendResponse,
    Rejection,
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class ServedCatalog:
    """One version of the catalogue and everything built from it; an edit replaces the whole object."""

    catalog: LiveCatalog
    """Resolves item ids and titles."""
    textualizer: Textualizer
    """Writes histories of its items as text."""
    generator: TrieGuidedGenerator
    """Searches the items that are not removed."""


class Recommender:
    """Answers batches of requests with one bundle, one batch at a time.

    `clock` returns the unix time for requests without one.
    """

    def __init__(self, bundle: Bundle, info: ModelInfo, clock: Callable[[], float] = time.time) -> None:
        self.info = info
        self._bundle = bundle
        self._clock = clock
        catalog = live_catalog(bundle.catalog)
        catalog.references.prepare()
        self._served = ServedCatalog(
            catalog=catalog,
            textualizer=Textualizer(bundle.tokenizer, catalog, bundle.settings.text),
            generator=TrieGuidedGenerator(
                bundle.model,
                bundle.catalog,
                bundle.tokenizer.special,
                bundle.settings.decoding,
                bundle.scorer,
                bundle.settings.trie_temperature,
                bundle.columns,
            ),
        )

    @property
    def num_items(self) -> int:
        """Number of items that can be recommended."""
        return len(self._served.catalog)

    @property
    def generator(self) -> TrieGuidedGenerator:
        """The search over the present version of the catalogue."""
        return self._served.generator

    @property
    def catalog_version(self) -> int:
        """Number of edits applied so far."""
        return self._served.catalog.version

    @property
    def edit_id(self) -> str:
        """The id of the last applied edit, empty before the first."""
        return self._served.catalog.edit_id

    def follow(self, update: CatalogUpdate) -> None:
        """Apply the edits of an update to the current version, or with `anew` to the bundle's catalogue.

        Requests are answered meanwhile, by the old version or by the new one. If the edits only remove items, the
        removal takes effect before the new trie is compiled. Only one thread at a time may call this.

        Raises:
            DataError: An edit does not fit the catalogue, which stays unchanged.
            ConfigError: An item is too long for the model; the catalogue stays unchanged.
        """
        started = time.perf_counter()
        old = self._served
        catalog = (live_catalog(self._bundle.catalog) if update.anew else old.catalog).edited(update.edits)
        if not update.anew and not any(edit.added or edit.cells for edit in update.edits):
            removed = [index for index in old.catalog.present() if not catalog.has(index)]
            self._served = replace(old, generator=old.generator.hiding(removed))
        base = self._bundle.columns
        columns = None if base is None else base.edited(catalog.cells, len(catalog.items))
        served = ServedCatalog(
            catalog=catalog,
            textualizer=old.textualizer.of_catalog(catalog),
            generator=old.generator.of_items(catalog.items, catalog.present(), columns),
        )
        # the index is shared with the old version: only this thread may extend it, and only once the edit is valid
        catalog.references.prepare()
        self._served = served
        milliseconds = 1000 * (time.perf_counter() - started)
        logger.info("catalogue version %d: %d items, %.0f ms", catalog.version, len(catalog), milliseconds)

    def recommend(self, requests: Sequence[RecommendRequest]) -> list[RecommendResponse | Rejection]:
        """Return one response per request, in order: items, or a rejection that lists all problems."""
        served = self._served
        reader = self._reader(served)
        queries_or_rejections = [reader.read(request) for request in requests]
        queries = [each for each in queries_or_rejections if isinstance(each, Query)]
        answers = iter(_generate(served, queries))
        return [
            self._respond(served, next(answers)) if isinstance(each, Query) else each for each in queries_or_rejections
        ]

    def read(self, request: RecommendRequest) -> Query | Rejection:
        """Return the query of a valid request, or a rejection that lists all of its problems."""
        return self._reader(self._served).read(request)

    def _reader(self, served: ServedCatalog) -> RequestReader:
        bundle = self._bundle
        return RequestReader(bundle.settings, bundle.tokenizer.special, served.textualizer, served.catalog, self._clock)

    def _respond(self, served: ServedCatalog, answer: Answer) -> RecommendResponse:
        scored_items = [(served.catalog.items[each.item], each.score) for each in answer.items]
        # an item without a title is shown with the text that the model generates for it
        items = [
            RecommendedItem(id=item.item_id, title=item.title or item.text, score=score) for item, score in scored_items
        ]
        certificate = None if answer.certificate is None else _certificate_of(answer.certificate)
        return RecommendResponse(
            items=items,
            certificate=certificate,
            scoring=self._bundle.settings.decoding.scoring,
            model=self.info,
            catalog_version=served.catalog.version,
        )


def load_recommender(folder: Path, device: str = "cpu") -> Recommender:
    """Verify and load a bundle artifact.

    Raises:
        CheckpointError: The artifact is missing, incomplete or was changed.
    """
    manifest = open_artifact(folder, "bundle")
    return Recommender(load_bundle(folder, device=device), describe_model(manifest))


def describe_model(manifest: Manifest) -> ModelInfo:
    """Return name, digest, version and time of a bundle artifact."""
    return ModelInfo(
        name=str(manifest.config.get("name", "")),
        digest=manifest.digest,
        version=manifest.versions.get("recsysllm-on-ray", ""),
        created=manifest.created,
    )


def _certificate_of(certificate: Certificate) -> ExactnessCertificate:
    """Return a certificate for JSON, with null in place of infinite numbers."""
    bound, missing = (value if math.isfinite(value) else None for value in (certificate.bound, certificate.missing))
    return ExactnessCertificate(
        exact=certificate.is_exact, bound=bound, missing=missing, expanded=certificate.num_expanded
    )


def _generate(served: ServedCatalog, queries: Sequence[Query]) -> list[Answer]:
    """Decode all queries as one batch; each answer has at most the query's `k` items."""
    if not queries:
        return []
    answers = served.generator.search(
        [query.prompt for query in queries],
        max(query.k for query in queries),
        [query.excluded for query in queries],
        [query.allowed for query in queries],
    )
    return [answer.first(query.k) for answer, query in zip(answers, queries, strict=True)]
