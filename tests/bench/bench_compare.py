"""Two reports side by side: what became cheaper, what dearer, and what is noise.

    bench_compare.py OLD.json NEW.json
"""
import json
import sys
from pathlib import Path

from bench_stats import overlap
from bench_table import format_table


def figures(report):
    """(section, row, header of the column) -> figure."""
    return {(section["name"], row["name"], header): row["figures"][key]
            for section in report["sections"] for row in section["rows"]
            for key, header in section["columns"] if key in row["figures"]}


def compare_rows(old, new):
    """Figures that both reports have. "~": the ranges of the repetitions overlap."""
    before, after = figures(old), figures(new)
    rows = []
    for name in before.keys() & after.keys():
        one, other = before[name], after[name]
        change = (100 * (other["median"] / one["median"] - 1)) if one["median"] else None
        rows.append((name, one["median"], other["median"], change, overlap(one, other)))
    order = list(before)
    return sorted(rows, key=lambda row: order.index(row[0]))


def compare_text(old, new):
    table = format_table(
        ["figure", "old", "new", "change %", "noise"],
        [[" / ".join(name), one, other, None if change is None else f"{change:+.1f}",
          "~" if noise else ""] for name, one, other, change, noise in compare_rows(old, new)])
    missing = len(figures(old).keys() ^ figures(new).keys())
    return table + (f"\n{missing} figures stand in one report only" if missing else "")


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    old, new = (json.loads(Path(path).read_text()) for path in sys.argv[1:])
    differ = [key for key, value in old["machine"].items()
              if key not in ("commit", "load_before") and new["machine"].get(key) != value]
    print(f"old: {old['time']} commit {old['machine']['commit']}\n"
          f"new: {new['time']} commit {new['machine']['commit']}")
    if differ:
        print(f"not the same machine: {', '.join(differ)} differ")
    print(compare_text(old, new))


if __name__ == "__main__":
    main()
