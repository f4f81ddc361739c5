"""The real app behind Debian's nginx with the shipped configuration."""

from __future__ import annotations

import http.client
import io
import os
import re
import shutil
import socket
import ssl
import subprocess
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import requests
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from campaigns.load import client
from campaigns.load.server import Server
from tests.browser.steps import CHROMIUM, ROOT, settle

NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
OPENSSL = shutil.which("openssl")
SHIPPED = ROOT / "deploy" / "nginx.conf"
NAME, WORD = "alice", "correct horse"
MIB = 1 << 20
PATIENCE = 60.0
"""Seconds for any one answer; only a machine that is very busy needs them."""

pytestmark = pytest.mark.skipif(
    NGINX is None or OPENSSL is None,
    reason="nginx (Debian: nginx-light) or openssl is not installed",
)

AROUND = """\
daemon off;
worker_processes 1;
{user}
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 512; }}
http {{
    types {{ text/html html; }}
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    scgi_temp_path {folder}/scgi;
    uwsgi_temp_path {folder}/uwsgi;
    include {folder}/site.conf;
}}
"""


@dataclass(frozen=True)
class Proxy:
    """Where nginx answers, the certificate it shows, its log, and the command that started it."""

    port: int
    plain_port: int
    certificate: Path
    folder: Path
    command: tuple[str, ...]

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    @property
    def tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.certificate))

    def get(self, path: str, *, known: bool = True, **options: object) -> requests.Response:
        """Ask for a path, with the password or without."""
        return requests.get(
            self.url + path,
            auth=(NAME, WORD) if known else None,
            verify=str(self.certificate),
            timeout=PATIENCE,
            **options,
        )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def here(folder: Path, ports: tuple[int, int], app: str) -> str:
    """Return the shipped site with ports, files and patience of this test; all else stays."""
    site = SHIPPED.read_text(encoding="utf-8")
    for shipped, ours in (
        ("server 127.0.0.1:8501;", f"server {app.removeprefix('http://')};"),
        ("listen 80;", f"listen 127.0.0.1:{ports[0]};"),
        ("listen [::]:80;", ""),
        ("listen 443 ssl http2;", f"listen 127.0.0.1:{ports[1]} ssl http2;"),
        ("listen [::]:443 ssl http2;", ""),
        ("/etc/ssl/certs/anisoalign-studio.pem;", f"{folder}/certificate.pem;"),
        ("/etc/ssl/private/anisoalign-studio.key;", f"{folder}/key.pem;"),
        (
            "auth_basic_user_file /etc/nginx/anisoalign-studio.users;",
            f"auth_basic_user_file {folder}/users;",
        ),
        ("/var/log/nginx/anisoalign-studio.log", f"{folder}/access.log"),
        ("client_header_timeout 20s;", f"client_header_timeout {PATIENCE:.0f}s;"),
    ):
        assert shipped in site
        site = site.replace(shipped, ours)
    return site


def openssl(*words: str) -> str:
    done = subprocess.run([OPENSSL, *words], check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture(scope="module")
def app():
    with Server(keep=5, environment={"ANISOALIGN_THREADS": "1"}) as running:
        yield running
        assert running.faults() == []


@pytest.fixture(scope="module")
def proxy(app, tmp_path_factory):
    folder = tmp_path_factory.mktemp("nginx")
    openssl(
        *"req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1".split(),
        *("-addext", "subjectAltName=IP:127.0.0.1"),
        *("-keyout", str(folder / "key.pem"), "-out", str(folder / "certificate.pem")),
    )
    (folder / "users").write_text(f"{NAME}:{openssl('passwd', '-6', WORD)}\n")
    ports = free_port(), free_port()
    (folder / "site.conf").write_text(here(folder, ports, app.url), encoding="utf-8")
    user = "user root;" if os.geteuid() == 0 else ""  # workers must read a folder of this user's
    (folder / "nginx.conf").write_text(AROUND.format(folder=folder, user=user))
    command = (NGINX, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", "stderr")
    with (folder / "stderr").open("w") as said:
        process = subprocess.Popen(command, stdout=said, stderr=said)
    try:
        made = Proxy(ports[1], ports[0], folder / "certificate.pem", folder, command)
        until = time.monotonic() + PATIENCE
        while True:
            try:
                made.get("/_stcore/health", known=False)
                break
            except requests.ConnectionError:
                if process.poll() is not None or time.monotonic() > until:
                    pytest.fail((folder / "stderr").read_text())
                time.sleep(0.05)
        yield made
    finally:
        process.terminate()
        process.wait(60)


@pytest.fixture
def visitor(proxy, monkeypatch):
    """A person at the page, with the password."""

    def through(uri: str, *, origin: str, **options: object) -> object:
        secure = uri.replace("ws://", "wss://")
        return connect(secure, origin=proxy.url, ssl=proxy.tls, proxy=None, **options)

    monkeypatch.setattr(client, "connect", through)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(proxy.certificate))
    session = client.Session(
        f"https://{NAME}:{WORD.replace(' ', '%20')}@127.0.0.1:{proxy.port}", PATIENCE
    )
    yield session.open()
    session.close()


def knock(proxy: Proxy, origin: str | None, *, known: bool) -> int:
    """Ask for a WebSocket, once more where a busy machine gives no answer; return the status."""
    who = f"{NAME}:{WORD.replace(' ', '%20')}@" if known else ""
    uri = f"wss://{who}127.0.0.1:{proxy.port}/_stcore/stream"
    for patience in (PATIENCE / 3, PATIENCE / 2):
        options = {"subprotocols": ["streamlit"], "open_timeout": patience, "proxy": None}
        try:
            with connect(uri, origin=origin, ssl=proxy.tls, **options):
                return 101
        except InvalidStatus as error:
            return error.response.status_code
        except TimeoutError:
            continue
    pytest.fail("nginx gave no answer")


def announce(proxy: Proxy, path: str, size: int) -> int:
    """Say that a body of so many bytes comes, send none, and return the status."""
    asked = http.client.HTTPSConnection(
        "127.0.0.1", proxy.port, context=proxy.tls, timeout=PATIENCE
    )
    asked.putrequest("PUT", path)
    asked.putheader("Authorization", requests.auth._basic_auth_str(NAME, WORD))
    asked.putheader("Content-Length", str(size))
    asked.endheaders()
    status = asked.getresponse().status
    asked.close()
    return status


def test_nginx_accepts_the_shipped_site(proxy):
    done = subprocess.run([*proxy.command, "-t"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "warn" not in done.stderr


def test_uploads_may_be_as_large_as_streamlit_takes_them():
    config = tomllib.loads((ROOT / "app" / ".streamlit" / "config.toml").read_text())
    site = SHIPPED.read_text(encoding="utf-8")
    sizes = re.findall(r"client_max_body_size (\d+)m;", site)
    assert sizes == [str(config["server"]["maxUploadSize"] + 1)]


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/correct",
        "/static/js/none.js",
        "/media/none.npy",
        "/_stcore/health",
        "/_stcore/host-config",
        "/_stcore/upload_file/session/file",
        "/_stcore/stream",
        "/%5fstcore/upload_file/session/file",
        "/x/..//_stcore/health",
    ],
)
def test_nothing_is_open_without_a_password(proxy, path):
    assert proxy.get(path, known=False).status_code == 401
    wrong = requests.get(
        proxy.url + path, auth=(NAME, "wrong"), verify=str(proxy.certificate), timeout=PATIENCE
    )
    assert wrong.status_code == 401


def test_an_upload_without_a_password_is_refused(proxy):
    answer = requests.put(
        f"{proxy.url}/_stcore/upload_file/session/file",
        data=b"x" * 1000,
        verify=str(proxy.certificate),
        timeout=PATIENCE,
    )
    assert answer.status_code == 401


def test_a_websocket_needs_the_password_and_a_page_of_this_site(proxy):
    assert knock(proxy, proxy.url, known=False) == 401
    assert knock(proxy, None, known=False) == 401
    assert knock(proxy, "https://elsewhere.example", known=True) == 403
    assert knock(proxy, f"http://127.0.0.1:{proxy.port}", known=True) == 403
    assert knock(proxy, "null", known=True) == 403
    assert knock(proxy, proxy.url, known=True) == 101


@pytest.mark.parametrize("path", ["/_stcore/metrics", "/_stcore/agent/openapi.json"])
def test_what_is_for_the_owner_alone_stays_inside(proxy, app, path):
    assert proxy.get(path).status_code == 403
    assert requests.get(app.url + path, timeout=PATIENCE).status_code != 403


def test_plain_http_leads_to_tls(proxy):
    answer = requests.get(
        f"http://127.0.0.1:{proxy.plain_port}/correct?method=bounded",
        allow_redirects=False,
        timeout=PATIENCE,
    )
    assert answer.status_code == 301
    assert answer.headers["Location"] == "https://127.0.0.1/correct?method=bounded"


def test_the_page_comes_with_headers_that_keep_it_to_itself(proxy):
    answer = proxy.get("/")
    assert answer.status_code == 200
    assert "Streamlit" in answer.text
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "same-origin"
    assert answer.headers["Server"] == "nginx"


def test_a_body_above_the_limit_is_refused_before_it_is_sent(proxy):
    upload = "/_stcore/upload_file/session/file"
    assert announce(proxy, upload, 2049 * MIB + 1) == 413
    assert announce(proxy, "/", 64 * 1024 + 1) == 413


def test_a_session_runs_its_script_and_takes_an_upload(visitor):
    assert visitor.errors() == []
    assert len(visitor.metrics()) >= 3
    visitor.go("Data")
    rng = np.random.default_rng(0)
    files = []
    for name in ("image.npy", "text.npy"):
        np.save(stream := io.BytesIO(), rng.normal(size=(300, 16)).astype(np.float32))
        files.append((name, stream.getvalue()))
    visitor.upload("drop_0", *files)
    visitor.click("load")
    assert visitor.errors() == []
    assert any("300 pairs" in text for text in visitor.texts())


def test_an_upload_needs_the_token_and_an_open_session(proxy, visitor):
    def put(session: str, token: str) -> int:
        return visitor.http.put(
            f"{visitor.url}/_stcore/upload_file/{session}/file",
            files={"file": ("a.npy", b"x")},
            headers={"X-Xsrftoken": token, "Connection": "close"},  # a refusal may end it
            timeout=PATIENCE,
        ).status_code

    assert put(visitor.id, "") == 403
    assert put(visitor.id, "guessed") == 403
    assert put("somebody", visitor.xsrf) == 400
    assert put(visitor.id, visitor.xsrf) == 204


def test_the_log_names_no_session_and_no_search(proxy, visitor):
    proxy.get("/directions?search=a+secret")
    proxy.get(f"/_stcore/upload_file/{visitor.id}/file")
    log = (proxy.folder / "access.log").read_text(encoding="utf-8")
    assert f"{NAME} " in log
    assert "/directions 200" in log
    assert "/_stcore/upload_file/ " in log
    assert "secret" not in log
    assert visitor.id not in log


@pytest.mark.browser
def test_a_browser_shows_the_pages_and_nothing_breaks_their_policy(proxy):
    if CHROMIUM is None:
        if os.environ.get("CI"):
            pytest.fail("Chromium is not installed; under CI the browser tests must run")
        pytest.skip("Chromium is not installed")
    with ThreadPoolExecutor(1) as other:  # Playwright runs once a thread, and may run in this one
        other.submit(_look, proxy).result()


def _look(proxy: Proxy) -> None:
    from playwright.sync_api import sync_playwright

    said: list[str] = []
    with sync_playwright() as driver:
        chromium = driver.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        context = chromium.new_context(
            ignore_https_errors=True,
            http_credentials={"username": NAME, "password": WORD},
            viewport={"width": 1440, "height": 1000},
        )
        context.set_default_timeout(1000 * PATIENCE)
        page = context.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.goto(proxy.url)
        page.get_by_role("heading", name="AnisoAlign Studio").wait_for()
        settle(page)
        page.get_by_test_id("stMetric").nth(2).wait_for()
        page.get_by_test_id("stSidebarNavItems").get_by_role("link", name="Directions").click()
        page.locator(".js-plotly-plot canvas").first.wait_for(state="attached")
        settle(page)
        assert page.get_by_text("WebGL is not supported").count() == 0  # what Plotly says then
        page.get_by_test_id("stSidebarNavItems").get_by_role("link", name="Correct").click()
        page.locator(".aal[data-frames]").wait_for()  # the live picture's module is allowed
        chromium.close()
    assert [words for words in said if "Content Security Policy" in words] == []
