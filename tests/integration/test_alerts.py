"""Each alert fires in the state it is for, alone, and none does in a healthy one, as Prometheus
itself (promtool) works it out from series of an hour."""
import json
import re

import pytest

from harness import REPO, run

pytestmark = pytest.mark.plain_build  # nothing of ours runs

RULES = REPO / "config" / "alerts.yml"
INSTANCE = 'job="livetally",instance="INSTANCE"'


def grows(each):
    return f"0+{each}x60"


def at(value):
    return f"{value}x60"


def histogram(name, quick, slow):
    """So many a minute within 0.1 s, and so many above 10 s."""
    return {f'livetally_{name}_bucket{{{INSTANCE},le="0.1"}}': grows(quick),
            f'livetally_{name}_bucket{{{INSTANCE},le="10"}}': grows(quick),
            f'livetally_{name}_bucket{{{INSTANCE},le="60"}}': grows(quick + slow),
            f'livetally_{name}_bucket{{{INSTANCE},le="+Inf"}}': grows(quick + slow)}


def one(name, values, labels=""):
    return {f"{name}{{{INSTANCE}{labels}}}": values}


def limited(name, used):
    return {**one("livetally_limit", at(100), f',name="{name}"'),
            **one("livetally_limit_used", at(used), f',name="{name}"')}


def healthy():
    series = {**limited("cells", 79), **limited("seats", 100), **limited("connections", 10)}
    for name, value in (("up", 1), ("livetally_ready", 1), ("livetally_redis_connected", 1),
                        ("livetally_stale", 0), ("livetally_lane", 0), ("livetally_seats_taken", 14),
                        ("livetally_queued_events", 50000), ("livetally_dirty_cells", 5),
                        ("livetally_live_connections", 60), ("livetally_slow_live_connections", 12),
                        ("livetally_lost_writes_total", 3), ("process_start_time_seconds", 5),
                        ("livetally_reload_failures_total", 1)):
        series |= one(name, at(value))
    series |= one("livetally_tls_certificate_expiry_timestamp_seconds", at(8 * 86400 + 3600))
    for name, each in (("tls_handshakes_begun", 100), ("tls_handshakes", 60), ("orders", 1000), ("refunds", 100), ("checkpoints", 60),
                       ("redis_failures", 0.4)):
        series |= one(f"livetally_{name}_total", grows(each))
    for name, label, each in (("rejections", "code", 50), ("connections_refused", "reason", 50),
                              ("auth_refusals", "reason", 50)):
        series |= one(f"livetally_{name}_total", grows(each), f',{label}="x"')
    for name in ("ack", "ack_to_push", "loop_lag", "redis_roundtrip", "checkpoint"):
        series |= histogram(f"{name}_seconds", 1000, 5)
    return series


SICK = {
    "Down": one("up", at(0)),
    "RedisAway": one("livetally_redis_connected", at(0)),
    "Stale": one("livetally_stale", at(1)),
    "LostWrites": one("livetally_lost_writes_total", "3x50 4x9"),
    "NoSeat": one("livetally_lane", at(-1)),
    "SeatsNearlyTaken": one("livetally_seats_taken", at(15)),
    "AcksSlow": histogram("ack_seconds", 900, 100),
    "Backlog": one("livetally_queued_events", at(50001)),
    "EventsRejected": one("livetally_rejections_total", grows(60), ',code="x"'),
    "ConnectionsRefused": one("livetally_connections_refused_total", grows(61), ',reason="x"'),
    "CheckpointsStopped": one("livetally_checkpoints_total", at(60)),
    "RedisFlapping": one("livetally_redis_failures_total", grows(1)),
    "NotReady": one("livetally_ready", at(0)),
    "NearLimit": limited("cells", 81),
    "PushSlow": histogram("ack_to_push_seconds", 900, 100),
    "LoopLate": histogram("loop_lag_seconds", 900, 100),
    "RedisSlow": histogram("redis_roundtrip_seconds", 900, 100),
    "CheckpointsSlow": histogram("checkpoint_seconds", 900, 100),
    "SlowViewers": one("livetally_slow_live_connections", at(13)),
    "NotLetIn": one("livetally_auth_refusals_total", grows(61), ',reason="x"'),
    "ReloadFailed": one("livetally_reload_failures_total", "1x55 2x4"),
    "TlsHandshakesFail": one("livetally_tls_handshakes_total", grows(40)),
    "CertificateEnds": one("livetally_tls_certificate_expiry_timestamp_seconds", at(7 * 86400)),
    "Restarts": one("process_start_time_seconds", "1x40 2x5 3x5 4x5 5x5"),
}


def of_instance(name, series):
    """Each case is a daemon of its own in one Prometheus: none may disturb another."""
    return [{"series": key.replace("INSTANCE", name), "values": values}
            for key, values in series.items()]


def test_every_alert_has_a_case():
    rules = re.findall(r"- alert: Livetally(\w+)", RULES.read_text())
    assert sorted(rules) == sorted(SICK)


def test_each_alert_fires_when_it_should_and_only_then(folder):
    series = of_instance("healthy", healthy())
    for name, change in SICK.items():
        series += of_instance(name, healthy() | change)
    firing = [{"labels": f'{{alertname="Livetally{name}", instance="{name}"}}', "value": 1}
              for name in SICK if name != "SeatsNearlyTaken"]
    firing.append({"labels": '{alertname="LivetallySeatsNearlyTaken"}', "value": 1})
    tests = folder.path / "alerts.json"  # JSON is YAML
    tests.write_text(json.dumps({
        "rule_files": [str(RULES)], "evaluation_interval": "1m",
        "tests": [{"interval": "1m", "input_series": series, "promql_expr_test": [{
            "expr": 'count by (alertname, instance) (ALERTS{alertstate="firing"})',
            "eval_time": "59m", "exp_samples": firing}]}]}))
    result = run("promtool", "test", "rules", tests)
    assert result.returncode == 0, result.stdout + result.stderr
