"""The Ray Serve application: replicas that answer HTTP and hold the model in one process, and the keeper of the catalogue.

A request passes one hop, from the proxy to a replica. The replica forms batches itself (`batching.py`).

Deploy it from Python with `serve.run(build_app({...}))` or from a Serve config file, whose
`import_path` is `recsys_platform.serve.app:build_app`; `serve_config` writes such a file's content.
"""

import asyncio
import dataclasses
import importlib.metadata
import os
from collections.abc import Awaitable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from fastapi import Body, FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from ray import serve
from ray.exceptions import RayActorError

# Ray has no public name for the folder of its logs; a test of the real endpoint reads the file there
from ray.serve._private.logging_utils import get_serve_logs_dir
from ray.serve.exceptions import DeploymentUnavailableError
from ray.serve.handle import DeploymentHandle, DeploymentResponse

from recsys_model.errors import ConfigError
from recsys_platform.config.stages import ServeConfig
from recsys_platform.config.strict import build_section
from recsys_platform.serve.batching import QueueFullError
from recsys_platform.serve.gate.access import environment_keys, key_source
from recsys_platform.serve.gate.build import add_gate
from recsys_platform.serve.gate.key_file import FixedKeys
from recsys_platform.serve.gate.notes import current_notes
from recsys_platform.serve.gate.request_log import open_request_log
from recsys_platform.serve.generator import Generator, Keeper
from recsys_platform.serve.item_schemas import EditAnswer, EditNotWritten, EditRequest, ItemsPage, SwapRequest
from recsys_platform.serve.ray_metrics import RayMeter
from recsys_platform.serve.schemas import Health, Problem, RecommendRequest, RecommendResponse, Rejection

IMPORT_PATH = "recsys_platform.serve.app:build_app"
RETRY_AFTER_S = 1
PROXY_PATIENCE_S = 5.0
"""How much longer than `serve.request_timeout_s` the proxy waits: the endpoint says first what took so long."""
UPSCALE_DELAY_S = 5.0
DOWNSCALE_DELAY_S = 120.0
MAX_CONSTRUCTOR_RETRIES = 3
MAX_OTHER_REQUESTS = 100
"""Requests beside those for recommendations that a replica takes at a time: health, edits, pages of items."""
KEEPER_CPUS = 0.1
MAX_FOLLOWERS = 1000
PAGE_ITEMS, MAX_PAGE_ITEMS = 100, 10_000
PROXY_FIELDS = ("host", "port")
APPLICATION_FIELDS = ("name", "route_prefix")
COMMAND_FIELDS = ("start_timeout_s",)
"""Settings of `recsys serve` that the application does not read."""
EDITS_ARE_OFF = "this endpoint's catalogue cannot be edited; serve it with --set serve.catalog_edits=true"

api = FastAPI(
    title="RecSysLLM on Ray",
    version=importlib.metadata.version("recsysllm-on-ray"),
    description="Recommendations by trie-guided generation: distinct items of the catalogue.",
)
_unavailable: dict[int | str, dict[str, Any]] = {
    503: {"description": "No replica is ready yet; retry after the seconds in `Retry-After`."},
}
_overloaded: dict[int | str, dict[str, Any]] = {
    429: {"description": "The queue is full; retry after the seconds in `Retry-After`."},
    **_unavailable,
}
_rejecting: dict[int | str, dict[str, Any]] = {
    422: {"model": Rejection, "description": "The invalid fields, each with the rule that it breaks."},
    **_overloaded,
}
_editing: dict[int | str, dict[str, Any]] = {
    403: {"description": "This endpoint does not allow edits; the answer names the setting that allows them."},
    **_rejecting,
    507: {"model": EditNotWritten, "description": "The edit could not be written to disk and was not made."},
}


def rejection_response(problems: Sequence[Problem]) -> JSONResponse:
    """Return the 422 response that lists all problems."""
    return JSONResponse(Rejection(detail=list(problems)).model_dump(), status_code=422)


def retry_response(status_code: int, reason: str) -> JSONResponse:
    """Return a 429 or 503 response that tells the client when to retry."""
    return JSONResponse({"detail": reason}, status_code=status_code, headers={"Retry-After": str(RETRY_AFTER_S)})


async def answer_or_unavailable(answer: Awaitable[Any]) -> Any:
    """Return the answer of the replica or of the keeper, or a 429 or 503 response if there is none."""
    # a Serve replica replaces FastAPI's exception handlers for these errors with its own
    try:
        result = await answer
        current_notes().note_answer(result)
        return result
    except asyncio.CancelledError:
        if isinstance(answer, DeploymentResponse):
            # Ray Serve would go on: the keeper would answer nobody
            answer.cancel()
        raise
    except QueueFullError as error:
        return retry_response(429, f"the endpoint is overloaded: {error}")
    except (RayActorError, DeploymentUnavailableError) as error:
        return retry_response(503, f"the keeper of the catalogue was lost: {type(error).__name__}")


def forbidden_response() -> JSONResponse:
    """Return the 403 response of an endpoint without catalogue edits."""
    return JSONResponse({"detail": EDITS_ARE_OFF}, status_code=403)


def edit_response(answer: Any) -> Any:
    """Return the answer to an edit, or the 422 or 507 response if it was refused."""
    if isinstance(answer, EditNotWritten):
        return JSONResponse(answer.model_dump(), status_code=507)
    return rejection_response(answer.detail) if isinstance(answer, Rejection) else answer


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
            log=open_request_log(self._config.request_log, Path(get_serve_logs_dir())),
            is_behind_serve=True,
        )

    @api.post(
        "/v1/recommend",
        summary="Recommend items to one user",
        response_model=RecommendResponse,
        responses=_rejecting,
    )
    async def recommend(self, request: Annotated[RecommendRequest, Body()]) -> RecommendResponse | JSONResponse:
        """Return the items with the highest scores for this user, best first."""
        answer = await answer_or_unavailable(self._generator.recommend(request))
        return rejection_response(answer.detail) if isinstance(answer, Rejection) else answer

    @api.post("/v1/items", summary="Add and remove items", response_model=EditAnswer, responses=_editing)
    async def edit_items(self, request: Annotated[EditRequest, Body()]) -> EditAnswer | JSONResponse:
        """Edit the catalogue on all replicas as one step.

        The edit is written to disk. The answer comes when all replicas recommend from the new catalogue, or after
        10 seconds with the number of `pending` replicas. Requests in progress finish with the catalogue with which
        they began. Histories and lists may still name removed items.
        """
        if self._keeper is None:
            return forbidden_response()
        return edit_response(await answer_or_unavailable(self._keeper.edit.remote(request)))

    @api.put("/v1/items", summary="Replace the whole catalogue", response_model=EditAnswer, responses=_editing)
    async def swap_items(self, request: Annotated[SwapRequest, Body()]) -> EditAnswer | JSONResponse:
        """Replace the catalogue by exactly these items as one step; texts are made unique as in the data stage."""
        if self._keeper is None:
            return forbidden_response()
        return edit_response(await answer_or_unavailable(self._keeper.swap.remote(request)))

    @api.get(
        "/v1/items",
        summary="List the catalogue",
        response_model=ItemsPage,
        responses={code: answer for code, answer in _editing.items() if code != 507},
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
        "/healthz",
        summary="Is a model loaded?",
        response_model=Health,
        responses=_unavailable,
    )
    async def healthz(self) -> Health:
        """Answer 200 when a replica has loaded its model, also while its queue of requests is full."""
        return await self._generator.describe()


def build_app(args: dict[str, Any]) -> serve.Application:
    """Return the application of a bundle, not yet deployed.

    Args:
        args: `bundle` is the absolute path of a bundle artifact, readable on every node. The other keys are fields of
            `ServeConfig` except host and port, which belong into `http_options` of the Serve config, and name and
            route_prefix, which belong into the application.

    Raises:
        ConfigError: Arguments are missing, unknown or invalid; the message names all of them.
    """
    bundle, config = _read_args(args)
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
    """Return the deployment that edits the catalogue: one replica, with one open long-poll per endpoint replica."""
    deployment = serve.deployment(
        name="keeper",
        num_replicas=1,
        ray_actor_options={"num_cpus": KEEPER_CPUS},
        max_ongoing_requests=MAX_FOLLOWERS,
        max_constructor_retry_count=MAX_CONSTRUCTOR_RETRIES,
    )(Keeper)
    return deployment.bind(bundle)


def serve_config(bundle: Path, config: ServeConfig, name: str) -> dict[str, Any]:
    """Return the content of a Serve config file for `serve deploy` and RayService; `name` is that of the application."""
    settings = dataclasses.asdict(config)
    if config.keys_file is not None:
        settings["keys_file"] = str(Path(config.keys_file).expanduser().absolute())
    address = {field: settings.pop(field) for field in PROXY_FIELDS}
    for field in (*APPLICATION_FIELDS, *COMMAND_FIELDS):
        del settings[field]
    return {
        "http_options": {**address, "request_timeout_s": config.request_timeout_s + PROXY_PATIENCE_S},
        "applications": [
            {
                "name": name,
                "route_prefix": config.route_prefix,
                "import_path": IMPORT_PATH,
                "args": {"bundle": str(bundle), **settings},
            }
        ],
    }


def _read_args(args: Mapping[str, Any]) -> tuple[str, ServeConfig]:
    bundle = args.get("bundle")
    for fields, place in (
        (PROXY_FIELDS, "http_options of the Serve config"),
        (APPLICATION_FIELDS, "the application in the Serve config"),
        (COMMAND_FIELDS, "the run file of `recsys serve`"),
    ):
        misplaced = [name for name in fields if name in args]
        if misplaced:
            raise ConfigError(f"args.{misplaced[0]} belongs into {place}, not into its args")
    if not isinstance(bundle, str) or not Path(bundle).is_absolute():
        raise ConfigError(f"args.bundle must be the absolute path of a bundle artifact, got {bundle!r}")
    settings = {name: value for name, value in args.items() if name != "bundle"}
    config = build_section(ServeConfig, settings, "args of the Serve application")
    if config.keys_file is not None and not Path(config.keys_file).is_absolute():
        raise ConfigError(f"args.keys_file must be an absolute path, got {config.keys_file!r}")
    return bundle, config
