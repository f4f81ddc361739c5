"""The table of settings in docs/SECURITY.md: ``python -m benchmarks.settings`` writes it anew.

Names, words and defaults are those of the code; what is said here is only what the code does not
say of itself.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import MISSING, dataclass, fields
from pathlib import Path

from streamlit import config

from anisoalign_core.files.limits import MOST_THREADS, THREADS_VARIABLE, Limits, size_text
from app.settings import Settings
from benchmarks.document import replace_section

ROOT = Path(__file__).resolve().parents[1]
DOCUMENT = ROOT / "docs" / "SECURITY.md"
ENVIRONMENT = ROOT / "deploy" / "anisoalign-studio.env"
SECTION = "settings"

FOLDERS = {
    "ANISOALIGN_DATA_ROOT": "folder that visitors may read embeddings, pictures and models from",
    "ANISOALIGN_EXPORT_ROOT": "folder that exports above 200 MB go to",
    "ANISOALIGN_SESSION_ROOT": "folder below which sessions are kept",
}
SESSION_ROOT = "ANISOALIGN_SESSION_ROOT"
STATE = "the state folder of the app's user"
LIMITS = {
    "max_rows": "rows of one array",
    "max_dim": "columns of one array",
    "max_bytes": "bytes of one array in memory",
}
STREAMLIT = {
    "server.address": "address to listen at: only this machine's",
    "server.port": "port to listen at: the proxy's upstream",
    "server.headless": "true: open no browser, ask for no e-mail address",
    "server.fileWatcherType": "none: do not watch the code for changes",
    "server.allowedHosts": "names under which a session may be opened, against DNS rebinding",
    "server.disconnectedSessionTTL": "seconds that the session of a lost connection is kept",
    "server.maxUploadSize": "MiB of one uploaded file",
    "server.enableXsrfProtection": "uploads need a token that other sites cannot read",
    "server.enableCORS": "true: sessions for pages of other sites are refused",
    "browser.gatherUsageStats": "statistics for Streamlit's makers",
    "client.showErrorDetails": "what a browser is told of an error that the app did not expect",
}


@dataclass(frozen=True)
class Setting:
    """A variable, what it limits, its value where nothing is set (or none), and a word on that."""

    variable: str
    words: str
    value: str
    note: str = ""


def settings() -> Iterator[Setting]:
    """Yield every variable that the app and the library read."""
    for variable, words in FOLDERS.items():
        yield Setting(variable, words, "", "none" if variable != SESSION_ROOT else STATE)
    for each in fields(Settings):
        words = each.metadata["words"]
        if each.default is MISSING:
            yield Setting(each.metadata["variable"], words, "", "half of the memory")
        else:
            yield _number(each.metadata["variable"], words, each.default)
    for name, words in LIMITS.items():
        yield _number(f"ANISOALIGN_{name.upper()}", words, getattr(Limits(), name))
    words = "threads that one piece of work may use, if there are as many cores"
    yield Setting(THREADS_VARIABLE, words, str(MOST_THREADS))


def streamlit_settings() -> Iterator[Setting]:
    """Yield Streamlit's options that matter on a server, with the value they have here."""
    own = tomllib.loads((ROOT / "app" / ".streamlit" / "config.toml").read_text(encoding="utf-8"))
    given = environment()
    config.get_config_options()
    for name, words in STREAMLIT.items():
        option = config._config_options_template[name]
        section, key = name.split(".")
        usual = option.default_val
        value, where = own.get(section, {}).get(key), "config.toml"
        if value is None:
            value, where = usual, "Streamlit's own"
            active, text = given.get(option.env_var, (False, ""))
            if active:
                value, where = text, "the .env file"
        yield Setting(option.env_var, words, _text(value), where)


def environment() -> dict[str, tuple[bool, str]]:
    """Return the variables of the shipped .env file: whether each is set there, and to what."""
    found = {}
    for line in ENVIRONMENT.read_text(encoding="utf-8").splitlines():
        name, equals, value = line.removeprefix("#").partition("=")
        if equals and name.isupper() and " " not in name:
            found[name] = (not line.startswith("#"), value)
    return found


def _number(variable: str, words: str, default: int) -> Setting:
    return Setting(variable, words, str(default), size_text(default) if "BYTES" in variable else "")


def _text(value: object) -> str:
    if value is None or value == []:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def tables() -> str:
    """Return both tables as Markdown."""
    lines = ["| variable | what it says | default |", "|---|---|---|"]
    for each in settings():
        note = f"({each.note})" if each.value and each.note else each.note
        lines.append(f"| `{each.variable}` | {each.words} | {f'{each.value} {note}'.strip()} |")
    lines += ["", "| Streamlit's variable | what it says | here | set by |", "|---|---|---|---|"]
    lines += [
        f"| `{each.variable}` | {each.words} | {each.value or 'any'} | {each.note} |"
        for each in streamlit_settings()
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    replace_section(DOCUMENT, SECTION, tables())
