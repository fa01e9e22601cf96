"""Measure the delay of emotions in a Pipecat pipeline, and how much it delays everything else.

Several calls run at once in one process, on one core, each a pipeline with frames of 20 ms in real time: a conversation
of the samples.  Printed are the seconds from the end of an utterance to its `EmotionFrame`, the part of it that is
computation, and how late the event loop does what is due, with and without `EmotionProcessor`.

    make integrations && .venv-pipecat/bin/python benchmarks/voice_agents.py --calls 1 4 16
"""

from emotone.benchmark import timing

if __name__ == "__main__":
    timing.one_thread()  # before numpy and onnxruntime are imported with pools of threads

import argparse
import asyncio
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from loguru import logger
from pipecat.frames.frames import EndFrame, Frame, InputAudioRawFrame, MetricsFrame
from pipecat.metrics.metrics import ProcessingMetricsData
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.filters.identity_filter import IdentityFilter
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.workers.runner import WorkerRunner

import emotone
from emotone.integrations.pipecat import EmotionFrame, EmotionProcessor

SOUND = Path(__file__).resolve().parents[1] / "samples" / "conversation.ogg"
RATE_HZ, FRAME_S = 16_000, 0.02
TICK_S = 0.005


@dataclass
class Measured:
    """Seconds: from the end of an utterance to its emotion, of computation, and by which the loop was late."""

    delays_s: list[float] = field(default_factory=list)
    computed_s: list[float] = field(default_factory=list)
    late_s: list[float] = field(default_factory=list)


class Sink(FrameProcessor):
    """The end of a pipeline: notes when emotions arrive."""

    def __init__(self, measured: Measured) -> None:
        super().__init__()
        self.measured, self.began_s = measured, 0.0

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Note the time of an emotion, and pass all frames on."""
        await super().process_frame(frame, direction)
        if isinstance(frame, EmotionFrame):
            self.measured.delays_s.append(time.monotonic() - self.began_s - frame.prediction.end_s)
        elif isinstance(frame, MetricsFrame):
            times = [data.value for data in frame.data if isinstance(data, ProcessingMetricsData) and data.value]
            self.measured.computed_s.extend(times)
        await self.push_frame(frame, direction)


async def call(processor: FrameProcessor, pcm: bytes, measured: Measured, *, after_s: float) -> None:
    """Run a call in real time, and end it."""
    sink = Sink(measured)
    worker = PipelineWorker(
        Pipeline([processor, sink]),
        cancel_on_idle_timeout=False,
        enable_rtvi=False,
        params=PipelineParams(enable_metrics=True),
    )
    started = asyncio.Event()

    @worker.event_handler("on_pipeline_started")
    async def on_pipeline_started(*_: object) -> None:
        started.set()

    async def speak() -> None:
        await started.wait()
        await asyncio.sleep(after_s)
        sink.began_s = time.monotonic()
        size = 2 * round(RATE_HZ * FRAME_S)
        for number, at in enumerate(range(0, len(pcm), size)):
            await asyncio.sleep(max(0.0, sink.began_s + (number + 1) * FRAME_S - time.monotonic()))
            await worker.queue_frame(InputAudioRawFrame(audio=pcm[at : at + size], sample_rate=RATE_HZ, num_channels=1))
        await worker.queue_frame(EndFrame())

    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    await asyncio.gather(runner.run(), speak())


async def measure(processors: list[FrameProcessor], pcm: bytes) -> Measured:
    """Run a call per processor at the same time."""
    measured = Measured()

    async def tick() -> None:
        while True:
            due_s = time.monotonic() + TICK_S
            await asyncio.sleep(TICK_S)
            measured.late_s.append(time.monotonic() - due_s)

    ticking = asyncio.create_task(tick())
    spread_s = 1.0 / len(processors)
    calls = [call(processor, pcm, measured, after_s=number * spread_s) for number, processor in enumerate(processors)]
    await asyncio.gather(*calls)
    ticking.cancel()
    return measured


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, nargs="+", default=[1], help="calls at once")
    options = parser.parse_args()
    logger.remove()
    recognizer = emotone.Recognizer()
    samples = np.concatenate([emotone.load_audio(SOUND), np.zeros(RATE_HZ, np.float32)])
    pcm = (samples * 32_767).astype("<i2").tobytes()
    print(timing.machine())
    print(
        "calls  utterances  delay, s: median, largest  computation, ms: median, largest  loop late, ms: 99 %, largest"
    )
    for calls in options.calls:
        for with_emotion in (False, True):
            processors = [EmotionProcessor(recognizer) if with_emotion else IdentityFilter() for _ in range(calls)]
            measured = asyncio.run(measure(processors, pcm))
            late = f"{1000 * np.quantile(measured.late_s, 0.99):17.1f} {1000 * max(measured.late_s):8.1f}"
            if not with_emotion:
                print(f"{calls:5}  {'without':>10}  {'':26}  {'':31} {late}")
                continue
            delays, computed = np.array(measured.delays_s), 1000 * np.array(measured.computed_s)
            print(
                f"{calls:5}  {len(delays):10}  {np.median(delays):17.2f} {delays.max():8.2f}  "
                f"{np.median(computed):22.0f} {computed.max():8.0f} {late}"
            )


if __name__ == "__main__":
    main()
