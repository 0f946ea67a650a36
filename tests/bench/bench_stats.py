"""The arithmetic of the benchmark: medians with their spread, and how a cost grows with a size."""
import math
import statistics


def summarise(values):
    """Median, lowest and highest of repeated measurements, and all of them in order of time."""
    values = list(values)
    return {"median": statistics.median(values), "low": min(values), "high": max(values),
            "runs": values}


def spread_percent(figure):
    """Half the range in percent of the median: the ± beside a figure."""
    if not figure["median"]:
        return 0.0
    return 50.0 * (figure["high"] - figure["low"]) / abs(figure["median"])


def growth_exponent(sizes, costs):
    """The slope of a straight line through (log size, log cost), by least squares.

    cost ~ size^exponent: 0 is flat, 1 is linear. A cost of 0 has no logarithm, and one size no
    slope: None then.
    """
    if len(set(sizes)) < 2 or min(costs) <= 0 or min(sizes) <= 0:
        return None
    xs = [math.log(size) for size in sizes]
    ys = [math.log(cost) for cost in costs]
    x_mean, y_mean = statistics.fmean(xs), statistics.fmean(ys)
    across = sum((x - x_mean) * (y - y_mean) for x, y in zip(xs, ys))
    return across / sum((x - x_mean) ** 2 for x in xs)


def overlap(one, other):
    """True when the ranges of two figures touch: a difference that noise alone could make."""
    return one["low"] <= other["high"] and other["low"] <= one["high"]
