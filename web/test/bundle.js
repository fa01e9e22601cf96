// The built-in model of Emotone, for tests, and sounds that are made here.

import { readFile } from "node:fs/promises";

const BUNDLE = process.env.EMOTONE_BUNDLE ?? new URL("../../src/emotone/data/default/", import.meta.url).pathname;
const SAMPLES = new URL("../../samples/", import.meta.url);

export const sample = async (name) => new Uint8Array(await readFile(new URL(name, SAMPLES)));

/** Return the files of the built-in bundle; the speech detector is where Python has it: EMOTONE_DETECTOR. */
export async function builtIn() {
  const read = async (name) => new Uint8Array(await readFile(`${BUNDLE}/${name}`));
  return {
    card: JSON.parse(await readFile(`${BUNDLE}/card.json`, "utf8")),
    model: await read("model.onnx"),
    adaptation: await read("adaptation.npz"),
    detector: process.env.EMOTONE_DETECTOR ? new Uint8Array(await readFile(process.env.EMOTONE_DETECTOR)) : null,
  };
}

export function tone(seconds, { hz = 200, rate = 16_000, gain = 0.3 } = {}) {
  return Float32Array.from({ length: Math.round(seconds * rate) }, (_, n) => gain * Math.sin((2 * Math.PI * hz * n) / rate));
}

/** Return a WAV file of 16-bit samples, in channels. */
export function wav(channels, rate) {
  const [n, size] = [channels[0].length, 2 * channels.length];
  const view = new DataView(new ArrayBuffer(44 + n * size));
  const text = (at, letters) => [...letters].forEach((letter, i) => view.setUint8(at + i, letter.charCodeAt(0)));
  text(0, "RIFF");
  view.setUint32(4, 36 + n * size, true);
  text(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, channels.length, true);
  view.setUint32(24, rate, true);
  view.setUint32(28, rate * size, true);
  view.setUint16(32, size, true);
  view.setUint16(34, 16, true);
  text(36, "data");
  view.setUint32(40, n * size, true);
  for (let i = 0; i < n; i += 1) channels.forEach((channel, c) => view.setInt16(44 + i * size + 2 * c, Math.round(32767 * channel[i]), true));
  return new Uint8Array(view.buffer);
}
