"""What a client over a limit is told, and what the daemon counts of it."""
import json

from clients import metrics
from wire import CLOSE, Raw, handshake

KIB = 1 << 10


def refused(daemon, reason):
    return metrics(daemon)[f'livetally_connections_refused_total{{reason="{reason}"}}']


def goodbye_of(connection):
    """(close code, goodbye's code) of one that gets nothing but goodbye."""
    message = connection.message("goodbye")
    code = connection.next_frame_of(CLOSE)
    connection.close()  # else the server would wait for our answer
    return code and int.from_bytes(code[:2], "big"), message and message["code"]


def sent_away(daemon, **options):
    """Of a new connection; None when it is let in."""
    peer = Raw(daemon, shake=False, **options)
    peer.send(handshake(options.get("kind", "ingest"), options.get("headers", "")))
    if not is_greeted(peer):
        return goodbye_of(peer)
    peer.close()
    return None


def is_greeted(peer):
    """Looks at its first message, and leaves it to be read again."""
    first = peer.next_frame()
    if first:
        peer.waiting.insert(0, first)
    return bool(first) and json.loads(first[1])["type"] == "hello"
