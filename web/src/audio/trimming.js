// Remove the silence before and after a recording.

import { MIN_SAMPLES, SAMPLE_RATE } from "../constants.js";
import { EmotoneError } from "../errors.js";

const CELL = 80; // 5 ms at 16 kHz
const CELLS_PER_FRAME = 5;
const CELLS_PER_HOP = 2;
const MARGIN = 0.05 * SAMPLE_RATE;

/**
 * Remove the silence at both ends: frames more than `thresholdDb` below the loudest one.
 *
 * @param {Float32Array} samples  at 16 kHz
 * @param {number} thresholdDb
 * @param {number} minSamples
 * @returns {Float32Array}  a part of `samples`
 */
export function trimSilence(samples, thresholdDb, minSamples = MIN_SAMPLES) {
  const energy = frameEnergy(samples);
  const loudest = energy.reduce((most, value) => Math.max(most, value), 0);
  if (!(loudest > 0 && loudest < Infinity)) {
    throw new EmotoneError("silent", `the loudest energy is ${loudest}, expected a sound; check the microphone and record again`);
  }
  const threshold = loudest * 10 ** (-thresholdDb / 10);
  const first = energy.findIndex((value) => value >= threshold);
  const last = energy.findLastIndex((value) => value >= threshold);
  const hop = CELL * CELLS_PER_HOP;
  const begin = Math.max(0, first * hop - MARGIN);
  const end = Math.min(samples.length, last * hop + CELL * CELLS_PER_FRAME + MARGIN);
  return samples.subarray(...atLeast(begin, end, minSamples, samples.length));
}

/** Widen a range to `shortest` samples, or to all of them if there are fewer. */
export function atLeast(begin, end, shortest, nSamples) {
  const missing = Math.min(nSamples, shortest) - (end - begin);
  if (missing <= 0) return [begin, end];
  const from = Math.max(0, Math.min(begin - Math.floor(missing / 2), nSamples - (end - begin) - missing));
  return [from, from + Math.min(nSamples, shortest)];
}

/** Return the sum of squares of each 25 ms frame, hop 10 ms; zeros fill the last frame. */
export function frameEnergy(samples) {
  const nCells = Math.floor(samples.length / CELL);
  const nFrames = 1 + Math.max(0, Math.ceil((nCells + 1 - CELLS_PER_FRAME) / CELLS_PER_HOP));
  const cells = new Float64Array((nFrames - 1) * CELLS_PER_HOP + CELLS_PER_FRAME);
  for (let n = 0; n < samples.length; n += 1) cells[Math.floor(n / CELL)] += samples[n] ** 2;
  const energy = new Float64Array(nFrames);
  for (let frame = 0; frame < nFrames; frame += 1) {
    for (let cell = 0; cell < CELLS_PER_FRAME; cell += 1) energy[frame] += cells[frame * CELLS_PER_HOP + cell];
  }
  return energy;
}
