// Read NPZ files of float32 arrays, as numpy.savez writes them: a ZIP archive without compression.

import { EmotoneError } from "./errors.js";

const END = 0x06054b50;
const ENTRY = 0x02014b50;

/**
 * @param {Uint8Array} bytes
 * @returns {Map<string, {shape: number[], values: Float64Array}>}
 */
export function readNpz(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let end = bytes.length - 22;
  while (end >= 0 && view.getUint32(end, true) !== END) end -= 1;
  if (end < 0) throw damaged("it is no ZIP archive");
  const arrays = new Map();
  let at = view.getUint32(end + 16, true);
  for (let n = view.getUint16(end + 10, true); n > 0; n -= 1) {
    if (view.getUint32(at, true) !== ENTRY) throw damaged("its list of files is damaged");
    if (view.getUint16(at + 10, true) !== 0) throw damaged("it is compressed; expected a file of numpy.savez");
    const [size, nName, nExtra, nNote] = [24, 28, 30, 32].map((place) => (place === 24 ? view.getUint32(at + place, true) : view.getUint16(at + place, true)));
    const local = view.getUint32(at + 42, true);
    const name = new TextDecoder().decode(bytes.subarray(at + 46, at + 46 + nName));
    const begin = local + 30 + view.getUint16(local + 26, true) + view.getUint16(local + 28, true);
    arrays.set(name.replace(/\.npy$/, ""), readNpy(bytes.subarray(begin, begin + size)));
    at += 46 + nName + nExtra + nNote;
  }
  return arrays;
}

function readNpy(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const isLong = bytes[6] >= 2;
  const nHeader = isLong ? view.getUint32(8, true) : view.getUint16(8, true);
  const begin = (isLong ? 12 : 10) + nHeader;
  const header = new TextDecoder().decode(bytes.subarray(begin - nHeader, begin));
  const shape = /'shape': \(([^)]*)\)/.exec(header)?.[1];
  if (shape === undefined || !header.includes("'descr': '<f4'") || !header.includes("'fortran_order': False")) {
    throw damaged(`it holds an array of another type (${header.trim().slice(0, 80)}), expected float32`);
  }
  const sizes = shape.split(",").filter((size) => size.trim()).map(Number);
  const n = sizes.reduce((product, size) => product * size, 1);
  if (begin + 4 * n > bytes.length) throw damaged("an array is shorter than its header says");
  const values = Float64Array.from({ length: n }, (_, index) => view.getFloat32(begin + 4 * index, true));
  return { shape: sizes, values };
}

function damaged(finding) {
  return new EmotoneError("bad_model", `adaptation.npz can't be read: ${finding}; get the model again`);
}
