"""Names that two daemons change at the same moment: all end with the same, and count by it."""
from clients import Tool, totals
from events import order
from harness import now_ms, wait_for
from scene import CALM, verify

NOTHING_NEW = "*-1"


def title(daemon):
    return totals(daemon, "session/room")["topics"]["session/room"].get("title")


def room(name, time):
    return {"type": "session", "session_id": "room", "host_id": "h", "title": name,
            "platform": f"p-{name}", "time": time}


def test_two_upserts_of_one_time_end_the_same_everywhere(world):
    """The first daemon sets its own on top before it has followed the other's; then it reads the
    other's, which is older though its time is the same, and used to go back to it for good."""
    first, second = world.daemon(), world.daemon()
    now = now_ms()
    with Tool(first) as one, Tool(second) as other:
        assert other.verdict(room("old", now)) == "accepted"
        wait_for(lambda: title(first) == "old", 10, "the first name")
        first.redis.answer("xread", NOTHING_NEW)
        assert other.verdict(room("X", now)) == "accepted"
        assert one.verdict(room("Y", now)) == "accepted"
        first.redis.answer_no_more("xread")
        assert other.verdict({"type": "host", "host_id": "last", "name": "seen"}) == "accepted"
        wait_for(lambda: totals(first, "host/last")["topics"]["host/last"].get("name"), 10,
                 "the first daemon to follow again")
        wait_for(lambda: title(second) == "Y", 10, "the newest name")
        assert title(first) == "Y"
        for number, tool in enumerate((one, other)):
            sale = order("o", number, host_id=None, session_id="room")
            assert tool.verdict(sale) == "accepted"
    for daemon in (first, second):
        wait_for(lambda d=daemon: totals(d, "platform/p-Y")["topics"]["platform/p-Y"]["all"]["orders"]
                 == 2, 10, "both orders under the newest platform")
    verify(world.redis)


def test_a_name_that_changed_while_a_commit_of_it_was_in_doubt(world):
    """The first daemon's commit is done, its answer lost, and the name changed elsewhere before it
    is back: what it reads of Redis on its way in is newer than what it had sent."""
    first, second = world.daemon(CALM), world.daemon(CALM)
    now = now_ms()
    with Tool(first) as one, Tool(second) as other:
        held = first.redis.catch("commit", at="reply")
        one.send_events(room("mine", now))
        held.wait()
        claim = first.redis.catch("claim")
        held.cut()
        claim.wait()
        wait_for(lambda: title(second) == "mine", 10, "the first name")
        assert other.verdict(room("theirs", now + 1)) == "accepted"
        claim.release()
        one.settle()
        assert one.accepted == 1
        assert title(first) == title(second) == "theirs"
    verify(world.redis)
