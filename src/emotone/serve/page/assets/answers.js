// Answers of the service: a recording goes, progress comes in lines of JSON, and the HTML of the answer last.
"use strict";

/** Answer's element -> the request whose answer it waits for. */
const asked = new WeakMap();

const copyOf = (id) => get(id).content.firstElementChild.cloneNode(true);

/** Write seconds for a person. */
function spoken(seconds) {
  const [minutes, rest] = [Math.floor(seconds / 60), Math.round(seconds % 60)];
  return minutes ? `${minutes} min${rest ? ` ${rest} s` : ""}` : `${Math.max(1, rest)} s`;
}

/** Show a problem; the service writes those that it finds. */
function showProblem(answer, { title = "", finding, reason = "", remedy }) {
  const card = copyOf("em-problem");
  for (const [name, text] of [[".em-about", title], [".em-word", finding], [".em-reason", reason], [".em-sure", remedy]]) {
    const element = card.querySelector(name);
    if (text) element.textContent = text;
    else element.remove();
  }
  answer.replaceChildren(card);
}

/** End the request of an answer, if there is one. */
function forgetAnswer(answer) {
  asked.get(answer)?.abort();
  asked.delete(answer);
  answer.replaceChildren();
}

/**
 * Send a form, and show the answer in an element, with progress and a button to cancel until it comes.
 * `recording` is what players in the answer play; `lengthOf` gives its seconds where the service does not know them.
 */
function ask(path, form, answer, recording, lengthOf = () => null) {
  forgetAnswer(answer);
  const request = new XMLHttpRequest();
  asked.set(answer, request);
  const card = copyOf("em-progress");
  const [text, bar] = [card.querySelector("p"), card.querySelector("progress")];
  const progress = (words, share) => {
    if (text.textContent !== words) text.textContent = words;
    if (share === undefined) bar.removeAttribute("value");
    else bar.value = share;
  };
  answer.replaceChildren(card);
  progress("Sending the recording …");
  card.querySelector("button").addEventListener("click", () => {
    forgetAnswer(answer);
    const stopped = copyOf("em-stopped");
    answer.append(stopped);
    const again = stopped.querySelector("button");
    again.addEventListener("click", () => ask(path, form, answer, recording, lengthOf));
    again.focus();
  });
  request.upload.onprogress = ({ loaded, total }) => {
    if (loaded < total) progress(`Sending the recording: ${percent(loaded / total)}`, loaded / total);
  };
  request.upload.onload = () => progress("Analysing the recording …");
  const begun = { at: null, done_s: 0 };
  request.onprogress = () => {
    const line = request.responseText.split("\n").at(-2);
    if (!line) return;
    const step = JSON.parse(line);
    showProgress({ ...step, total_s: step.total_s ?? lengthOf() }, begun, progress);
  };
  request.onload = () => finish(request, answer, recording);
  request.onerror = () => {
    showProblem(answer, { finding: "The service can't be reached.", remedy: "Check the connection, and try again." });
  };
  request.open("POST", path);
  request.send(form);
}

function showProgress({ status, done_s, total_s }, begun, progress) {
  if (status === "waiting") return progress("Waiting: another recording is analysed first.");
  if (status !== "running" || !done_s) return;
  begun.at ??= { time: performance.now(), done_s };
  if (!total_s) return progress(`${clock(done_s).slice(0, -2)} analysed`);
  const pace = (performance.now() - begun.at.time) / 1000 / (done_s - begun.at.done_s);
  const left = done_s >= total_s ? ", almost done" : Number.isFinite(pace) ? `, about ${spoken(pace * (total_s - done_s))} left` : "";
  progress(`${clock(done_s).slice(0, -2)} of ${clock(total_s).slice(0, -2)} analysed${left}`, Math.min(1, done_s / total_s));
}

function finish(request, answer, recording) {
  asked.delete(answer);
  let html, title, detail;
  try {
    ({ html, title, detail } = JSON.parse(request.responseText.trim().split("\n").at(-1)));
  } catch {
    html = undefined; // a proxy between answers in words of its own
  }
  if (html === undefined) {
    const problem =
      request.status === 401
        ? { finding: "You are logged out.", remedy: "Load the page again to log in." }
        : {
            finding: title ? `The service refused it: ${title}.` : "The service gave no answer.",
            reason: detail,
            remedy: title ? "Whoever runs the service can mend it." : "Try again in a few seconds.",
          };
    return showProblem(answer, problem);
  }
  answer.innerHTML = html; // the service escapes every value in it
  for (const player of answer.querySelectorAll("[data-recording]")) player.src = URL.createObjectURL(recording);
  answer.dispatchEvent(new CustomEvent("em-answered", { bubbles: true }));
  get("em-said").textContent = answer.querySelector(".em-change, .em-word")?.textContent ?? "";
}
