// Profiles of voices and of sources: the JSON files of Emotone in Python, which are read and written here too.

import { EmotoneError } from "./errors.js";

const FORMAT_VERSION = 2;
const KINDS = ["speaker", "source"];
const MOST_CLIPS = 1e9;

/**
 * Return the profile of an unknown speaker or source.
 *
 * @param {"speaker" | "source"} kind
 * @param {string} model  SHA-256 of the graph
 * @param {number} width  of the embedding
 */
export function newProfile(kind, model, width) {
  return { format_version: FORMAT_VERSION, kind, model, n_clips: 0, composition: {}, answers: {}, power: 0, mean: new Array(width).fill(0) };
}

/**
 * Return a parsed profile, checked; throw unless it belongs to this model.
 *
 * @param {unknown} content
 * @param {{model: string, width: number, emotions: string[]}} expected
 */
export function checkedProfile(content, { model, width, emotions }) {
  const refuse = (finding, expectation) => {
    throw new EmotoneError("not_profile", `the profile ${finding}, expected ${expectation}; adapt to the clips again, and save the new profile`);
  };
  if (typeof content !== "object" || content === null || Array.isArray(content)) refuse("is no object", "what Emotone has saved");
  const profile = { ...newProfile("speaker", model, width), ...content };
  if (!(profile.format_version >= 1 && profile.format_version <= FORMAT_VERSION)) refuse(`has the format ${profile.format_version}`, `${FORMAT_VERSION} or older`);
  if (!KINDS.includes(profile.kind)) refuse(`is of the kind ${JSON.stringify(profile.kind)}`, "speaker or source");
  if (profile.model !== model) refuse(`belongs to the model ${String(profile.model).slice(0, 12)}`, model.slice(0, 12));
  if (!Array.isArray(profile.mean) || profile.mean.length !== width || !profile.mean.every(Number.isFinite)) refuse("has another mean", `${width} finite numbers`);
  if (!Number.isInteger(profile.n_clips) || profile.n_clips < 0 || profile.n_clips > MOST_CLIPS) refuse(`has ${profile.n_clips} clips`, `0 to ${MOST_CLIPS}`);
  if (!(profile.power >= 0 && profile.power < 1e30)) refuse(`has the power ${profile.power}`, "a number from 0");
  for (const key of ["composition", "answers"]) {
    if (typeof profile[key] !== "object" || profile[key] === null) refuse(`has another ${key}`, `shares of ${emotions.join(", ")}`);
    const names = Object.keys(profile[key]);
    const isEmpty = !names.length && !Object.keys(profile.answers ?? {}).length && !Object.keys(profile.composition ?? {}).length;
    const isRight = names.join() === emotions.join() && names.every((name) => profile[key][name] >= 0 && profile[key][name] <= 1);
    if (!isEmpty && !isRight) refuse(`has another ${key}`, `shares of ${emotions.join(", ")}`);
  }
  if (profile.source) {
    if (profile.kind === "source" || profile.source.kind !== "source") refuse("holds a source that is none", "the profile of a source");
    profile.source = checkedProfile(profile.source, { model, width, emotions });
  }
  return profile;
}

/** Return "source" and "speaker" -> number of clips that answers with this profile are adapted to. */
export function adaptedBy(profile) {
  if (profile === null) return { source: 0, speaker: 0 };
  if (profile.kind === "source") return { source: profile.n_clips, speaker: 0 };
  return { source: profile.source?.n_clips ?? 0, speaker: profile.n_clips };
}
