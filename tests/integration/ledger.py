"""The ledger as tests look into it: which generations it has, and how they spell order ids. What the
daemon's headers generations.h and order_field.h say, said again."""
HEAD = "lt:{0}:"
DIGITS_MAX = 19


def generation(client):
    """Number of the current one."""
    return int(client.get(HEAD + "generation").split(":")[0])


def packed_from(client):
    """Number of the first generation that is packed, or None."""
    _, colon, first = client.get(HEAD + "generation").partition(":")
    return int(first) if colon else None


def set_generation(client, number):
    """Moved by hand; what is packed stays so."""
    first = packed_from(client)
    client.set(HEAD + "generation", number if first is None else f"{number}:{first}")


def key(number):
    return f"{HEAD}orders:{number}"


def field_of(order_id):
    """As a packed generation spells it."""
    if not (order_id.isdigit() and len(order_id) <= DIGITS_MAX):
        return order_id.encode()
    size = ((10 ** len(order_id) - 1).bit_length() + 7) // 8
    return bytes([len(order_id)]) + int(order_id).to_bytes(size, "big")


def id_of(field):
    """Of a packed generation's field, or of one that isn't packed."""
    if not field or field[0] > DIGITS_MAX:
        return field.decode()
    order_id = f"{int.from_bytes(field[1:], 'big'):0{field[0]}}"
    assert field_of(order_id) == field, f"this is not how {order_id} is spelled: {field}"
    return order_id


def make_older(client):
    """Nothing was sold yet: the data set is what an older livetallyd would have made."""
    assert not client.keys(HEAD + "orders:*")
    client.set(HEAD + "generation", generation(client))
    client.hset(HEAD + "meta", "schema", 1)
    client.hdel(HEAD + "meta", "packed_from")
