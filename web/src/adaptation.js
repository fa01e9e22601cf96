// Adapt a model's answers to a source and to a voice, from clips without labels; see adaptation.py of Emotone.

import { readNpz } from "./npz.js";

/** With this number of clips, the mean of a voice or of a source counts as much as what was known before. */
const PRIOR_CLIPS = { speaker: 3, source: 12 };
/** With this number of clips, the second head counts as much as the first. */
const PRIOR_ANSWERS = 2;
const PRIOR_COMPOSITION = 4;
/** How even a composition looks, by the entropy of the answers and the spread of the clips. */
const BY_ENTROPY = 0.73;
const BY_SPREAD = 0.48;
const OFFSET = -0.81;
const EVENNESS = { speaker: [0.3, 0.6], source: [0.5, 0.85] };
const N_ITERATIONS = 3;
const FLOOR = 1e-12;
/** Fewest clips of a source. */
export const FEWEST_CLIPS = 8;

/** The two heads of a model that adapts, and how emotions move its embeddings. */
export class Adapter {
  /** @param {Uint8Array} bytes  of `adaptation.npz` */
  constructor(bytes) {
    const arrays = readNpz(bytes);
    const values = (name) => arrays.get(name).values;
    const [members, k] = arrays.get("plain_bias").shape;
    this.k = k;
    this.plain = { weight: values("plain_weight"), bias: centred(values("plain_bias"), k) };
    this.adapted = { weight: values("adapted_weight"), bias: centred(values("adapted_bias"), k) };
    this.nLogits = members * k;
    this.offsets = values("offsets");
    this.within = values("within")[0];
    this.usual = arrays.get("usual")?.values ?? null;
    this.whitener = arrays.get("whitener")?.values ?? null;
    this.centreLogits = this.moved(values("centre"));
  }

  /** Return the probabilities of a clip with this embedding, adapted to a profile or to none. */
  scores(embedding, profile, temperature) {
    const [mean, share] = profile === null ? [this.centreLogits, 0] : this.shift(profile);
    return this.probabilities(this.moved(embedding), this.plainLogits(embedding), mean, share, temperature.at(this.distance(embedding), share));
  }

  /** Return the distance of an embedding from those of training clips, whose mean is 1. */
  distance(embedding) {
    if (this.usual === null) return 1;
    const width = this.usual.length;
    let squares = 0;
    for (let column = 0; column < width; column += 1) {
      let sum = 0;
      for (let row = 0; row < width; row += 1) sum += (embedding[row] - this.usual[row]) * this.whitener[row * width + column];
      squares += sum ** 2;
    }
    return Math.sqrt(squares / width);
  }

  /** Return the usual logits of a source or voice, and the share of the second head, in [0, 1]. */
  shift(profile) {
    const [known, share] = profile.kind === "speaker" && profile.source ? this.shift(profile.source) : [this.centreLogits, 0];
    const n = profile.n_clips;
    if (n === 0) return [known, share];
    let usual = this.moved(profile.mean);
    const shares = Object.values(profile.composition);
    if (shares.length) {
      const uneven = 1 - this.evenness(profile);
      const excess = shares.map((value) => (n * value + PRIOR_COMPOSITION / this.k) / (n + PRIOR_COMPOSITION) - 1 / this.k);
      usual = usual.map((value, at) => value - uneven * excess.reduce((sum, each, emotion) => sum + each * this.offsets[emotion * this.nLogits + at], 0));
    }
    const weight = n / (n + PRIOR_CLIPS[profile.kind]);
    return [usual.map((value, at) => known[at] + weight * (value - known[at])), Math.max(share, n / (n + PRIOR_ANSWERS))];
  }

  /** Return 0 if the clips of a profile seem to have one emotion, 1 if they seem to have all; else between. */
  evenness(profile) {
    const answers = Object.values(profile.answers);
    const n = profile.n_clips;
    if (n < 2 || !answers.length) return 0;
    const entropy = -answers.reduce((sum, value) => sum + value * Math.log(Math.max(value, FLOOR)), 0) / Math.log(this.k);
    const variance = (Math.max(0, profile.power - meanSquare(this.overMembers(this.moved(profile.mean)))) * n) / (n - 1);
    const looks = BY_ENTROPY * entropy + BY_SPREAD * (Math.sqrt(variance) / this.within) + OFFSET;
    const [low, high] = EVENNESS[profile.kind];
    return Math.min(1, Math.max(0, (looks - low) / (high - low)));
  }

  /** Return a profile with more clips, given by their embeddings. */
  extended(profile, embeddings, emotions, temperature) {
    const nNew = embeddings.length;
    if (!nNew) return profile;
    if (profile.n_clips && !Object.keys(profile.composition).length) return embeddings.reduce(updated, profile);
    const n = profile.n_clips + nNew;
    const joined = (before, rows) => rows[0].map((_, at) => (profile.n_clips * (before[at] ?? 0) + rows.reduce((sum, row) => sum + row[at], 0)) / n);
    const named = (values) => Object.fromEntries(emotions.map((emotion, at) => [emotion, Math.min(1, Math.max(0, values[at]))]));
    const clips = embeddings.map((embedding) => ({ moved: this.moved(embedding), plain: this.plainLogits(embedding), distance: this.distance(embedding) }));
    const answered = (mean, share) => clips.map((clip) => this.probabilities(clip.moved, clip.plain, mean, share, temperature.at(clip.distance, share)));
    const answers = answered(this.centreLogits, 0);
    const before = { answers: Object.values(profile.answers), composition: Object.values(profile.composition) };
    let result = {
      ...profile,
      mean: joined(profile.mean, embeddings.map((embedding) => [...embedding])),
      n_clips: n,
      answers: named(joined(before.answers, answers)),
      composition: named(joined(before.composition, answers)),
      power: joined([profile.power], clips.map((clip) => [meanSquare(this.overMembers(clip.moved))]))[0],
    };
    for (let turn = 1; turn < N_ITERATIONS; turn += 1) {
      const adapted = answered(this.shift(result)[0], 1);
      const mixed = answers.map((row, clip) => row.map((value, at) => (value + adapted[clip][at]) / 2));
      result = { ...result, composition: named(joined(before.composition, mixed)) };
    }
    return result;
  }

  plainLogits(embedding) {
    return this.#heads(embedding, this.plain.weight).map((value, at) => value + this.plain.bias[at]);
  }

  /** Return the logits of the second head, without its bias. */
  moved(embedding) {
    return this.#heads(embedding, this.adapted.weight);
  }

  /** Return logits with mean 0 over the emotions of a member: each member has its own part of the embedding. */
  #heads(embedding, weight) {
    const width = weight.length / this.nLogits;
    const logits = Array.from({ length: this.nLogits }, (_, at) => {
      const begin = Math.floor(at / this.k) * width;
      let sum = 0;
      for (let n = 0; n < width; n += 1) sum += embedding[begin + n] * weight[at * width + n];
      return sum;
    });
    return centred(logits, this.k);
  }

  overMembers(logits) {
    const members = logits.length / this.k;
    return Array.from({ length: this.k }, (_, emotion) => {
      let sum = 0;
      for (let member = 0; member < members; member += 1) sum += logits[member * this.k + emotion];
      return sum / members;
    });
  }

  probabilities(moved, plain, mean, share, temperature) {
    const mixed = plain.map((value, at) => value + share * (moved[at] - mean[at] + this.adapted.bias[at] - value));
    const members = [];
    for (let at = 0; at < mixed.length; at += this.k) members.push(...softmax(mixed.slice(at, at + this.k)));
    return softmax(this.overMembers(members).map((value) => Math.log(Math.max(value, FLOOR)) / temperature));
  }
}

/** Return a profile with one more clip, of which only the embedding is known. */
function updated(profile, embedding) {
  const n = profile.n_clips + 1;
  const mean = profile.mean.map((value, at) => value + (embedding[at] - value) / n);
  return { ...profile, mean, n_clips: n, composition: {}, answers: {}, power: 0 };
}

/** Subtract the mean over `k` values, which softmax ignores. */
function centred(values, k) {
  const result = Array.from(values);
  for (let begin = 0; begin < result.length; begin += k) {
    let mean = 0;
    for (let at = begin; at < begin + k; at += 1) mean += result[at] / k;
    for (let at = begin; at < begin + k; at += 1) result[at] -= mean;
  }
  return result;
}

function softmax(logits) {
  const most = Math.max(...logits);
  const powers = logits.map((value) => Math.exp(value - most));
  const sum = powers.reduce((total, value) => total + value, 0);
  return powers.map((value) => value / sum);
}

function meanSquare(values) {
  return values.reduce((sum, value) => sum + value ** 2, 0) / values.length;
}
