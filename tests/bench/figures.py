"""Computes the figures of the performance table and formats them. Starts no processes and opens no files."""
import dataclasses
import math
import random
import statistics

RESAMPLES = 2000


@dataclasses.dataclass(frozen=True)
class Measured:
    """A figure with its interval: a median of rounds, or a ratio of sums over prompts."""
    median: float
    low: float
    high: float
    count: int  # of rounds or prompts

    def text(self, form=".2f"):
        if self.count == 1:
            return f"{self.median:{form}}"
        return f"{self.median:{form}} ({self.low:{form}} to {self.high:{form}})"


def measured(values):
    """The median of `values` with an interval.

    The interval is the narrowest symmetric pair of order statistics that contains the true median with a confidence of
    at least 95 %. For fewer than six values no pair reaches 95 %; then it is the smallest and the largest value.
    """
    values = sorted(values)
    if not values:
        raise ValueError("no values: expected at least one")
    n, skipped, below = len(values), 0, 1 / 2**len(values)
    while 2 * (below := below + math.comb(n, skipped + 1) / 2**n) <= 0.05:
        skipped += 1
    return Measured(statistics.median(values), values[skipped], values[n - 1 - skipped], n)


def ratios(numerators, denominators):
    """The median of the ratios of each round. So a slow round changes one ratio and not two medians."""
    if len(numerators) != len(denominators):
        raise ValueError(f"got {len(numerators)} and {len(denominators)} rounds, expected equally many")
    return measured([a / b for a, b in zip(numerators, denominators)])


def bootstrap(pairs):
    """The ratio of the sums of `pairs` (numerator, denominator), one pair for each prompt, with its 95 % interval.

    The interval is that of a paired bootstrap over prompts: the ratio is computed again for RESAMPLES samples of as
    many prompts, drawn with replacement. The seed is fixed, so equal pairs give equal intervals.
    """
    if not pairs:
        raise ValueError("no prompts: expected at least one")

    def ratio(some):
        return sum(a for a, _ in some) / sum(b for _, b in some)
    draw = random.Random(1)
    ratios_ = sorted(ratio(draw.choices(pairs, k=len(pairs))) for _ in range(RESAMPLES))
    outside = RESAMPLES * 25 // 1000
    return Measured(ratio(pairs), ratios_[outside], ratios_[-1 - outside], len(pairs))


@dataclasses.dataclass
class Row:
    """A row of the table. `must` and `aim` are bounds of the median: upper bounds if `atmost`, else lower bounds."""
    key: str
    what: str
    must: float | None
    aim: float | None
    atmost: bool
    unit: str = "x"
    value: Measured | None = None
    form: str = ".2f"
    note: str = ""           # conditions, or why there is no value

    def met(self, bound):
        if self.value is None or bound is None:
            return None
        return self.value.median <= bound if self.atmost else self.value.median >= bound

    def verdict(self):
        if self.value is None:
            return "not measured"
        if self.met(self.aim):
            return "aim"
        if self.must is None:
            return "published"
        return "must" if self.met(self.must) else "missed"

    def bound(self, bound):
        if bound is None:
            return ""
        sign = "<=" if self.atmost else ">="
        return f"{sign} {bound:g} {self.unit}".strip()

    def cells(self):
        value = f"{self.value.text(self.form)} {self.unit}".strip() if self.value else ""
        return [self.what, self.bound(self.must), self.bound(self.aim), value, self.verdict(), self.note]


def markdown(header, rows):
    """A Markdown table. Cells may be any values."""
    def line(cells):
        return "| " + " | ".join(str(cell).replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"
    return "\n".join([line(header), line(["---"] * len(header)), *map(line, rows)]) + "\n"


def table(rows):
    return markdown(["what", "must", "aim", "measured", "reached", "conditions"], [row.cells() for row in rows])


def to_json(rows):
    return [{**dataclasses.asdict(row), "verdict": row.verdict()} for row in rows]


class Section:
    """The results of one section of the table. to_json() and from_json() keep them in a file."""

    def __init__(self):
        self.values = {}   # row: (Measured or None, conditions or why there is no value)
        self.details = []  # (title, header, cells)
        self.raw = {}      # every single measurement

    def set(self, key, value, note=""):
        self.values[key] = (value, note)

    def leave(self, key, why):
        self.set(key, None, why)

    def detail(self, title, header, cells):
        self.details.append((title, header, cells))

    def to_json(self):
        values = {key: [value and dataclasses.asdict(value), note] for key, (value, note) in self.values.items()}
        return {"values": values, "details": self.details, "raw": self.raw}

    @staticmethod
    def from_json(data):
        section = Section()
        section.values = {key: (value and Measured(**value), note) for key, (value, note) in data["values"].items()}
        section.details, section.raw = data["details"], data["raw"]
        return section
