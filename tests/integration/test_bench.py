"""The benchmark's own arithmetic: a wrong median or exponent would be believed for a long time.

Nothing is measured here, but for one small data set made by the generator of a year: the auditor
must find it exact, or start-up would be measured on something that no daemon writes.
"""
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "bench"))

import bench_compare  # noqa: E402  the line above says where they are
import bench_report  # noqa: E402
import bench_stats  # noqa: E402
import bench_table  # noqa: E402
import bench_year  # noqa: E402
from harness import Daemon, livetally  # noqa: E402


def test_median_and_spread_are_of_the_middle_and_the_ends():
    figure = bench_stats.summarise([3, 1, 2])
    assert (figure["median"], figure["low"], figure["high"]) == (2, 1, 3)
    assert figure["runs"] == [3, 1, 2]
    assert bench_stats.spread_percent(figure) == pytest.approx(50)
    assert bench_stats.summarise([4, 1, 2, 3])["median"] == 2.5
    assert bench_stats.spread_percent(bench_stats.summarise([0, 0])) == 0


@pytest.mark.parametrize("exponent", [0, 0.5, 1, 2])
def test_exponent_is_the_slope_on_logarithmic_paper(exponent):
    sizes = [10, 1000, 100_000]
    costs = [7 * size ** exponent for size in sizes]
    assert bench_stats.growth_exponent(sizes, costs) == pytest.approx(exponent, abs=1e-9)


def test_exponent_fits_what_lies_off_the_line():
    # y = x but for the middle point, which pulls both sides alike: still 1 by least squares.
    assert bench_stats.growth_exponent([1, 10, 100], [1, 40, 100]) == pytest.approx(1)
    assert bench_stats.growth_exponent([1, 10, 100], [1, 1, 100]) == pytest.approx(1)
    assert bench_stats.growth_exponent([1, 10], [1, 100]) == pytest.approx(2)


def test_no_exponent_of_one_size_or_of_no_cost():
    assert bench_stats.growth_exponent([5, 5], [1, 2]) is None
    assert bench_stats.growth_exponent([1, 2], [0, 1]) is None


def test_table_stands_straight():
    text = bench_table.format_table(["what", "µs"], [["short", 1.5], ["much longer", 12345.6],
                                                     ["none", None]])
    assert text.splitlines() == ["what             µs",
                                 "-----------  ------",
                                 "short          1.50",
                                 "much longer  12,346",
                                 "none"]


def section(values):
    made = bench_report.Section("orders in", [("daemon_us", "daemon µs")])
    made.add("messages of 64", [{"daemon_us": value} for value in values],
             floors={"daemon_us": 0.5}, targets={"daemon_us": "daemon_us_64"})
    return made


@pytest.mark.parametrize("median, verdict", [(1.7, "stretch"), (2.0, "met"), (2.1, "missed")])
def test_targets_are_judged_by_the_median(median, verdict):
    (row,) = bench_report.target_rows([section([median, 0.1, 99])])
    assert (row[1], row[3:]) == (median, [2.0, 1.7, 0.5, verdict])


def test_a_figure_stands_beside_its_target_and_floor():
    line = section([1.8, 1.8, 1.8]).text().splitlines()[2]
    assert line.split() == ["messages", "of", "64", "1.80", "2.00", "0.500", "0"]


def test_compare_tells_change_from_noise():
    old, new, noisy = ({"sections": [section(values).as_json()]} for values in
                       ([2.0, 2.1, 1.9], [1.0, 1.1, 0.9], [1.8, 1.95, 1.7]))
    assert bench_compare.compare_rows(old, new)[0][1:] == (2.0, 1.0, -50.0, False)
    assert bench_compare.compare_rows(old, noisy)[0][4]


def test_the_data_set_of_a_year_is_exact(folder, redis):
    daemon = Daemon(folder, redis)
    daemon.stop()
    orders = bench_year.write_year(redis, days=3, records=3000, cells_per_day=2000)
    assert orders == 3000
    audit = livetally("verify", "--redis", redis.target)
    assert audit.returncode == 0, audit.stdout
    daemon.start()
    bench_year.check(daemon, orders)
