"""Computes how long concurrent clients wait for tokens: the same figures as `recycling bench --concurrency`."""
import dataclasses
import math


def quantile(values, q):
    """The `q`-quantile of `values`, interpolated between the two nearest values. 0 if there are none."""
    if not values:
        return 0.0
    values = sorted(values)
    rank = q * (len(values) - 1)
    below = math.floor(rank)
    above = min(below + 1, len(values) - 1)
    return values[below] + (rank - below) * (values[above] - values[below])


@dataclasses.dataclass
class Round:
    """The requests of one round. All times are in microseconds."""
    requests: int = 0
    tokens: int = 0
    wall_micros: float = 0
    first_token: list = dataclasses.field(default_factory=list)
    inter_token: list = dataclasses.field(default_factory=list)

    def add(self, arrivals, tokens):
        """Adds a request. `arrivals` are the times of its messages, one token each; `tokens` is the server's count."""
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
