"""Plain text tables, as wide as their contents."""


def number_text(value):
    """As many digits as such a measurement can bear."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if value and abs(value) < 1:
        return f"{value:.3f}"
    if abs(value) < 10:
        return f"{value:.2f}"
    if abs(value) < 100:
        return f"{value:.1f}"
    return f"{value:,.0f}"


def format_table(headers, rows):
    """The first column is text and stands to the left, all others to the right."""
    cells = [list(headers)] + [[number_text(value) for value in row] for row in rows]
    widths = [max(len(row[column]) for row in cells) for column in range(len(headers))]
    lines = []
    for row in cells:
        line = [row[0].ljust(widths[0])]
        line += [text.rjust(width) for text, width in zip(row[1:], widths[1:])]
        lines.append("  ".join(line).rstrip())
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)
