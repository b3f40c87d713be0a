"""Writes a file of results whole: under a temporary name beside it, then renamed."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from trainables.errors import ConfigurationError


def write_whole(path: Path, content: bytes) -> None:
    """Writes or replaces a file, so that it is never half there. It keeps its permissions.

    Raises:
        ConfigurationError: It cannot be written, in one line.
    """
    # The file behind a link is replaced, not the link.
    target = Path(os.path.realpath(path))
    try:
        if target.exists() and not target.is_file():
            # A device or a pipe cannot be replaced.
            target.write_bytes(content)
            return
        mode = target.stat().st_mode if target.exists() else 0o666 & ~_umask()
        with tempfile.NamedTemporaryFile(
            prefix=f".{target.name[:100]}-", dir=target.parent, delete=False
        ) as file:
            temporary = Path(file.name)
            try:
                file.write(content)
                file.close()
                temporary.chmod(mode)
                temporary.replace(target)
            except BaseException:
                with contextlib.suppress(OSError):
                    temporary.unlink()
                raise
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error.strerror}.") from error


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
