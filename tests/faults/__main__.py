"""Run the campaign of faults: `make faults`, or `make faults MINUTES=60`."""

import argparse
import resource
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from faults import campaign, hardships


def main() -> int:
    parser = argparse.ArgumentParser(description="Try candgen by faults, and compare.")
    parser.add_argument("--minutes", type=float, default=10, help="wall-clock time, minutes")
    parser.add_argument("--seed", type=int, default=0, help="of faults, signals and moments")
    parser.add_argument("--projects", type=int, default=2, help="projects side by side")
    parser.add_argument("--row", type=int, default=8, help="most kills before a command may end")
    parser.add_argument("--only", nargs="*", metavar="FAULT", help="; ".join(campaign.FAULTS))
    parser.add_argument("--inputs", nargs="*", metavar="KIND", help="ask about bad inputs instead")
    parser.add_argument("--damaged", type=int, default=40, help="damaged files a kind of input")
    parser.add_argument("--large", action="store_true", help="try the two large trials instead")
    parser.add_argument("--workers", type=int, metavar="KILLS", help="kill workers of a cluster")
    asked = parser.parse_args()
    if asked.large:
        return try_large()
    if asked.workers is not None:
        return kill_workers(asked.workers, asked.seed)
    if asked.inputs is not None:
        return ask_about_bad_inputs(asked.damaged, asked.inputs)
    if unknown := sorted(set(asked.only or ()) - set(campaign.FAULTS)):
        parser.error(f"no fault {unknown}; there are {', '.join(campaign.FAULTS)}")
    hardships.start_again_with_mounts()
    possible, left_out = hardships.possible()
    print("".join(f"{line}\n" for line in left_out), end="", flush=True)
    # Kills of every kind between two hardships: they are what the campaign counts.
    faults = asked.only or [f for other in possible for f in (*campaign.SIGNALS, other)]
    try:
        counts = campaign.run(
            asked.minutes, asked.seed, faults, in_a_row=asked.row, projects=asked.projects
        )
    except campaign.Broken as error:
        print(f"BROKEN. {error}", file=sys.stderr)
        return 1
    show(counts)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    n, seconds = campaign.kills_in(counts), used.ru_utime + used.ru_stime
    print(f"{n} kills: nothing lost, nothing wrong, nothing left behind.")
    print(f"All commands took {seconds:.0f} s of processor time.")
    return 0


def ask_about_bad_inputs(n_damaged: int, kinds: list[str]) -> int:
    from faults import inputs

    with tempfile.TemporaryDirectory(prefix="candgen-inputs-") as folder:
        counts = inputs.recount(Path(folder), n_damaged, kinds)
    show(counts)
    wrong = {name: counts[name] for name in inputs.FAULTS}
    print(f"{counts['bad inputs']} bad inputs: " + ", ".join(f"{n} {w}" for w, n in wrong.items()))
    return int(any(wrong.values()))


def kill_workers(n: int, seed: int) -> int:
    from faults import workers

    try:
        workers.run(n, seed)
    except campaign.Broken as error:
        print(f"BROKEN. {error}", file=sys.stderr)
        return 1
    print(f"{n} of {n} sweeps ended with the results of one machine.")
    return 0


def try_large() -> int:
    from faults import large

    for trial in (large.many_runs, large.large_world):
        with tempfile.TemporaryDirectory(prefix="candgen-large-") as folder:
            trial(Path(folder))
    return 0


def show(counts: dict[str, int]) -> None:
    for name, n in sorted(counts.items()):
        print(f"{n:6d} {name}")


if __name__ == "__main__":
    sys.exit(main())
