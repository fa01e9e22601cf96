// Read the files of a bundle from an address, or in Node from a folder.

import { EmotoneError } from "./errors.js";

export const DETECTOR = "silero_vad.onnx";

/**
 * Return the files of a bundle; those that it need not have are null.
 *
 * @param {string | URL} place  an address that ends in a folder, or the path of a folder
 * @param {(share: number) => void} [progress]  of the graph, which is the largest
 */
export async function filesFrom(place, progress = () => {}) {
  const read = /^(https?|blob):/.test(String(place)) ? reader(String(place)) : await folderReader(place);
  const card = JSON.parse(new TextDecoder().decode(await read("card.json")));
  return {
    card,
    adaptation: card.adaptation ? await read("adaptation.npz") : null,
    detector: await read(DETECTOR, { isOptional: true }),
    model: await read("model.onnx", { progress, size: card.size_bytes }),
  };
}

function reader(address) {
  return async (name, { isOptional = false, progress = () => {}, size = 0 } = {}) => {
    const response = await fetch(new URL(name, address.endsWith("/") ? address : `${address}/`));
    if (response.status === 404 && isOptional) return null;
    if (!response.ok) throw new EmotoneError("bad_model", `${name} can't be loaded (${response.status} ${response.statusText}); check the address ${address}`);
    if (!size) return new Uint8Array(await response.arrayBuffer());
    const bytes = new Uint8Array(size);
    let n = 0;
    for (const stream = response.body.getReader(); ; ) {
      const { done, value } = await stream.read();
      if (done) break;
      if (n + value.length > size) throw new EmotoneError("bad_model", `${name} has more than the ${size} bytes that its card names; get the model again`);
      bytes.set(value, n);
      n += value.length;
      progress(n / size);
    }
    return bytes.subarray(0, n);
  };
}

async function folderReader(place) {
  const [{ readFile }, { join }, { fileURLToPath }] = await Promise.all([import("node:fs/promises"), import("node:path"), import("node:url")]);
  const folder = place instanceof URL || String(place).startsWith("file:") ? fileURLToPath(place) : place;
  return async (name, { isOptional = false } = {}) => {
    try {
      return new Uint8Array(await readFile(join(folder, name)));
    } catch (error) {
      if (isOptional && error.code === "ENOENT") return null;
      throw new EmotoneError("bad_model", `${name} can't be read (${error.message}); expected a folder with card.json and model.onnx`);
    }
  };
}
