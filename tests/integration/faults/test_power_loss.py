"""Machines that come back with older data than they had: Redis's, the daemons' state folders', or
both. What is gone is told; what the tools send again counts again; totals are what the ledger holds."""
import shutil

import pytest

from clients import Tool, Viewer, get
from harness import wait_for
from scene import CALM, errors_told, finish, metric, ready, sold, verify, wait_ready

SOME = 10_000  # events: enough commits for every fault to meet one
OFTEN = {**CALM, "redis.checkpoint_ms": 100}
SHORT_LEASE = {"redis.lease_ms": 3000, "redis.reply_timeout_ms": 1500}


class Copy:
    """A folder as it was when this was made, with all that ran in it running on."""

    def __init__(self, folder):
        self.folder, self.copy = folder, folder.with_name(folder.name + ".copy")
        shutil.copytree(folder, self.copy)

    def restore(self):
        shutil.rmtree(self.folder)
        shutil.copytree(self.copy, self.folder)


def copy_of_aof(world):
    return Copy(world.redis.data / "appendonlydir")


def tear_last_command(copy):
    """As a power loss leaves it: of a commit's many writes the last ones are missing."""
    newest = max(copy.copy.glob("*.incr.aof"))
    data = newest.read_bytes()
    newest.write_bytes(data[:data.rindex(b"EXEC")])


def power_loss(world, *copies):
    """All is killed, and what is restored is older than what was there."""
    for process in (*world.daemons, world.redis):
        process.kill()
    for copy in copies:
        copy.restore()
    world.redis.start()
    for daemon in world.daemons:
        daemon.restart()
        wait_ready(daemon)


def wait_for_notes(world):
    """All daemons at rest, and the newest versions in their state folders."""
    client = world.redis.client()

    def noted(daemon):
        lane = int(metric(daemon, "lane"))
        version = int(client.get(f"lt:{{0}}:lane:{lane}:ver"))
        note = (daemon.state / "high-water").read_text().split()
        return list(map(int, note[1:])) == [lane, version]
    wait_for(lambda: all(map(noted, world.daemons)), 20, "the state folders")


def epoch_of(daemon):
    return get(daemon, "/readyz").json()["epoch"]


def loss_told(daemon):
    """In the log, for monitoring, and for people who ask."""
    told = [line for line in errors_told(daemon) if "redis lost writes" in line]
    answer = get(daemon, "/readyz").json().get("lost_writes", "")
    assert bool(told) == bool(answer) == (metric(daemon, "lost_writes_total") > 0)
    assert len(told) <= 1
    return answer


def check_sent_again(scene):
    """What is there is exact; and with all sent again everything is there, once."""
    verify(scene.redis)
    with Tool(scene.daemon) as tool:
        assert tool.post(*scene.traffic.catalog).rejected == []
    before = sold(scene.daemon)
    assert all(sold(daemon) == before for daemon in scene.daemons)
    with Viewer(scene.daemon) as viewer:
        snapshot = viewer.subscribe("total")["topics"]["total"]
        assert snapshot["all"]["orders"] == before
    again = finish(scene.feed())
    orders = sum(event["type"] == "order" for event in scene.traffic.distinct)
    accepted = sum(r.accepted + r.parked for r in again)
    assert orders - before <= accepted <= scene.distinct
    scene.watch()
    scene.check_everything()
    return orders - before


@pytest.mark.parametrize("torn", [False, True])
def test_redis_comes_back_with_an_older_aof(world, torn):
    """The daemons' state folders know better. Whichever daemon comes back first ends the epoch."""
    scene = world.scene(SOME, daemons=2, watch=False, config=OFTEN).slow()
    with scene.load() as load:
        load.wait_acks(40)
        copy = copy_of_aof(world)
        if torn:
            tear_last_command(copy)
        load.hurry()
    wait_for_notes(world)
    epoch = epoch_of(scene.daemon)
    power_loss(world, copy)
    assert ("truncat" in world.redis.log.lower()) or not torn
    epochs = {epoch_of(daemon) for daemon in scene.daemons}
    assert len(epochs) == 1 and epoch not in epochs
    for number, daemon in enumerate(scene.daemons):
        told = loss_told(daemon)
        assert f"lane {number} " in told and "commits are gone" in told
    assert check_sent_again(scene) > 0, "nothing was lost"


def test_redis_comes_back_older_and_the_new_epoch_is_cut_off(world):
    """The loss is noticed, the epoch advanced, and the reply lost: it is told once all the same."""
    scene = world.scene(SOME, watch=False, config=OFTEN).slow()
    with scene.load() as load:
        load.wait_acks(40)
        copy = copy_of_aof(world)
        load.hurry()
    wait_for_notes(world)
    epoch = epoch_of(scene.daemon)
    scene.daemon.kill()
    world.redis.kill()
    copy.restore()
    world.redis.start()
    held = scene.proxy.catch("advance", at="reply")
    scene.daemon.launch()
    held.wait()
    assert held.message == b":1\r\n"
    held.cut()
    wait_for(scene.daemon.listening, 15, "the daemon")
    assert epoch_of(scene.daemon) != epoch
    assert "commits are gone" in loss_told(scene.daemon)
    assert check_sent_again(scene) > 0, "nothing was lost"


def test_redis_comes_back_empty_and_the_first_claim_is_cut_off(world):
    """There is a new data set of an epoch that the daemon proposed, and never heard of."""
    scene = world.scene(2000, watch=False, config=OFTEN)
    with scene.load():
        pass
    epoch = epoch_of(scene.daemon)
    held = scene.proxy.catch("claim", at="reply")
    world.redis.client().flushall()
    held.wait()
    held.cut()
    wait_for(lambda: ready(scene.daemon) and epoch_of(scene.daemon) != epoch, 15, "the new epoch")
    assert epoch in loss_told(scene.daemon) or "commits are gone" in loss_told(scene.daemon)
    assert check_sent_again(scene) == len(scene.model.orders), "all was lost"


def test_the_whole_machine_comes_back_older(world):
    """Redis and the state folders of one moment: nobody is left who could know, and so it is told to
    nobody. All fits together, and what is sent again counts."""
    scene = world.scene(SOME, daemons=2, watch=False, config=OFTEN).slow()
    with scene.load() as load:
        load.wait_acks(40)
        copies = [Copy(daemon.state) for daemon in scene.daemons] + [copy_of_aof(world)]
        load.hurry()
    epoch = epoch_of(scene.daemon)
    power_loss(world, *copies)
    assert {epoch_of(daemon) for daemon in scene.daemons} == {epoch}
    assert [loss_told(daemon) for daemon in scene.daemons] == ["", ""]
    assert check_sent_again(scene) > 0, "nothing was lost"


def test_a_state_folder_comes_back_older(world):
    """What it notes is a bound from below: Redis having more is well."""
    scene = world.scene(SOME, watch=False, config=OFTEN).slow()
    with scene.load() as load:
        load.wait_acks(40)
        copy = Copy(scene.daemon.state)
        load.wait_acks(40)
        scene.daemon.kill()
        copy.restore()
        scene.daemon.restart()
        load.hurry()
    assert loss_told(scene.daemon) == "" and metric(scene.daemon, "lane") == 0
    scene.watch()
    scene.check_everything()


def test_a_state_folder_is_lost(world):
    """With it the daemon's own id: its seat is taken until the lease ends, so it takes another one;
    and what only the old lane's feed has still counts."""
    config = {**SHORT_LEASE, "redis.checkpoint_ms": 60_000}
    scene = world.scene(SOME, watch=False, config=config).slow()
    with scene.load() as load:
        load.wait_acks(40)
        scene.daemon.kill()
        shutil.rmtree(scene.daemon.state)
        scene.daemon.config["redis.checkpoint_ms"] = 100
        scene.daemon.restart()
        assert metric(scene.daemon, "lane") == 1
        load.hurry()
    assert loss_told(scene.daemon) == ""
    wait_for(lambda: not world.redis.client().exists("lt:{0}:lane:0:owner"), 15, "the lease's end")
    heir = world.daemon(OFTEN)
    scene.daemons.append(heir)
    assert metric(heir, "lane") == 0, "the seat that was left"
    scene.watch()
    scene.check_everything()
