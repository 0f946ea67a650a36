"""Events with everything that is required, for tests that change one thing about them."""


def order(uid, number=1, **fields):
    """An order of host `uid`; a field set to None is left out."""
    event = {"type": "order", "order_id": f"{uid}-o{number}", "host_id": uid,
             "product_id": f"{uid}-p", "county": "422828", "quantity": 1, "amount": 1000}
    return without_none({**event, **fields})


def refund(uid, number=1, refund_id="r1", **fields):
    event = {"type": "refund", "order_id": f"{uid}-o{number}", "refund_id": refund_id,
             "amount": 100}
    return without_none({**event, **fields})


def session(uid, **fields):
    return without_none({"type": "session", "session_id": f"{uid}-s", "host_id": uid, **fields})


def product(uid, **fields):
    return without_none({"type": "product", "product_id": f"{uid}-p", **fields})


def host(uid, **fields):
    return without_none({"type": "host", "host_id": uid, **fields})


def without_none(event):
    return {k: v for k, v in event.items() if v is not None}
