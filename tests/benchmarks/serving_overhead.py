"""What HTTP and Ray Serve add to a recommendation, and how many requests that do nothing they carry, over real HTTP.

    python -m tests.benchmarks.serving_overhead [--bundle FOLDER] [--requests 300] [--keep rows.jsonl] [--only NAME]

Servers, one after the other, each started and stopped here: Ray Serve with its own proxy, Ray Serve behind HAProxy in
throughput mode, and plain FastAPI + uvicorn. `served p50 - in-process p50` is the overhead of a lone request; the same
recommender answers in this process right before. With `batch_wait_s` 0.01 (the default) a lone request also waits for
others. Without a bundle one with random weights and 300 generated titles is made. Starts Ray: about a minute a server.
"""

import argparse
import asyncio
import contextlib
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import torch

from recsys_model.backbones.glm import GLM
from recsys_model.bundle import BundleSettings, write_bundle
from recsys_model.config import DecodingConfig, GLMConfig, TextConfig, WindowConfig
from recsys_model.entities.catalog import build_catalog, load_catalog
from recsys_model.text.tokenizer import train_tokenizer
from recsys_platform.artifacts import write_artifact
from recsys_platform.serve.client import edit_items
from recsys_platform.serve.recommender import load_recommender
from recsys_platform.serve.schemas import RecommendRequest
from tests.benchmarks.http_load import encode_request, latencies, requests_per_second
from tests.benchmarks.kept_rows import KeptRows
from tests.benchmarks.overhead_servers import HA_PROXY, HOST, without_ha_proxy
from tests.benchmarks.pairs import interval_of_median

SERVERS: dict[str, tuple[str, float, dict[str, str]]] = {
    "uvicorn": ("uvicorn", 0.0, {}),
    "ray-proxy": ("ray", 0.01, {}),
    "ray-proxy-no-wait": ("ray", 0.0, {}),
    "ray-haproxy": ("ray", 0.01, HA_PROXY),
    "ray-haproxy-no-wait": ("ray", 0.0, HA_PROXY),
}
"""Name -> server, batch_wait_s, environment."""
START_TIMEOUT_S, STOP_TIMEOUT_S, WARM_UP = 240.0, 60.0, 20
EPHEMERAL_PORTS = 32_768
NUM_ITEMS, CONNECTIONS, DURATION_S, NUM_EDITS = 300, 16, 8.0, 5


def make_bundle(folder: Path) -> Path:
    """Write a bundle with random weights."""
    words = ["red", "blue", "tent", "pole", "stove", "lamp", "rope", "mat", "axe", "pan"]
    titles = [f"{words[n % 10]} {words[n // 10 % 10]} {n}" for n in range(NUM_ITEMS)]
    tokenizer = train_tokenizer([*titles, "User: age 25, city Berlin. History:"], vocab_size=500)
    settings = BundleSettings(
        window=WindowConfig(),
        text=TextConfig(max_tokens=128),
        decoding=DecodingConfig(),
        intra_mode="paper",
        user_features=(),
        seed=0,
    )
    geometry = GLMConfig(
        num_layers=2, hidden_size=64, num_heads=2, vocab_size=tokenizer.vocab_size, max_sequence_length=128
    )
    catalog = build_catalog([f"i{n}" for n in range(NUM_ITEMS)], titles, titles, [], tokenizer)
    with write_artifact(folder, "bundle", {"name": "overhead"}) as (inside, _):
        write_bundle(inside, GLM(geometry).eval(), tokenizer, catalog, settings)
    return folder


def payload_of(bundle: Path) -> dict[str, Any]:
    items = load_catalog(bundle).items[:5]
    return {"history": [{"item": item.item_id} for item in items], "time": 0, "k": 10}


def in_process(bundle: Path, payload: dict[str, Any], count: int) -> list[float]:
    recommender = load_recommender(bundle)
    found: list[float] = []
    for _ in range(WARM_UP + count):
        start = time.perf_counter()
        recommender.recommend([RecommendRequest.model_validate(payload)])
        found.append(time.perf_counter() - start)
    return found[WARM_UP:]


def free_port() -> int:
    while True:
        with socket.socket() as probe:
            probe.bind((HOST, 0))
            port = int(probe.getsockname()[1])
        if not 10002 <= port <= 19999:
            return port


def open_to_all() -> set[int]:
    """Ports of this machine that listen on every interface."""
    ports: set[int] = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(OSError):
            rows = [line.split() for line in Path(table).read_text().splitlines()[1:]]
            ports |= {
                int(row[1].rpartition(":")[2], 16) for row in rows if row[3] == "0A" and set(row[1][:-5]) <= {"0", ":"}
            }
    return ports


@contextlib.contextmanager
def running(name: str, bundle: Path, port: int) -> Iterator[None]:
    """Start a server in a process group of its own, wait until it answers, and end the group afterwards."""
    kind, batch_wait_s, environment = SERVERS[name]
    log = tempfile.NamedTemporaryFile(prefix=f"overhead-{name}-", suffix=".log", delete=False)  # noqa: SIM115
    command = [
        sys.executable,
        "-m",
        "tests.benchmarks.overhead_servers",
        kind,
        str(bundle),
        str(port),
        str(batch_wait_s),
    ]
    variables = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0", "OMP_NUM_THREADS": "1", **environment}
    process = subprocess.Popen(command, env=variables, stdout=log, stderr=log, start_new_session=True)
    try:
        deadline = time.monotonic() + START_TIMEOUT_S
        while not answers(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{name} did not start; see {log.name}")
            time.sleep(0.5)
        yield
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_TIMEOUT_S)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def answers(port: int) -> bool:
    """Say whether recommender and no-op answer; Ray's proxy gets its routes one after the other."""
    try:
        paths = [httpx.get(f"http://{HOST}:{port}/noop", timeout=10.0, follow_redirects=True)]
        paths.append(httpx.post(f"http://{HOST}:{port}/v1/recommend", json={}, timeout=30.0))
    except httpx.HTTPError:
        return False
    return all(response.status_code == 200 for response in paths)


def noop_path(port: int) -> str:
    """Return the path of the no-op that is no redirect."""
    return httpx.get(f"http://{HOST}:{port}/noop", timeout=10.0, follow_redirects=True).url.path


def edit_times(port: int) -> list[float]:
    """Seconds from an edit of one item, which is taken back, to its answer: all replicas recommend from it."""
    found: list[float] = []
    for number in range(NUM_EDITS):
        for edit in ({"add": [{"id": "edited", "title": f"edited {number}"}]}, {"remove": ["edited"]}):
            start = time.perf_counter()
            edit_items(f"http://{HOST}:{port}", edit.get("add", ()), edit.get("remove", ()))
            found.append(time.perf_counter() - start)
    return found


def measure(name: str, bundle: Path, count: int) -> dict[str, Any]:
    reason = without_ha_proxy() if SERVERS[name][2] else None
    if reason is not None:
        return {"not measured": reason}
    payload, port, open_before = payload_of(bundle), free_port(), open_to_all()
    bare = statistics.median(in_process(bundle, payload, count))
    with running(name, bundle, port):
        # Ray's own processes take ports of the ephemeral range
        opened = sorted(port for port in open_to_all() - open_before if port < EPHEMERAL_PORTS)
        request = encode_request(f"{HOST}:{port}", "POST", "/v1/recommend", payload)
        served = asyncio.run(latencies(HOST, port, request, count, WARM_UP))
        noop = encode_request(f"{HOST}:{port}", "GET", noop_path(port))
        rate = asyncio.run(requests_per_second(HOST, port, noop, CONNECTIONS, DURATION_S))
        edits = edit_times(port) if SERVERS[name][0] == "ray" else []
    low, high = interval_of_median(served)
    return {
        "in-process p50 ms": 1000 * bare,
        "served p50 ms": 1000 * statistics.median(served),
        "low": 1000 * low,
        "high": 1000 * high,
        "overhead ms": 1000 * (statistics.median(served) - bare),
        "served p99 ms": 1000 * sorted(served)[int(0.99 * len(served))],
        "no-op requests/s": rate,
        **({"edit to answer p50 ms": 1000 * statistics.median(edits)} if edits else {}),
        "ports below 32768 opened on every interface": opened,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", type=Path, help="a bundle artifact; its catalogue is edited in a copy")
    parser.add_argument("--requests", type=int, default=300)
    parser.add_argument("--only", action="append", choices=list(SERVERS), help="repeatable")
    parser.add_argument("--keep", type=Path, help="go on with the rows of this file")
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = KeptRows(options.keep)
    with tempfile.TemporaryDirectory(prefix="overhead-") as folder:
        bundle = Path(folder) / "bundle"
        if options.bundle is None:
            make_bundle(bundle)
        else:
            # edits are kept beside the bundle: beside a link to it nothing of the user's is touched
            bundle.symlink_to(options.bundle.resolve(), target_is_directory=True)
        for name in options.only or SERVERS:
            rows.measure(name, lambda name=name: measure(name, bundle, options.requests))


if __name__ == "__main__":
    main()
