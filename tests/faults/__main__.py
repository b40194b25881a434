"""Run the campaign of faults: `make faults`, or `make faults MINUTES=60`."""

import argparse
import sys

import campaign


def main() -> int:
    parser = argparse.ArgumentParser(description="Kill candgen at random moments, and compare.")
    parser.add_argument("--minutes", type=float, default=10, help="wall-clock time, minutes")
    parser.add_argument("--seed", type=int, default=0, help="of victims, signals and moments")
    parser.add_argument("--only", nargs="*", default=list(campaign.SIGNALS), metavar="VICTIM")
    asked = parser.parse_args()
    if unknown := sorted(set(asked.only) - set(campaign.SIGNALS)):
        parser.error(f"no victim {unknown}; there are {', '.join(campaign.SIGNALS)}")
    try:
        kills = campaign.run(asked.minutes, asked.seed, asked.only)
    except campaign.Broken as error:
        print(f"BROKEN. {error}", file=sys.stderr)
        return 1
    counts = ", ".join(f"{victim} {n}" for victim, n in sorted(kills.items()))
    print(f"{kills.total()} kills ({counts}): nothing lost, nothing wrong, nothing left behind.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
