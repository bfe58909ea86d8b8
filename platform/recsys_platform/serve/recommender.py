"""Recommender: answer a batch of requests with one bundle. Plain Python, tested without Ray.

Valid requests are decoded together. An invalid one gets its list of problems and does not affect the others. The
catalogue may change between batches, never within one: a batch uses the `ServedCatalog` with which it begins.
"""

import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from recsys_model.bundle import Bundle, load_bundle
from recsys_model.decoding.answers import Answer
from recsys_model.decoding.exact import Certificate
from recsys_model.decoding.explainer import Explainer
from recsys_model.decoding.generator import TrieGuidedGenerator
from recsys_model.entities.live_catalog import CatalogUpdate, live_catalog
from recsys_model.text.textualize import Textualizer
from recsys_platform.artifacts import Manifest, open_artifact
from recsys_platform.item_columns_file import load_columns
from recsys_platform.serve.catalog_schemas import ItemDetails, ItemMatches, ServedModel
from recsys_platform.serve.explaining import explain_item, with_explanations
from recsys_platform.serve.generating import generate
from recsys_platform.serve.item_lookup import item_details, matching_items
from recsys_platform.serve.ranking import rank_candidates
from recsys_platform.serve.request_reader import Query, RequestReader
from recsys_platform.serve.schemas import (
    ExactnessCertificate,
    ModelInfo,
    RecommendedItem,
    RecommendRequest,
    RecommendResponse,
    Rejection,
)
from recsys_platform.serve.scoring_schemas import ExplainRequest, ExplainResponse, RankRequest, RankResponse
from recsys_platform.serve.served_catalog import ServedCatalog

logger = logging.getLogger(__name__)


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
        answers = iter(generate(served.generator, queries))
        return [
            self._respond(served, each, next(answers)) if isinstance(each, Query) else each
            for each in queries_or_rejections
        ]

    def rank(self, request: RankRequest) -> RankResponse | Rejection:
        """Return all candidates of a request with their scores, best first, or all of its problems."""
        served = self._served
        fields = rank_candidates(served, self._reader(served), request)
        return fields if isinstance(fields, Rejection) else RankResponse(**self._common(served), **fields)

    def explain(self, request: ExplainRequest) -> ExplainResponse | Rejection:
        """Return why an item has its score for a user, or all problems of the request."""
        served = self._served
        fields = explain_item(served, self._explainer(served), self._reader(served), request)
        return fields if isinstance(fields, Rejection) else ExplainResponse(**self._common(served), **fields)

    def item(self, item_id: str) -> ItemDetails | None:
        """Return an item of the catalogue, also a removed one; None if the id is unknown."""
        return item_details(self._served, item_id)

    def search_items(self, title: str, limit: int) -> ItemMatches:
        """Return up to `limit` items that the text means or resembles."""
        return matching_items(self._served, title, limit)

    def describe(self) -> ServedModel:
        """Return the model, and what its requests may say."""
        settings = self._bundle.settings
        return ServedModel(
            model=self.info,
            items=self.num_items,
            catalog_version=self.catalog_version,
            scoring=settings.decoding.scoring,
            exact=settings.decoding.exact,
            max_k=settings.decoding.num_beams,
            user_features=list(settings.user_features),
            columns=self.generator.columns.kinds,
        )

    def read(self, request: RecommendRequest) -> Query | Rejection:
        """Return the query of a valid request, or a rejection that lists all of its problems."""
        return self._reader(self._served).read(request)

    def _reader(self, served: ServedCatalog) -> RequestReader:
        bundle = self._bundle
        return RequestReader(
            bundle.settings,
            bundle.tokenizer.special,
            served.textualizer,
            served.catalog,
            served.generator.columns,
            self._clock,
        )

    def _explainer(self, served: ServedCatalog) -> Explainer:
        return Explainer(served.generator, self._bundle.tokenizer.decode)

    def _common(self, served: ServedCatalog) -> dict[str, Any]:
        """Return the fields that all answers with scores have."""
        return {
            "scoring": self._bundle.settings.decoding.scoring,
            "model": self.info,
            "catalog_version": served.catalog.version,
        }

    def _respond(self, served: ServedCatalog, query: Query, answer: Answer) -> RecommendResponse:
        indices = [each.item for each in answer.items]
        items = [
            RecommendedItem(
                id=served.catalog.items[each.item].item_id, title=served.title_of(each.item), score=each.score
            )
            for each in answer.items
        ]
        prompt = None
        if query.explain:
            items, prompt = with_explanations(self._explainer(served), query, items, indices)
        certificate = None if answer.certificate is None else _certificate_of(answer.certificate)
        return RecommendResponse(
            items=items,
            certificate=certificate,
            prompt=prompt,
            unknown_items=list(query.user.unknown),
            **self._common(served),
        )


def load_recommender(folder: Path, device: str = "cpu") -> Recommender:
    """Verify and load a bundle artifact.

    Raises:
        CheckpointError: The artifact is missing, incomplete or was changed.
    """
    manifest = open_artifact(folder, "bundle")
    bundle = load_bundle(folder, device=device)
    columns = load_columns(folder, len(bundle.catalog.items))
    return Recommender(replace(bundle, columns=columns), describe_model(manifest))


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
