// Resample to 16 kHz with a windowed sinc.
//
// Cut-off, length and window were fitted to the impulse response of soxr's quality HQ, which Emotone uses in Python;
// benchmarks/web_page.py measures how much the samples differ.

import { SAMPLE_RATE } from "../constants.js";

/** Cut-off as a share of the lower Nyquist frequency, half length in samples of the lower rate, and Kaiser's beta. */
const SIMPLE = { cutoff: 0.95687182, reach: 96.5, beta: 13.04 };
/** The same for ratios of large numbers, such as those of 44.1 kHz. */
const OTHER = { cutoff: 0.95684292, reach: 109.67, beta: 15.978 };
const LARGEST_SIMPLE = 8;
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
  const { half, table } = filterOf(up, down, nPhases);
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
function filterOf(up, down, nPhases) {
  const key = `${up}/${down}`;
  if (!filters.has(key)) {
    if (filters.size >= 4) filters.clear(); // a table has up to a few megabytes
    filters.set(key, made(up, down, nPhases));
  }
  return filters.get(key);
}

function made(up, down, nPhases) {
  const most = Math.max(up, down);
  const isSimple = most <= LARGEST_SIMPLE;
  const { cutoff, reach, beta } = isSimple ? SIMPLE : OTHER;
  // an odd number of taps, at the rate that both rates divide
  const reached = isSimple ? (4 * Math.ceil((reach * most) / 2) + 1) / 2 / up : reach * Math.max(1, down / up);
  const share = cutoff * Math.min(1, up / down);
  const half = Math.ceil(reached);
  const width = 2 * half;
  const table = new Float64Array((nPhases + 1) * width);
  for (let row = 0; row <= nPhases; row += 1) {
    for (let k = 0; k < width; k += 1) {
      const t = k - half + 1 - row / nPhases; // distance of the sample from the place
      if (Math.abs(t) >= reached) continue;
      table[row * width + k] = (share * sinc(share * t) * bessel(beta * Math.sqrt(1 - (t / reached) ** 2))) / bessel(beta);
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
