"""What `load.py` measured, as tables: to be read in a terminal, and to be put into a page."""

from collections.abc import Sequence
from typing import Any

BEGIN, END = "<!-- made by benchmarks/load.py: begin -->", "<!-- made by benchmarks/load.py: end -->"
SECTIONS = ("load", "memory", "faults", "idle")
Row = tuple[str, ...]


def missed(report: dict[str, Any]) -> list[str]:
    """Names of the targets that were missed."""
    targets = [target for name in SECTIONS for target in report.get(name, {}).get("targets", {}).items()]
    return [name for name, kept in targets if not kept]


def shown(report: dict[str, Any]) -> str:
    """The report for a terminal."""
    parts = [_aligned(rows) for rows in _tables(report)]
    parts += [f"missed: {name}" for name in missed(report)] or ["no target was missed"]
    return "\n\n".join(parts)


def markdown(report: dict[str, Any]) -> list[str]:
    """The report for a page."""
    lines: list[str] = []
    for head, *rows in _tables(report):
        table = [head, ("---",) * len(head), *rows]
        lines += [*(f"| {' | '.join(row)} |" for row in table), ""]
    machine = report["machine"]
    return [*lines, f"{report['date']}, {machine['cores']} cores, {machine['cpu']}."]


def _tables(report: dict[str, Any]) -> list[list[Row]]:
    figures = [*_load(report.get("load")), *_memory(report.get("memory"))]
    tables: list[list[Row]] = [[("measure", "value", "target"), *figures]] if figures else []
    tables += [_faults(report["faults"])] if "faults" in report else []
    return tables + ([_idle(report["idle"])] if "idle" in report else [])


def _load(load: dict[str, Any] | None) -> list[Row]:
    if load is None:
        return []
    answers = ", ".join(f"{number} of {status}" for status, number in load["statuses"].items())
    latency = ", ".join(f"{name} {ms:.0f}" for name, ms in load["latency_ms"].items())
    return [
        ("direct calls, per second", f"{load['plain_per_s']:.1f}", ""),
        (f"{load['clients']} clients, answers per second", f"{load['service_per_s']:.1f}", ""),
        (
            "service in % of direct calls",
            f"{load['share']:.0%} (median of {len(load['rounds'])})",
            f"at least {load['least_share']:.0%}",
        ),
        ("answers", answers, "only 200 and 503"),
        ("latency of answers with status 200, ms", latency, ""),
        ("latency of one client alone, ms", f"{load['alone_ms']:.0f}", ""),
        (
            "p99 in relation to one client alone",
            f"{load['p99_over_alone']:.1f} times",
            f"under {load['most_wait']:g} times",
        ),
        (
            "cores used",
            f"{load['service_cores']:.2f} by the service, {load['clients_cores']:.2f} by the clients",
            "",
        ),
    ]


def _memory(memory: dict[str, Any] | None) -> list[Row]:
    if memory is None:
        return []
    rows: list[Row] = []
    for name in ("requests", "streams"):
        section = memory[name]
        figures = f"{section['start_mib']:.1f} to {section['end_mib']:.1f}, {section['kib_each']:+.2f} KiB each; "
        figures += f"second quarter {section['second_quarter_mib']:.1f}, last {section['last_quarter_mib']:.1f}"
        rows.append((f"memory over {section['done']} {name}, MiB", figures, "flat"))
    first, last = memory["open_files"]
    return [*rows, ("open files and sockets, before and after", f"{first}, {last}", "no more")]


def _faults(faults: dict[str, Any]) -> list[Row]:
    rows: list[Row] = [("fault", "answer to the client", "seconds", "peak memory, MiB more", "next answer")]
    for row in faults["rows"]:
        got = row["got"] if row["as_expected"] else f"{row['got']} (not expected)"
        peak = "" if row["peak_over_before_mib"] is None else f"{row['peak_over_before_mib']:.0f}"
        after = {True: "the same", False: "WRONG", None: "service has ended"}[row["same_answer"]]
        rows.append((row["fault"], got, f"{row['seconds']:.2f}", peak, after))
    return rows


def _idle(idle: dict[str, Any]) -> list[Row]:
    rows: list[Row] = [("uploads that stand", "each sends", "good clients answered", "median, ms")]
    for row in idle["rows"]:
        share = f"{row['answered']} of {row['clients']}"
        median = "" if row["median_s"] is None else f"{1000 * row['median_s']:.0f}"
        rows.append((str(row["held"]), row["kind"], share, median))
    return rows


def _aligned(rows: Sequence[Row]) -> str:
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    return "\n".join("  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows)
