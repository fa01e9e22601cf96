// The worker that runs the model: the page sends recordings, and gets answers and progress.

import * as ort from "../runtime/ort.wasm.bundle.min.mjs";
import { EmotoneError } from "../lib/errors.js";
import { filesFrom } from "../lib/files.js";
import { Recognizer } from "../lib/recognizer.js";

ort.env.wasm.wasmPaths = { wasm: new URL("../runtime/ort-wasm-simd-threaded.wasm", import.meta.url).href };
ort.env.logLevel = "error";

let loaded = 0;
const say = (id, message) => self.postMessage({ id, ...message });
const opening = open();
opening.catch(() => {}); // the first question gets the error

async function open() {
  const files = await filesFrom(new URL("../model/", import.meta.url), (share) => {
    loaded = share;
    say(null, { loaded });
  });
  return Recognizer.open(ort, files);
}

const TASKS = {
  recognise: async (recognizer, { sound }, progress) => recognizer.predict(sound, { progress }),
  timeline: async (recognizer, { sound }, progress) => recognizer.timeline(sound, { adapt: recognizer.adapts, progress }),
  voice: compare,
};

/** Return what is predicted before and after adaptation to a person. */
async function compare(recognizer, { clips, profile: saved, test }, progress) {
  if (saved && saved.kind !== "speaker") throw new EmotoneError("not_profile", `the profile is of the kind ${JSON.stringify(saved.kind)}, expected that of a speaker`);
  const before = await recognizer.predict(test);
  let [profile, skipped] = [saved, []];
  if (clips.length) {
    const nKnown = saved?.n_clips ?? 0;
    const adapted = await adaptedTo(recognizer, clips, saved, progress);
    if (adapted.error && !nKnown) throw adapted.error;
    [profile, skipped] = [adapted.profile ?? saved, adapted.skipped];
  }
  return { before, after: await recognizer.predict(test, { profile }), profile, skipped, nSaved: saved?.n_clips ?? 0 };
}

/** Adapt to all clips that can be used, at once: what clips have in common shows in all of them together. */
async function adaptedTo(recognizer, clips, saved, progress) {
  const [usable, skipped] = [[], []];
  let error = null;
  for (const [n, clip] of clips.entries()) {
    try {
      if (clip.error) throw new EmotoneError(clip.error.code, clip.error.message);
      const { embeddings } = await recognizer.predictWithEmbeddings(clip);
      if (!embeddings.length) throw new EmotoneError("no_clips", `${clip.name} has no speech, and a model adapts to speech only`);
      usable.push(...embeddings);
    } catch (caught) {
      if (!(caught instanceof EmotoneError)) throw caught;
      [error] = [caught, skipped.push(clip.name)];
    }
    progress((n + 1) / (clips.length + 1));
  }
  if (!usable.length) return { profile: null, skipped, error };
  return { profile: recognizer.extended(saved ?? recognizer.newProfile(), usable), skipped, error: null };
}

self.onmessage = async ({ data: { id, task, ...given } }) => {
  try {
    const recognizer = await opening;
    const begun = performance.now();
    const result = await TASKS[task](recognizer, given, (share) => say(id, { share }));
    say(id, { result, ms: performance.now() - begun });
  } catch (error) {
    say(id, { error: { code: error.code ?? "internal", message: error.message } });
  }
};
