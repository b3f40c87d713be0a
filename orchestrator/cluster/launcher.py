"""Starts clusters from files with Ray's cluster launcher, and reaches them through ssh."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from trainables.errors import ConfigurationError

RAY = (sys.executable, "-m", "ray.scripts.scripts")

TUNNEL_SECONDS = 120.0


def up(file: Path) -> None:
    """Starts the cluster of a file, or updates the running one. Ray prints its progress to the terminal.

    Raises:
        ConfigurationError: Ray failed.
    """
    _check(file)
    # Otherwise Ray would restart itself on a running head, and end its jobs.
    runs = subprocess.run([*RAY, "get-head-ip", str(file)], check=False, capture_output=True).returncode == 0
    more = ["--no-restart"] if runs else []
    # On standard error, since a program may read standard output.
    if subprocess.run([*RAY, "up", str(file), "--yes", *more], check=False, stdout=sys.stderr).returncode:
        raise ConfigurationError(f"Ray could not start the cluster of {file}: see its output above.")


@contextlib.contextmanager
def dashboard(file: Path) -> Iterator[str]:
    """Yields a local address of the cluster's dashboard, through an ssh tunnel that ends with the context.

    Raises:
        ConfigurationError: There is no such cluster, or it is unreachable.
    """
    _check(file)
    port = _free_port()
    tunnel = subprocess.Popen(
        [*RAY, "dashboard", str(file), "--port", str(port)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    )
    try:
        address = f"http://127.0.0.1:{port}"
        end = time.monotonic() + TUNNEL_SECONDS
        while not _answers(address):
            if tunnel.poll() is not None:
                output = (tunnel.stdout.read() if tunnel.stdout else "").strip().splitlines()
                raise ConfigurationError(
                    f"cannot connect to the cluster of {file}: "
                    f"{output[-1] if output else 'ray dashboard ended'}"
                )
            if time.monotonic() > end:
                raise ConfigurationError(
                    f"the dashboard of {file}'s cluster does not answer: is its head node running?"
                )
            time.sleep(0.5)
        yield address
    finally:
        tunnel.terminate()
        tunnel.wait()


def _check(file: Path) -> None:
    if not file.is_file():
        raise ConfigurationError(f"no such cluster file: {str(file)!r}.")
    if not shutil.which("ssh"):
        raise ConfigurationError("--cluster connects through ssh, which is not installed here.")


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/api/version", timeout=5):
            return True
    except urllib.error.HTTPError:
        # A request for a token is also a response.
        return True
    except OSError:
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
