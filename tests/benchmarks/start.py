"""What a start of the backend costs, until both of its processes have loaded what they need.

    python -m tests.benchmarks.start [--times 3]

Prints a JSON line for each start: processor seconds and megabytes of the server and of the trainer,
once neither of them has used any processor time for two seconds.
"""

import json
import os
import tempfile
import time
from argparse import ArgumentParser
from pathlib import Path

from backend.dev import local
from tests.benchmarks.test_live import MEGABYTE, memory_of

IDLE_SECONDS = 2.0
TICKS = os.sysconf("SC_CLK_TCK")


def start(folder: Path) -> dict[str, float]:
    with local.backend(folder, local.free_port(), "http://127.0.0.1:9") as server:
        server.wait_until_up()
        before = {"server": -1.0, "trainer": -1.0}
        while (now := processor_of(server.pid())) != before:
            before = now
            time.sleep(IDLE_SECONDS)
        megabytes = {
            f"{name}_mb": size // MEGABYTE for name, size in memory_of(server.pid()).items()
        }
        return {**{f"{name}_s": round(seconds, 1) for name, seconds in now.items()}, **megabytes}


def processor_of(group: int) -> dict[str, float]:
    """Processor seconds, in tenths: the trainer, and everything else of the backend's group."""
    found = {"server": 0.0, "trainer": 0.0}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            stat = (entry / "stat").read_text().rpartition(")")[2].split()
            if int(stat[2]) == group:
                is_trainer = b"backend.trainer.worker" in (entry / "cmdline").read_bytes()
                seconds = (int(stat[11]) + int(stat[12])) / TICKS
                found["trainer" if is_trainer else "server"] += seconds
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended while we looked
    return {name: round(seconds, 1) for name, seconds in found.items()}


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=3)
    for _ in range(parser.parse_args().times):
        with tempfile.TemporaryDirectory() as name:
            print(json.dumps(start(Path(name))), flush=True)


if __name__ == "__main__":
    main()
