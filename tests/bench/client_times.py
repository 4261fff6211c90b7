"""What concurrent clients of a server wait for: the same figures as `recycling bench --concurrency` gives."""
import dataclasses
import math


def quantile(values, q):
    """The value that a share `q` of all is at most, linear between the two nearest; 0 of none."""
    if not values:
        return 0.0
    values = sorted(values)
    rank = q * (len(values) - 1)
    below = math.floor(rank)
    above = min(below + 1, len(values) - 1)
    return values[below] + (rank - below) * (values[above] - values[below])


@dataclasses.dataclass
class Round:
    """Requests of one round, times in microseconds."""
    requests: int = 0
    tokens: int = 0
    wall_micros: float = 0
    first_token: list = dataclasses.field(default_factory=list)
    inter_token: list = dataclasses.field(default_factory=list)

    def add(self, arrivals, tokens):
        """A request: when its messages came, one token each, and how many tokens it had by the server's count."""
        self.requests += 1
        self.tokens += tokens
        self.first_token += arrivals[:1]
        self.inter_token += [b - a for a, b in zip(arrivals, arrivals[1:])]

    def to_json(self):
        def quantiles(values):
            return {"count": len(values), "p50_micros": quantile(values, 0.5), "p99_micros": quantile(values, 0.99)}
        return {"requests": self.requests, "tokens": self.tokens, "wall_micros": self.wall_micros,
                "tokens_per_second": self.tokens * 1e6 / self.wall_micros if self.wall_micros else 0.0,
                "first_token": quantiles(self.first_token), "inter_token": quantiles(self.inter_token)}
