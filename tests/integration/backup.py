"""A whole data set as it was at one moment, put back while daemons are connected to it. One key
after the other would be of several moments: daemons write checkpoints and leases by themselves."""
import redis as redis_client

_DUMP = """local saved = {}
for _, key in ipairs(redis.call('KEYS', '*')) do
    saved[#saved + 1] = key
    saved[#saved + 1] = redis.call('DUMP', key)
end
return saved"""


class Backup:
    """Made of all that a RedisServer holds."""

    def __init__(self, redis):
        self._client = redis_client.Redis(unix_socket_path=str(redis.socket))
        found = self._client.eval(_DUMP, 0)
        self._dumps = dict(zip(found[::2], found[1::2]))

    def __eq__(self, other):
        return self._dumps == other._dumps

    def restore(self):
        """In one transaction, in place of all that is there."""
        pipe = self._client.pipeline()
        pipe.flushall()
        for key, dump in self._dumps.items():
            pipe.restore(key, 0, dump)
        pipe.execute()
