"""A Label Studio and a backend as processes on this machine, for the demo and the tests."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType

import requests

from backend.errors import BackendError
from backend.studio.api import IMPORT_FLAG

TOKEN = "0123456789abcdef0123456789abcdef01234567"
EMAIL, PASSWORD = "demo@example.com", "active-learning"
STARTING_LIMIT = 300.0


class LocalProcess:
    """A server in its own process group, with its output in a log file."""

    def __init__(
        self, name: str, command: list[str], environ: Mapping[str, str], url: str, folder: Path
    ) -> None:
        self.url = url
        self.name = name
        self.log = folder / f"{name}.log"
        self._command = command
        self._environ = {**os.environ, **environ, **beside_proxies(os.environ)}
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                env=self._environ,
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def wait_until_up(self, on_wait: Callable[[], object] = lambda: None) -> None:
        """Wait for `/health`. Raises BackendError when the process ends or takes too long."""
        until = time.monotonic() + STARTING_LIMIT
        while not self._answers():
            on_wait()
            if self._process is None or self._process.poll() is not None:
                raise BackendError(f"{self.name} ended while starting; its log is {self.log}")
            if time.monotonic() > until:
                raise BackendError(f"{self.name} did not start in time; its log is {self.log}")
            time.sleep(0.1)

    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """SIGKILL to the whole group, like a power failure."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def __enter__(self) -> "LocalProcess":
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _answers(self) -> bool:
        with requests.Session() as session:
            session.trust_env = False  # no proxy, and no password of ~/.netrc
            try:
                status = session.get(f"{self.url}/health", timeout=2.0).status_code
            except requests.RequestException:
                return False
        return status in (200, 401)  # 401: it is up and asks for a password

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        try:
            os.killpg(process.pid, how)
            process.wait(timeout=15.0)
        except ProcessLookupError:
            pass
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def label_studio(
    folder: Path, port: int, executable: str, environ: Mapping[str, str] | None = None
) -> LocalProcess:
    """Label Studio on sqlite with all its data in `folder`, ready for a backend on this machine.

    executable: its name or path. Raises BackendError if it does not exist.
    """
    settings = {
        "LABEL_STUDIO_BASE_DATA_DIR": str(folder / "label-studio"),
        # Both are needed: the first lets a local backend connect, the second its webhook.
        "ML_BLOCK_LOCAL_IP": "false",
        "SSRF_PROTECTION_ENABLED": "false",
        IMPORT_FLAG: "1",
        # So that TOKEN is accepted. Releases before 1.17 accept it without, and refuse to start
        # with the option of the same purpose.
        "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true",
        "LATEST_VERSION_CHECK": "false",
        "COLLECT_ANALYTICS": "0",
        "SENTRY_DSN": "",
        "FRONTEND_SENTRY_DSN": "",
        **(environ or {}),
    }
    command = [
        _whole_path(executable), "start", "--no-browser",
        "--port", str(port), "--internal-host", "127.0.0.1",
        "--username", EMAIL, "--password", PASSWORD,
        "--user-token", TOKEN,
    ]  # fmt: skip
    return LocalProcess("label-studio", command, settings, f"http://127.0.0.1:{port}", folder)


def _whole_path(executable: str) -> str:
    """Its absolute path, valid in whatever folder its process runs."""
    found = shutil.which(executable)
    if found is None:
        raise BackendError(
            f"There is no program {executable!r}, so Label Studio cannot be started. Install it "
            "(pip install label-studio) or give its path with --label-studio PATH"
        )
    return str(Path(found).absolute())


def backend(folder: Path, port: int, studio_url: str, **settings: object) -> LocalProcess:
    """The backend with its data in `folder`; `settings` as environment variables in lower case."""
    environ = {
        "LABEL_STUDIO_URL": studio_url,
        "LABEL_STUDIO_API_KEY": TOKEN,
        "LABEL_STUDIO_HEADERS": "",  # those of the environment are for another Label Studio
        "MODEL_DIR": str(folder / "models"),
        "HOST": "127.0.0.1",
        "PORT": str(port),
        **{name.upper(): str(value) for name, value in settings.items()},
    }
    command = [sys.executable, "-m", "backend", "serve"]
    return LocalProcess("backend", command, environ, f"http://127.0.0.1:{port}", folder)


def beside_proxies(environ: Mapping[str, str]) -> dict[str, str]:
    """Variables with which what runs on this machine is called directly, even if the environment
    names a proxy for all else."""
    known = environ.get("no_proxy") or environ.get("NO_PROXY")
    names = ",".join([*([known] if known else []), "localhost", "127.0.0.1"])
    return {"NO_PROXY": names, "no_proxy": names}


def is_taken(port: int) -> bool:
    """Whether something on this machine already answers on this port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
