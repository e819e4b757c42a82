"""Label under a chaos monkey for some minutes, then prove that nothing was lost or out of order."""

import shutil
import sys
from argparse import ArgumentParser
from pathlib import Path

from tests.soak.soak import soak


def main() -> int:
    parser = ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0, help="how long to make trouble")
    parser.add_argument("--seed", type=int, default=0, help="of everything random")
    parser.add_argument("--label-studio", default="label-studio", help="its executable")
    parser.add_argument("--folder", type=Path, default=Path("build/soak"), help="logs and data")
    arguments = parser.parse_args()
    folder = arguments.folder.resolve()
    if folder.exists() and any(folder.iterdir()):
        parser.error(f"{folder} is not empty; remove it or give another --folder")
    found = shutil.which(arguments.label_studio) or arguments.label_studio
    report = soak(arguments.minutes, arguments.seed, folder, str(Path(found).absolute()))
    print(report.text())
    print(f"Logs are in {folder}")
    if report.failed():
        print(f"The soak failed: {len(report.failed())} contradictions", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
