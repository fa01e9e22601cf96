// Answers as elements, as the page of `emotone serve` shows them.

import { FORMATS } from "../lib/timeline-formats.js";
import { element } from "./dom.js";

/** Smallest confidence -> its description. */
const CERTAINTY = [[0.9, "very sure"], [0.7, "fairly sure"], [0, "not very sure"]];
/** Emotions are those of most clips if they have at least this share together. */
const MOST = 0.6;
/** Segments that are listed before a person asks for all. */
const SHOWN = 12;
const PEAKS = 1000;
const [WIDTH, HEIGHT, BAND] = [1000, 100, 26];
const TICK_STEPS_S = [0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400];
const MAX_TICKS = 6;

const whole = (seconds) => clock(seconds).slice(0, -2);
const capital = (text) => text[0].toUpperCase() + text.slice(1);
const plural = (n, noun) => `${n} ${noun}${n === 1 ? "" : "s"}`;

/** What pages say of the model: the file that `emotone web` writes from its card. */
export const facts = await (await fetch(new URL("../facts.json", import.meta.url))).json();

const colourOf = (label) => facts.colours[label];
const swatch = (label = null) => element("span", { class: "em-swatch", "aria-hidden": "true", style: label ? { "--em-colour": colourOf(label) } : {} });
const note = (text) => element("p", { class: "em-note" }, text);

/** Return in a few sentences how often an answer of this confidence is right. */
function trustOf(confidence) {
  const sentences = [...facts.right_brief];
  if (facts.confident && confidence >= facts.confident_from) sentences.push(facts.confident);
  return sentences.join(" ");
}

export function answerCard(prediction, title, { hasTrust = true, level = 2 } = {}) {
  const { label, emotion, confidence, scores } = prediction;
  const ranked = Object.entries(scores).sort((one, other) => other[1] - one[1]);
  const card = element("section", { class: "em-result", "data-label": label, style: { "--em-colour": colourOf(label) } });
  card.append(
    element("p", { class: "em-about" }, `${title}, ${(prediction.end_s - prediction.start_s).toFixed(1)} s`),
    element(`h${level}`, { class: "em-word" }, swatch(), label),
  );
  if (label === "no speech") {
    card.append(
      element("p", { class: "em-sure" }, "The model detects no speech in this recording."),
      note("It predicts no emotion without speech. Speak closer to the microphone, or choose another recording."),
    );
  } else {
    if (emotion) {
      const certainty = CERTAINTY.find(([least]) => confidence >= least)[1];
      card.append(element("p", { class: "em-sure" }, element("b", {}, percent(confidence)), `, ${certainty}`));
    } else {
      card.append(
        element("p", { class: "em-sure" }, "The best guess is ", element("b", {}, ranked[0][0]), `, at ${percent(confidence)}.`),
        note("The model is not sure enough to name an emotion."),
      );
    }
    if (hasTrust) card.append(note(trustOf(confidence)));
    card.append(bars(ranked));
  }
  card.append(...notes(prediction));
  return card;
}

function bars(ranked) {
  const rows = ranked.map(([emotion, score]) =>
    element(
      "tr",
      {},
      element("th", { scope: "row" }, emotion),
      element("td", { class: "em-track", "aria-hidden": "true" }, element("span", { style: { "--em-colour": colourOf(emotion), width: `${(100 * score).toFixed(2)}%` } })),
      element("td", { class: "em-value" }, percent(score)),
    ),
  );
  return element("table", { class: "em-bars" }, element("caption", {}, "Probability of each emotion"), element("tbody", {}, ...rows));
}

/** Notes; what they say of channels is an option of the library that this page does not have. */
const notes = (result) => result.notes.map((text) => note(`${capital(text.replace(/: .*channel.*$/, ": save each channel as a file, and choose them one by one"))}.`));
const span = ({ start_s, end_s }) => `${clock(start_s)} – ${clock(end_s)}`;
const sure = ({ emotion, confidence }) => (emotion ? `${percent(confidence)} sure` : "");

export function timelineCard(timeline, name, recording) {
  const shares = Object.entries(timeline.shares);
  const seconds = Math.max(timeline.duration_s, 0.1);
  const rest = shares.length ? ` in ${percent(shares[0][1])} of the speech${shares.slice(1, 3).map(([label, share]) => `, ${label} in ${percent(share)}`).join("")}` : "";
  return element(
    "section",
    { class: "em-timeline", "data-duration": timeline.duration_s.toFixed(3) },
    element("p", { class: "em-about" }, `${name}, ${whole(timeline.duration_s)}, ${whole(timeline.spoken_s)} of speech`),
    element("h2", { class: "em-word" }, shares.length ? shares[0][0] : "No speech", rest && element("span", { class: "em-rest" }, rest)),
    ...notes(timeline),
    timeline.adapted.source > 0 && note("Adapted to what this recording has in common."),
    stage(timeline, seconds),
    axis(seconds),
    shares.length > 0 && legend(shares, timeline.spoken_s),
    element("audio", { controls: true, "data-recording": true, "aria-label": `Play ${name}`, src: URL.createObjectURL(recording) }),
    ...segmentList(timeline.segments),
    downloads(timeline, name),
  );
}

function stage(timeline, seconds) {
  const rects = timeline.segments.map((segment) =>
    element(
      "rect",
      {
        x: ((WIDTH * segment.start_s) / seconds).toFixed(2),
        y: HEIGHT,
        width: Math.max(1, (WIDTH * (segment.end_s - segment.start_s)) / seconds).toFixed(2),
        height: BAND,
        style: { "--em-colour": colourOf(segment.label) },
      },
      element("title", {}, `${span(segment)}: ${segment.label}${segment.emotion ? `, ${sure(segment)}` : ""}`),
    ),
  );
  const picture = element(
    "svg",
    { viewBox: `0 0 ${WIDTH} ${HEIGHT + BAND}`, preserveAspectRatio: "none", role: "img", "aria-label": "Waveform with the segments listed below" },
    element("path", { class: "em-wave", d: wave(timeline.envelope) }),
    ...rects,
  );
  return element("div", { class: "em-stage", title: "Click to play from here" }, picture, element("span", { class: "em-cursor" }));
}

/** Return the path of an envelope, mirrored about the middle. */
function wave(envelope) {
  if (!envelope.length) return "";
  const group = Math.max(1, Math.ceil(envelope.length / PEAKS));
  const peaks = Array.from({ length: Math.ceil(envelope.length / group) }, (_, n) => Math.max(...envelope.subarray(n * group, (n + 1) * group)));
  const most = Math.max(1e-6, ...peaks);
  const place = (n) => (Math.min((n + 0.5) * group / envelope.length, 1) * WIDTH).toFixed(1);
  const side = (sign) => peaks.map((peak, n) => `${place(n)} ${(HEIGHT / 2 + (sign * 0.48 * HEIGHT * peak) / most).toFixed(1)}`);
  return `M0 ${HEIGHT / 2}L${side(-1).join("L")}L${WIDTH} ${HEIGHT / 2}L${side(1).reverse().join("L")}Z`;
}

function axis(seconds) {
  const step = TICK_STEPS_S.find((each) => seconds / each <= MAX_TICKS) ?? TICK_STEPS_S.at(-1);
  const ticks = [];
  for (let time = 0; time < 0.96 * seconds; time += step) {
    const late = time / seconds > 0.85 ? "em-late" : false;
    ticks.push(element("span", { class: late, style: { left: `${((100 * time) / seconds).toFixed(2)}%` } }, step < 1 ? `${time} s` : whole(time)));
  }
  return element("div", { class: "em-axis", "aria-hidden": "true" }, ...ticks);
}

function legend(shares, spoken_s) {
  const items = shares.map(([label, share]) => element("li", {}, swatch(label), `${label} ${whole(share * spoken_s)}, ${percent(share)} of the speech`));
  return element("ul", { class: "em-legend", "aria-label": "Share of the speech" }, ...items);
}

function segmentList(segments) {
  if (!segments.length) return [];
  const rows = segments.map((segment, n) =>
    element(
      "li",
      { hidden: n >= SHOWN },
      element(
        "button",
        { type: "button", "data-seek": segment.start_s.toFixed(3), "data-end": segment.end_s.toFixed(3), style: { "--em-colour": colourOf(segment.label) } },
        swatch(),
        element("span", { class: "em-time" }, span(segment)),
        element("b", {}, segment.label),
        element("span", { class: "em-value" }, sure(segment)),
      ),
    ),
  );
  const list = element("ol", { class: "em-segments", "aria-label": "Segments; press one to play it" }, ...rows);
  const all = element("button", { type: "button", class: "em-button em-second", "data-all": true }, `Show all ${segments.length} segments`);
  return segments.length > SHOWN ? [list, all] : [list];
}

function downloads(timeline, name) {
  const stem = name.replace(/\.[^.]*$/, "") || "recording";
  const links = Object.values(FORMATS).map(({ suffix, mediaType, label, write }) => download(write(timeline), `${stem}.emotions${suffix}`, mediaType, label));
  return element("p", { class: "em-downloads" }, "Save as ", ...links.flatMap((link) => [link, " "]));
}

function download(text, name, type, label) {
  return element("a", { class: "em-download", download: name, href: URL.createObjectURL(new Blob([text], { type })) }, label);
}

export function comparedCard({ before, after, profile, skipped, nSaved }, { name, person, nClips }) {
  const nUsed = nClips - skipped.length;
  const change = before.label === after.label
    ? [`The prediction for ${name} stays `, element("b", {}, after.label)]
    : [`The prediction for ${name} changes: `, element("b", {}, before.label), " becomes ", element("b", {}, after.label)];
  const clips = plural(nUsed, "clip");
  const extent = nSaved && nUsed ? ` and ${clips} more` : nUsed ? ` (${clips} of this voice)` : "";
  const composition = nSaved ? "" : compositionOf(profile, nUsed);
  const side = (title, prediction) => element("div", {}, element("h2", { class: "em-side" }, title), answerCard(prediction, name, { hasTrust: false, level: 3 }));
  const file = `${person.split("/").at(-1) === "this person" ? "voice" : person.split("/").at(-1) || "voice"}.profile.json`;
  return element(
    "section",
    { class: "em-compared" },
    element("p", { class: "em-change" }, ...change, ` after adapting to the ${nSaved ? "saved " : ""}voice of `, element("b", {}, person), `${extent}.`),
    composition && note(`${composition} Emotone takes this into account.`),
    skipped.length > 0 && note(`Left out because they can’t be used: ${skipped.join(", ")}.`),
    element("div", { class: "em-pair" }, side("Before: as for anybody", before), side(`After: knows the voice of ${person}`, after)),
    element(
      "p",
      { class: "em-downloads" },
      download(`${JSON.stringify(profile)}\n`, file, "application/json", "Save this voice as a profile"),
      element("span", { class: "em-note" }, " Open it next time instead of the clips. The file holds numbers and no sound, but it identifies the person: keep it like a recording."),
    ),
  );
}

/** Say which emotions the clips of a profile seem to have; empty if it is not known. */
function compositionOf(profile, nClips) {
  const ranked = Object.entries(profile.composition).sort((one, other) => other[1] - one[1]);
  if (!ranked.length) return "";
  const [[first, share], [second, other]] = ranked;
  const most = share >= MOST ? first : share + other >= MOST ? `${first} or ${second}` : "";
  if (profile.n_clips === 1) return most ? `Your clip seems to be ${most}.` : "Your clip seems to have no clear emotion.";
  const own = nClips === 1 ? "your clip" : `your ${nClips} clips`;
  const clips = profile.n_clips === nClips ? own : `the ${profile.n_clips} utterances in ${own}`;
  return most ? `Of ${clips}, most seem to be ${most}.` : `${capital(clips)} seem to have several emotions.`;
}
