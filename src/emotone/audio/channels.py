"""Choose or mix the channels of a recording."""

import re
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from emotone.audio.reader import Waveform
from emotone.errors import AudioError, SelectionError

#: "mix", "left", "right", or a number from 1.
Channel: TypeAlias = str | int

_SIDES = {"left": 1, "right": 2}
_FRAME_S = 0.1


def channel_number(channel: Channel) -> int | None:
    """Return the number of a channel, from 1; None for "mix".

    Raises
    ------
    AudioError
        It is neither a name nor a number from 1.

    Examples
    --------
    >>> channel_number("right"), channel_number("3"), channel_number("mix")
    (2, 3, None)
    """
    if channel == "mix":
        return None
    number = _SIDES.get(str(channel), channel)
    if isinstance(number, bool) or not re.fullmatch("[0-9]{1,9}", str(number)) or int(number) < 1:
        raise AudioError(f"channel is {repr(channel)[:40]}; expected mix, left, right, or a number from 1")
    return int(number)


class Downmix:
    """Mix channels to mono: one of them, or their average, or the loudest if they cancel.

    They cancel if the average of ``c`` channels has less than a tenth of the energy that unrelated channels would leave
    (their mean energy / c).  This is decided for each chunk of up to 30 s.  Once a channel replaces the average,
    another channel replaces it only if it is 6 dB louder, so that a stream does not flip its polarity.

    Parameters
    ----------
    channel
        "mix", "left", "right", or the number of a channel, from 1.
    n_channels
        Channels of the recording.
    lfe
        Channels with low-frequency effects, which are left out of the mix: they hold no voice.
    name
        The recording's name in error messages.

    Raises
    ------
    SelectionError
        The recording lacks this channel.
    """

    def __init__(
        self, channel: Channel = "mix", *, n_channels: int, lfe: tuple[int, ...] = (), name: str = "the recording"
    ) -> None:
        number = channel_number(channel)
        if number is not None and number > n_channels:
            raise SelectionError(
                f"{name}: channel is {channel!r}, and the recording has {n_channels}; give 1 to {n_channels}"
            )
        self._only = None if number is None else number - 1
        self._mixed = [index for index in range(n_channels) if index not in lfe] or list(range(n_channels))
        self._loudest: int | None = None

    def __call__(self, chunk: Waveform) -> Waveform:
        """Return (n,) for (n, channels)."""
        if self._only is not None:
            return chunk[:, self._only].copy()
        if len(self._mixed) < chunk.shape[1]:
            chunk = chunk[:, self._mixed]
        n_channels = chunk.shape[1]
        if n_channels == 1:
            return chunk[:, 0]
        with np.errstate(over="ignore", invalid="ignore"):  # the caller reports numbers that are not finite
            columns = np.ascontiguousarray(chunk.T)
            mono: Waveform = columns[0].copy()
            for column in columns[1:]:
                mono += column
            mono /= n_channels
            energy, left = np.array([_step_energy(column) for column in columns]), _step_energy(mono)
        if left < 0.1 * float(energy.mean()) / n_channels:
            if self._loudest is None or energy.max() > 4 * energy[self._loudest]:
                self._loudest = int(energy.argmax())
            return chunk[:, self._loudest].copy()
        return mono


def _step_energy(samples: Waveform) -> float:
    """Return the energy of the steps between samples (n,).

    An offset or hum that the channels share would hide that the voices cancel.
    """
    steps = np.diff(samples)
    return float(steps @ steps)


class ChannelContrast:
    """Find out whether the two channels of a stereo recording are different people, as telephone calls are kept.

    In most frames of 100 ms that hold sound, one channel is 12 dB louder than the other, and each of the two is the
    louder one in a tenth of them.
    """

    def __init__(self) -> None:
        self._n_sounding, self._n_left, self._n_right, self._loudest = 0, 0, 0, 0.0

    def push(self, chunk: Waveform, rate: int) -> None:
        """Take the next samples (n, channels) at ``rate`` Hz."""
        size = round(_FRAME_S * rate)
        n_frames = len(chunk) // size
        if chunk.shape[1] != 2 or not n_frames:
            return
        frames = chunk[: n_frames * size].reshape(n_frames, size, 2)
        with np.errstate(over="ignore", invalid="ignore"):
            steps = np.diff(frames, axis=1)  # without offset and hum
            energy: npt.NDArray[np.float32] = np.einsum("ijk,ijk->ik", steps, steps)
        self._loudest = max(self._loudest, float(energy.max()))
        left, right = energy[energy.max(axis=1) > self._loudest * 1e-3].T
        self._n_sounding += len(left)
        self._n_left += int((left > 10**1.2 * right).sum())
        self._n_right += int((right > 10**1.2 * left).sum())

    @property
    def is_two_people(self) -> bool:
        """Whether each channel seems to hold another person."""
        n_apart = self._n_left + self._n_right
        return (
            self._n_sounding >= 20
            and n_apart > 0.6 * self._n_sounding
            and min(self._n_left, self._n_right) > 0.1 * self._n_sounding
        )
