"""Measure the overhead of HTTP and Ray Serve per recommendation, and the throughput of real and of empty requests.

    python -m tests.benchmarks.serving_overhead [--bundle FOLDER] [--requests 40] [--pairs 5] [--json FILE]
                                                [--only NAME ...] [--against CHECKOUT] [--quick]

Ray Serve with its own proxy and behind HAProxy in throughput mode, each compared with plain FastAPI + uvicorn: both
servers run and get requests in turns. `served p50 - in-process p50` is the overhead of a single request; in between, the
same recommender answers in this process. With `batch_wait_s` 0.01, a single request also waits for others to share its
batch. `--against` compares with the endpoint of another checkout of this project in place of uvicorn. The default bundle has random weights and 300 generated titles. Starts Ray: about a minute per server.
"""

import argparse
import asyncio
import contextlib
import os
import signal
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
from recsys_platform.serve.recommender import Recommender, load_recommender
from recsys_platform.serve.schemas import RecommendRequest
from tests.benchmarks.http_load import encode_request, latencies, requests_per_second
from tests.benchmarks.overhead_servers import HA_PROXY, HOST, THROUGHPUT, without_ha_proxy
from tests.benchmarks.pairs import Row
from tests.benchmarks.report import Report
from tests.e2e.ports import free_port

SERVERS: dict[str, tuple[str, float, dict[str, str]]] = {
    "ray-proxy": ("ray", 0.0, {}),
    "ray-proxy-wait": ("ray", 0.01, {}),
    "ray-proxy-throughput": ("ray", 0.0, THROUGHPUT),
    "ray-haproxy": ("ray", 0.0, HA_PROXY),
}
"""Name -> server, batch_wait_s, environment."""
UVICORN = ("uvicorn", 0.0, {})
OTHER_VERSION = ("ray", 0.01, {})
"""With the default of versions whose endpoint had an ingress of its own."""
START_TIMEOUT_S, STOP_TIMEOUT_S, WARM_UP = 240.0, 60.0, 20
EPHEMERAL_PORTS = 32_768
NUM_ITEMS, CONNECTIONS, DURATION_S = 300, 16, 2.0


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


def in_process(recommender: Recommender, payload: dict[str, Any], count: int) -> float:
    """Return the median of the seconds of a recommendation in this process."""
    latencies_s: list[float] = []
    for _ in range(count):
        start = time.perf_counter()
        recommender.recommend([RecommendRequest.model_validate(payload)])
        latencies_s.append(time.perf_counter() - start)
    return statistics.median(latencies_s)


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
def running(
    server: tuple[str, float, dict[str, str]], bundle: Path, port: int, checkout: Path | None = None
) -> Iterator[None]:
    """Start a server in a process group of its own, wait until it answers, and end the group afterwards.

    `checkout` is the folder of another version of this project, whose server is started.
    """
    kind, batch_wait_s, environment = server
    log = tempfile.NamedTemporaryFile(prefix=f"overhead-{kind}-", suffix=".log", delete=False)  # noqa: SIM115
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
    if checkout is not None:
        variables["PYTHONPATH"] = f"{checkout}:{checkout / 'platform'}"
    process = subprocess.Popen(command, env=variables, stdout=log, stderr=log, start_new_session=True, cwd=checkout)
    try:
        deadline = time.monotonic() + START_TIMEOUT_S
        while not answers(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{kind} did not start; see {log.name}")
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


def edit_times(port: int, count: int) -> list[float]:
    """Milliseconds from an edit of one item, which is taken back, to its answer: all replicas recommend from it."""
    latencies_ms: list[float] = []
    for number in range(count):
        for edit in ({"add": [{"id": "edited", "title": f"edited {number}"}]}, {"remove": ["edited"]}):
            start = time.perf_counter()
            edit_items(f"http://{HOST}:{port}", edit.get("add", ()), edit.get("remove", ()))
            latencies_ms.append(1000 * (time.perf_counter() - start))
    return latencies_ms


class Client:
    """Asks one server."""

    def __init__(self, port: int, payload: dict[str, Any]) -> None:
        self._port = port
        self._recommend = encode_request(f"{HOST}:{port}", "POST", "/v1/recommend", payload)
        self._noop = encode_request(f"{HOST}:{port}", "GET", noop_path(port))

    def recommend(self, count: int) -> float:
        """Return the median of the seconds of a recommendation."""
        return statistics.median(asyncio.run(latencies(HOST, self._port, self._recommend, count, WARM_UP)))

    def busy_recommend(self) -> float:
        """Return the milliseconds a recommendation takes of the server, 16 at a time."""
        return self._busy(self._recommend)

    def noop(self) -> float:
        """Return the same of a request that does nothing."""
        return self._busy(self._noop)

    def _busy(self, request: bytes) -> float:
        return 1000 / asyncio.run(requests_per_second(HOST, self._port, request, CONNECTIONS, DURATION_S))


def rows_of(name: str, bundle: Path, requests: int, pairs: int, against: Path | None) -> Iterator[Row]:
    """Yield what one way of Ray Serve adds, compared with uvicorn or with the endpoint of another checkout."""
    reason = without_ha_proxy() if SERVERS[name][2] is HA_PROXY else None
    if reason is not None:
        print(f"{name} is not measured: {reason}", flush=True)
        return
    payload, open_before = payload_of(bundle), open_to_all()
    recommender, ports = load_recommender(bundle), (free_port(), free_port())
    in_process(recommender, payload, WARM_UP)
    other_server = UVICORN if against is None else OTHER_VERSION
    with running(other_server, bundle, ports[1], against), running(SERVERS[name], bundle, ports[0]):
        # Ray's own processes take ports of the ephemeral range
        opened = sorted(port for port in open_to_all() - open_before if port < EPHEMERAL_PORTS)
        clients = [Client(port, payload) for port in ports]
        bare: list[float] = []
        overhead: tuple[list[float], list[float]] = ([], [])
        busy: tuple[list[float], list[float]] = ([], [])
        noop: tuple[list[float], list[float]] = ([], [])
        for _ in range(pairs):
            for client, over, together, nothing in zip(clients, overhead, busy, noop, strict=True):
                bare.append(in_process(recommender, payload, requests))
                over.append(1000 * (client.recommend(requests) - bare[-1]))
                together.append(client.busy_recommend())
                nothing.append(client.noop())
        edits = edit_times(ports[0], pairs)
    note = (
        f"in process p50 {1000 * statistics.median(bare):.3g} ms; ports opened to all below 32768: {opened or 'none'}"
    )
    other = "FastAPI + uvicorn" if against is None else f"the endpoint of {against.name}"
    yield Row(
        work=f"{name}: served p50 - in-process p50, one request at a time",
        alternative=other,
        ours=overhead[0],
        others=overhead[1],
        unit="ms",
        note=note,
    )
    for work, sides in (("a recommendation", busy), ("a request that does nothing", noop)):
        rates = [f"{1000 / statistics.median(side):,.0f}" for side in sides]
        yield Row(
            work=f"{name}: {work}, {CONNECTIONS} at a time",
            alternative=other,
            ours=sides[0],
            others=sides[1],
            unit="ms",
            note=f"{rates[0]} against {rates[1]} requests/s; the client takes of the same two cores",
        )
    yield Row(work=f"{name}: one item edited over HTTP, visible", alternative="", ours=edits, others=[], unit="ms")


def main() -> None:
    """Print the rows of every server."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", type=Path, help="a bundle artifact; its catalogue is edited in a copy")
    parser.add_argument("--requests", type=int, default=40, help="of each measurement (default 40)")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--only", nargs="+", choices=list(SERVERS), default=list(SERVERS))
    parser.add_argument("--json", type=Path, help="keeps the rows; servers that it has are not measured again")
    parser.add_argument(
        "--against", type=Path, help="folder of another version of this project, compared in place of uvicorn"
    )
    parser.add_argument("--quick", action="store_true", help="the default proxy only, 3 pairs of 30 requests")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.quick:
        options.only, options.pairs, options.requests = ["ray-proxy"], 3, 30
    report = Report(options.json, {name: str(getattr(options, name)) for name in ("bundle", "requests", "pairs")})
    with tempfile.TemporaryDirectory(prefix="overhead-") as folder:
        bundle = Path(folder) / "bundle"
        if options.bundle is None:
            make_bundle(bundle)
        else:
            # edits are kept beside the bundle: beside a link to it nothing of the user's is touched
            bundle.symlink_to(options.bundle.resolve(), target_is_directory=True)
        for name in options.only:
            report.measure(
                name, lambda name=name: rows_of(name, bundle, options.requests, options.pairs, options.against)
            )


if __name__ == "__main__":
    main()
