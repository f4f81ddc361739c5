"""What the tests run of the library, and what is checked without running: docs/RELIABILITY.md.

Run ``python -m benchmarks.code_coverage``; ten minutes on two cores. The suite runs under
coverage.py, which counts lines and branches; ``--from .coverage`` renders what a run has counted.
Every module below 95 % must be explained in ``GAPS``. This is the coverage of code; that of the
leaderboard's intervals is in ``benchmarks.coverage``.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import tomllib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from coverage import Coverage

from benchmarks.document import replace_section

ROOT = Path(__file__).resolve().parent.parent
CORE = ROOT / "anisoalign_core"
LEAST = 95.0
"""Percent that a module must reach, or be explained."""
LEFT_OUT = {
    "app": "the pages' own tests take as long as all others, and the library has its own",
    "browser": "a real browser sees the app, not more of the library",
    "deploy": "the files that a server is set up with",
    "faults": "processes are killed, and cannot say what they ran",
    "fuzz": "damaged files reach other lines in every run",
    "load": "servers under many users",
}
GAPS: dict[str, str] = {}
"""Module below LEAST → what no test runs, and why."""
SILENCED = re.compile(r"#\s*noqa:\s*(S\d+)(?:\s+\((.+)\))?")
IGNORED = re.compile(r'^"(?P<files>.+?)" = \[(?P<rules>.*)\]\s+# (?P<why>.+)$', re.MULTILINE)

COUNTED = """## Coverage of the code

Lines and branches of `anisoalign_core` that the tests run, as coverage.py counts them: a branch
counts once for every way that it can go, and *covered* is of lines and ways together. Programs that
the tests start, threads and Dask's processes are counted too. Not counted are imports for type
checkers, bodies of protocols, and {unseen} branches for Windows, each marked in the code. Left out,
though every run of the tests has them, are

{left_out}

Run `python -m benchmarks.code_coverage`; it needs `requirements-dev.txt` alone, and takes the tests
on reference embeddings in where `ANISOALIGN_REAL_DATA` points at them.
"""
REST = """What no test runs of the modules above {least:g} % are single refusals, most often of
damaged files or of values that do not fit together, and answers to what befalls other programs (a
worker that dies, a package that is missing). `python -m coverage report -m` lists each line.
"""
CHECKED = """## Static checks

`.ci/run` holds every change against the following, in a fresh environment:

* **ruff**, `ruff check .` with {families}: {found}.
* **ruff**, `ruff format --check .`: {formatted}.
* **mypy**, `mypy --strict anisoalign_core app pages`: {typed}.

### Security rules that are silenced

The rules S of ruff (those of bandit) look for insecure calls. {lines} lines and {groups} groups of
files are exempt, each for a reason:

| rule | where | lines | why |
|---|---|---:|---|
"""
AUDIT = """### Known vulnerabilities of what it depends on

`pip-audit` compares installed versions with a database of advisories, and has no database of its
own: it asks a service, and reads none from disk. Where this document was made no service gave an
answer, last on 2026-11-30. The service of OSV (`--vulnerability-service osv`) could not be reached:
its name did not resolve. The package index that was in use hands out packages without advisories:
pip-audit 2.10.1 said "could not be audited" of each package, and ended with "No known
vulnerabilities found" and exit code 0 all the same, which is no finding; with `--strict` it ended
with exit code 1. So **no audit has been done**, and `.ci/run` does not do one. Instead, advisories
of the packages that pyproject.toml names were looked up, and its lower bounds raised above those
that were found:

| package | from | because of |
|---|---|---|
| torch | 2.11 | CVE-2025-32434, CVE-2026-24747: ways round `weights_only`; PYSEC-2026-139 |
| transformers | 5.10 | CVE-2026-4372, CVE-2026-5241: configurations that run code; CVE-2026-9856 |
| pillow | 12.3 | CVE-2026-25990, CVE-2026-40192, PYSEC-2026-2253 to 2257, 3451 to 3453 |
| pyarrow | 23.0.1 | CVE-2026-25087: IPC files, by a way that Python does not open |
| dask, distributed | 2026.1.1 | CVE-2026-23528: the dashboard behind a Jupyter proxy |

What these packages ask for in turn has no bounds here: keep it up to date. With a connection, in
the environment to be audited:

```
pip install pip-audit
pip freeze --exclude-editable > installed.txt
pip-audit -r installed.txt --no-deps --disable-pip --strict
```
"""


@dataclass(frozen=True)
class Counts:
    """Statements and ways of branches, and how many of each were run."""

    statements: int = 0
    run: int = 0
    branches: int = 0
    taken: int = 0

    def __add__(self, other: Counts) -> Counts:
        """Count both."""
        return Counts(
            self.statements + other.statements,
            self.run + other.run,
            self.branches + other.branches,
            self.taken + other.taken,
        )

    @property
    def percent(self) -> float:
        """Share of statements and ways together; 100 where there are none."""
        whole = self.statements + self.branches
        return 100 * (self.run + self.taken) / whole if whole else 100.0

    @property
    def ways(self) -> float:
        """Share of the ways of branches; 100 where there are none."""
        return 100 * self.taken / self.branches if self.branches else 100.0

    def cells(self) -> str:
        """Return the columns of a table."""
        shares = f"{_percent(self.ways)} | {_percent(self.percent)}"
        return f"{self.statements:,} | {self.branches:,} | {shares}"


def run_tests(data: Path) -> None:
    """Run the suite under coverage and combine what its processes counted in ``data``."""
    command = [sys.executable, "-m", "coverage"]
    where = f"--data-file={data}"
    tests = [f"--ignore=tests/{name}" for name in LEFT_OUT]
    _do([*command, "erase", where])
    _do([*command, "run", where, "-m", "pytest", "-q", *tests])
    _do([*command, "combine", where])


def count(data: Path) -> dict[str, Counts]:
    """Return what was run of every module, by its path within the library."""
    with tempfile.TemporaryDirectory() as folder:
        told = Path(folder) / "counted.json"
        measured = Coverage(data_file=data, config_file=ROOT / "pyproject.toml")
        measured.load()
        measured.json_report(outfile=str(told))
        files = json.loads(told.read_text(encoding="utf-8"))["files"]
    found = {}
    for name, file in files.items():
        one = file["summary"]
        found[(ROOT / name).relative_to(CORE).as_posix()] = Counts(
            one["num_statements"],
            one["covered_lines"],
            one["num_branches"],
            one["covered_branches"],
        )
    missing = {path.relative_to(CORE).as_posix() for path in CORE.rglob("*.py")} - set(found)
    if missing:
        raise SystemExit(f"Nothing was counted of {', '.join(sorted(missing))}.")
    return found


def coverage_section(counts: dict[str, Counts]) -> str:
    """Return the section on coverage, or end where a gap is not explained."""
    low = {name: one for name, one in counts.items() if one.percent < LEAST}
    if unexplained := sorted(set(low) - set(GAPS)):
        raise SystemExit(f"Say in GAPS why these are below {LEAST:g} %: {', '.join(unexplained)}.")
    if closed := sorted(set(GAPS) - set(low)):
        raise SystemExit(f"These are not below {LEAST:g} %; take them out: {', '.join(closed)}.")
    rooms: dict[str, Counts] = {}
    for name, one in counts.items():
        room = name.partition("/")[0] if "/" in name else ""
        rooms[room] = rooms.get(room, Counts()) + one
    total = sum(counts.values(), Counts())
    left_out = "\n".join(f"* `tests/{name}`: {why}" for name, why in LEFT_OUT.items())
    unseen = sum(path.read_text("utf-8").count("pragma: no cover") for path in CORE.rglob("*.py"))
    lines = [
        COUNTED.format(left_out=left_out, unseen=unseen),
        f"**{_percent(total.percent)} %** of {total.statements:,} statements and "
        f"{total.branches:,} ways of branches, **{_percent(total.ways)} %** of the ways alone;\n"
        f"{len(counts) - len(low)} of {len(counts)} modules reach {LEAST:g} %.",
        "",
        "| room | statements | ways of branches | ways covered % | covered % |",
        "|---|---:|---:|---:|---:|",
        *(
            f"| `anisoalign_core/{room}{'/' if room else '*.py'}` | {rooms[room].cells()} |"
            for room in sorted(rooms)
        ),
        f"| all | {total.cells()} |",
        "",
        f"**Below {LEAST:g} %**:" if low else f"**Below {LEAST:g} %**: none.",
        *(
            f"* `{name}`, {_percent(one.percent)} %: {GAPS[name]}"
            for name, one in sorted(low.items(), key=lambda item: item[1].percent)
        ),
        "",
        REST.format(least=LEAST),
    ]
    return "\n".join(lines)


def static_section() -> str:
    """Return the section on static checks, which are done for it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    names = {
        one["prefix"]: one["name"]
        for one in json.loads(_said(["ruff", "linter", "--output-format", "json"]))
        if one["prefix"]
    } | {"E": "pycodestyle, errors", "W": "pycodestyle, warnings"}
    families = ", ".join(
        f"{key} ({names[key]})" for key in project["tool"]["ruff"]["lint"]["select"]
    )
    lines, ignored = silenced_lines(), silenced_files()
    text = CHECKED.format(
        families=families,
        found=_outcome(["ruff", "check", "."]),
        formatted=_outcome(["ruff", "format", "--check", "."]),
        typed=_outcome(["mypy", "--strict", "anisoalign_core", "app", "pages"]),
        lines=sum(lines.values()),
        groups=len(ignored),
    )
    rows = [
        f"| {rule} | `{file}` | {times} | {why} |"
        for (rule, file, why), times in sorted(lines.items())
    ]
    rows += [f"| {rules} | `{files}` | all | {why} |" for rules, files, why in ignored]
    return text + "\n".join(rows) + "\n\n" + AUDIT


def silenced_lines() -> Counter[tuple[str, str, str]]:
    """Count the lines where a rule of security is silenced, by rule, file and reason."""
    found: Counter[tuple[str, str, str]] = Counter()
    tracked = _said(["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.py"])
    for name in tracked.splitlines():
        if (path := ROOT / name).exists():
            for rule, why in SILENCED.findall(path.read_text(encoding="utf-8")):
                if not why:
                    raise SystemExit(f"{name} silences {rule} and does not say why.")
                found[rule, name, why] += 1
    return found


def silenced_files() -> list[tuple[str, str, str]]:
    """Return the groups of files where rules of security are silenced: rules, files and reason."""
    found = []
    for match in IGNORED.finditer((ROOT / "pyproject.toml").read_text(encoding="utf-8")):
        rules = [rule for rule in re.findall(r'"(\w+)"', match["rules"]) if rule[:1] == "S"]
        if rules:
            found.append((", ".join(rules), match["files"], match["why"]))
    return found


def _percent(value: float) -> str:
    """Return a percentage with one decimal, and 100 only where nothing is missing."""
    return f"{min(value, 99.9) if value < 100 else value:.1f}"


def _do(command: list[str]) -> None:
    if subprocess.run(command, check=False, cwd=ROOT).returncode:  # noqa: S603  (coverage)
        raise SystemExit(f"`{' '.join(command[1:5])} …` failed; nothing was written.")


def _said(command: list[str]) -> str:
    return _finished(command).stdout


def _outcome(command: list[str]) -> str:
    done = _finished(command)
    last = done.stdout.strip().splitlines()[-1] if done.stdout.strip() else "nothing said"
    return last.rstrip(".!") if done.returncode == 0 else f"**{last.rstrip('.!')}**"


def _finished(command: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a check of this environment to its end."""
    here = Path(sys.executable).with_name(command[0])
    command = [str(here) if here.exists() else command[0], *command[1:]]
    return subprocess.run(  # noqa: S603  (ruff, mypy and git)
        command, capture_output=True, text=True, check=False, cwd=ROOT
    )


def main() -> None:
    """Count, or read what was counted, and write both sections."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--from", dest="counted", type=Path, help="counts of an earlier run")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "RELIABILITY.md")
    options = parser.parse_args()
    data = options.counted
    if data is None:
        data = ROOT / ".coverage"
        run_tests(data)
    text = coverage_section(count(data.resolve()))
    replace_section(options.out, "coverage", text)
    replace_section(options.out, "static checks", static_section())


if __name__ == "__main__":
    main()
