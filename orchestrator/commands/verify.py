"""`calibsweep store verify`: every committed score again, from the stored logits."""

from __future__ import annotations

from rich.console import Console
from rich.progress import track

from results import scored_sets
from results.rescore import scores_that_differ
from results.store import Store


def verify(uri: str, console: Console) -> int:
    """Scores all finished trials anew and compares. Returns the exit code: 0, or 1 if anything differs."""
    store = Store(uri)
    frame, scored = store.trials(), scored_sets.frame(store)
    damaged = [*frame.attrs["damaged"], *scored.attrs["damaged"]]
    wrong = len(damaged)
    for path in damaged:
        console.print(f"damaged: {store.folder.name(path)}", style="red", highlight=False, soft_wrap=True)
    rows = [
        {str(name): value for name, value in row.items()}
        for each in (frame, scored)
        for row in each.to_dict("records")
    ]
    for row in track(rows, "scoring", console=console, transient=True, disable=not console.is_terminal):
        differing = scores_that_differ(store, row)
        wrong += bool(differing)
        for name, (committed, anew) in differing.items():
            place = f"{row['dataset']} / {row['model']} / {row['loss']} / seed {row['seed']}"
            line = f"{place}: {name} is {committed} in trials/, but its predictions give {anew}"
            console.print(line, style="red", highlight=False, soft_wrap=True)
    also = f", and on {len(scored)} sets out of distribution" if len(scored) else ""
    console.print(
        f"{len(frame)} trials scored anew from their logits{also}, {wrong} differ or are damaged.",
        highlight=False,
    )
    return 1 if wrong else 0
