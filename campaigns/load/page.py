"""What a browser knows of a page: what it shows, what its widgets are set to, and its messages.

Messages are those of ``streamlit.proto``. What the page shows is kept as the browser keeps it:
elements by their place, those that the last run did not draw again let go.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
import pyarrow as pa
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState

ENDED = (
    ForwardMsg.FINISHED_SUCCESSFULLY,
    ForwardMsg.FINISHED_WITH_COMPILE_ERROR,
    ForwardMsg.FINISHED_FRAGMENT_RUN_SUCCESSFULLY,
)
ONE_VALUE = {"selectbox", "radio", "text_input", "text_area"}
MANY_VALUES = {"button_group", "multiselect"}


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


class Page:
    """What a page shows, and the messages that a browser sends and takes in.

    Parameters
    ----------
    url : str
        Of the server, such as ``http://127.0.0.1:8501``.
    resume : Page, optional
        A session that lost its connection, to go on with.
    """

    def __init__(self, url: str, resume: Page | None = None) -> None:
        self.url = url
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

    def turn_to(self, title: str) -> None:
        """Have a page of the sidebar be asked for next."""
        self.page, self.query, self.states = self.pages[title], "", {}

    def set(self, name: str, *values: Any) -> Node:
        """Set a widget, found by its label or key; the server is told with the next message."""
        node = self.widget(name)
        state = WidgetState(id=node.proto.id)
        if node.kind == "slider" and node.proto.options:
            state.string_array_value.data[:] = values
        elif node.kind == "slider":
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
        return node

    def press(self, name: str) -> Node:
        """Have a button, found by its label or key, be pressed with the next message."""
        node = self.widget(name)
        self.states[node.proto.id] = WidgetState(id=node.proto.id, trigger_value=True)
        return node

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

    def asks(self, fragment: str = "") -> bytes:
        """Return the message that has the page, or a fragment of it, run."""
        message = BackMsg()
        state = message.rerun_script
        state.query_string, state.page_script_hash = self.query, self.page
        state.fragment_id = fragment
        state.widget_states.widgets.extend(self.states.values())
        state.cached_message_hashes.extend(self.cache)
        state.context_info.url = self.url
        return message.SerializeToString()

    def settled(self, fragment: str = "") -> None:
        """Let go of what the run that has just ended did not draw again."""
        self.screen.tidy(fragment or None)
        self.cache = {h: entry for h, entry in self.cache.items() if entry[0] >= self.oldest}
        if not fragment:
            shown = {getattr(node.proto, "id", "") for node in self.nodes()}
            self.states = {key: state for key, state in self.states.items() if key in shown}

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


def begins(message: ForwardMsg) -> bool:
    """Whether a run begins with a message."""
    return message.WhichOneof("type") == "new_session"


def ends(message: ForwardMsg) -> bool:
    """Whether a run ends with a message."""
    return message.WhichOneof("type") == "script_finished" and message.script_finished in ENDED


def _is(node: Node, name: str) -> bool:
    label = getattr(node.proto, "label", "")
    return node.proto.id.endswith(f"-{name}") or label.startswith(name)
