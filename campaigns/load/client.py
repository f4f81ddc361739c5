"""A browser's half of Streamlit's protocol: a person's session on a real server, without a browser.

Messages go over the websocket at ``/_stcore/stream``; files go up and down by HTTP.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from contextlib import ExitStack
from socket import SHUT_RDWR
from typing import Any
from urllib.parse import urlsplit

import requests
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.Common_pb2 import UploadedFileInfo
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from campaigns.load.page import ClientError, Page, begins, ends

LARGEST_MESSAGE = 1 << 30


class Session(Page):
    """One person's session.

    Parameters
    ----------
    url : str
        Of the server, such as ``http://127.0.0.1:8501``.
    timeout : float
        Seconds that any one answer may take.
    resume : Session, optional
        A session that lost its connection, to go on with.
    """

    def __init__(self, url: str, timeout: float = 600, resume: Session | None = None) -> None:
        super().__init__(url, resume)
        self.timeout = timeout
        self.http = requests.Session()
        self.http.get(f"{url}/_stcore/health", timeout=timeout).raise_for_status()
        self.xsrf = self.http.cookies.get("_streamlit_xsrf", "")
        known = [resume.id] if resume is not None else []
        self.open_things = ExitStack()
        connection = connect(
            f"ws://{urlsplit(url).netloc}/_stcore/stream",
            origin=url,
            subprotocols=["streamlit", self.xsrf or "none", *known],
            additional_headers={
                "Cookie": "; ".join(f"{c.name}={c.value}" for c in self.http.cookies)
            },
            max_size=LARGEST_MESSAGE,
            open_timeout=timeout,
            ping_interval=None,
        )
        self.socket = self.open_things.enter_context(connection)

    # --- what a person does ---------------------------------------------------------------------

    def open(self) -> Session:
        """Ask for the page for the first time, or again."""
        return self.rerun()

    def go(self, title: str) -> None:
        """Choose a page in the sidebar."""
        self.turn_to(title)
        self.rerun()

    def choose(self, name: str, *values: Any) -> None:
        """Set a widget, found by its label or key, as moving or choosing it does."""
        self.rerun(self.set(name, *values).fragment)

    def click(self, name: str, wait: bool = True) -> None:
        """Press a button, found by its label or key."""
        node = self.press(name)
        self.rerun(node.fragment, wait)
        self.states.pop(node.proto.id, None)

    def upload(self, key: str, *files: tuple[str, bytes]) -> None:
        """Give files, each a name and bytes, to an uploader, as dropping them there does."""
        node = self.widget(key)
        message = BackMsg()
        request = message.file_urls_request
        request.request_id, request.session_id = str(uuid.uuid4()), self.id
        request.file_names.extend(name for name, _ in files)
        places = self.ask(message, request.request_id).file_urls
        state = WidgetState(id=node.proto.id)
        for (name, data), urls in zip(files, places, strict=True):
            self.http.put(
                self.url + urls.upload_url,
                files={"file": (name, data)},
                headers={"X-Xsrftoken": self.xsrf},
                timeout=self.timeout,
            ).raise_for_status()
            state.file_uploader_state_value.uploaded_file_info.append(
                UploadedFileInfo(name=name, size=len(data), file_id=urls.file_id, file_urls=urls)
            )
        self.states[node.proto.id] = state
        self.rerun(node.fragment)

    def download(self, name: str) -> bytes:
        """Press a download button and return the file."""
        proto = self.widget(name).proto
        url = proto.url
        if proto.deferred_file_id:
            message = BackMsg()
            request = message.backend_operation_request
            request.request_id, request.session_id = str(uuid.uuid4()), self.id
            request.deferred_file.file_id = proto.deferred_file_id
            answer = self.ask(message, request.request_id)
            if answer.error_msg:
                raise ClientError(answer.error_msg)
            url = answer.deferred_file.url
        got = self.http.get(self.url + url, timeout=self.timeout)
        got.raise_for_status()
        return got.content

    def close(self) -> None:
        """Close the window."""
        self.open_things.close()
        self.http.close()

    def drop(self) -> None:
        """Lose the connection without a word."""
        self.socket.socket.shutdown(SHUT_RDWR)
        self.open_things.close()
        self.http.close()

    # --- messages -------------------------------------------------------------------------------

    def rerun(self, fragment: str = "", wait: bool = True) -> Session:
        """Send what the widgets are set to, and wait until the page, or a fragment, has run."""
        self.socket.send(self.asks(fragment))
        if wait:
            self.settle(fragment)
        return self

    def settle(self, fragment: str = "") -> None:
        """Wait until the script has run to its end."""
        self.follow(begins)
        self.follow(ends)
        self.settled(fragment)

    def ask(self, message: BackMsg, request_id: str) -> Any:
        """Send a request and wait for its answer."""
        self.socket.send(message.SerializeToString())
        self.follow(lambda _: request_id in self.answers)
        return self.answers.pop(request_id)

    def follow(self, until: Callable[[ForwardMsg], bool]) -> None:
        """Take messages in until one that ``until`` waits for."""
        deadline = time.monotonic() + self.timeout
        while True:
            try:
                data = self.socket.recv(timeout=max(deadline - time.monotonic(), 0.01))
            except TimeoutError as error:
                raise ClientError(f"no answer within {self.timeout:g} seconds") from error
            except (ConnectionClosed, OSError) as error:
                raise ClientError("the connection is lost") from error
            message = ForwardMsg.FromString(data)
            self.take(message)
            if until(message):
                return
