"""Random faults, one after the other and on top of each other, under load: whatever comes, every
total is exact in the end. What a round does follows from its seed, which a failure names.

A short run in `make check`; for as long as one likes by `make chaos CHAOS_S=600 [CHAOS_SEED=7]`.
"""
import itertools
import os
import random
import time
from collections import Counter

from clients import Viewer
from harness import Folder, wait_for
from scene import World, metric, wait_ready

SECONDS = float(os.environ.get("CHAOS_S") or 10)
SEED = int(os.environ.get("CHAOS_SEED") or time.time_ns() // 1_000_000 % 1_000_000)
EVENTS = 10_000  # a round
LEASE_MS = 2000


class Chaos:
    """The faults of one round. Each leaves everything running again, though perhaps not yet well."""

    def __init__(self, world, scene, load, chance):
        self.world, self.scene, self.load, self.chance = world, scene, load, chance
        self.done = Counter()

    def strike(self):
        fault = self.chance.choice(FAULTS)
        fault(self)
        self.done[fault.__name__] += 1

    @property
    def daemon(self):
        return self.chance.choice(self.scene.daemons)

    def meanwhile(self, fault_lasts):
        """Until there are some more acks, or after so many looks."""
        seen, looks = self.load.acks, itertools.count()
        wait_for(lambda: self.load.acks > seen + 20 or next(looks) >= fault_lasts, 60,
                 "the fault to have lasted")

    # Faults of processes.

    def kill_daemon(self):
        daemon = self.daemon
        daemon.kill()
        daemon.restart()

    def restart_daemon(self):
        daemon = self.daemon
        daemon.stop()
        daemon.restart()

    def kill_redis(self):
        self.world.redis.kill()
        self.meanwhile(self.chance.randrange(40))
        self.world.redis.start()

    def kill_both(self):
        daemon = self.daemon
        daemon.kill()
        self.world.redis.kill()
        self.world.redis.start()
        daemon.restart()

    def freeze_daemon(self):
        """Past its lease, or not quite."""
        daemon = self.daemon
        daemon.freeze()
        self.meanwhile(self.chance.randrange(600))
        daemon.thaw()

    def freeze_redis(self):
        self.world.redis.freeze()
        self.meanwhile(self.chance.randrange(150))
        self.world.redis.thaw()

    # Faults of the way to Redis.

    def lose_a_reply(self):
        held = self._catch(("commit", "checkpoint", "claim", "xrange", "renew"), "reply")
        if held:
            held.cut()

    def lose_a_request(self):
        held = self._catch(("commit", "checkpoint", "claim", "hscan"), "request")
        if held:
            held.cut()

    def deliver_too_late(self):
        held = self._catch(("commit", "checkpoint"), "request")
        if held:
            held.hang_up()
            self.meanwhile(100)
            held.release()

    def pull_the_cable(self):
        proxy = self.daemon.redis
        proxy.hole()
        self.meanwhile(self.chance.randrange(150))
        proxy.flow()

    def cut(self):
        self.daemon.redis.cut()

    def slow_down(self):
        proxy = self.daemon.redis
        proxy.latency(lambda *_: self.chance.random() * 0.1)
        self.meanwhile(100)
        proxy.latency(None)

    def forget_scripts(self):
        self.world.redis.client().script_flush()

    def refuse(self):
        words = self.chance.choice(("-OOM command not allowed when used memory > 'maxmemory'.",
                                    "-LOADING Redis is loading the dataset in memory",
                                    "-MISCONF Errors writing to the AOF file: No space left",
                                    "-READONLY You can't write against a read only replica."))
        proxy = self.daemon.redis
        name = self.chance.choice(("commit", "checkpoint", "claim", "ping", "info", "xrange"))
        proxy.answer(name, words, times=self.chance.randrange(1, 4))
        self.meanwhile(100)
        proxy.answer_no_more(name)

    # Faults of viewers.

    def vanish(self):
        viewer = Viewer(self.daemon)
        viewer.send({"type": "subscribe", "topics": self.chance.sample(self.scene.topics, 50)})
        viewer.abort()

    def _catch(self, names, at):
        """What came into a trap, or None if nothing did for a while."""
        held = self.daemon.redis.catch(self.chance.choice(names), at, self.chance.randrange(1, 5))
        looks = itertools.count()
        wait_for(lambda: held.caught() or next(looks) > 200, 60, "a catch")
        if held.caught():
            return held
        held.cancel()
        return None


FAULTS = [fault for name, fault in vars(Chaos).items()
          if callable(fault) and not name.startswith("_") and name not in ("strike", "meanwhile")]


def play(seed):
    """One round in a world of its own. Returns how often each fault struck."""
    chance = random.Random(seed)
    folder = Folder()
    try:
        world = World(folder, redis_options=("--appendfsync", "always"))
        scene = world.scene(EVENTS, daemons=2, seed=seed, watch=False,
                            config={"redis.lease_ms": LEASE_MS, "redis.checkpoint_ms": 200})
        with scene.load() as load:
            chaos = Chaos(world, scene, load, chance)
            while not load.passed():
                chaos.strike()
                chaos.meanwhile(chance.randrange(60))
        for daemon in scene.daemons:
            wait_ready(daemon, 30)
        scene.watch()
        scene.check_everything()
        assert all(metric(d, "lost_writes_total") == 0 for d in scene.daemons)
        scene.stop()
        return chaos.done
    except BaseException:
        print(f"seed {seed}")
        for name, tail in folder.log_tails():
            print(f"--- {name}\n{tail}")
        raise
    finally:
        folder.close()


def test_whatever_breaks_every_total_is_exact():
    deadline, seed, struck = time.monotonic() + SECONDS, SEED, Counter()
    while True:
        struck += play(seed)
        seed += 1
        if time.monotonic() > deadline:
            break
    print(f"seeds {SEED} to {seed - 1}: {(seed - SEED) * EVENTS} events; faults survived: "
          f"{sum(struck.values())} ({', '.join(f'{n} {c}' for n, c in struck.most_common())})")
    assert struck
