"""The engine that is a Ray cluster: Ray Data maps the work over the parts, and Ray decides which
worker does what, and where.

Ray is driven from a process of its own: the one that drives it ends when the cluster is gone, and
waits for minutes where nobody answers. That process also goes on while its starter does other work.
"""

import logging
import os
import pickle
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from multiprocessing.connection import Connection, Pipe
from typing import Any

from model.dataset.engine import Cluster, EngineFailed, MakeWork, Part, Result, Results, Work

DRIVER = "import sys; from model.dataset.ray import drive; drive(int(sys.argv[1]))"

BEAT_SECONDS = 1.0
"""So often a caller hears that we wait."""

ANSWER_SECONDS, CONNECTING_SECONDS = 10.0, 60.0
"""Ray itself waits for two minutes where nobody answers."""

CHECK_SECONDS = CONNECTING_SECONDS + 10.0

SILENT_SECONDS = 1800.0
"""A part takes minutes on a slow processor."""


@dataclass(frozen=True)
class Told:
    """What the driver tells of one part: the results, or what was raised."""

    results: tuple[Any, ...] = ()
    error: Exception | None = None


@dataclass(frozen=True)
class Connected:
    """The driver has reached the cluster."""


@dataclass(frozen=True)
class Ended:
    """Nothing more comes: all parts were done, or tried."""


class Ray:
    """The workers of a cluster, as many as there is room for."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def map(self, make_work: MakeWork[Part, Result], parts: Sequence[Part]) -> Results[Result]:
        """See Engine. The cluster goes on while nobody asks for the next result."""
        if find_spec("ray") is None:
            raise EngineFailed(
                f"RAY_ADDRESS={self._cluster.address} is set, and Ray is not installed here: pip "
                'install "ray[data]", in the version that the cluster has'
            )
        with _driver() as driver:
            driver.send((self._cluster, pickle.dumps(make_work), list(parts)))
            yield from self._heard(driver)

    def check(self) -> None:
        """Reach the cluster, and have nothing done. Raises EngineFailed where it cannot be used.
        Takes CHECK_SECONDS at most."""
        until = time.monotonic() + CHECK_SECONDS
        with closing(self.map(_nothing, ())) as told:
            for _ in told:
                if time.monotonic() > until:
                    break

    def _heard(self, driver: Connection) -> Iterator[Any]:
        address, heard_at, is_connected = self._cluster.address, time.monotonic(), False
        while True:
            if not driver.poll(BEAT_SECONDS):
                self._check_silence(time.monotonic() - heard_at, is_connected)
                yield None
                continue
            try:
                told = driver.recv()
            except (EOFError, OSError) as error:
                raise EngineFailed(
                    f"The connection to the Ray cluster at RAY_ADDRESS={address} was lost. What "
                    "was finished is kept; the rest follows when the cluster is back"
                ) from error
            if isinstance(told, Ended):
                return
            heard_at, is_connected = time.monotonic(), True
            if isinstance(told, Told):
                if told.error is not None:
                    raise told.error
                yield from told.results

    def _check_silence(self, seconds: float, is_connected: bool) -> None:
        if not is_connected and seconds > CONNECTING_SECONDS:
            raise EngineFailed(nobody_at(self._cluster.address))
        if seconds > SILENT_SECONDS:
            raise EngineFailed(
                f"No worker of the Ray cluster at RAY_ADDRESS={self._cluster.address} has finished "
                f"anything for {SILENT_SECONDS / 60:.0f} minutes. Look with `ray status` whether "
                "it has nodes with room"
            )


def _nothing() -> Work[Any, Any]:
    return lambda _: iter(())


@contextmanager
def _driver() -> Iterator[Connection]:
    """The connection with a process that drives Ray, as long as it is needed."""
    ours, theirs = Pipe()
    with theirs:
        number = theirs.fileno()
        command = [sys.executable, "-c", DRIVER, str(number)]
        process = subprocess.Popen(command, pass_fds=[number], stdin=subprocess.DEVNULL)
    with process:
        try:
            yield ours
        finally:
            ours.close()
            process.kill()


def nobody_at(address: str) -> str:
    """The sentence for an address without a cluster."""
    return (
        f"No Ray cluster answers at RAY_ADDRESS={address}. Start one (ray start --head), or name "
        "the address that it printed"
    )


def drive(number: int) -> None:
    """What the driver's process does, over the connection with this file number."""
    connection = Connection(number)
    cluster, make_work, parts = connection.recv()
    threading.Thread(target=_end_with, args=(connection,), daemon=True).start()
    with suppress(BrokenPipeError):  # nobody waits any more
        connection.send(_driven(connection, cluster, make_work, parts))


def _driven(
    connection: Connection, cluster: Cluster, make_work: bytes, parts: Sequence[Any]
) -> Told | Ended:
    """Have all parts done, and tell each result. Returns what is to be told last."""
    try:
        with _connected(cluster):
            connection.send(Connected())
            for told in _mapped(cluster, make_work, parts):
                connection.send(told)
    except Exception as error:  # the border of the process: every failure is told
        return Told(error=_explained(error, cluster))
    return Ended()


def _end_with(connection: Connection) -> None:
    """End as soon as the other side does: Ray then ends the workers."""
    with suppress(EOFError, OSError):
        connection.recv()
    os._exit(0)


@contextmanager
def _connected(cluster: Cluster) -> Iterator[None]:
    """Raises EngineFailed when no node has room for a worker."""
    import ray  # noqa: PLC0415 (only here must it be installed)

    _check_answered(cluster.address)
    ray.init(cluster.address, log_to_driver=False, logging_level=logging.ERROR)
    try:
        _check_room(cluster, [one["Resources"] for one in ray.nodes() if one["Alive"]])
        yield
    finally:
        ray.shutdown()  # so that the cluster does not keep room for us


def _check_answered(address: str) -> None:
    """Raises OSError where nobody answers, for which Ray would wait."""
    host, _, port = address.rpartition(":")
    if port.isdigit():
        socket.create_connection((host, int(port)), ANSWER_SECONDS).close()


def _check_room(cluster: Cluster, sizes: list[dict[str, float]]) -> None:
    if any(_has_room(size, cluster) for size in sizes):
        return
    raise EngineFailed(
        f"No node of the Ray cluster has RAY_WORKER_CPUS={cluster.cpus:g} processors and "
        f"RAY_WORKER_GPUS={cluster.gpus:g} GPUs for a worker. Add nodes, or lower these two"
    )


def _has_room(size: dict[str, float], cluster: Cluster) -> bool:
    return size.get("CPU", 0.0) >= cluster.cpus and size.get("GPU", 0.0) >= cluster.gpus


def _mapped(cluster: Cluster, make_work: bytes, parts: Sequence[Any]) -> Iterator[Told]:
    if not parts:
        return
    import ray.data  # noqa: PLC0415

    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    # What Ray gives up is asked for again, and the rest goes on.
    context.max_errored_blocks = -1
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)  # all that counts is told by us
    # Work that asks for no processor shares those of other work: that bounds its workers.
    most = None if cluster.cpus else max(1, int(ray.cluster_resources().get("CPU", 1.0)))
    packed = [pickle.dumps(part) for part in parts]
    told = ray.data.from_items(packed, override_num_blocks=len(packed)).map_batches(
        _Worker,
        batch_size=1,
        fn_constructor_args=(make_work,),
        compute=ray.data.ActorPoolStrategy(min_size=1, max_size=most),
        num_cpus=cluster.cpus,
        num_gpus=cluster.gpus,
    )
    for row in told.iter_rows():
        yield pickle.loads(row["told"])


class _Worker:
    """An actor of Ray. What is raised is told: Ray would hide it among its own errors."""

    def __init__(self, make_work: bytes) -> None:
        self._make_work = make_work
        self._work: Any = None

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[bytes]]:
        return {"told": [pickle.dumps(self._told(part)) for part in batch["item"]]}

    def _told(self, part: bytes) -> Told:
        try:
            if self._work is None:
                self._work = pickle.loads(self._make_work)()
            found = self._work(pickle.loads(part))
            return Told(tuple(one for one in found if one is not None))
        except Exception as error:  # the border of the worker
            return Told(error=error)


def _explained(error: Exception, cluster: Cluster) -> Exception:
    """What Ray raises, in a sentence for people."""
    said = " ".join(str(error).split())[:300]
    if isinstance(error, EngineFailed):
        return error
    if "ersion mismatch" in said:
        return EngineFailed(
            f"The Ray cluster at RAY_ADDRESS={cluster.address} and this machine have different "
            f"versions of Ray or Python. Install the same ones on all of them ({said})"
        )
    if "matching Raylet" in said:
        return EngineFailed(
            f"This machine is no node of the Ray cluster at RAY_ADDRESS={cluster.address}, which "
            f"whoever drives it must be: ray start --address={cluster.address} --num-cpus=0"
        )
    if isinstance(error, OSError | ValueError):
        return EngineFailed(nobody_at(cluster.address))
    return EngineFailed(f"Ray could not do the work ({type(error).__name__}: {said})")
