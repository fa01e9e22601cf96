// Find steady tones: beeps and keys of a telephone, which no voice holds as evenly.

import { SAMPLE_RATE } from "../constants.js";
import { transform } from "./fft.js";

const HOP = 160;
const FRAME = 400;
const LEAST_FRAMES = 18;
const RANGE_DB = 40;
const STEP_DB = 0.25;
const DRIFT_DB = 1;
const N_LINES = 2;
const LINE_BINS = 3;
const REST = 0.02;
const N_SAMPLES = 3000;
const LEAST_HZ = 300;

/**
 * Return first and last frame of each steady tone of 0.2 s or more: one or two sinusoids of constant level.
 *
 * @param {Float32Array} samples  at 16 kHz
 * @param {Float64Array} energy  of their frames
 * @returns {[number, number][]}
 */
export function steadyTones(samples, energy) {
  const levelDb = energy.map((value) => 10 * Math.log10(Math.max(value, 1e-300)));
  const least = levelDb.reduce((a, b) => Math.max(a, b), -Infinity) - RANGE_DB;
  const isSteady = (frame) =>
    Math.min(levelDb[frame], levelDb[frame - 1]) >= least && Math.abs(levelDb[frame] - levelDb[frame - 1]) < STEP_DB;
  const tones = [];
  for (let first = 0; first < levelDb.length; ) {
    let next = first + 1;
    while (next < levelDb.length && isSteady(next)) next += 1;
    const last = next - 1;
    if (last - first + 1 >= LEAST_FRAMES) {
      const levels = levelDb.subarray(first, next);
      const drift = levels.reduce((a, b) => Math.max(a, b)) - levels.reduce((a, b) => Math.min(a, b));
      if (drift <= DRIFT_DB && isTone(samples.subarray(first * HOP, last * HOP + FRAME))) tones.push([first, last]);
    }
    first = next;
  }
  return tones;
}

/** Return whether one or two lines of the spectrum hold the energy, the strongest above 300 Hz. */
function isTone(samples) {
  if (samples.length < N_SAMPLES) return false; // at the end of a clip, where the last frame has fewer samples
  const begin = Math.floor((samples.length - N_SAMPLES) / 2);
  const power = powerOf(samples.subarray(begin, begin + N_SAMPLES));
  const total = sum(power);
  const strongest = highest(power);
  for (let n = 0; n < N_LINES; n += 1) {
    const line = highest(power);
    power.fill(0, Math.max(0, line - LINE_BINS), line + LINE_BINS + 1);
  }
  return strongest * SAMPLE_RATE >= LEAST_HZ * N_SAMPLES && sum(power) <= REST * total;
}

/** Return the power spectrum under a Hann window. */
function powerOf(samples) {
  const window = (at) => 0.5 - 0.5 * Math.cos((2 * Math.PI * at) / (N_SAMPLES - 1));
  const windowed = Float64Array.from(samples, (value, at) => value * window(at));
  const [real, imaginary] = transform(windowed, new Float64Array(N_SAMPLES), -1);
  return real.subarray(0, N_SAMPLES / 2 + 1).map((value, bin) => value ** 2 + imaginary[bin] ** 2);
}

function highest(values) {
  return values.reduce((best, value, at) => (value > values[best] ? at : best), 0);
}

function sum(values) {
  return values.reduce((a, b) => a + b, 0);
}
