"""The Ray Serve application: replicas that answer HTTP and hold the model in one process, and the keeper of the catalogue.

A request passes one hop, from the proxy to a replica. The replica forms batches itself (`batching.py`).
Deploy it from Python with `serve.run(build_app({...}))` or from a Serve config file, whose
`import_path` is `recsys_platform.serve.app:build_app`; `serve_config` writes such a file's content.
"""

import importlib.metadata
import os
import pathlib
from typing import Annotated, Any

from fastapi import Body, FastAPI, Path, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, StreamingResponse
from ray import serve

# Ray has no public name for the folder of its logs; a test of the real endpoint reads the file there
from ray.serve._private.logging_utils import get_serve_logs_dir
from ray.serve.handle import DeploymentHandle

from recsys_platform.config.serve import ServeConfig
from recsys_platform.serve.batch import NDJSON, BatchRequest, answer_lines, line_schema
from recsys_platform.serve.catalog_schemas import MAX_MATCHES, ItemDetails, ItemMatches, ServedModel, ServedModels
from recsys_platform.serve.deploy_config import read_args
from recsys_platform.serve.deploy_config import serve_config as serve_config
from recsys_platform.serve.fields import MAX_TEXT
from recsys_platform.serve.gate.access import environment_keys, key_source
from recsys_platform.serve.gate.build import add_gate
from recsys_platform.serve.gate.key_file import FixedKeys
from recsys_platform.serve.gate.request_log import open_request_log
from recsys_platform.serve.generator import Generator, Keeper
from recsys_platform.serve.item_schemas import EditAnswer, EditRequest, ItemsPage, SwapRequest
from recsys_platform.serve.ray_metrics import RayMeter
from recsys_platform.serve.responses import (
    EDITING,
    MISSING,
    OVERLOADED,
    REJECTING,
    UNAVAILABLE,
    answer_or_unavailable,
    edit_response,
    forbidden_response,
    not_found_response,
    rejected_or,
    rejection_response,
    retry_response,
)
from recsys_platform.serve.schemas import Health, Problem, RecommendRequest, RecommendResponse
from recsys_platform.serve.scoring_schemas import ExplainRequest, ExplainResponse, RankRequest, RankResponse

UPSCALE_DELAY_S = 5.0
DOWNSCALE_DELAY_S = 120.0
MAX_CONSTRUCTOR_RETRIES = 3
MAX_OTHER_REQUESTS = 100
"""Requests beside those for recommendations that a replica takes at a time: health, edits, pages of items."""
KEEPER_CPUS = 0.1
MAX_FOLLOWERS = 1000
PAGE_ITEMS, MAX_PAGE_ITEMS = 100, 10_000

api = FastAPI(
    title="RecSysLLM on Ray",
    version=importlib.metadata.version("recsysllm-on-ray"),
    description="Recommendations by trie-guided generation: distinct items of the catalogue.",
)


@api.exception_handler(RequestValidationError)
async def refuse_invalid(_: Request, error: RequestValidationError) -> JSONResponse:
    """Answer 422 without a copy of the input, which may be huge or, like NaN, not valid JSON."""
    return rejection_response(
        [Problem(loc=list(each["loc"]), msg=each["msg"], type=each["type"]) for each in error.errors()]
    )


# `serve.ingress` copies `api` at this line: define exception handlers and helpers of the routes above it
@serve.ingress(api)
class Endpoint:
    """A replica: validates requests, lets its generator answer them and returns the answers over HTTP."""

    app: FastAPI
    """This replica's copy of `api`, which `serve.ingress` sets."""

    def __init__(
        self,
        bundle: str,
        config: ServeConfig,
        keeper: DeploymentHandle | None = None,
        *,
        keys: FixedKeys | None = None,
    ) -> None:
        """Load the bundle; `keys` are those of the environment of the command, if there are any."""
        self._generator = Generator(bundle, config, keeper)
        self._keeper = keeper
        self._config = config
        self._keys = key_source(config, keys)

    async def check_health(self) -> None:
        """Report healthy once the catalogue is current; Serve waits for this before the first request."""
        await self._generator.check_health()

    def __serve_build_asgi_app__(self) -> FastAPI:
        """Return the API behind its gate; Ray Serve calls this once, after `__init__`."""
        return add_gate(
            self.app,
            self._config,
            self._keys,
            meter=RayMeter(),
            log=open_request_log(self._config.request_log, pathlib.Path(get_serve_logs_dir())),
            is_behind_serve=True,
        )

    @api.post(
        "/v1/recommend",
        summary="Recommend items to one user",
        response_model=RecommendResponse,
        responses=REJECTING,
    )
    async def recommend(self, request: Annotated[RecommendRequest, Body()]) -> RecommendResponse | JSONResponse:
        """Return the items with the highest scores for this user, best first."""
        return rejected_or(await self._recommend(request))

    @api.post(
        "/v1/recommend:batch",
        summary="Recommend items to many users",
        response_class=StreamingResponse,
        responses={
            200: {
                "content": {NDJSON: {"schema": line_schema()}},
                "description": "One line per request.",
            },
            422: REJECTING[422],
        },
    )
    async def recommend_batch(self, batch: Annotated[BatchRequest, Body()]) -> StreamingResponse:
        """Answer in lines of JSON, in the order of the requests, each as soon as it is there.

        An invalid request has a line with its problems, and changes no other.
        """
        return StreamingResponse(answer_lines(batch.requests, self._recommend), media_type=NDJSON)

    @api.post(
        "/v1/rank",
        summary="Rank given candidates for one user",
        response_model=RankResponse,
        responses=REJECTING,
    )
    async def rank(self, request: Annotated[RankRequest, Body()]) -> RankResponse | JSONResponse:
        """Return all candidates with their exact scores, best first."""
        return rejected_or(await answer_or_unavailable(self._generator.rank(request)))

    @api.post(
        "/v1/explain",
        summary="Explain the score of an item for one user",
        response_model=ExplainResponse,
        responses=REJECTING,
    )
    async def explain(self, request: Annotated[ExplainRequest, Body()]) -> ExplainResponse | JSONResponse:
        """Return the walk through the item trie, the parts of the score, and the rank without each event."""
        return rejected_or(await answer_or_unavailable(self._generator.explain(request)))

    @api.post("/v1/items", summary="Add and remove items", response_model=EditAnswer, responses=EDITING)
    async def edit_items(self, request: Annotated[EditRequest, Body()]) -> EditAnswer | JSONResponse:
        """Edit the catalogue on all replicas as one step.

        The edit is written to disk. The answer comes when all replicas recommend from the new catalogue, or after
        10 seconds with the number of `pending` replicas. Requests in progress finish with the catalogue with which
        they began. Histories and lists may still name removed items.
        """
        if self._keeper is None:
            return forbidden_response()
        return edit_response(await answer_or_unavailable(self._keeper.edit.remote(request)))

    @api.put("/v1/items", summary="Replace the whole catalogue", response_model=EditAnswer, responses=EDITING)
    async def swap_items(self, request: Annotated[SwapRequest, Body()]) -> EditAnswer | JSONResponse:
        """Replace the catalogue by exactly these items as one step; texts are made unique as in the data stage."""
        if self._keeper is None:
            return forbidden_response()
        return edit_response(await answer_or_unavailable(self._keeper.swap.remote(request)))

    @api.get(
        "/v1/items",
        summary="List the catalogue",
        response_model=ItemsPage,
        responses={code: answer for code, answer in EDITING.items() if code != 507},
    )
    async def list_items(
        self,
        after: Annotated[int | None, Query(ge=0, description="`next_after` of the previous page.")] = None,
        limit: Annotated[int, Query(ge=1, le=MAX_PAGE_ITEMS, description="Maximum number of items.")] = PAGE_ITEMS,
    ) -> ItemsPage | JSONResponse:
        """Return items in the order in which they were added."""
        if self._keeper is None:
            return forbidden_response()
        return await answer_or_unavailable(self._keeper.page.remote(after, limit))

    @api.get(
        "/v1/items:search",
        summary="Find items by title",
        response_model=ItemMatches,
        responses=REJECTING,
    )
    async def search_items(
        self,
        title: Annotated[
            str,
            Query(
                min_length=1,
                max_length=MAX_TEXT,
                description="A title, a part of it, or an id.",
                examples=["camping stove"],
            ),
        ],
        limit: Annotated[int, Query(ge=1, le=MAX_MATCHES, description="Maximum number of items.")] = 10,
    ) -> ItemMatches | JSONResponse:
        """Return the items that the text means exactly, then those that resemble it."""
        return await answer_or_unavailable(self._generator.search_items(title, limit))

    @api.get("/v1/items/{item_id:path}", summary="Look up an item", response_model=ItemDetails, responses=MISSING)
    async def get_item(
        self, item_id: Annotated[str, Path(max_length=MAX_TEXT, description="Item id.", examples=["B0009RF9DW"])]
    ) -> ItemDetails | JSONResponse:
        """Return an item of the catalogue with its values in the columns that rules may name, also a removed one."""
        item = await answer_or_unavailable(self._generator.item(item_id))
        return (
            not_found_response(f"no item has the id {item_id!r}; GET /v1/items:search?title=... finds ids")
            if item is None
            else item
        )

    @api.get("/v1/models", summary="What is served?", response_model=ServedModels, responses=OVERLOADED)
    async def list_models(self) -> ServedModels | JSONResponse:
        """Return the served model, and what its requests may say: largest k, user features, columns for rules."""
        model = await answer_or_unavailable(self._generator.describe_model())
        return ServedModels(models=[model]) if isinstance(model, ServedModel) else model

    @api.get("/readyz", summary="Can a request be answered now?", response_model=Health, responses=UNAVAILABLE)
    async def readyz(self) -> Health | JSONResponse:
        """Answer 200 when this replica takes requests: its model is loaded and its queue has room."""
        ready = await answer_or_unavailable(self._generator.ready())
        return ready if isinstance(ready, Health) else retry_response(503, "the queue of this replica is full")

    @api.get(
        "/healthz",
        summary="Is a model loaded?",
        response_model=Health,
        responses=UNAVAILABLE,
    )
    async def healthz(self) -> Health:
        """Answer 200 when a replica has loaded its model, also while its queue of requests is full."""
        return await self._generator.describe()

    async def _recommend(self, request: RecommendRequest) -> Any:
        return await answer_or_unavailable(self._generator.recommend(request))


def build_app(args: dict[str, Any]) -> serve.Application:
    """Return the application of a bundle, not yet deployed.

    Args:
        args: `bundle` is the absolute path of a bundle artifact, readable on every node. The other keys are fields of
            `ServeConfig` except host and port, which belong into `http_options` of the Serve config, and name and
            route_prefix, which belong into the application.

    Raises:
        ConfigError: Arguments are missing, unknown or invalid; the message names all of them.
    """
    bundle, config = read_args(args)
    endpoint = serve.deployment(
        name="endpoint",
        ray_actor_options={"num_cpus": config.cpus_per_replica, "num_gpus": 1 if config.use_gpu else 0},
        autoscaling_config={
            "min_replicas": config.min_replicas,
            "max_replicas": config.max_replicas,
            "target_ongoing_requests": config.target_ongoing_requests,
            "upscale_delay_s": UPSCALE_DELAY_S,
            "downscale_delay_s": DOWNSCALE_DELAY_S,
        },
        # more than a replica answers and lets wait: it refuses requests itself, and `/healthz` never waits
        max_ongoing_requests=config.max_batch_size + config.max_queued_requests + MAX_OTHER_REQUESTS,
        max_constructor_retry_count=MAX_CONSTRUCTOR_RETRIES,
    )(Endpoint)
    keepers = [_keeper_of(bundle)] if config.catalog_edits else []
    return endpoint.bind(bundle, config, *keepers, keys=environment_keys(os.environ))


def _keeper_of(bundle: str) -> serve.Application:
    """Return the deployment that edits the catalogue: one replica, with one open long-poll per replica."""
    deployment = serve.deployment(
        name="keeper",
        num_replicas=1,
        ray_actor_options={"num_cpus": KEEPER_CPUS},
        max_ongoing_requests=MAX_FOLLOWERS,
        max_constructor_retry_count=MAX_CONSTRUCTOR_RETRIES,
    )(Keeper)
    return deployment.bind(bundle)
