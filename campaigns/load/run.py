"""Many people at once: ``python -m campaigns.load.run --sessions 20``; ``--soak``: two hours;
``--sample``: sixty on the bundled sample.

A real server runs in a process of its own; every session speaks Streamlit's own protocol, uploads a
set of its own, and checks every number it is shown against the library. Returns 1 where a number
was another's, an error was met, or memory was not as promised. ``--render`` writes the section of
docs/RELIABILITY.md from what was measured last.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from benchmarks.document import read_results

SESSIONS = 20
HERE = Path(__file__).parent
RESULTS = HERE / "results.json"
DOCUMENT = HERE.parent.parent / "docs" / "RELIABILITY.md"


def main(arguments: list[str] | None = None) -> int:
    """Run what the command line asks for; returns 1 if a promise was not kept."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sessions", type=int, help="20; of --sample 60")
    parser.add_argument("--rows", type=int, default=5_000)
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument(
        "--sample", action="store_true", help="a class of sixty on the bundled sample"
    )
    parser.add_argument("--soak", action="store_true", help="come and go instead of all at once")
    parser.add_argument("--interactions", type=int, help="of the soak; by default a class's")
    parser.add_argument("--minutes", type=float, default=15, help="the soak's longest time")
    parser.add_argument("--seed", type=int, default=0, help="of soak and sample")
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--render", type=Path, nargs="?", const=DOCUMENT, help="write the section")
    options = parser.parse_args(arguments)
    if options.render is not None:
        from campaigns.load.report import render

        render(options.out, options.render)
        return 0
    if options.sample:
        from campaigns.load.lesson import PEOPLE, class_on_sample, failures

        found = class_on_sample(options.sessions or PEOPLE, options.seed)
        name, words = "sample", failures(found)
    elif options.soak:
        from campaigns.load.soak import INTERACTIONS, failures, soak

        found = soak(options.interactions or INTERACTIONS, options.minutes, options.seed)
        name, words = "soak", failures(found)
    else:
        from campaigns.load.campaign import campaign, failures

        found = campaign(options.sessions or SESSIONS, options.rows, options.dim)
        name, words = "campaign", failures(found)
    keep(options.out, name, found | {"failures": words})
    for word in words:
        print(word)
    print(f"{found['checked']:,} numbers checked; {len(words)} promises not kept", flush=True)
    return int(bool(words))


def keep(path: Path, name: str, found: Any) -> None:
    """Write what was measured beside what other runs measured."""
    known = read_results(path)
    known[name] = found
    text = json.dumps(known, indent=1, ensure_ascii=False) + "\n"
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    raise SystemExit(main())
