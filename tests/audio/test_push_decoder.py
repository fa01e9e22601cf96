"""Live sound as bytes: raw samples and containers, whatever the borders of the chunks, and what is refused."""

import io
import threading
import time

import av
import numpy as np
import pytest
import soundfile

from emotone.audio import read
from emotone.audio.push_decoder import LIVE_FORMATS, ContainerDecoder, RawDecoder, push_decoder
from emotone.audio.raw import ENCODINGS, RawFormat
from emotone.errors import AudioError
from support.media import media, tone

LIVE = {"cluster_time_limit": "100", "live": "1"}


def decoded(decoder, data, size):
    """The blocks of a decoder that is given chunks of ``size`` bytes."""
    blocks = []
    for at in range(0, len(data), size):
        blocks += decoder.push(data[at : at + size])
    blocks += decoder.finish()
    decoder.close()
    return np.concatenate(blocks) if blocks else np.zeros((0, decoder.channels), np.float32)


def sound(seconds=3.0):
    samples = np.random.default_rng(3).normal(0, 0.05, round(48_000 * seconds)).astype(np.float32)
    return samples + tone(seconds)


@pytest.fixture(scope="module")
def webm():
    return media([sound()], "webm", "libopus", options=LIVE)


@pytest.fixture(scope="module")
def ogg():
    return media([sound()], "ogg", "libopus")


# ---- raw samples ----


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_chunk_borders_do_not_change_raw_samples(encoding):
    raw = RawFormat(encoding, 8000, 2)
    values = np.linspace(-1, 1, 2 * 9000)
    types = {"f32le": "<f4", "f64le": "<f8"}
    data = values.astype(types[encoding]).tobytes() if encoding in types else bytes(range(240)) * 75 * raw.frame_bytes
    whole = raw.decode(data)
    for size in (1001, 1 << 20):
        decoder = push_decoder(encoding, rate=8000, channels=2)
        assert (decoder.rate, decoder.channels) == (8000, 2)
        np.testing.assert_array_equal(decoded(decoder, data, size), whole)


def test_a_block_holds_at_most_a_second():
    blocks = list(RawDecoder(RawFormat("s16le", 8000)).push(bytes(2 * 20_000)))
    assert [len(block) for block in blocks] == [8000, 8000, 4000]


@pytest.mark.parametrize("n_bytes", range(1, 12))
def test_short_streams(n_bytes):
    decoder = RawDecoder(RawFormat("mulaw", 8000))
    assert list(decoder.push(bytes(n_bytes))) == []
    assert sum(map(len, decoder.finish())) == n_bytes


@pytest.mark.parametrize(("form", "channels", "n_bytes"), [("s16le", 1, 801), ("s16le", 2, 802), ("f32le", 1, 3)])
def test_a_part_of_a_sample_at_the_end(form, channels, n_bytes):
    decoder = push_decoder(form, rate=8000, channels=channels)
    blocks = list(decoder.push(bytes(n_bytes)))
    with pytest.raises(AudioError, match=r"of the . bytes of a sample .*name the encoding and channels"):
        for block in decoder.finish():
            blocks.append(block)
    assert sum(map(len, blocks)) == n_bytes // decoder.format.frame_bytes


@pytest.mark.parametrize("size", [1, 5, 1000])
@pytest.mark.parametrize("kind", ["WAV", "FLAC", "AIFF", "OGG", "webm", "mp4"])
def test_a_header_in_raw_sound(kind, size, webm):
    if kind in ("webm", "mp4"):
        data = webm if kind == "webm" else media([tone(0.5)], "mp4", "aac")
    else:
        file = io.BytesIO()
        soundfile.write(file, tone(0.1), 48_000, format=kind)
        data = file.getvalue()
    expectation = f"begins like {'Ogg' if kind == 'OGG' else 'WebM' if kind == 'webm' else kind.upper()} "
    with pytest.raises(AudioError, match=f"{expectation}.*has no header; send samples alone, or name the format webm"):
        decoded(push_decoder("s16le", rate=48_000), data[:4000], size)


@pytest.mark.parametrize("value", [np.nan, np.inf, -101.0, 3e38])
@pytest.mark.parametrize("dtype", ["f32le", "f64le"])
def test_floats_that_are_no_sound(value, dtype):
    samples = np.zeros(2000, dtype.replace("f32le", "<f4").replace("f64le", "<f8"))
    samples[1500] = value
    with pytest.raises(AudioError, match=r"expected floating point in \[-1, 1\]; .*name the format s16le"):
        decoded(push_decoder(dtype, rate=16_000), samples.tobytes(), 999)


def test_16_bit_sent_as_float():
    pcm = np.rint(3000 * np.random.default_rng(0).normal(size=2000)).astype("<i2").tobytes()
    with pytest.raises(AudioError, match="name the format s16le"):
        decoded(push_decoder("f32le", rate=16_000), pcm, 640)


def test_loud_floats_are_sound():
    samples = (10 * tone(0.5)).astype("<f4")
    np.testing.assert_array_equal(decoded(push_decoder("f32le", rate=48_000), samples.tobytes(), 77)[:, 0], samples)


# ---- containers ----


@pytest.mark.parametrize("size", [1, 997, 1 << 20])
@pytest.mark.parametrize("kind", ["webm", "ogg"])
@pytest.mark.slow
def test_chunk_borders_do_not_change_containers(kind, size, request):
    data = request.getfixturevalue(kind)[: 24_000 if size == 1 else None]
    whole = decoded(push_decoder(f"{kind}-opus"), data, 5000)
    np.testing.assert_array_equal(decoded(push_decoder(f"{kind}-opus"), data, size), whole)


@pytest.mark.parametrize("kind", ["webm", "ogg"])
def test_live_sound_equals_the_file(kind, request):
    data = request.getfixturevalue(kind)
    live = decoded(push_decoder(f"{kind}-opus"), data, 1000)[:, 0]
    file = read(data)
    assert abs(len(live) - len(file)) <= 16 and len(live) == pytest.approx(3 * 16_000, abs=320)
    np.testing.assert_allclose(live[: len(file)], file[: len(live)], atol=1e-6)


@pytest.mark.parametrize("kind", ["webm", "ogg"])
def test_gaps_become_silence(kind):
    data = media([sound(4.0)], kind, "libopus", gap=(1.0, 3.0), options=LIVE if kind == "webm" else None)
    samples = decoded(push_decoder(f"{kind}-opus"), data, 500)[:, 0]
    assert len(samples) == pytest.approx(4 * 16_000, abs=320)
    assert np.abs(samples[20_000:44_000]).max() < 1e-3 < np.abs(samples[:14_000]).max()


def with_gap(data, kind, gap_s):
    """A recording of 2 s whose second half has later time stamps."""
    file = io.BytesIO()
    with av.open(io.BytesIO(data)) as source, av.open(file, "w", format=kind) as target:
        stream = target.add_stream_from_template(source.streams.audio[0])
        for packet in source.demux(source.streams.audio[0]):
            if packet.pts is not None:
                shift = round(gap_s / packet.time_base) if packet.pts * packet.time_base >= 1 else 0
                packet.pts, packet.dts, packet.stream = packet.pts + shift, packet.pts + shift, stream
                target.mux(packet)
    return file.getvalue()


@pytest.mark.parametrize(("gap_s", "seconds"), [(300, 302), (5000, 2)])
@pytest.mark.parametrize("kind", ["webm", "ogg"])
def test_a_gap_of_hours_is_a_wrong_time_stamp(kind, gap_s, seconds):
    data = with_gap(media([tone(2.0)], kind, "libopus"), kind, gap_s)
    decoder = push_decoder(f"{kind}-opus")
    blocks = [*decoder.push(data), *decoder.finish()]
    assert sum(map(len, blocks)) == pytest.approx(seconds * 16_000, abs=1600)
    assert max(map(len, blocks)) <= 17_000


def test_joined_recordings_are_read_to_the_end(webm, ogg):
    for form, data in (("webm-opus", webm), ("ogg-opus", ogg)):
        assert len(decoded(push_decoder(form), data + data, 1000)) == pytest.approx(6 * 16_000, abs=640)


def test_samples_come_as_soon_as_they_can(webm):
    decoder, heard = ContainerDecoder("webm-opus"), []
    for at in range(0, len(webm), 100):
        heard.append(sum(map(len, decoder.push(webm[at : at + 100]))))
    assert sum(heard[: len(heard) // 2]) > 0.4 * sum(heard) and max(heard) <= 4800
    decoder.close()


def test_stereo_and_video():
    both = media([np.stack([tone(1.0), tone(1.0)], axis=1)], "webm", "libopus")
    assert np.abs(decoded(push_decoder("webm-opus"), both, 1000)).max() == pytest.approx(0.5, abs=0.1)
    film = media([tone(1.0)], "matroska", "libopus", video_s=1.0)
    assert len(decoded(push_decoder("webm-opus"), film, 1000)) == pytest.approx(16_000, abs=640)


@pytest.mark.parametrize("channel", ["right", 2])
def test_a_channel_is_chosen(channel):
    both = np.stack([tone(1.0), 0.1 * tone(1.0)], axis=1)
    raw = push_decoder("f32le", rate=16_000, channels=2, channel=channel)
    assert raw.channels == 1
    heard = decoded(raw, both.astype("<f4").tobytes(), 37)
    np.testing.assert_array_equal(heard, both[:, 1:].astype(np.float32))
    coded = decoded(push_decoder("ogg-opus", channel=channel), media([both], "ogg", "libopus"), 1000)
    assert np.abs(coded).max() == pytest.approx(0.05, abs=0.01)


def test_a_stream_that_ends_early(webm, ogg):
    for form, data in (("webm-opus", webm), ("ogg-opus", ogg)):
        assert 0.2 * 16_000 < len(decoded(push_decoder(form), data[: len(data) // 2], 999)) < 2 * 16_000
        assert len(decoded(push_decoder(form), b"", 999)) == 0
        for n_bytes in (1, 11, 40):
            with pytest.raises(AudioError):
                decoded(push_decoder(form), data[:n_bytes], 999)


@pytest.mark.parametrize(
    ("form", "start", "finding"),
    [
        ("webm-opus", b"OggS" + bytes(30), "begins like Ogg, and the format is webm-opus"),
        ("ogg-opus", b"\x1aE\xdf\xa3" + bytes(30), "begins like WebM, and the format is ogg-opus"),
        ("webm-opus", b"RIFF" + bytes(30), "begins like WAV"),
        ("webm-opus", bytes(30), r"begins with b'\\x00"),
    ],
)
@pytest.mark.parametrize("size", [1, 100])
def test_containers_with_another_start(form, start, finding, size):
    with pytest.raises(AudioError, match=finding):
        decoded(push_decoder(form), start, size)


def test_another_codec():
    file = io.BytesIO()
    soundfile.write(file, tone(1.0), 48_000, format="OGG", subtype="VORBIS")
    with pytest.raises(AudioError, match="coded as vorbis, and the format is ogg-opus; send Opus"):
        decoded(push_decoder("ogg-opus"), file.getvalue(), 1000)


@pytest.mark.slow
def test_damaged_containers_raise_nothing_else(webm, ogg):
    random = np.random.default_rng(5)
    for n in range(20):
        data = bytearray(webm if n % 2 else ogg)
        for at in random.integers(4, len(data), 30):
            data[at] ^= 1 << int(random.integers(8))
        try:
            decoded(push_decoder("webm-opus" if n % 2 else "ogg-opus"), bytes(data), 700)
        except AudioError:
            pass


def test_closing_ends_the_thread(webm):
    for n_taken in (0, 1, 3):
        decoder = push_decoder("webm-opus")
        blocks = decoder.push(webm)
        for _ in range(n_taken):
            next(blocks)
        decoder.close()
        assert list(blocks) == []
    end = time.monotonic() + 5
    while any(thread.name == "emotone-push-decoder" for thread in threading.enumerate()):
        assert time.monotonic() < end
        time.sleep(0.01)


# ---- formats ----


def test_formats():
    assert {"s16le", "f32le", "mulaw", "alaw", "webm-opus", "ogg-opus"} <= set(LIVE_FORMATS)
    for form in LIVE_FORMATS:
        push_decoder(form, rate=8000).close()
    with pytest.raises(AudioError, match="the format is 'opus'; expected s8"):
        push_decoder("opus", rate=8000)
    with pytest.raises(AudioError, match="the format s16le has no rate"):
        push_decoder("s16le")
