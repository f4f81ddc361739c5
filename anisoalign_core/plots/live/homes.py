"""The homes of a live picture outside the app: a file that fetches nothing, and a notebook."""

from __future__ import annotations

import base64
import html
import zlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anisoalign_core.errors import ParameterError

if TYPE_CHECKING:
    from anisoalign_core.plots.live.picture import LivePicture

HERE = Path(__file__).parent
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; "
    "base-uri 'none'; form-action 'none'"
)
LOOK = """
:root { color-scheme: light dark; }
body { margin: 1.2rem auto; max-width: 1180px; padding: 0 1rem; font-family: sans-serif;
  background: #fff; color: #1b1f24; }
.aal { background: #fff; }
footer { font-size: 13px; opacity: 0.75; margin: 1.5rem 0; }
@media (prefers-color-scheme: dark) { body, .aal { background: #0e1117; color: #e6e9ee; } }
"""
START = """
for (const block of document.querySelectorAll("script.aal-payload")) {
  const packed = Uint8Array.from(atob(block.textContent.trim()), (letter) => letter.charCodeAt(0));
  const flow = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  mount(block.previousElementSibling, new Uint8Array(await new Response(flow).arrayBuffer()));
}
"""
FRAME_HEIGHT = 860


@cache
def module() -> str:
    """Return the JavaScript module that draws live pictures, in every home."""
    return (HERE / "live.js").read_text(encoding="utf-8")


@cache
def style() -> str:
    """Return its style sheet."""
    return (HERE / "live.css").read_text(encoding="utf-8")


def block(picture: LivePicture) -> str:
    """Return the place of a picture in a page, with its payload."""
    data = base64.b64encode(zlib.compress(picture.payload, 9)).decode("ascii")
    return (
        "<div class='aal-root'></div>"
        f"<script type='application/octet-stream' class='aal-payload'>{data}</script>"
    )


def page(pictures: Sequence[LivePicture], title: str = "", body: str | None = None) -> str:
    """Return live pictures as one HTML page that fetches nothing, and may fetch nothing.

    Parameters
    ----------
    pictures : sequence of LivePicture
    title : str
        By default the first picture's; data, never markup.
    body : str, optional
        Markup that holds the pictures' blocks; by default they stand one below another.
    """
    facts = pictures[0].facts
    title = title or f"{facts['method']} on {facts['title']}"
    if body is None:
        body = "".join(
            f"{block(one)}<footer dir='auto'>{html.escape(one.facts['foot'])}</footer>"
            for one in pictures
        )
        body = f"<h1 dir='auto'>{html.escape(title)}</h1>{body}"
    return (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>{html.escape(title)}</title><style>{style()}{LOOK}</style></head>"
        f"<body>{body}<script type='module'>{module()}{START}</script></body></html>"
    )


def widget(picture: LivePicture) -> Any:
    """Return a picture as a notebook's widget; see :meth:`LivePicture.widget`."""
    try:
        import anywidget
        import traitlets
    except ImportError as error:
        raise ParameterError(
            "A live picture in a notebook's cells needs anywidget: pip install "
            '"anisoalign-studio[notebook]". Without it, to_html(path) writes the same picture.'
        ) from error
    return _kind(anywidget, traitlets)(
        payload=picture.payload, value=(picture.facts["dial"] or {}).get("value", 0.0)
    )


@cache
def _kind(anywidget: Any, traitlets: Any) -> Any:
    """Return the widget's class, made when it is first needed."""
    return type(
        "LiveWidget",
        (anywidget.AnyWidget,),
        {
            "_esm": module(),
            "_css": style(),
            "payload": traitlets.Bytes().tag(sync=True),
            "value": traitlets.Float().tag(sync=True),
            "selected": traitlets.Dict().tag(sync=True),
            "exact": traitlets.Dict().tag(sync=True),
        },
    )


def bundle(picture: LivePicture) -> Any:
    """Return what a notebook shows of a picture: its widget, and a page in a frame for the rest."""
    frame = html.escape(page([picture]), quote=True)
    shown = {
        "text/plain": f"LivePicture: {picture.facts['method']} on {picture.facts['title']}",
        "text/html": f'<iframe sandbox="allow-scripts" srcdoc="{frame}" width="100%" '
        f'height="{FRAME_HEIGHT}" style="border:0" title="{html.escape(picture.facts["alt"])}">'
        "</iframe>",
    }
    try:
        return widget(picture)._repr_mimebundle_()[0] | shown
    except ParameterError:
        return shown
