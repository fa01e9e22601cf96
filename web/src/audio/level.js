// A running level, which depends on the past alone.

/** Peaks below this are not amplified any more: -80 dB. */
const FLOOR = 1e-4;
/** The level falls by 20 dB in ten seconds without a higher peak. */
const FALL_PER_S = 0.1 ** (1 / 10);
const LASTING_FRAMES = 3;
/** Smaller offsets are none: subnormal numbers make models slow. */
const NO_OFFSET = 1e-12;
const TARGET = 0.5;

/** The mean of the last quarter of a second, which a microphone with an offset adds to every sample. */
export class RunningOffset {
  #mean = null;

  removed(frame) {
    let sum = 0;
    for (const sample of frame) sum += sample;
    const own = Math.fround(sum / frame.length);
    const mean = this.#mean === null ? own : Math.fround(Math.fround(0.9) * this.#mean + Math.fround(0.1) * own);
    this.#mean = Math.abs(mean) > NO_OFFSET ? mean : 0;
    return frame.map((sample) => sample - this.#mean);
  }
}

/** The highest peak of the last seconds that three frames in a row reach: a click does not. */
export class RunningLevel {
  #fall;
  #level = FLOOR;
  #peaks = new Array(LASTING_FRAMES).fill(0);

  constructor(frameS) {
    this.#fall = FALL_PER_S ** frameS;
  }

  push(frame) {
    this.#peaks = [...this.#peaks.slice(1), highest(frame)];
    this.#level = Math.max(FLOOR, Math.min(...this.#peaks), this.#level * this.#fall);
  }

  /** Take the next frame, and return it at a level that does not depend on the gain of the recording. */
  scaled(frame) {
    this.push(frame);
    const gain = Math.fround(TARGET / Math.max(this.#level, this.#peaks.at(-1)));
    return frame.map((sample) => sample * gain);
  }

  /** Say whether the peak of a frame, or of the last one, is at most `db` below the level. */
  isWithin(db, frame = null) {
    const peak = frame === null ? this.#peaks.at(-1) : highest(frame);
    return peak > FLOOR && peak >= this.#level * 10 ** (-db / 20);
  }
}

function highest(frame) {
  let [low, high] = [Infinity, -Infinity];
  for (const sample of frame) {
    if (sample < low) low = sample;
    if (sample > high) high = sample;
  }
  return Math.max(high, -low);
}
