// The Fourier transform of lengths that are products of 2, 3 and 5 (Stockham's algorithm, which needs no reordering).

/** Return the smallest product of 2, 3 and 5 that is at least `n`. */
export function fastLength(n) {
  let best = 1;
  while (best < n) best *= 2;
  for (let five = 1; five < best; five *= 5) {
    for (let three = five; three < best; three *= 3) {
      let size = three;
      while (size < n) size *= 2;
      best = Math.min(best, size);
    }
  }
  return best;
}

function radices(n) {
  const found = [];
  for (const radix of [5, 4, 3, 2]) {
    while (n % radix === 0) {
      found.push(radix);
      n /= radix;
    }
  }
  return found;
}

/**
 * Transform complex numbers, and return both parts.
 *
 * @param {Float64Array} real  its length is that of `imaginary`, a product of 2, 3 and 5; both are overwritten
 * @param {Float64Array} imaginary
 * @param {number} sign  -1: forward; 1: backward, without the division by the length
 * @returns {[Float64Array, Float64Array]}
 */
export function transform(real, imaginary, sign) {
  let [re, im, toRe, toIm] = [real, imaginary, new Float64Array(real.length), new Float64Array(real.length)];
  let [size, stride] = [real.length, 1];
  for (const radix of radices(real.length)) {
    step(re, im, toRe, toIm, { size, stride, radix, sign });
    size /= radix;
    stride *= radix;
    [re, im, toRe, toIm] = [toRe, toIm, re, im];
  }
  return [re, im];
}

/** One pass: `stride` interleaved transforms of `size`, each split into `radix` of a smaller size. */
function step(re, im, toRe, toIm, { size, stride, radix, sign }) {
  const part = size / radix;
  const [cos, sin] = [new Float64Array(radix), new Float64Array(radix)];
  for (let j = 0; j < radix; j += 1) {
    cos[j] = Math.cos((2 * Math.PI * j) / radix);
    sin[j] = sign * Math.sin((2 * Math.PI * j) / radix);
  }
  for (let p = 0; p < part; p += 1) {
    for (let k = 0; k < radix; k += 1) {
      const angle = (sign * 2 * Math.PI * p * k) / size;
      const [wr, wi] = [Math.cos(angle), Math.sin(angle)];
      const to = stride * (radix * p + k);
      for (let q = 0; q < stride; q += 1) {
        let [sumRe, sumIm] = [0, 0];
        for (let j = 0, at = q + stride * p, turn = 0; j < radix; j += 1, at += stride * part, turn = (turn + k) % radix) {
          sumRe += re[at] * cos[turn] - im[at] * sin[turn];
          sumIm += re[at] * sin[turn] + im[at] * cos[turn];
        }
        toRe[to + q] = sumRe * wr - sumIm * wi;
        toIm[to + q] = sumRe * wi + sumIm * wr;
      }
    }
  }
}
