"""A browser's half of the protocol without threads: sixty of them cost one process little.

What a browser does by itself is done here too: pictures are fetched once, parts of a page that run
by themselves every so many seconds do, and the component that asks what a browser has kept is told
that it is nothing.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from campaigns.load.page import ClientError, Page, begins, ends

TRIGGERED = "$$STREAMLIT_INTERNAL_KEY_{}__events"
"""The widget that carries what a component reports, by the component's own."""
NOTHING_KEPT = json.dumps([{"event": "stored", "value": ""}])
COOKIE = re.compile(rb"set-cookie:\s*_streamlit_xsrf=([^;\r\n]*)", re.IGNORECASE)


class Visitor(Page):
    """One person's session; see :class:`~campaigns.load.page.Page`.

    Parameters
    ----------
    url : str
    timeout : float
        Seconds that any one answer may take.
    """

    def __init__(self, url: str, timeout: float = 300) -> None:
        super().__init__(url)
        self.timeout = timeout
        self.alone = asyncio.Lock()
        self.clocks: dict[str, asyncio.Task[None]] = {}
        self.fetched: set[str] = set()
        self.bytes = 0
        """Received, by messages and as pictures."""

    async def open(self) -> Visitor:
        """Connect, and ask for the page for the first time."""
        head, _ = await self.get("/_stcore/health")
        found = COOKIE.search(head)
        xsrf = found[1].decode("ascii") if found else ""
        self.socket = await connect(
            f"ws://{urlsplit(self.url).netloc}/_stcore/stream",
            origin=self.url,  # type: ignore[arg-type]
            subprotocols=["streamlit", xsrf or "none"],  # type: ignore[list-item]
            additional_headers={"Cookie": f"_streamlit_xsrf={xsrf}"},
            compression=None,
            max_size=None,
            max_queue=None,
            open_timeout=self.timeout,
            ping_interval=None,
        )
        await self.rerun()
        return self

    async def go(self, title: str) -> None:
        """Choose a page in the sidebar."""
        self.turn_to(title)
        await self.rerun()

    async def choose(self, name: str, *values: Any) -> None:
        """Set a widget, found by its label or key, as moving or choosing it does."""
        await self.rerun(self.set(name, *values).fragment)

    async def click(self, name: str) -> None:
        """Press a button, found by its label or key."""
        node = self.press(name)
        await self.rerun(node.fragment)
        self.states.pop(node.proto.id, None)

    async def close(self) -> None:
        """Close the window."""
        for clock in self.clocks.values():
            clock.cancel()
        await self.socket.close()

    # --- messages -------------------------------------------------------------------------------

    async def rerun(self, fragment: str = "") -> None:
        """Send what the widgets are set to; wait until it has run, and its pictures are there."""
        try:
            async with self.alone, asyncio.timeout(self.timeout):
                if not fragment:
                    self.stop_clocks()
                await self.socket.send(self.asks(fragment))
                await self.settle(fragment)
                await self.see_pictures()
        except TimeoutError as error:
            raise ClientError(f"no answer within {self.timeout:g} seconds") from error
        except (ConnectionClosed, OSError) as error:
            raise ClientError("the connection is lost") from error

    async def settle(self, fragment: str) -> None:
        """Wait until the script has run to its end."""
        await self.follow(begins)
        await self.follow(ends)
        self.settled(fragment)

    async def follow(self, until: Callable[[ForwardMsg], bool]) -> None:
        """Take messages in until one that ``until`` waits for."""
        while True:
            data = await self.socket.recv(decode=False)
            self.bytes += len(data)
            message = ForwardMsg.FromString(data)
            self.take(message)
            if message.WhichOneof("type") == "auto_rerun":
                self.start_clock(message.auto_rerun.fragment_id, message.auto_rerun.interval)
            if until(message):
                return

    # --- what a browser does by itself ----------------------------------------------------------

    def start_clock(self, fragment: str, every: float) -> None:
        """Run a part of the page every so many seconds, as long as the page stands."""

        async def run() -> None:
            while True:
                await asyncio.sleep(every)
                await self.rerun(fragment)

        if fragment not in self.clocks:
            self.clocks[fragment] = asyncio.create_task(run())

    def stop_clocks(self) -> None:
        """Run no part by itself any more: the page is drawn anew."""
        for clock in self.clocks.values():
            if clock is not asyncio.current_task():
                clock.cancel()
        self.clocks = {}

    async def answer_keeper(self) -> None:
        """Tell the component that asks what this browser has kept: nothing."""
        for node in self.screen.all("bidi_component"):
            if node.proto.json and json.loads(node.proto.json).get("turn") == "read":
                name = TRIGGERED.format(node.proto.id)
                self.states[name] = WidgetState(id=name, json_trigger_value=NOTHING_KEPT)
                await self.rerun(node.fragment)
                self.states.pop(name, None)
                return

    async def see_pictures(self) -> None:
        """Fetch the pictures on the page that were not fetched before."""
        for node in list(self.screen.all("image", "imgs")):
            many = [one.url for one in node.proto.imgs] if node.kind == "imgs" else [node.proto.url]
            for url in many:
                if url.startswith("/") and url not in self.fetched:
                    self.fetched.add(url)
                    await self.get(url)

    async def get(self, path: str) -> tuple[bytes, bytes]:
        """Fetch a file; return the answer's head and body."""
        place = urlsplit(self.url)
        reader, writer = await asyncio.open_connection(place.hostname, place.port)
        try:
            asked = f"GET {path} HTTP/1.1\r\nHost: {place.netloc}\r\nConnection: close\r\n\r\n"
            writer.write(asked.encode("ascii"))
            answer = await reader.read()
        finally:
            writer.close()
        self.bytes += len(answer)
        head, _, body = answer.partition(b"\r\n\r\n")
        if b" 200 " not in head.partition(b"\r\n")[0]:
            raise ClientError(f"{path} is not there")
        return head, body
