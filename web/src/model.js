// The model of a bundle: its graph, its card, and what adapts its answers.

import { Adapter } from "./adaptation.js";
import { EmotoneError } from "./errors.js";
import { adaptedBy, checkedProfile, newProfile } from "./profile.js";
import { Temperature } from "./temperature.js";

/** Format of the cards that this package reads, and older ones. */
const FORMAT_VERSION = 1;
const REMEDY = "get the model again, or a newer version of this package";

/** What a model says of a clip: scores (k), embedding (e), and the probability of speech, 1 if it is not checked. */

export class Model {
  #ort;
  #session;
  #adapter;
  #temperature;

  constructor(ort, session, card, adapter) {
    this.#ort = ort;
    this.#session = session;
    this.#adapter = adapter;
    this.#temperature = new Temperature(card.calibration);
    this.card = card;
    this.adapts = adapter !== null;
    this.checksSpeech = session.outputNames.includes("speech");
    this.width = card.embedding ?? 0;
  }

  /**
   * Open the graph of a bundle.
   *
   * @param {object} ort  the module onnxruntime-web
   * @param {{card: object, model: Uint8Array, adaptation?: Uint8Array | null}} bundle
   */
  static async open(ort, { card, model, adaptation = null }) {
    checkCard(card);
    await checkDigest(model, card.sha256, "model.onnx");
    const stated = card.adaptation?.sha256;
    if (stated && adaptation === null) throw new EmotoneError("bad_model", `adaptation.npz is missing, which the card names; ${REMEDY}`);
    if (stated) await checkDigest(adaptation, stated, "adaptation.npz");
    const session = await opened(ort, model);
    return new Model(ort, session, card, stated ? new Adapter(adaptation) : null);
  }

  /** Run the model on preprocessed samples, and adapt the scores to a profile. */
  async outputs(samples, profile = null) {
    const waveform = new this.#ort.Tensor("float32", Float32Array.from(samples), [1, samples.length]);
    const results = await this.#session.run({ waveform });
    const embedding = Float32Array.from(results.embedding.data);
    const speech = this.checksSpeech ? results.speech.data[0] : 1;
    const outputs = { scores: Float32Array.from(results.scores.data), embedding, speech };
    for (const result of Object.values(results)) result.dispose?.();
    const isAdapted = profile !== null && Object.values(adaptedBy(profile)).some((n) => n > 0);
    const answer = isAdapted ? this.rescored(outputs, profile) : outputs;
    if (![...answer.scores, speech].every(Number.isFinite)) {
      throw new EmotoneError("bad_model", "a score of the model is not finite; leave this recording out and report it");
    }
    return answer;
  }

  /** Return outputs with scores that are adapted to this profile, or to none. */
  rescored(outputs, profile) {
    return { ...outputs, scores: this.#adapter.scores(outputs.embedding, profile, this.#temperature) };
  }

  newProfile(kind) {
    this.checkAdapts();
    return newProfile(kind, this.card.sha256, this.width);
  }

  /** Return a profile, checked: an object, or parsed JSON of Emotone in Python. */
  checkedProfile(profile) {
    this.checkAdapts();
    return checkedProfile(profile, { model: this.card.sha256, width: this.width, emotions: this.card.emotions });
  }

  extended(profile, embeddings) {
    return this.#adapter.extended(profile, embeddings, this.card.emotions, this.#temperature);
  }

  checkAdapts() {
    if (this.adapts) return;
    throw new EmotoneError("bad_argument", `this model (${this.card.model}) can't adapt in the browser; use one with adaptation.npz, as Emotone trains them with --model adaptive`);
  }

  async close() {
    await this.#session.release();
  }
}

function checkCard(card) {
  if (typeof card !== "object" || card === null || !(card.format_version <= FORMAT_VERSION)) {
    throw new EmotoneError("bad_model", `card.json has the format ${card?.format_version}, expected ${FORMAT_VERSION} or older; ${REMEDY}`);
  }
  const missing = ["emotions", "extractor", "calibration", "preprocessing", "sha256"].filter((key) => !(key in card));
  if (missing.length) throw new EmotoneError("bad_model", `card.json lacks ${missing.join(", ")}; ${REMEDY}`);
  if (!card.extractor.graph) {
    throw new EmotoneError("bad_model", `the features ${card.extractor.name} are not in the graph, so that only Emotone in Python can use this model; train one whose extractor can be exported`);
  }
}

/** Compare the SHA-256 of a file with that of the card; pages without https have no function for it. */
async function checkDigest(bytes, expected, name) {
  if (!globalThis.crypto?.subtle) return;
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  const found = [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  if (found !== expected) throw new EmotoneError("bad_model", `${name} was altered or is damaged: its SHA-256 is not that in its card; ${REMEDY}`);
}

export async function opened(ort, bytes) {
  try {
    return await ort.InferenceSession.create(bytes, { executionProviders: ["wasm"], graphOptimizationLevel: "all", logSeverityLevel: 3 });
  } catch (error) {
    throw new EmotoneError("bad_model", `the graph can't be opened (${error.message}); ${REMEDY}`);
  }
}
