"""From checked requests to recommendations: a plain class, tested without Ray.

Requests are decoded together; one that is wrong is answered with its problems and does not touch the others. The
catalogue may be edited between two batches: a batch takes what is served when it begins and keeps it to its end.
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from recsys_model.bundle import Bundle, load_bundle
from recsys_model.decoding.beam import Recommendation, TrieGuidedGenerator
from recsys_model.entities.live_catalog import CatalogEdit, LiveCatalog, live_catalog
from recsys_model.text.textualize import Textualizer
from recsys_platform.artifacts import Manifest, open_artifact
from recsys_platform.serve.reading import Prompt, RequestReader
from recsys_platform.serve.schemas import (
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
    gone: frozenset[int] = frozenset()
    """Items that the next version will not have, while that is compiled."""


class Recommender:
    """Answers batches of requests with one bundle, one batch at a time.

    `clock` gives the unix time of a request that names none.
    """

    def __init__(self, bundle: Bundle, info: ModelInfo, clock: Callable[[], float] = time.time) -> None:
        self.info = info
        self._bundle = bundle
        self._clock = clock
        catalog = live_catalog(bundle.catalog)
        self._served = Served(
            catalog=catalog,
            textualizer=Textualizer(bundle.tokenizer, catalog, bundle.settings.text),
            generator=TrieGuidedGenerator(
                bundle.model, bundle.catalog, bundle.tokenizer.special, bundle.settings.decoding
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

    def follow(self, edits: Sequence[CatalogEdit]) -> None:
        """Make these edits, the first of them number `catalog_version + 1`.

        Requests are answered all the while: what is removed is denied at once, the rest is seen when the new trie is
        compiled. To be called by one thread at a time.

        Raises:
            DataError: an edit does not fit the catalogue, which stays as it is.
            ConfigError: an item is too long for the model; the catalogue stays as it is but for removed items.
        """
        started = time.perf_counter()
        old = self._served
        catalog = old.catalog.edited(edits)
        removed = (old.catalog.index_of(item_id) for edit in edits for item_id in edit.removed)
        gone = frozenset(index for index in removed if index is not None and not catalog.has(index))
        self._served = replace(old, gone=old.gone | gone)
        self._served = Served(
            catalog=catalog,
            textualizer=old.textualizer.of_catalog(catalog),
            generator=old.generator.of_items(catalog.items, catalog.present()),
        )
        milliseconds = 1000 * (time.perf_counter() - started)
        logger.info("catalogue version %d: %d items, %.0f ms", catalog.version, len(catalog), milliseconds)

    def recommend(self, requests: Sequence[RecommendRequest]) -> list[RecommendResponse | Rejection]:
        """Answer each request in its place: with items, or with all that is wrong with it."""
        served = self._served
        reader = self._reader(served)
        read = [reader.read(request) for request in requests]
        prompts = [prompt for prompt in read if isinstance(prompt, Prompt)]
        answers = iter(_generate(served, prompts))
        return [self._respond(served, next(answers)) if isinstance(item, Prompt) else item for item in read]

    def read(self, request: RecommendRequest) -> Prompt | Rejection:
        """Turn one request into what the model is asked, or say what is wrong with it."""
        return self._reader(self._served).read(request)

    def _reader(self, served: Served) -> RequestReader:
        bundle = self._bundle
        return RequestReader(bundle.settings, bundle.tokenizer.special, served.textualizer, served.catalog, self._clock)

    def _respond(self, served: Served, recommendations: Sequence[Recommendation]) -> RecommendResponse:
        found = [(served.catalog.items[each.item], each.score) for each in recommendations]
        # an item without a title is named by the text that stands for it
        items = [RecommendedItem(id=item.item_id, title=item.title or item.text, score=score) for item, score in found]
        return RecommendResponse(items=items, model=self.info, catalog_version=served.catalog.version)


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


def _generate(served: Served, prompts: Sequence[Prompt]) -> list[list[Recommendation]]:
    """Decode all prompts together and give each as many items as it asked for."""
    if not prompts:
        return []
    ranked = served.generator.recommend(
        [prompt.part_a for prompt in prompts],
        max(prompt.k for prompt in prompts),
        [prompt.excluded | served.gone for prompt in prompts],
        [prompt.allowed for prompt in prompts],
    )
    return [items[: prompt.k] for items, prompt in zip(ranked, prompts, strict=True)]
