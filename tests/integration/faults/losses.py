"""What Redis may come back with when it lost writes, and what then has to be counted.

A killed redis-server loses nothing that it gave to the kernel; only a power loss does. cut_log()
leaves the append-only file as that would; surviving() is the model of what the ledger still holds.
"""
import redis as redis_client

from clients import get, totals
from harness import wait_for
from ledger import id_of
from model import Model
from proxy import Splitter, words
from scene import errors_told, metric

ORDER, SESSION, PLATFORM, REFUNDS = 1, 2, 4, 8  # bits of a record's tag
HAS_HOST = 0x80                                 # bit of a refund's state
CUTS = ("between transactions", "in a transaction", "in a command")


# The append-only file.

def log_file(redis):
    """What is appended to."""
    return max((redis.data / "appendonlydir").glob("*.incr.aof"))


def log_size(redis):
    return log_file(redis).stat().st_size


def cut_log(redis, size, where):
    """Everything after the first such place at or after `size` is lost. Redis is down, or its file
    is to be read anew."""
    path = log_file(redis)
    text = path.read_bytes()
    end, inside = 0, False
    for command in Splitter().feed(text):
        begin, end = end, end + len(command)
        name = words(command, 1)[0].upper()
        inside = inside and name != b"EXEC" or name == b"MULTI"
        if begin < size or inside == (where == "between transactions"):
            continue
        if where == "in a command":
            end -= len(command) // 2
        break
    assert size < end < len(text), "nothing would be lost"
    with open(path, "r+b") as file:
        file.truncate(end)


# The load.

def wait_for_commits(daemon, count):
    """That many more that reach its Redis."""
    seen = daemon.redis.seen["commit"]
    wait_for(lambda: daemon.redis.seen["commit"] >= seen + count, 30, "more commits")


def prepare(scene):
    """Traffic for losses: in many small commits; and without retries that state less than their
    order, which would be another order if that is lost. The catalog, which supplies what orders
    leave out, is safe: with `everysec` Redis may hold back what it has answered."""
    scene.slow().size = 8
    scene.traffic.plain()
    wait_for(lambda: scene.redis.client().info("persistence")["aof_buffer_length"] == 0, 10,
             "the catalog to be in the log")


# The ledger.

class _Record:
    """Reads a ledger record, as include/livetally/record.h describes it."""

    def __init__(self, data):
        self._data, self._at = data, 1
        self.has_order = bool(data[0] & ORDER)
        if self.has_order:
            for bit in (0, 0, SESSION, PLATFORM):
                if not bit or data[0] & bit:
                    self._text()
            for _ in ("county", "quantity", "amount", "time"):
                self._varint()
        count = self._byte() if data[0] & REFUNDS else 0
        self.refunds = {self._refund() for _ in range(count)}
        assert self._at == len(data) and len(self.refunds) == count

    def _byte(self):
        self._at += 1
        return self._data[self._at - 1]

    def _text(self):
        size = self._byte()
        self._at += size
        return self._data[self._at - size:self._at].decode()

    def _varint(self):
        while self._byte() & 0x80:
            pass

    def _refund(self):
        state = self._byte()
        refund_id = self._text()
        if state & HAS_HOST:
            self._text()
        for _ in ("amount", "quantity", "time"):
            self._varint()
        return refund_id


def ledger(redis):
    """{order id: its record}"""
    client = redis_client.Redis(unix_socket_path=str(redis.socket))
    records = {}
    for key in client.scan_iter("lt:{0}:orders:*"):
        for field, data in client.hscan_iter(key, count=1000):
            order_id = id_of(field)
            assert order_id not in records
            records[order_id] = _Record(data)
    return records


def holds(records, event):
    record = records.get(event.get("order_id"))
    if event["type"] == "refund":
        return record is not None and event["refund_id"] in record.refunds
    return event["type"] != "order" or record is not None and record.has_order


def surviving(scene, redis):
    """The events of a scene's traffic that the ledger of this Redis holds."""
    records = ledger(redis)
    return [event for event in scene.traffic.distinct if holds(records, event)]


def check_survivors(scene, redis):
    """Everything is as if only what the ledger holds had ever been posted. Returns how many events
    are missing."""
    held = surviving(scene, redis)
    whole, scene.model, scene.minute = scene.model, Model(), None
    scene.model.apply_all(held, scene.now)
    scene.redis = redis
    scene.check_everything()
    scene.model, scene.minute = whole, None
    return len(scene.traffic.distinct) - len(held)


# What everybody has to be told.

def losses_told(daemon):
    return [line for line in errors_told(daemon) if "redis lost writes" in line]


def check_loss_is_told(daemon, times=1):
    """In the log, once each and with what to do; in the metrics; and to who asks for readiness."""
    told = losses_told(daemon)
    assert len(told) == metric(daemon, "lost_writes_total") == times, told
    assert all("tools may resend" in line for line in told)
    answer = get(daemon, "/readyz")
    assert answer.status == 200 and answer.json()["ready"]
    loss = answer.json()["lost_writes"]
    assert loss in told[-1], (loss, told[-1])


def wait_epoch_seen(scene):
    """Every viewer is in the daemon's epoch: one that ends before its next tick is shown to nobody."""
    epoch = totals(scene.daemon, "total")["epoch"]
    for viewer in scene.viewers:
        viewer.wait(lambda v=viewer: v.epoch == epoch, 10, "the epoch")


def check_epochs(viewer):
    """Whatever a viewer was shown of an epoch began with a snapshot of all its topics; it never
    was shown one epoch's values after another's. Returns the epochs, in their order."""
    epochs, seen = [], None
    for message in viewer.messages:
        if message["type"] not in ("snapshot", "update") or message["epoch"] == seen:
            continue
        seen = message["epoch"]
        epochs.append(seen)
        assert message["type"] == "snapshot", "a new epoch begins with a snapshot"
        assert len(epochs) == 1 or set(message["topics"]) == set(viewer.values)
    return epochs
