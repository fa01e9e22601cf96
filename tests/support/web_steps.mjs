// Run steps of the JavaScript library for a test: a JSON file names them, and the results are printed as JSON.
//
// Arrays come from files of float32.  A step that fails gives { error: code, message }.

import { readFile } from "node:fs/promises";
import { pathToFileURL } from "node:url";

const [web, job] = process.argv.slice(2);
const load = (path) => import(pathToFileURL(`${web}/src/${path}`));
const { steps, detector } = JSON.parse(await readFile(job, "utf8"));
const ort = await import(pathToFileURL(`${web}/node_modules/onnxruntime-web/dist/ort.node.min.mjs`));
const bytes = async (path) => new Uint8Array(await readFile(path));
const floats = async (path) => new Float32Array((await bytes(path)).slice().buffer);

const modules = Object.fromEntries(
  await Promise.all(
    Object.entries({
      adaptation: "adaptation.js",
      bounds: "audio/speech-bounds.js",
      channels: "audio/channels.js",
      decoding: "decoding.js",
      detection: "audio/speech-detector.js",
      filters: "audio/filters.js",
      formats: "timeline-formats.js",
      preprocessing: "preprocessing.js",
      recognizer: "recognizer.js",
      silero: "audio/silero.js",
      temperature: "temperature.js",
      trimming: "audio/trimming.js",
      model: "model.js",
    }).map(async ([name, path]) => [name, await load(path)]),
  ),
);

const recognizers = new Map();
async function recognizerOf(bundle, options) {
  const key = JSON.stringify([bundle, options]);
  if (!recognizers.has(key)) {
    const read = (name) => bytes(`${bundle}/${name}`).catch(() => null);
    const card = JSON.parse(await readFile(`${bundle}/card.json`, "utf8"));
    const files = { card, model: await read("model.onnx"), adaptation: await read("adaptation.npz"), detector: await bytes(detector) };
    recognizers.set(key, await modules.recognizer.Recognizer.open(ort, files, options));
  }
  return recognizers.get(key);
}

const sessions = [];
async function newSilero() {
  if (!sessions.length) sessions.push(await modules.model.opened(ort, await bytes(detector)));
  return new modules.silero.Silero(ort, sessions[0]);
}
const range = (part, whole) => [part.byteOffset / 4 - whole.byteOffset / 4, part.byteOffset / 4 - whole.byteOffset / 4 + part.length];

const DO = {
  read: async ({ file, channel }) => {
    const { samples, hasTwoPeople } = await modules.decoding.readSound(await bytes(file), { channel: channel ?? "mix" });
    return { samples: [...samples], hasTwoPeople };
  },
  highPass: async ({ samples, hz }) => [...modules.filters.highPass(await floats(samples), hz)],
  trim: async ({ samples, db }) => {
    const whole = await floats(samples);
    return range(modules.trimming.trimSilence(whole, db), whole);
  },
  bounds: async ({ samples, isSpeech }) => modules.bounds.speechBounds(await floats(samples), async () => isSpeech),
  islands: async ({ samples, gapS }) => modules.bounds.islands(await floats(samples), gapS),
  isSpeech: async ({ samples }) => {
    await newSilero();
    return modules.silero.isSpeech(ort, sessions[0], await floats(samples));
  },
  detect: async ({ samples, gate }) => modules.detection.detectSpeech(await floats(samples), await newSilero(), { gate: gate === undefined ? null : async () => gate }),
  apply: async ({ samples, card }) => {
    await newSilero();
    const isSpeech = (sound) => modules.silero.isSpeech(ort, sessions[0], sound);
    return [...(await new modules.preprocessing.Preprocessing(card, isSpeech).apply(await floats(samples)))];
  },
  adapt: async ({ adaptation, embeddings, profile, emotions, calibration }) => {
    const [adapter, temperature] = [new modules.adaptation.Adapter(await bytes(adaptation)), new modules.temperature.Temperature(calibration)];
    const extended = adapter.extended(profile, embeddings, emotions, temperature);
    return { profile: extended, scores: embeddings.map((row) => adapter.scores(row, extended, temperature)), plain: embeddings.map((row) => adapter.scores(row, null, temperature)) };
  },
  formats: async ({ timeline }) => Object.fromEntries(Object.entries(modules.formats.FORMATS).map(([name, { write }]) => [name, write(timeline)])),
  predict: async ({ bundle, file, options, given }) => (await recognizerOf(bundle, options)).predict(await bytes(file), given),
  profile: async ({ bundle, files, options }) => (await recognizerOf(bundle, options)).adapt(await Promise.all(files.map(bytes))),
  timeline: async ({ bundle, file, options, given }) => {
    const { envelope, ...timeline } = await (await recognizerOf(bundle, options)).timeline(await bytes(file), given);
    return { ...timeline, envelope: [...envelope] };
  },
};

const results = [];
for (const { do: name, ...given } of steps) {
  try {
    results.push(await DO[name](given));
  } catch (error) {
    if (!error.code) throw error;
    results.push({ error: error.code, message: error.message });
  }
}
process.stdout.write(JSON.stringify(results));
