"""Verdicts as Markdown, HTML and CSV.

Settings may come from a foreign store. A text is shown, and never interpreted.
"""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from itertools import compress, groupby

from results.comparison.places import METHODS, REMARKS, TITLES
from results.comparison.verdicts import Counts, Outcome, Reason, Row, Verdict, counts
from results.tables.published import PAPERS
from results.tables.rendering import csv_text, html_environment, markdown_text
from results.wording import counted
from trainables.errors import ConfigurationError
from trainables.registry import closest
from trainables.texts import visible

OUTCOMES = {Outcome.AGREES: "agrees", Outcome.DIFFERS: "differs", Outcome.NOT_COMPARABLE: "not comparable"}

EXPLANATION = (
    "Percent, NLL in 100 x nats. A number agrees if it lies in the 95% prediction interval of our seeds; "
    "width: median of these intervals. By chance: agreements if the published numbers of a row were dealt to "
    "its losses at random; p: share of such deals with at least as many. Difference: mean of ours less "
    "published; ranks: Spearman's correlation of ours and published."
)


def render(rows: Sequence[Row], format: str) -> str:
    """Verdicts as one text.

    Args:
        rows: 'md' and 'html' show those with trials of ours, 'csv' has a line for each number.
        format: One of `FORMATS`.

    Raises ConfigurationError for an unknown format.
    """
    if format not in FORMATS:
        raise ConfigurationError(f"unknown format {format!r}.{closest(format, FORMATS)}")
    return visible(FORMATS[format](rows), "\n")


def totals(found: Counts) -> list[str]:
    """How many numbers agree, how many would by chance, and how many are not comparable."""
    compared = found.agree + found.differ
    also = f" ({found.repeats} more repeat another table's)" if found.repeats else ""
    total = counted(found.numbers - found.repeats, "published number")
    rest = f"{found.not_comparable:,} of {total} are not comparable{also}."
    if not compared:
        return ["No published number is comparable.", rest]
    agreement = f"{found.agree} of {compared} comparable numbers agree ({100 * found.share:.0f}%)"
    return [f"{agreement}. Dealt to the losses at random, {found.by_chance:.1f} would.", rest]


def by_place(rows: Iterable[Row]) -> list[tuple[str, tuple[str, str], list[Row]]]:
    """Rows with trials of ours by paper and place."""
    order = {name: position for position, name in enumerate(PAPERS)}

    def place(row: Row) -> tuple[str, tuple[str, str]]:
        return row.paper, (row.dataset, row.model)

    shown = [row for row in rows if row.trained]
    first = {each: position for position, each in reversed([*enumerate(map(place, shown))])}
    shown.sort(
        key=lambda row: (
            order[row.paper],
            first[place(row)],
            METRICS.index(row.metric),
            row.scaling != "before",
        )
    )
    return [(*key, [*group]) for key, group in groupby(shown, key=place)]


METRICS = (
    *("Error", "Top-1", "Balanced accuracy", "Top-5", "ECE", "AdaECE", "ECE_EM", "NLL", "MCE"),
    *("S99_share", "S99_accuracy"),
)
"""Their order."""


def heading(paper: str, place: tuple[str, str]) -> str:
    """'SST Binary / Tree-LSTM, Mukhoti et al. (2020)'."""
    return f"{place[0]} / {place[1]}, {PAPERS[paper].short}"


def title(row: Row) -> str:
    """'ECE after'."""
    name = TITLES.get(row.metric, row.metric)
    return name if row.scaling == "none" else f"{name} {row.scaling}"


def summary(row: Row) -> list[str]:
    """The columns of `SUMMARY`. Only the difference includes numbers of one seed."""
    chance, tables = row.chance, ", ".join(map(str, row.tables))
    gaps = [number.mean - number.published for number in row.once if _known(number)]
    difference = f"{sum(gaps) / len(gaps):+.2f}" if gaps else ""
    if chance is None:
        return ["", "", "", "", difference, "", "", tables]
    values = [number.published for number in row.comparable]
    return [
        f"{chance.agreeing} of {chance.losses}",
        *((f"{chance.by_chance:.1f}", probability(chance.p_value)) if chance.losses > 1 else ("", "")),
        f"{row.width:.2f}",
        difference,
        "" if math.isnan(row.rank_correlation) else f"{row.rank_correlation:.2f}",
        f"{min(values):.2f} to {max(values):.2f}",
        tables,
    ]


SUMMARY = ("agree", "by chance", "p", "width", "difference", "ranks", "published", "tables")


def _known(number: Verdict) -> bool:
    return number.comparable or (number.reason is Reason.ONE_SEED and not math.isnan(number.mean))


def summaries(rows: Sequence[Row]) -> tuple[list[str], list[list[str]]]:
    """Heading and lines of the rows of one place, without empty columns."""
    return without_empty_columns(["", *SUMMARY], [[title(row), *summary(row)] for row in rows])


def without_empty_columns(
    head: Sequence[str], lines: Sequence[Sequence[str]]
) -> tuple[list[str], list[list[str]]]:
    used = [any(column) for column in zip(*lines, strict=True)]
    return [*compress(head, used)], [[*compress(line, used)] for line in lines]


def probability(value: float) -> str:
    return "<0.001" if value < 0.001 else f"{value:.3f}" if value < 0.1 else f"{value:.2f}"


def in_order(row: Row) -> list[Verdict]:
    """The numbers, each once, in the order of losses."""
    order = [*METHODS]
    return sorted(
        row.once, key=lambda number: order.index(number.loss) if number.loss in order else len(order)
    )


EACH = ("published", "would agree", "ours", "verdict")


def each(number: Verdict) -> list[str]:
    """The columns of `EACH`."""
    published = "-" if math.isnan(number.published) else f"{number.published:.2f}"
    published += "" if math.isnan(number.temperature) else f" ({_temperature(number.temperature)})"
    ours = "" if math.isnan(number.mean) else f"{number.mean:.2f}"
    ours += "" if math.isnan(number.deviation) else f"±{number.deviation:.2f}"
    range_ = f"{number.low:.2f} to {number.high:.2f}" if number.comparable else ""
    return [published, range_, ours, outcome_of(number)]


def _temperature(value: float) -> str:
    """With one decimal, or two where print has them: '1.0', '1.06'."""
    return f"{value:.2f}".removesuffix("0")


def outcome_of(number: Verdict) -> str:
    """'agrees', or 'not comparable: seeds are missing (3, 4)'."""
    return OUTCOMES[number.outcome] + (f": {why(number)}" if number.reason else "")


def why(number: Verdict) -> str:
    """The reason with its detail: 'seeds are missing (3, 4)'; '' if the number is comparable."""
    detail = f" ({number.detail})" if number.detail else ""
    return f"{number.reason.text}{detail}" if number.reason else ""


def notes(rows: Sequence[Row]) -> list[str]:
    """Differences from the paper at one place, and its numbers that are not comparable."""
    numbers = [number for row in rows for number in row.numbers if number.seeds]
    common = set.intersection(*(set(number.differences) for number in numbers))
    found = []
    for loss, differing in {number.loss: number.differences for number in numbers}.items():
        own = [text for text in differing if text not in common]
        if own:
            found.append(f"{loss} trained with {'; '.join(own)}.")
    ordered = [text for text in numbers[0].differences if text in common]
    if ordered:
        found.insert(0, f"Trained with {'; '.join(ordered)}.")
    if remark := REMARKS.get((rows[0].dataset, rows[0].model)):
        found.append(remark)
    reasons = Counter(number.reason for row in rows for number in row.once if number.reason)
    if reasons:
        texts = [f"{number} ({reason.text})" for reason, number in reasons.most_common()]
        found.append(f"Not comparable: {', '.join(texts)}.")
    return found


def markdown(rows: Sequence[Row]) -> str:
    """For each place the agreement of its rows, then each number."""
    parts = [f"{markdown_text(line)}\n" for line in totals(counts(rows))]
    for paper, place, there in by_place(rows):
        parts.append(f"### {markdown_text(heading(paper, place))}\n")
        parts.append(_grid(*summaries(there), texts=(0,)))
        parts += [f"{markdown_text(note)}\n" for note in notes(there)]
        for row in there:
            parts.append(f"#### {markdown_text(title(row))}\n")
            lines = [[number.loss, *each(number)] for number in in_order(row)]
            parts.append(_grid(["loss", *EACH], lines, texts=(0, 4)))
    return "\n".join([*parts, f"{markdown_text(EXPLANATION)}\n"])


def html(rows: Sequence[Row]) -> str:
    """One self-contained page: for each place the agreement of its rows, and each number on demand."""
    places = []
    for paper, place, there in by_place(rows):
        head, lines = summaries(there)
        numbers = [
            {
                "title": title(row),
                "head": ["loss", *EACH],
                "lines": [[number.loss, *each(number)] for number in in_order(row)],
            }
            for row in there
        ]
        places.append(
            {
                "heading": heading(paper, place),
                "head": ["score", *head[1:]],
                "lines": lines,
                "notes": notes(there),
                "rows": numbers,
            }
        )
    template = html_environment().get_template("comparison.html.j2")
    return template.render(places=places, totals=totals(counts(rows)), explanation=EXPLANATION)


def _grid(head: Sequence[str], lines: Sequence[Sequence[str]], texts: Sequence[int]) -> str:
    """A Markdown table; columns other than those with texts are aligned to the right."""
    rule = ["---" if place in texts else "---:" for place in range(len(head))]
    escaped = [[markdown_text(text) for text in line] for line in lines]
    return "".join(f"| {' | '.join(line)} |\n" for line in [head, rule, *escaped])


def tidy_csv(rows: Sequence[Row]) -> str:
    """One line for each published number, with the fields of `Verdict`."""
    fields = [field.name for field in dataclasses.fields(Verdict)]
    numbers = (number for row in rows for number in row.numbers)
    return csv_text(fields, ([_field(getattr(number, name)) for name in fields] for number in numbers))


def _field(value: object) -> object:
    if isinstance(value, Enum):
        return value.value
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return "; ".join(value) if isinstance(value, tuple) else value


FORMATS: dict[str, Callable[[Sequence[Row]], str]] = {"md": markdown, "html": html, "csv": tidy_csv}
