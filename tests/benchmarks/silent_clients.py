"""How long the server takes to answer while clients that say nothing hold connections.

python -m tests.benchmarks.silent_clients [--clients 200] [--requests 300]
"""

import time
from argparse import ArgumentParser
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import requests

from backend.dev import local
from tests.backend.silent import silent_clients

STARTED = 30.0
"""Seconds after which a server has imported what it needs."""


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--requests", type=int, default=300)
    arguments = parser.parse_args()
    port = local.free_port()
    with TemporaryDirectory() as folder:
        server = local.backend(Path(folder), port, "http://127.0.0.1:9")
        with server:
            server.wait_until_up()
            time.sleep(STARTED)
            print(f"{'clients':>8} {'route':>9} {'median':>9} {'99 %':>9} {'longest':>9}")
            for clients in (0, arguments.clients):
                with silent_clients(server.url, clients):
                    for route in ("/health", "/webhook"):
                        report(clients, route, measure(server.url + route, arguments.requests))


def measure(url: str, count: int) -> list[float]:
    """Milliseconds of each request. A webhook of an unknown project is answered with 404."""
    found = []
    for _ in range(count):
        began = time.monotonic()
        if url.endswith("/health"):
            requests.get(url, timeout=60)
        else:
            requests.post(url, json={"action": "X", "project": {"id": 1}}, timeout=60)
        found.append(1000 * (time.monotonic() - began))
    return found


def report(clients: int, route: str, times: list[float]) -> None:
    middle, late = np.percentile(times, (50, 99))
    print(f"{clients:8} {route:>9} {middle:6.1f} ms {late:6.1f} ms {max(times):6.1f} ms")


if __name__ == "__main__":
    main()
