"""Make the reports that lie beside the bundled samples: ``python sample_data/make_reports.py``.

Opening the app shows them at once; tests hold that measuring anew says the same. Some seconds.
"""

from __future__ import annotations

from anisoalign_core.gap.diagnose import diagnose
from anisoalign_core.samples import SAMPLES, load_sample, report_place


def main() -> None:
    """Measure every bundled sample."""
    for name in SAMPLES:
        print(diagnose(load_sample(name)).save(report_place(name)))


if __name__ == "__main__":
    main()
