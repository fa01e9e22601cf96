"""Timelines as tables in the terminal: the segments, and what is known of each speaker."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from emotone.cli import console as output
from emotone.cli.profiles import adapted_text
from emotone.formatting import clock, percent
from emotone.recognition.prediction import UNSURE, shares
from emotone.recognition.speaker_names import ONLY, UNKNOWN, written_names

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

    from emotone.recognition.timeline import Timeline

#: Longer names are cut.
_NAME_WIDTH = 18
_MAIN_EMOTIONS = 3


def print_tables(done: Iterable[tuple[str, Timeline]], *, threshold: float, is_automatic: bool) -> None:
    """Print each timeline as soon as it is there.

    Parameters
    ----------
    done
        Pairs of file and timeline.
    threshold
        Below this confidence an answer is unsure, for the explanation of that word.
    is_automatic
        Whether the command adapted to the source without being asked to.
    """
    from rich.text import Text

    console = output.console(width=100)
    has_unsure = False
    for number, (file, timeline) in enumerate(done):
        if number:
            console.print()
        console.print(Text(output.one_line(file)), style="bold")
        names = written_names((segment.speaker for segment in timeline.segments), unknown=UNKNOWN)
        has_speakers = set(names) not in ({None}, {ONLY})  # of a single voice there is nothing more to say
        console.print(_segments(timeline, names, has_speakers=has_speakers) if timeline.segments else "no speech")
        console.print(_spoken(timeline), style="dim")
        if timeline.speakers and has_speakers:
            console.print()
            console.print(_speakers(timeline, names))
        unit = "window" if is_automatic else "utterance"
        adapted = adapted_text(timeline.adapted, is_automatic=is_automatic, source_unit=unit)
        if has_speakers and timeline.adapted["speaker"]:  # the summary says how much of each
            n = timeline.adapted["source"]
            source = f"{n} {unit}s of the source and to " if n else ""
            adapted = f"adapted to {source}each speaker" + ("; --adapt none leaves it out" if is_automatic else "")
        if adapted:
            console.print(adapted, style="dim", soft_wrap=True)
        sys.stdout.flush()
        has_unsure |= any(segment.label == UNSURE for segment in timeline.segments)
    if has_unsure:
        console.print(output.unsure_text(threshold), style="dim")


def _segments(timeline: Timeline, names: Mapping[str | None, str], *, has_speakers: bool) -> Table:
    columns = ("from", "to", *(("speaker",) if has_speakers else ()), "emotion", "confidence")
    table = output.plain_table(*columns, numbers=("from", "to"))
    for segment in timeline.segments:
        times = (clock(seconds, decimals=1) for seconds in (segment.start_s, segment.end_s))
        label = segment.label
        speaker = [_name(names, segment.speaker) if segment.is_speech else ""] if has_speakers else []
        bar = output.coloured(label, output.confidence_bar(segment))
        table.add_row(*times, *speaker, output.coloured(label), bar)
    return table


def _spoken(timeline: Timeline) -> str:
    spoken = f"{clock(timeline.spoken_s, decimals=1)} of {clock(timeline.duration_s, decimals=1)} is speech"
    if overlap_s := sum(end - begin for begin, end in timeline.overlaps):
        spoken += f", and for {clock(overlap_s, decimals=1)} several people speak at once"
    emotions = ", ".join(f"{label} {percent(share, digits=0)}" for label, share in timeline.shares().items())
    return f"{spoken}: {emotions}" if emotions else spoken


def _speakers(timeline: Timeline, names: Mapping[str | None, str]) -> Table:
    """Return a row for each speaker, and one for unknown voices; the emotions wrap in narrow terminals."""
    is_adapted = any(speaker.adapted_s for speaker in timeline.speakers)
    numbers = ("talk time", "share", "turns")
    table = output.plain_table("speaker", *numbers, numbers=numbers)
    table.add_column("main emotions")
    if is_adapted:
        table.add_column("adapted to", justify="right", no_wrap=True)
    for speaker in timeline.speakers:
        table.add_row(
            _name(names, speaker.name),
            clock(speaker.talk_s, decimals=1),
            percent(speaker.talk_share, digits=0),
            str(speaker.n_turns),
            _main(speaker.shares),
            *([f"{speaker.adapted_s:.0f} s" if speaker.adapted_s else ""] if is_adapted else []),
        )
    unknown = [segment for segment in timeline.segments if segment.speaker is None and segment.is_speech]
    if unknown:
        talk_s = sum(segment.end_s - segment.start_s for segment in unknown)
        table.add_row(_name(names, None), clock(talk_s, decimals=1), "", "", _main(shares(unknown)))
    return table


def _main(emotions: Mapping[str, float]) -> Text:
    """Return the most frequent labels, each with its share in one piece."""
    from rich.text import Text

    shown = [(label, percent(share, digits=0)) for label, share in emotions.items() if share >= 0.005]
    parts = [output.coloured(label, f"{label} {share}".replace(" ", "\xa0")) for label, share in shown[:_MAIN_EMOTIONS]]
    return Text(", ").join(parts)


def _name(names: Mapping[str | None, str], speaker: str | None) -> Text:
    from rich.text import Text

    return Text(_shortened(output.displayed(names[speaker])), style="dim" if speaker is None else "")


def _shortened(name: str) -> str:
    """Return a name without its middle if it is too wide, since names often differ in their ends."""
    from rich.cells import cell_len, set_cell_size

    if cell_len(name) <= _NAME_WIDTH:
        return name
    end = name
    while cell_len(end) > _NAME_WIDTH // 2 - 1:
        end = end[1:]
    return f"{set_cell_size(name, _NAME_WIDTH // 2)}…{end}"
