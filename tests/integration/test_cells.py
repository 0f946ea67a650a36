"""limits.cells: a daemon never lets viewers have more totals in memory, however they ask; what it
lets them have is whole, and orders don't suffer from any of it."""
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlencode

from clients import Tool, Viewer, get, metrics
from events import order
from harness import PATIENCE, Daemon, wait_for
from proxy import Proxy, writes_cells
from scene import CALM, verify
from stream import Stream

HOSTS, ROWS = 40, 40
LIMIT = 1000
SMALL = {"limits.hosts": 50, "limits.products": 200, "limits.sessions": 10,
         "limits.platforms": 10, "limits.counties": 60, "limits.cells": LIMIT}
# As replies name them. Each reads a group of ROWS cells of its own: 3,200 altogether.
BOARDS = [f"top/products?host=h{h}{period}" for h in range(HOSTS) for period in ("", "&period=all")]


def sell(daemon, customer, products=range(ROWS), hosts=range(HOSTS)):
    """One order of each product at each host."""
    with Tool(daemon) as tool:
        for p in products:
            sales = [order(customer, f"{h}-{p}", host_id=f"h{h}", product_id=f"p{p}")
                     for h in hosts]
            assert tool.post(*sales).accepted == len(sales)


def start_with_all_in_redis(folder, redis, through=None):
    """A daemon that has in memory what it always has, and nothing to write."""
    seller = Daemon(folder, redis, SMALL)
    sell(seller, "a")
    seller.stop()
    return Daemon(folder, through or redis, {**SMALL, **(CALM if through else {})})


def held(daemon):
    """Cells that somebody watches, and those not yet in a checkpoint."""
    return metrics(daemon)['livetally_limit_used{name="cells"}']


def given_up(daemon):
    return metrics(daemon)["livetally_groups_given_up_total"]


def errors_of(answer):
    assert {e["code"] for e in answer.get("errors", [])} <= {"unavailable"}
    return {e["topic"] for e in answer.get("errors", [])}


def check_whole(values, orders=1):
    for board, value in values.items():
        assert (value["of"], {r["orders"] for r in value["rows"]}) == (ROWS, {orders}), board


def check_full_to_the_last_group(daemon):
    """Nothing is over the limit, and none was refused that there was room for."""
    assert LIMIT - ROWS < held(daemon) <= LIMIT


def test_one_subscribe_gets_whole_boards_up_to_the_limit(folder, redis):
    """Each was asked for while none was loaded, so that all of them were let in."""
    daemon = start_with_all_in_redis(folder, redis)
    with Viewer(daemon) as viewer:
        refused = errors_of(viewer.subscribe(*BOARDS))
        check_full_to_the_last_group(daemon)
        shown = set(viewer.values)
        assert refused and shown and refused | shown == set(BOARDS) and not refused & shown
        check_whole(viewer.values)
        assert given_up(daemon) == len(refused)
        assert errors_of(viewer.subscribe(*refused)) == refused
        assert given_up(daemon) == len(refused), "known not to fit: not even read"
    daemon.stop()


def test_refused_boards_come_when_others_have_gone(folder, redis):
    """Also right from what was loaded in part: it is exact, in Redis too."""
    daemon = start_with_all_in_redis(folder, redis)
    with Viewer(daemon) as viewer, Viewer(daemon) as other:
        refused = errors_of(viewer.subscribe(*BOARDS))
        shown = sorted(viewer.values)
        assert refused and len(shown) > 3
        assert errors_of(other.subscribe("total", *shown[:3], *refused)) == refused
        sell(daemon, "b")
        viewer.wait_until(lambda v: all(sum(r["orders"] for r in v[b]["rows"]) == 20
                                        for b in shown))
        check_whole({b: viewer.values[b] for b in shown}, 2)
        viewer.unsubscribe(*shown)
        some = sorted(refused)[:len(shown) - 3]
        wait_for(lambda: not errors_of(viewer.subscribe(*some)), 10, "room for as many")
        check_whole({b: viewer.values[b] for b in some}, 2)
        other.wait_until(lambda v: v["total"]["all"]["orders"] == 2 * HOSTS * ROWS)
        check_whole({b: other.values[b] for b in shown[:3]}, 2)
    daemon.stop()
    verify(redis)


def cells(daemon):
    """In memory, also those that nobody watches any more."""
    return metrics(daemon)["livetally_board_cells"]


def url_of(boards):
    return "/v1/totals?" + urlencode([("topic", board) for board in boards])


def test_what_nobody_watches_any_more_makes_room(folder, redis):
    """It stayed for a minute, whoever needed its room, and whoever came back to it had it without
    a look at the limit."""
    daemon = start_with_all_in_redis(folder, redis)
    assert all(get(daemon, url_of(BOARDS[n::8])).status == 200 for n in range(8))
    assert cells(daemon) <= LIMIT
    with Viewer(daemon) as viewer:
        for n in range(8):
            assert not errors_of(viewer.subscribe(*BOARDS[n::8]))
            assert cells(daemon) <= LIMIT
            check_whole(viewer.values)
            viewer.unsubscribe(*BOARDS[n::8])
        refused = errors_of(viewer.subscribe(*BOARDS))
        assert refused | set(viewer.values) == set(BOARDS)
        check_full_to_the_last_group(daemon)
        assert cells(daemon) <= LIMIT
    daemon.stop()


def topics(daemon):
    return metrics(daemon)["livetally_topics"]


def test_clients_of_all_kinds_that_ask_at_once(folder, redis):
    """The first one's load is held until all others have asked, too. Everybody is answered."""
    proxy = Proxy(folder, redis)
    daemon = start_with_all_in_redis(folder, redis, proxy)
    parts = [BOARDS[n::5] for n in range(5)]
    load = proxy.catch("hscan", "reply")
    clients = [Viewer(daemon) for _ in range(3)]
    for viewer, part in zip(clients, parts):
        viewer.send({"type": "subscribe", "topics": part})
        load.wait()
    clients.append(Stream(daemon, *parts[3]))
    wait_for(lambda: topics(daemon) == len(BOARDS) * 4 / 5, 10, "all but one to wait")
    query = url_of(parts[4])
    with ThreadPoolExecutor() as threads:
        asked = threads.submit(get, daemon, query)
        wait_for(lambda: topics(daemon) == len(BOARDS), 10, "all to wait")
        load.release()
        assert asked.result(20 * PATIENCE).status == 503
    refused = [errors_of(client.wait_type("snapshot")) for client in clients]
    for client, part, errors in zip(clients, parts, refused):
        assert errors | set(client.values) == set(part) and not errors & set(client.values)
        check_whole(client.values)
    assert not refused[0] and refused[3]
    check_full_to_the_last_group(daemon)
    for client in clients:
        client.close()
    wait_for(lambda: get(daemon, query).status == 200, 10, "room for the one that is left")
    assert held(daemon) <= LIMIT
    daemon.stop()


def test_shares_of_two_lanes_count_as_what_they_make_together(folder, redis):
    """Of the hosts' first half both lanes have all rows, and of the others each has half of them."""
    sellers = [Daemon(folder, redis, SMALL) for _ in range(2)]
    for n, seller in enumerate(sellers):
        sell(seller, f"a{n}", hosts=range(HOSTS // 2))
        sell(seller, f"b{n}", range(ROWS)[n::2], range(HOSTS // 2, HOSTS))
    for seller in sellers:
        seller.stop()
    daemon = Daemon(folder, redis, SMALL)
    twice = {b for b in BOARDS if int(b.split("=h")[1].split("&")[0]) < HOSTS // 2}
    for boards in (BOARDS, BOARDS[::-1]):
        with Viewer(daemon) as viewer:
            wait_for(lambda: held(daemon) < LIMIT / 2, 10, "nobody to watch")
            refused = errors_of(viewer.subscribe(*boards))
            assert refused | set(viewer.values) == set(BOARDS)
            shown = set(viewer.values)
            check_whole({b: viewer.values[b] for b in shown & twice}, 2)
            check_whole({b: viewer.values[b] for b in shown - twice})
            check_full_to_the_last_group(daemon)
    daemon.stop()


def test_what_waits_when_the_connection_breaks_is_not_let_in_after_it(folder, redis):
    """The way in loaded all that anybody watched, or wanted to."""
    proxy = Proxy(folder, redis)
    daemon = start_with_all_in_redis(folder, redis, proxy)
    with Viewer(daemon) as viewer:
        shown = BOARDS[:5]
        viewer.subscribe(*shown)
        load = proxy.catch("hscan", "reply")
        viewer.send({"type": "subscribe", "topics": BOARDS[5:]})
        load.wait()
        load.cut()
        wait_for(lambda: metrics(daemon)["livetally_resyncs_total"] == 2, 20, "the way in")
        answer = viewer.wait_type("snapshot", 2)
        assert errors_of(answer)
        check_whole(viewer.values)
        assert set(shown) <= set(viewer.values)
        assert held(daemon) <= LIMIT
    daemon.stop()


def test_what_the_way_in_loads_for_nobody_makes_room(folder, redis):
    """All that our feed touched is loaded then. It stayed, and whoever came was let in to it."""
    proxy = Proxy(folder, redis)
    daemon = start_with_all_in_redis(folder, redis, proxy)
    with Viewer(daemon) as viewer, Viewer(daemon) as late:
        shown = BOARDS[:5]
        viewer.subscribe(*shown)
        checkpoint = proxy.catch("checkpoint", when=writes_cells)
        sell(daemon, "b", range(1))
        checkpoint.wait()
        checkpoint.cut()
        wait_for(lambda: metrics(daemon)["livetally_resyncs_total"] == 2, 20, "the way in")
        assert cells(daemon) <= LIMIT
        refused = errors_of(late.subscribe(*BOARDS))
        assert refused and not refused & set(shown) and refused | set(late.values) == set(BOARDS)
        sell(daemon, "c", range(1))
        for client in (viewer, late):
            client.wait_until(lambda v: {v[b]["rows"][0]["orders"] for b in v} == {3})
            assert {v["of"] for v in client.values.values()} == {ROWS}
    daemon.stop()
    verify(redis)


def test_what_is_watched_grows_past_the_limit_and_orders_go_on(folder, redis):
    """A board is whole or absent, so new rows of those that are shown are not left out."""
    daemon = start_with_all_in_redis(folder, redis)
    with Viewer(daemon) as viewer, Viewer(daemon) as late:
        refused = errors_of(viewer.subscribe(*BOARDS))
        shown = sorted(viewer.values)
        sell(daemon, "b", range(ROWS, 2 * ROWS))
        viewer.wait_until(lambda v: all(v[b]["of"] == 2 * ROWS for b in shown))
        assert held(daemon) > LIMIT
        assert errors_of(late.subscribe(sorted(refused)[0])), "no room at all"
        viewer.unsubscribe(*shown)
        wait_for(lambda: not errors_of(late.subscribe(sorted(refused)[0])), 10, "room")
        assert late.values[sorted(refused)[0]]["of"] == 2 * ROWS
        assert held(daemon) <= LIMIT
    daemon.stop()
    verify(redis)
