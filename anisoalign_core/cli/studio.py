"""The verb that starts the app: Streamlit's own server, in this process."""

from __future__ import annotations

import argparse
import os
import runpy
import socket
import sys

from anisoalign_core.errors import AnisoAlignError, ParameterError, PlaceError
from anisoalign_core.extras import need
from anisoalign_core.files.bundled import bundled

PORTS = range(1, 1 << 16)
USUAL = {
    "STREAMLIT_SERVER_ADDRESS": "127.0.0.1",  # the app has no accounts
    "STREAMLIT_SERVER_FILE_WATCHER_TYPE": "none",  # whoever changes the app has its own command
}
"""What holds unless the environment says otherwise."""


def studio(options: argparse.Namespace) -> None:
    """Start the app and serve it until it is interrupted."""
    home = bundled() / "app" / "Home.py"
    if not home.is_file():
        raise AnisoAlignError(
            "The app is not beside the library, so what is installed is not whole. Install "
            "anisoalign-studio again."
        )
    need("The app", "app", "streamlit")
    for name, value in USUAL.items():
        os.environ.setdefault(name, value)
    command = ["streamlit", "run", str(home)]
    if options.port is not None:
        _check_port(options.port, os.environ["STREAMLIT_SERVER_ADDRESS"])
        command += ["--server.port", str(options.port)]
    if options.headless:
        command += ["--server.headless", "true"]
    sys.argv = command
    runpy.run_module("streamlit", run_name="__main__")


def _check_port(port: int, address: str) -> None:
    """Refuse a port that cannot be listened at, before anything starts."""
    if port not in PORTS:
        raise ParameterError(f"--port is {port}; give a number from 1 to {PORTS[-1]}.")
    kind = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(kind) as probe:
        if os.name == "posix":  # a port that was just let go is free; elsewhere this means sharing
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            raise PlaceError(
                f"Port {port} of {address} cannot be used ({error.strerror}). Give another with "
                "--port, or leave it out for the first free one from 8501 on."
            ) from error
