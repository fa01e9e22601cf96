"""Which part of a recording a clip is."""

from typing import NamedTuple

from emotone.audio import isolated
from emotone.audio.channels import Channel
from emotone.audio.decoding import Waveform


class Segment(NamedTuple):
    """A recording, or a part of it.

    Attributes
    ----------
    path
        The recording.
    start_s, end_s
        Seconds; None as end is the end of the recording.
    channel
        "mix", "left", "right", or the number of a channel, from 1.
    """

    path: str
    start_s: float = 0.0
    end_s: float | None = None
    channel: Channel = "mix"

    @property
    def is_whole(self) -> bool:
        """Whether it is the whole recording with all channels."""
        return not self.start_s and self.end_s is None and self.channel == "mix"

    def read(self) -> Waveform:
        """Read it as 16 kHz mono, (n,); errors as in `emotone.audio.isolated.read`."""
        return isolated.read(self.path, start_s=self.start_s, end_s=self.end_s, channel=self.channel)
