"""A browser's half of Streamlit's protocol: a person's session on a real server, without a browser.

Messages are those of ``streamlit.proto`` over the websocket at ``/_stcore/stream``; files go up and
down by HTTP. What the page shows is kept as the browser keeps it: elements by their place, those
that the last run did not draw again let go.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from socket import SHUT_RDWR
from typing import Any
from urllib.parse import urlsplit

import pandas as pd
import pyarrow as pa
import requests
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.Common_pb2 import UploadedFileInfo
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

ENDED = (
    ForwardMsg.FINISHED_SUCCESSFULLY,
    ForwardMsg.FINISHED_WITH_COMPILE_ERROR,
    ForwardMsg.FINISHED_FRAGMENT_RUN_SUCCESSFULLY,
)
ONE_VALUE = {"selectbox", "radio", "text_input", "text_area"}
MANY_VALUES = {"button_group", "multiselect"}
LARGEST_MESSAGE = 1 << 30


class ClientError(Exception):
    """The page is not as the person expects it, or the server is gone."""


@dataclass
class Node:
    """An element, and which run of which fragment drew it last."""

    kind: str
    proto: Any
    run: int
    fragment: str


@dataclass
class Screen:
    """What a page shows: elements and containers by their place."""

    nodes: dict[tuple[int, ...], Node] = field(default_factory=dict)
    run: int = 0

    def draw(self, path: tuple[int, ...], delta: Any) -> None:
        """Put an element or a container in its place."""
        if delta.WhichOneof("type") == "new_element":
            kind = delta.new_element.WhichOneof("type")
            below = [p for p in self.nodes if len(p) > len(path) and p[: len(path)] == path]
            for inner in below:
                del self.nodes[inner]
            proto = getattr(delta.new_element, kind)
        elif delta.WhichOneof("type") == "add_block":
            kind, proto = "block", delta.add_block
        else:
            return  # a transient element, such as a spinner, stands beside what it is drawn over
        self.nodes[path] = Node(kind, proto, self.run, delta.fragment_id)

    def tidy(self, fragment: str | None) -> None:
        """Let go of what a finished run did not draw again."""
        self.nodes = {
            path: node
            for path, node in self.nodes.items()
            if node.run == self.run or (fragment and node.fragment != fragment)
        }

    def all(self, *kinds: str) -> Iterator[Node]:
        """Elements of some kinds, from the top of the page to its end."""
        for path in sorted(self.nodes):
            if self.nodes[path].kind in kinds:
                yield self.nodes[path]


class Session:
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
        self.url, self.timeout = url, timeout
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
        self.id = resume.id if resume is not None else ""
        self.screen = Screen()
        self.pages: dict[str, str] = {}
        self.page = resume.page if resume is not None else ""
        self.query = ""
        self.states: dict[str, WidgetState] = dict(resume.states) if resume is not None else {}
        self.cache: dict[str, tuple[int, bytes]] = {}
        self.runs = self.oldest = 0
        self.answers: dict[str, Any] = {}

    # --- what a person does ---------------------------------------------------------------------

    def open(self) -> Session:
        """Ask for the page for the first time, or again."""
        return self.rerun()

    def go(self, title: str) -> None:
        """Choose a page in the sidebar."""
        self.page, self.query, self.states = self.pages[title], "", {}
        self.rerun()

    def choose(self, name: str, *values: Any) -> None:
        """Set a widget, found by its label or key, as moving or choosing it does."""
        node = self.widget(name)
        state = WidgetState(id=node.proto.id)
        if node.kind == "slider":
            state.double_array_value.data[:] = values
        elif node.kind == "number_input":
            state.double_value = values[0]
        elif node.kind == "checkbox":
            state.bool_value = values[0]
        elif node.kind in ONE_VALUE:
            state.string_value = values[0]
        elif node.kind in MANY_VALUES:
            state.string_array_value.data[:] = values
        else:
            raise ClientError(f'"{name}" is a {node.kind}, which cannot be set.')
        self.states[node.proto.id] = state
        self.rerun(node.fragment)

    def click(self, name: str, wait: bool = True) -> None:
        """Press a button, found by its label or key."""
        node = self.widget(name)
        self.states[node.proto.id] = WidgetState(id=node.proto.id, trigger_value=True)
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

    # --- what a person sees ---------------------------------------------------------------------

    def widget(self, name: str) -> Node:
        """Find a widget by key, label, or how its label begins."""
        found = [node for node in self.nodes() if getattr(node.proto, "id", "") and _is(node, name)]
        if not found:
            raise ClientError(f'There is no "{name}" on the page. It says: {self.errors()}')
        return found[0]

    def nodes(self) -> Iterator[Node]:
        """Everything on the page."""
        kinds = {node.kind for node in self.screen.nodes.values()} - {"block"}
        return self.screen.all(*kinds)

    def metrics(self) -> dict[str, str]:
        """Numbers in cards, by label."""
        return {node.proto.label: node.proto.body for node in self.screen.all("metric")}

    def texts(self) -> list[str]:
        """Running text, headings and captions."""
        return [node.proto.body for node in self.screen.all("markdown", "heading", "text")]

    def errors(self) -> list[str]:
        """Errors in words, and exceptions."""
        found = [
            node.proto.body
            for node in self.screen.all("alert")
            if node.proto.format == node.proto.ERROR
        ]
        return found + [node.proto.message for node in self.screen.all("exception")]

    def tables(self) -> list[pd.DataFrame]:
        """Tables that can be scrolled."""
        found = []
        for node in self.screen.all("dataframe"):
            data = node.proto.arrow_data.data or node.proto.lazy_data.initial_chunk.data
            found.append(pa.ipc.open_stream(data).read_pandas())
        return found

    def figures(self) -> list[str]:
        """Plotly figures, as JSON."""
        return [node.proto.spec for node in self.screen.all("plotly_chart")]

    # --- messages -------------------------------------------------------------------------------

    def rerun(self, fragment: str = "", wait: bool = True) -> Session:
        """Send what the widgets are set to, and wait until the page, or a fragment, has run."""
        message = BackMsg()
        state = message.rerun_script
        state.query_string, state.page_script_hash = self.query, self.page
        state.fragment_id = fragment
        state.widget_states.widgets.extend(self.states.values())
        state.cached_message_hashes.extend(self.cache)
        state.context_info.url = self.url
        self.socket.send(message.SerializeToString())
        if wait:
            self.settle(fragment)
        return self

    def settle(self, fragment: str = "") -> None:
        """Wait until the script has run to its end."""
        self.follow(lambda m: m.WhichOneof("type") == "new_session")
        self.follow(
            lambda m: m.WhichOneof("type") == "script_finished" and m.script_finished in ENDED
        )
        self.screen.tidy(fragment or None)
        self.cache = {h: entry for h, entry in self.cache.items() if entry[0] >= self.oldest}
        if not fragment:
            shown = {getattr(node.proto, "id", "") for node in self.nodes()}
            self.states = {key: state for key, state in self.states.items() if key in shown}

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

    def take(self, message: ForwardMsg) -> None:
        """Act on one message."""
        kind = message.WhichOneof("type")
        if kind == "delta":
            if message.metadata.cacheable:
                self.cache[message.hash] = (self.runs, message.delta.SerializeToString())
            self.screen.draw(tuple(message.metadata.delta_path), message.delta)
        elif kind == "ref_hash":
            _, data = self.cache[message.ref_hash]
            self.cache[message.ref_hash] = (self.runs, data)
            delta = type(message.delta).FromString(data)
            self.screen.draw(tuple(message.metadata.delta_path), delta)
        elif kind == "new_session":
            self.screen.run += 1
            self.runs += 1
            self.id = message.new_session.initialize.session_id or self.id
            self.page = message.new_session.page_script_hash
            self.oldest = self.runs - message.new_session.config.max_cached_message_age
        elif kind == "navigation":
            self.pages = {p.page_name: p.page_script_hash for p in message.navigation.app_pages}
            self.page = message.navigation.page_script_hash
        elif kind == "page_info_changed":
            self.query = message.page_info_changed.query_string
        elif kind == "file_urls_response":
            self.answers[message.file_urls_response.response_id] = message.file_urls_response
        elif kind == "backend_operation_response":
            answer = message.backend_operation_response
            self.answers[answer.request_id] = answer


def _is(node: Node, name: str) -> bool:
    label = getattr(node.proto, "label", "")
    return node.proto.id.endswith(f"-{name}") or label.startswith(name)
