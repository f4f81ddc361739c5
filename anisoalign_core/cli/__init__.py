"""The command line: ``anisoalign VERB``; each verb's arguments and work are in a module here.

Exit codes: 0 done; 1 done, and the answer is no (a replay that differs); 2 wrong use or input;
3 a place could not be read or written; 130 and 143 interrupted. Anything but 0 and 1 comes with one
line on standard error that says what is wrong, where, and what to do.
"""

from __future__ import annotations

import atexit
import gc
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from anisoalign_core.cli.options import spoken
from anisoalign_core.cli.parser import build_parser
from anisoalign_core.errors import AnisoAlignError, PlaceError
from anisoalign_core.files.source import first_line

atexit.register(gc.freeze)  # what ends with the process anyway is not looked through once more

DONE, DIFFERS, WRONG, PLACE, INTERRUPTED, TERMINATED = 0, 1, 2, 3, 130, 143
NOTHING = "nothing was written."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; returns the exit code."""
    options = build_parser().parse_args(arguments)
    begins = f"anisoalign {options.verb}:"
    try:
        with _terminable():
            run: Any = options.run
            return DONE if run(options) is not False else DIFFERS
    except PlaceError as error:  # a missing or read-only folder, a full disk
        kept = getattr(options, "kept", NOTHING)
        also = [] if kept == NOTHING else [kept[0].upper() + kept[1:]]
        print(begins, spoken(str(error), options), *also, file=sys.stderr)
        return PLACE
    except AnisoAlignError as error:
        print(begins, spoken(str(error), options), file=sys.stderr)
        return WRONG
    except BrokenPipeError:
        sys.stderr.close()  # whoever read our output has gone, as in "… | head"
        return DONE
    except OSError as error:  # a place that is read, or written to otherwise
        name = Path(error.filename).name if error.filename else "a file"
        print(f"{begins} {name}: {error.strerror or first_line(error)}.", file=sys.stderr)
        return PLACE
    except (KeyboardInterrupt, _TerminatedError) as stop:
        kept = getattr(options, "kept", NOTHING)
        print(f"{begins} cancelled; {kept}", file=sys.stderr)
        return INTERRUPTED if isinstance(stop, KeyboardInterrupt) else TERMINATED


class _TerminatedError(BaseException):
    """The process was asked to end: files that are not whole yet are taken away first."""


@contextmanager
def _terminable() -> Iterator[None]:
    """Let SIGTERM end the work as an interrupt does, so that no temporary file is left."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(*_: object) -> NoReturn:
        raise _TerminatedError

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
