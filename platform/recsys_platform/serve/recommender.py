"""From checked requests to recommendations: a plain class, tested without Ray.

Requests are decoded together; one that is wrong is answered with its problems and does not touch the others. The
catalogue may be edited between two batches: a batch takes what is served when it begins and keeps it to its end.
"""

import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from recsys_model.bundle import Bundle, load_bundle
from recsys_model.decoding.exact import Certificate
from recsys_model.decoding.generator import Answer, TrieGuidedGenerator
from recsys_model.entities.live_catalog import CatalogUpdate, LiveCatalog, live_catalog
from recsys_model.text.textualize import Textualizer
from recsys_platform.artifacts import Manifest, open_artifact
from recsys_platform.serve.reading import Query, RequestReader
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
class Served:
    """All that depends on the catalogue; replaced as a whole."""

    catalog: LiveCatalog
    """Finds and names items."""
    textualizer: Textualizer
    """Tells histories of its items."""
    generator: TrieGuidedGenerator
    """Generates the items that are present."""


class Recommender:
    """Answers batches of requests with one bundle, one batch at a time.

    `clock` gives the unix time of a request that names none.
    """

    def __init__(self, bundle: Bundle, info: ModelInfo, clock: Callable[[], float] = time.time) -> None:
        self.info = info
        self._bundle = bundle
        self._clock = clock
        catalog = live_catalog(bundle.catalog)
        catalog.references.prepare()
        self._served = Served(
            catalog=catalog,
            textualizer=Textualizer(bundle.tokenizer, catalog, bundle.settings.text),
            generator=TrieGuidedGenerator(
                bundle.model,
                bundle.catalog,
                bundle.tokenizer.special,
                bundle.settings.decoding,
                bundle.scorer,
                bundle.settings.trie_temperature,
            ),
        )

    @property
    def num_items(self) -> int:
        """Number of items that can be recommended."""
        return len(self._served.catalog)

    @property
    def catalog_version(self) -> int:
        """Number of edits that are followed so far."""
        return self._served.catalog.version

    @property
    def edit_id(self) -> str:
        """The id of the last edit that is followed, empty before the first."""
        return self._served.catalog.edit_id

    def follow(self, update: CatalogUpdate) -> None:
        """Make the edits of an update, the first of them number `catalog_version + 1` unless they begin anew.

        Requests are answered all the while, by the old version or by the new one; edits that only remove items are in
        force before the new trie is compiled. To be called by one thread at a time.

        Raises:
            DataError: an edit does not fit the catalogue, which stays as it is.
            ConfigError: an item is too long for the model; the catalogue stays as it is.
        """
        started = time.perf_counter()
        old = self._served
        catalog = (live_catalog(self._bundle.catalog) if update.anew else old.catalog).edited(update.edits)
        if not update.anew and not any(edit.added for edit in update.edits):
            gone = [index for index in old.catalog.present() if not catalog.has(index)]
            self._served = replace(old, generator=old.generator.hiding(gone))
        served = Served(
            catalog=catalog,
            textualizer=old.textualizer.of_catalog(catalog),
            generator=old.generator.of_items(catalog.items, catalog.present()),
        )
        # by this thread, and only for a version that will be served: what is indexed is shared with the old one
        catalog.references.prepare()
        self._served = served
        milliseconds = 1000 * (time.perf_counter() - started)
        logger.info("catalogue version %d: %d items, %.0f ms", catalog.version, len(catalog), milliseconds)

    def recommend(self, requests: Sequence[RecommendRequest]) -> list[RecommendResponse | Rejection]:
        """Answer each request in its place: with items, or with all that is wrong with it."""
        served = self._served
        reader = self._reader(served)
        read = [reader.read(request) for request in requests]
        queries = [item for item in read if isinstance(item, Query)]
        answers = iter(_generate(served, queries))
        return [self._respond(served, next(answers)) if isinstance(item, Query) else item for item in read]

    def read(self, request: RecommendRequest) -> Query | Rejection:
        """Turn one request into what the model is asked, or say what is wrong with it."""
        return self._reader(self._served).read(request)

    def _reader(self, served: Served) -> RequestReader:
        bundle = self._bundle
        return RequestReader(bundle.settings, bundle.tokenizer.special, served.textualizer, served.catalog, self._clock)

    def _respond(self, served: Served, answer: Answer) -> RecommendResponse:
        found = [(served.catalog.items[each.item], each.score) for each in answer.items]
        # an item without a title is named by the text that stands for it
        items = [RecommendedItem(id=item.item_id, title=item.title or item.text, score=score) for item, score in found]
        certificate = None if answer.certificate is None else _tell(answer.certificate)
        return RecommendResponse(
            items=items,
            certificate=certificate,
            scoring=self._bundle.settings.decoding.scoring,
            model=self.info,
            catalog_version=served.catalog.version,
        )


def load_recommender(folder: Path, device: str = "cpu") -> Recommender:
    """Check a bundle artifact and load it.

    Raises:
        CheckpointError: the artifact is missing, incomplete or was changed.
    """
    manifest = open_artifact(folder, "bundle")
    return Recommender(load_bundle(folder, device=device), describe_model(manifest))


def describe_model(manifest: Manifest) -> ModelInfo:
    """Name the model of a bundle artifact."""
    return ModelInfo(
        name=str(manifest.config.get("name", "")),
        digest=manifest.digest,
        version=manifest.versions.get("recsysllm-on-ray", ""),
        created=manifest.created,
    )


def _tell(certificate: Certificate) -> ExactnessCertificate:
    """Return a certificate as JSON can say it, which has no infinite numbers."""
    bound, missing = (value if math.isfinite(value) else None for value in (certificate.bound, certificate.missing))
    return ExactnessCertificate(
        exact=certificate.is_exact, bound=bound, missing=missing, expanded=certificate.num_expanded
    )


def _generate(served: Served, queries: Sequence[Query]) -> list[Answer]:
    """Decode all prompts together and give each as many items as it asked for."""
    if not queries:
        return []
    answers = served.generator.search(
        [query.prompt for query in queries],
        max(query.k for query in queries),
        [query.excluded for query in queries],
        [query.allowed for query in queries],
    )
    return [answer.first(query.k) for answer, query in zip(answers, queries, strict=True)]
