// Remove what is below the voice: offset, hum of the mains, rumble.

import { SAMPLE_RATE } from "../constants.js";
import { fastLength, transform } from "./fft.js";

const ORDER = 4;

/**
 * Remove frequencies below `hz` without a change of phase: a Butterworth filter of order 4, forward and backward.
 *
 * @param {Float32Array} samples  at 16 kHz
 * @param {number} hz
 * @returns {Float32Array}
 */
export function highPass(samples, hz) {
  const size = fastLength(samples.length);
  let mean = 0;
  for (const sample of samples) mean += sample / samples.length;
  const padded = new Float64Array(size);
  for (let n = 0; n < samples.length; n += 1) padded[n] = Math.fround(samples[n] - Math.fround(mean));
  let [re, im] = transform(padded, new Float64Array(size), -1);
  for (let n = 0; n < size; n += 1) {
    const frequency = (Math.min(n, size - n) * SAMPLE_RATE) / size;
    const gain = frequency === 0 ? 0 : 1 / (1 + (hz / frequency) ** (2 * ORDER)) / size;
    re[n] *= gain;
    im[n] *= gain;
  }
  [re, im] = transform(re, im, 1);
  return Float32Array.from(re.subarray(0, samples.length));
}
