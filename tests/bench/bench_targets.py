"""What the product has set itself to reach, so that every figure can stand beside its target."""
from typing import NamedTuple


class Target(NamedTuple):
    what: str
    target: float
    stretch: float  # the next aim; None where it is a factor of a floor measured in the same run
    unit: str


TARGETS = {
    "daemon_us_64": Target("daemon per order, messages of 64", 2.0, 1.7, "CPU-µs"),
    "daemon_us_1": Target("daemon per order, one a message", 2.5, 2.0, "CPU-µs"),
    "redis_us": Target("Redis per order, messages of 64", 2.2, 1.7, "CPU-µs"),
    "push_us": Target("push per message, 10,000 viewers", 10.0, None, "CPU-µs"),
    "rss_bytes": Target("memory per idle viewer", 2500.0, 1800.0, "B"),
    "memory_bytes": Target("Redis memory per order kept", 220.0, 140.0, "B"),
    "delay_ms": Target("ack to update beyond the interval, half loaded", 100.0, 20.0, "ms"),
    "start_s": Target("start to ready, a year of data", 1.0, 0.2, "s"),
}

PUSH_STRETCH_OF_FLOOR = 1.05  # times a bare send(2) to as many sockets
