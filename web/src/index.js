// The package `emotone`: recognise emotions with a bundle of Emotone, in browsers and in Node.

import * as ort from "#onnxruntime";

import { decodeInBrowser } from "./browser-decoding.js";
import { EmotoneError } from "./errors.js";
import { filesFrom } from "./files.js";
import { Recognizer as Core } from "./recognizer.js";

export { EmotoneError } from "./errors.js";
export { FORMATS } from "./timeline-formats.js";

export class Recognizer extends Core {
  /** Open a bundle: a folder, an address, or its files. */
  static async open(bundle, options = {}) {
    const isPlace = typeof bundle === "string" || bundle instanceof URL;
    if (!isPlace && !bundle?.model) throw new EmotoneError("bad_argument", "the bundle is neither an address nor its files { card, model }");
    const files = isPlace ? await filesFrom(bundle) : bundle;
    const decode = globalThis.OfflineAudioContext ? decodeInBrowser : null; // workers and Node have no decoder
    const opened = await Core.open(ort, files, { decode, ...options });
    return Object.setPrototypeOf(opened, Recognizer.prototype);
  }
}
