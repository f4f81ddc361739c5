"""The store of sessions: whole or not at all, within its quotas, for its time, for one alone."""

from __future__ import annotations

import json
import os
import stat
import threading
import time

import pytest

from anisoalign_core.errors import FormatError, LimitError, PlaceError
from app import keeping, private
from app.keeping import (
    MANIFEST,
    Elsewhere,
    Forgotten,
    Piece,
    Store,
    Token,
    new_key,
    source_of,
)
from app.pen import Pen
from app.private import private_folder
from app.settings import Settings


def piece(data, size=None):
    return Piece(lambda path: path.write_bytes(data), len(data) if size is None else size)


def part(number, kind="pair"):
    return f"{kind}-{number:016x}.npz"


@pytest.fixture
def store(tmp_path):
    return Store(private_folder(str(tmp_path)), 24, 1000, 5000)


@pytest.fixture
def token():
    return Token.new(new_key())


def held(store, token):
    found = store.read(token)
    folder = store.folder(token)
    return {
        name: source_of(folder, name, part).path.read_bytes() for name, part in found.parts.items()
    }


def test_what_is_written_is_read_and_kept_files_are_not_written_again(store, token):
    written = []

    def noted(path):
        written.append(path)
        path.write_bytes(b"rows")

    first = store.write(token, {"seed": 1}, {part(1): Piece(noted, 4)}, None)
    pieces = {part(1): Piece(noted, 4), part(2): piece(b"more")}
    store.write(token, {"seed": 2}, pieces, first)
    assert len(written) == 1
    assert store.read(token).session == {"seed": 2}
    assert held(store, token) == {part(1): b"rows", part(2): b"more"}
    store.write(token, {}, {part(2): piece(b"more")}, store.read(token).stamp)
    assert {path.name for path in store.folder(token).iterdir()} == {MANIFEST, part(2)}


def test_a_write_that_fails_leaves_what_was_kept_as_it_was(store, token):
    def fails(path):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    with pytest.raises(PlaceError):
        store.write(token, {}, {part(1): Piece(fails, 4)}, None)
    assert not store.folder(token).exists()
    stamp = store.write(token, {"seed": 1}, {part(1): piece(b"rows")}, None)
    before = {path.name: path.read_bytes() for path in store.folder(token).iterdir()}
    with pytest.raises(PlaceError):
        store.write(token, {"seed": 2}, {part(2): piece(b"a"), part(3): Piece(fails, 4)}, stamp)
    assert before == {path.name: path.read_bytes() for path in store.folder(token).iterdir()}


def test_neither_half_of_a_token_opens_a_session_without_the_other(store, token):
    store.write(token, {}, {}, None)
    stranger = Token.new(new_key())
    for forged in (
        stranger,
        Token(stranger.key, token.name),
        Token(token.key, stranger.name),
        Token(token.name, token.key),
    ):
        assert store.read(forged) is None
    (folder,) = store.root.iterdir()
    assert token.key not in str(folder) and token.name not in str(folder)
    assert len(token.key) * 6 >= 256 and len(token.name) * 6 >= 128


@pytest.mark.parametrize("odd", ["", "../../etc/passwd", "a" * 21, "a" * 23, "a/" * 11, "é" * 22])
def test_what_is_no_token_of_ours_is_none(odd):
    assert Token.of(new_key(), odd) is None
    assert Token.of(odd, Token.new("k").name) is None


@pytest.mark.parametrize(
    "change",
    [
        lambda body: body.update(parts={"../../evil.npz": {"size": 1, "digest": "0"}}),
        lambda body: body.update(parts={"/etc/passwd": {"size": 1, "digest": "0"}}),
        lambda body: body.update(kept_version=2),
        lambda body: body.update(more=1),
        lambda body: body.pop("stamp"),
    ],
)
def test_a_manifest_that_says_what_it_may_not_is_refused(store, token, change):
    store.write(token, {}, {part(1): piece(b"rows")}, None)
    path = store.folder(token) / MANIFEST
    body = json.loads(path.read_text())
    change(body)
    path.write_text(json.dumps(body))
    with pytest.raises(FormatError, match="What was kept"):
        store.read(token)
    store.write(token, {"seed": 3}, {part(1): piece(b"rows")}, None)  # is written anew
    assert store.read(token).session == {"seed": 3}


def test_a_file_that_changed_is_refused(store, token):
    store.write(token, {}, {part(1): piece(b"rows"), part(2): piece(b"rows")}, None)
    found, folder = store.read(token), store.folder(token)
    (folder / part(1)).write_bytes(b"rowz")
    (folder / part(2)).unlink()
    for name in (part(1), part(2)):
        with pytest.raises(FormatError):
            source_of(folder, name, found.parts[name])


def test_a_session_and_all_together_are_held_to_their_quotas_and_the_oldest_go_first(store):
    with pytest.raises(LimitError, match="takes 1,001 bytes"):
        store.write(Token.new("k"), {}, {part(1): piece(b"a" * 1001)}, None)
    with pytest.raises(LimitError):  # also where it turns out larger than was thought
        store.write(Token.new("k"), {}, {part(1): piece(b"a" * 1001, size=4)}, None)
    assert not list(store.root.iterdir())
    tokens = [Token.new("k") for _ in range(6)]
    for age, token in enumerate(tokens):
        store.write(token, {}, {part(1): piece(b"a" * 900)}, None)
        when = time.time() - 3600 + 60 * age
        os.utime(store.folder(token) / MANIFEST, (when, when))
    assert store.size() <= 5000
    there = [store.folder(token).exists() for token in tokens]
    assert there == [False] * (6 - sum(there)) + [True] * sum(there) and sum(there) >= 4
    small = Store(store.root, 24, 10**6, 2000)
    with pytest.raises(LimitError, match="no room on its disk"):
        small.write(tokens[-1], {}, {part(2): piece(b"a" * 3000)}, small.read(tokens[-1]).stamp)
    assert held(store, tokens[-1]) == {part(1): b"a" * 900}
    assert [store.folder(token).exists() for token in tokens] == there  # nobody made room for it


def test_a_session_ends_at_its_time_and_use_begins_it_anew(store, token):
    store.write(token, {}, {}, None)
    path = store.folder(token) / MANIFEST
    for hours, there in ((23, True), (25, False)):
        when = time.time() - 3600 * hours
        os.utime(path, (when, when))
        assert store.holds(token) is there
        assert (store.read(token) is not None) is there
    assert path.exists()
    store.clean()
    assert not path.parent.exists()
    left = store.root / ("0" * 64)
    left.mkdir()
    store.clean()
    assert left.exists()
    store.clean(time.time() + 2 * keeping.UNFINISHED_SECONDS)
    assert not left.exists()


def test_however_small_there_are_not_too_many(store, monkeypatch):
    monkeypatch.setattr(keeping, "MOST_SESSIONS", 3)
    for _ in range(5):
        store.write(Token.new("k"), {}, {}, None)
    assert len(list(store.root.iterdir())) == 3


def test_what_was_forgotten_is_gone_and_does_not_come_back(store, token):
    stamp = store.write(token, {}, {part(1): piece(b"rows")}, None)
    store.forget(token)
    assert not list(store.root.iterdir())
    with pytest.raises(Forgotten):
        store.write(token, {}, {part(1): piece(b"rows")}, stamp)


def test_a_window_does_not_write_over_what_another_wrote(store, token):
    first = store.write(token, {"seed": 1}, {}, None)
    store.write(token, {"seed": 2}, {}, first)
    with pytest.raises(Elsewhere):
        store.write(token, {"seed": 3}, {}, first)
    assert store.read(token).session == {"seed": 2}


def test_the_folder_is_its_owners_alone(tmp_path, monkeypatch):
    folder = private_folder(str(tmp_path / "a" / "b"))
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    folder.chmod(0o755)
    assert stat.S_IMODE(private_folder(str(tmp_path / "a" / "b")).stat().st_mode) == 0o700
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "sessions").symlink_to(tmp_path / "a")
    with pytest.raises(PlaceError, match="no folder of this user's"):
        private_folder(str(tmp_path / "c"))
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    found = private_folder(None)
    assert found == tmp_path / "state" / "anisoalign-studio" / "sessions"
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))  # no folder can be made there
    monkeypatch.setattr(private.tempfile, "gettempdir", lambda: str(tmp_path / "a"))
    found = private_folder(None)
    assert found.parent.parent == tmp_path / "a"
    assert stat.S_IMODE(found.parent.stat().st_mode) == 0o700
    store = Store(found, 24, 100, 100)
    token = Token.new(new_key())
    store.write(token, {}, {}, None)
    assert stat.S_IMODE(store.folder(token).stat().st_mode) == 0o700


def test_the_pen_writes_the_latest_of_each_and_can_be_waited_for():
    pen, begin, done = Pen(), threading.Event(), []
    pen.put("a", lambda: begin.wait(10))
    for number in range(3):
        pen.put("b", lambda number=number: done.append(number))
    assert not pen.settle("b", 0.01)
    begin.set()
    assert pen.settle("b", 10) and pen.settle("nothing", 0)
    assert done == [2]


def test_nothing_is_kept_where_the_hours_are_none(monkeypatch):
    monkeypatch.setenv("ANISOALIGN_SESSION_HOURS", "0")
    assert Settings.from_env().kept_hours == 0
    monkeypatch.delenv("ANISOALIGN_SESSION_HOURS")
    assert Settings.from_env().kept_hours == 24
