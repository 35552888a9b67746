"""Measured figures as Markdown tables, for RESULTS.md.

    uv run python -m bench                          every part, on the CPU and, where there is one, on the GPU
    uv run python -m bench step --batch 128         one part

Numbers are medians over the rounds, with the lowest and the highest behind them. Keep the machine quiet meanwhile.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace

import torch

from bench import gpu, step, table
from bench.table import Table
from bench.timing import Scope

Part = Callable[[Scope], list[Table]]
PARTS: dict[str, tuple[Part, int]] = {  # and the usual batch
    "step": (step.measure, 64),
    "gpu": (gpu.measure, 128),
}
FEWEST_ROUNDS = 5  # of fewer the median says little


def main() -> None:
    asked = _arguments()
    scope = Scope(rounds=asked.rounds, compiled=not asked.plain)
    print(table.machine(scope.threads), flush=True)
    for name in asked.parts or PARTS:
        measure, usual = PARTS[name]
        device = "cuda:0" if name == "gpu" and torch.cuda.is_available() else "cpu"
        for result in measure(replace(scope, batch=asked.batch or usual, device=device)):
            print(result, flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("parts", nargs="*", metavar="part", help=f"of {', '.join(PARTS)}; all if none is named")
    parser.add_argument("--batch", type=int, help="pictures a step; by default 64, and 128 for gpu")
    parser.add_argument("--rounds", type=int, default=7, help=f"that count, after the warm-up; {FEWEST_ROUNDS} or more")
    parser.add_argument("--plain", action="store_true", help="leave out what needs a C++ compiler or Triton")
    asked = parser.parse_args()
    if unknown := [part for part in asked.parts if part not in PARTS]:
        parser.error(f"{unknown[0]!r} is no part; use one of: {', '.join(PARTS)}")
    if asked.rounds < FEWEST_ROUNDS or (asked.batch is not None and asked.batch < 1):
        parser.error(f"rounds are {FEWEST_ROUNDS} or more, and a batch holds 1 picture or more")
    return asked


if __name__ == "__main__":
    main()
