"""Put the gate around an API: what a request passes first is added last."""

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from recsys_platform.config.serve import ServeConfig
from recsys_platform.serve.gate.authorization import KeyGuard
from recsys_platform.serve.gate.key_file import KeySource
from recsys_platform.serve.gate.limits import TIMEOUT_HEADER, RequestLimits
from recsys_platform.serve.gate.observer import ID_HEADER, Observer
from recsys_platform.serve.gate.rate_limit import RateLimiter
from recsys_platform.serve.gate.request_log import RequestLog
from recsys_platform.serve.gate.routes import Routes
from recsys_platform.serve.metrics import Meter, NoMeter

CORS_METHODS = ("GET", "POST", "PUT", "DELETE")
CORS_REQUEST_HEADERS = ("Authorization", "Content-Type", TIMEOUT_HEADER, ID_HEADER)
CORS_ANSWER_HEADERS = ("Retry-After", ID_HEADER)


def add_gate(
    api: FastAPI,
    config: ServeConfig,
    keys: KeySource | None,
    *,
    meter: Meter | None = None,
    log: RequestLog | None = None,
    is_behind_serve: bool = False,
) -> FastAPI:
    """Add the middleware of an endpoint to its API and return the API.

    Args:
        api: The API with all of its routes.
        config: Settings of the endpoint.
        keys: Where its keys come from; None lets every request pass.
        meter: Takes the metrics; None keeps none.
        log: The log of requests, if there is one.
        is_behind_serve: Whether Ray Serve answers with the request's id already.
    """
    routes = Routes(api.openapi()["paths"])
    api.add_middleware(RequestLimits, max_body_mb=config.max_body_mb, request_timeout_s=config.request_timeout_s)
    if keys is not None:
        api.add_middleware(KeyGuard, keys=keys, routes=routes, limiter=RateLimiter(), protect_docs=config.protect_docs)
    if config.cors_origins:
        # outside of the keys: a browser asks without a key whether it may send one, and must see why it was refused
        api.add_middleware(
            CORSMiddleware,
            allow_origins=config.cors_origins,
            allow_methods=CORS_METHODS,
            allow_headers=CORS_REQUEST_HEADERS,
            expose_headers=CORS_ANSWER_HEADERS,
        )
    api.add_middleware(
        Observer,
        routes=routes,
        meter=meter or NoMeter(),
        log=log,
        log_bodies=config.log_requests,
        is_behind_serve=is_behind_serve,
    )
    return api
