// Answers of this page's own worker: recordings go to it, and nothing leaves the device.
//
// The scripts of recordings, voices and timelines are those of `emotone serve`, which call `ask` and what else is handed
// to them at the end of this file.

import { decodeInBrowser } from "../lib/browser-decoding.js";
import { decodeWav, isWav } from "../lib/audio/wav.js";
import { EmotoneError } from "../lib/errors.js";
import { about } from "./about.js";
import { answerCard, comparedCard, facts, timelineCard } from "./shown.js";

/** Code of an error -> what a person at the page is told. */
const PROBLEMS = {
  not_audio: ["The recording can’t be read", "Choose a sound or video file, such as WAV, MP3, M4A, FLAC, OGG or WebM."],
  not_profile: ["This is no saved voice for this page", "Choose a file that this page has saved, or add clips of the person."],
  too_short: ["The recording is too short", "Choose or record at least one word; one to five seconds are best."],
  silent: ["The recording is silent", "Check that the microphone is not muted, and record again."],
  no_clips: ["No clip can be used", "Add recordings in which the person speaks."],
  bad_model: ["The model can’t be used", "Load the page again. If that does not help, ask whoever put it there."],
  internal: ["The page failed on this recording", "Load the page again, and try once more."],
};
const PARTS = [["title", ".em-about"], ["finding", ".em-word"], ["reason", ".em-reason"], ["remedy", ".em-sure"]];

/** Answer's element -> the question whose answer it waits for; its id is null until it was sent. */
const asked = new WeakMap();
/** Id of a question -> what its answer and its progress go to. */
const waiting = new Map();
let [nAsked, loaded, hasFailed] = [0, 0, false];

/**
 * Start the worker from an address that this page makes, so that its content security policy is that of the page:
 * a worker from a file gets the policy of the server, which may have none.
 */
function startWorker() {
  const script = `import ${JSON.stringify(new URL("worker.js", import.meta.url).href)};`;
  const address = URL.createObjectURL(new Blob([script], { type: "text/javascript" }));
  const worker = new Worker(address, { type: "module" });
  worker.onmessage = ({ data }) => {
    if (data.id === null) {
      loaded = data.loaded;
      for (const { progress } of waiting.values()) progress(null);
      return;
    }
    const question = waiting.get(data.id);
    if (!question) return;
    if (data.share !== undefined) return question.progress(data.share);
    waiting.delete(data.id);
    if (data.error) question.reject(new EmotoneError(data.error.code, data.error.message));
    else question.resolve(data);
  };
  worker.onerror = (event) => {
    hasFailed = true;
    for (const { reject } of waiting.values()) reject(new EmotoneError("internal", event.message || "the worker could not start"));
    waiting.clear();
  };
  return worker;
}

/** Stop the worker, which can't be interrupted otherwise, and start another. */
function restartWorker() {
  worker.terminate();
  [loaded, hasFailed] = [0, false];
  worker = startWorker();
}

let worker = startWorker();

function questionOf(task, given, progress) {
  if (hasFailed) restartWorker();
  nAsked += 1;
  const id = nAsked;
  const result = new Promise((resolve, reject) => waiting.set(id, { resolve, reject, progress }));
  worker.postMessage({ id, task, ...given });
  return { id, result };
}

/** Decode a file; WAV is decoded here, so that it is the same in every browser. */
async function soundOf(file) {
  const bytes = new Uint8Array(await file.arrayBuffer());
  try {
    return { name: file.name, ...((isWav(bytes) && decodeWav(bytes)) || (await decodeInBrowser(bytes))) };
  } catch (error) {
    throw error instanceof EmotoneError ? new EmotoneError(error.code, `${file.name}: ${error.message}`) : error;
  }
}

/** Decode clips one after the other; what can't be read has its error in place of sound. */
async function clipsOf(files) {
  const clips = [];
  for (const file of files) {
    try {
      clips.push(await soundOf(file));
    } catch (error) {
      if (!(error instanceof EmotoneError)) throw error;
      clips.push({ name: file.name, error: { code: error.code, message: error.message } });
    }
  }
  return clips;
}

async function profileOf(file) {
  try {
    return JSON.parse(await file.text());
  } catch {
    throw new EmotoneError("not_profile", `${file.name} is no JSON`);
  }
}

/** Path that the shared scripts ask for -> the task, what it needs, and the element of its answer. */
const TASKS = {
  recognise: async (form) => ({ sound: await soundOf(form.get("file")) }),
  timeline: async (form) => ({ sound: await soundOf(form.get("file")) }),
  voice: async (form) => ({
    clips: await clipsOf(form.getAll("clips")),
    profile: form.has("profile") ? await profileOf(form.get("profile")) : null,
    test: await soundOf(form.get("test")),
  }),
};
const CARDS = {
  recognise: (result, form) => answerCard(result, form.get("file").name),
  timeline: (result, form) => timelineCard(result, form.get("file").name, form.get("file")),
  voice: (result, form) => comparedCard(result, { name: form.get("test").name, person: form.get("name").trim() || SOMEBODY, nClips: form.getAll("clips").length }),
};

/** Answer a form in an element, with progress and a button to cancel until the answer is there. */
async function ask(path, form, answer, recording) {
  forgetAnswer(answer);
  const task = path.replace(/^.*\//, "").replace(/\?.*$/, "");
  const progress = showProgress(answer, () => ask(path, form, answer, recording));
  const question = { id: null };
  asked.set(answer, question);
  const isCurrent = () => asked.get(answer) === question;
  try {
    const given = await TASKS[task](form);
    if (!isCurrent()) return;
    const { id, result } = questionOf(task, given, progress);
    question.id = id;
    const { result: found, ms } = await result;
    if (!isCurrent()) return;
    answer.replaceChildren(CARDS[task](found, form));
    answer.dataset.ms = ms;
    answer.dispatchEvent(new CustomEvent("em-answered", { bubbles: true, detail: found }));
    get("em-said").textContent = answer.querySelector(".em-change, .em-word")?.textContent ?? "";
  } catch (error) {
    if (!isCurrent()) return;
    const [finding, remedy] = PROBLEMS[error.code] ?? PROBLEMS.internal;
    showProblem(answer, { title: recording?.name ?? "", finding: `${finding}.`, reason: `${error.message}.`, remedy });
  }
  asked.delete(answer);
}

/** Show how far an answer is, and return the function that takes its share; null: the model is still loaded. */
function showProgress(answer, again) {
  const card = copyOf("em-progress");
  const [text, bar] = [card.querySelector("p"), card.querySelector("progress")];
  answer.replaceChildren(card);
  card.querySelector("button").addEventListener("click", () => {
    forgetAnswer(answer);
    const stopped = copyOf("em-stopped");
    answer.append(stopped);
    stopped.querySelector("button").addEventListener("click", again);
    stopped.querySelector("button").focus();
  });
  const show = (share) => {
    const isLoading = share === null && loaded < 1;
    text.textContent = isLoading ? `Loading the model, once: ${percent(loaded)} of ${facts.model_size}` : "Analysing the recording …";
    if (isLoading) bar.value = loaded;
    else if (share) bar.value = share;
    else bar.removeAttribute("value");
  };
  show(null);
  return show;
}

/** End the work on an answer, and free its files. */
function forgetAnswer(answer) {
  const id = asked.get(answer)?.id ?? null;
  asked.delete(answer);
  for (const shown of answer.querySelectorAll('[href^="blob:"], [src^="blob:"]')) URL.revokeObjectURL(shown.href || shown.src);
  answer.replaceChildren();
  if (waiting.delete(id) && !waiting.size) restartWorker();
}

const copyOf = (id) => get(id).content.firstElementChild.cloneNode(true);

function showProblem(answer, problem) {
  const card = copyOf("em-problem");
  for (const [name, place] of PARTS) {
    const part = card.querySelector(place);
    if (problem[name]) part.textContent = problem[name];
    else part.remove();
  }
  answer.replaceChildren(card);
}

about(get("em-about-text"));
Object.assign(window, { ask, forgetAnswer, showProblem, showNames: () => {} });
document.documentElement.dataset.ready = "true";
