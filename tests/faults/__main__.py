"""Run the campaign of faults: `make faults`, or `make faults MINUTES=60`."""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from faults import campaign, hardships  # noqa: E402


def main() -> int:
    parser = argparse.ArgumentParser(description="Try candgen by faults, and compare.")
    parser.add_argument("--minutes", type=float, default=10, help="wall-clock time, minutes")
    parser.add_argument("--seed", type=int, default=0, help="of faults, signals and moments")
    parser.add_argument("--only", nargs="*", metavar="FAULT", help="; ".join(campaign.FAULTS))
    asked = parser.parse_args()
    if unknown := sorted(set(asked.only or ()) - set(campaign.FAULTS)):
        parser.error(f"no fault {unknown}; there are {', '.join(campaign.FAULTS)}")
    hardships.start_again_with_mounts()
    possible, left_out = hardships.possible()
    print("\n".join(left_out))
    # Kills of every kind between two hardships: they are what the campaign counts.
    kills, others = list(campaign.SIGNALS), list(possible)
    faults = asked.only or [fault for other in others for fault in (*kills, other)]
    try:
        counts = campaign.run(asked.minutes, asked.seed, faults)
    except campaign.Broken as error:
        print(f"BROKEN. {error}", file=sys.stderr)
        return 1
    for name, n in sorted(counts.items()):
        print(f"{n:6d} {name}")
    print(f"{campaign.kills_in(counts)} kills: nothing lost, nothing wrong, nothing left behind.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
