// Small functions of arrays of numbers.

export function concatenate(arrays) {
  const joined = new Float32Array(arrays.reduce((n, array) => n + array.length, 0));
  let at = 0;
  for (const array of arrays) {
    joined.set(array, at);
    at += array.length;
  }
  return joined;
}

/** Return the largest absolute value; 0 of an empty array, NaN if a value is NaN. */
export function peakOf(samples) {
  let peak = 0;
  for (const sample of samples) {
    const size = Math.abs(sample);
    if (!(size <= peak)) peak = size;
    if (Number.isNaN(size)) return NaN;
  }
  return peak;
}

/** Return the mean of rows of numbers, weighted. */
export function averageRows(rows, weights) {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const mean = new Array(rows[0].length).fill(0);
  rows.forEach((row, n) => row.forEach((value, column) => { mean[column] += (weights[n] / total) * value; }));
  return mean;
}

export function average(values, weights) {
  return averageRows(values.map((value) => [value]), weights)[0];
}
