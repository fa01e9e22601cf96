// Resample to 16 kHz with a windowed sinc.
//
// Passband and stopband are those of soxr's quality HQ, which Emotone uses in Python: flat up to 0.9136 of the lower
// Nyquist frequency, -126 dB from it on.  Both are linear-phase filters, so that the samples differ by rounding only;
// scripts/measure_web.py measures by how much.

import { SAMPLE_RATE } from "../constants.js";

const PASSBAND_END = 0.91363;
const ATTENUATION_DB = 126.4;
/** Most phases of the filter that are computed exactly; between them, others are interpolated. */
const MOST_PHASES = 2048;

/**
 * Return samples at 16 kHz.
 *
 * @param {Float32Array} samples
 * @param {number} rate  Hz
 * @returns {Float32Array}
 */
export function resampled(samples, rate) {
  if (rate === SAMPLE_RATE) return samples;
  const common = gcd(rate, SAMPLE_RATE);
  const [up, down] = [SAMPLE_RATE / common, rate / common];
  const nPhases = Math.min(up, MOST_PHASES);
  const { half, table } = filterOf(rate, nPhases);
  const width = 2 * half;
  const result = new Float32Array(Math.round((samples.length * up) / down));
  for (let n = 0; n < result.length; n += 1) {
    const place = n * down; // in samples, times `up`
    const whole = Math.floor(place / up);
    const phase = ((place - whole * up) / up) * nPhases;
    const row = Math.floor(phase);
    const rest = phase - row;
    const first = whole - half + 1;
    const [from, to] = [Math.max(0, -first), Math.min(width, samples.length - first)];
    let sum = 0;
    const at = row * width;
    if (rest === 0) {
      for (let k = from; k < to; k += 1) sum += samples[first + k] * table[at + k];
    } else {
      for (let k = from; k < to; k += 1) {
        sum += samples[first + k] * (table[at + k] + rest * (table[at + width + k] - table[at + k]));
      }
    }
    result[n] = sum;
  }
  return result;
}

const filters = new Map();

/** Return the filter at each phase, one row more than `nPhases`, and half the length of a row. */
function filterOf(rate, nPhases) {
  const key = `${rate}|${nPhases}`;
  if (!filters.has(key)) {
    if (filters.size >= 4) filters.clear(); // a table has up to a few megabytes
    filters.set(key, made(rate, nPhases));
  }
  return filters.get(key);
}

function made(rate, nPhases) {
  const scale = Math.min(1, SAMPLE_RATE / rate); // the lower Nyquist frequency, as a share of the source's
  const cutoff = (scale * (PASSBAND_END + 1)) / 2;
  const transition = (scale * (1 - PASSBAND_END)) / 2; // in cycles per sample
  const reach = (ATTENUATION_DB - 7.95) / (14.36 * transition) / 2;
  const beta = 0.1102 * (ATTENUATION_DB - 8.7);
  const half = Math.ceil(reach);
  const width = 2 * half;
  const table = new Float64Array((nPhases + 1) * width);
  for (let row = 0; row <= nPhases; row += 1) {
    for (let k = 0; k < width; k += 1) {
      const t = k - half + 1 - row / nPhases; // distance of the sample from the place
      if (Math.abs(t) < reach) table[row * width + k] = cutoff * sinc(cutoff * t) * (bessel(beta * Math.sqrt(1 - (t / reach) ** 2)) / bessel(beta));
    }
  }
  return { half, table };
}

function sinc(x) {
  return x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
}

/** The modified Bessel function of the first kind and order zero, of Kaiser's window. */
function bessel(x) {
  let [sum, term] = [1, 1];
  for (let k = 1; term > 1e-17 * sum; k += 1) {
    term *= (x / (2 * k)) ** 2;
    sum += term;
  }
  return sum;
}

function gcd(a, b) {
  return b ? gcd(b, a % b) : a;
}
