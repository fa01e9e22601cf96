// Recordings: chosen, dropped on the box, recorded, or a sample.  A box gives its files in the event "em-take".
"use strict";

const recorderOf = (element) => element.closest?.(".em-recorder");
/** Box -> what is in it: a list of files; one at most where there is no list of clips. */
const taken = new WeakMap();
const filesOf = (box) => taken.get(box) ?? [];
const part = (box, name) => box.querySelector(name);
/** The recording that is being made: its box, microphone and blocks; null if there is none. */
let making = null;

function sizeText(bytes) {
  return bytes >= 1e6 ? `${(bytes / 1e6).toFixed(1).replace(".0", "")} MB` : `${Math.max(1, Math.round(bytes / 1000))} kB`;
}

/** Take files into a box, unless they are too large for the service. */
function take(box, files) {
  if (!files.length) return;
  const list = part(box, ".em-clips");
  const all = list ? [...filesOf(box), ...files] : [files[0]];
  const size = all.reduce((sum, file) => sum + file.size, 0);
  part(box, ".em-refused").replaceChildren();
  if (size > Number(box.dataset.limit)) {
    showProblem(part(box, ".em-refused"), {
      title: files.map((file) => file.name).join(", "),
      finding: list ? "The clips are too large." : "The recording is too large.",
      reason: `${list ? "They have" : "It has"} ${sizeText(size)}, and this page takes up to ${box.dataset.limitText}${list ? " together" : ""}.`,
      remedy: "Choose a compressed recording, such as MP3 or M4A, or a part of it.",
    });
    return;
  }
  hold(box, all);
}

/** Hold these files in a box, show them, and say so. */
function hold(box, files) {
  taken.set(box, files);
  if (part(box, ".em-clips")) showClips(box, files);
  else showTaken(box, files[0]);
  box.dispatchEvent(new CustomEvent("em-take", { bubbles: true, detail: files }));
}

function showTaken(box, file) {
  part(box, ".em-drop").hidden = Boolean(file);
  part(box, ".em-taken").hidden = !file;
  const player = part(box, "audio");
  if (player.src) URL.revokeObjectURL(player.src);
  player.removeAttribute("src");
  if (!file) return;
  part(box, ".em-about").textContent = `${file.name}, ${sizeText(file.size)}`;
  player.setAttribute("aria-label", `Play ${file.name}`);
  player.hidden = !file.size;
  if (!file.size) return; // browsers log an error for it
  player.onerror = () => { player.hidden = true; }; // the service reads more formats than browsers play
  player.src = URL.createObjectURL(file);
}

function showClips(box, files) {
  const list = part(box, ".em-clips");
  list.hidden = !files.length;
  list.replaceChildren(
    ...files.map((file, number) => {
      const item = document.createElement("li");
      const name = document.createElement("span");
      name.textContent = `${file.name}, ${sizeText(file.size)}`;
      const remove = document.createElement("button");
      remove.type = "button";
      remove.className = "em-quiet";
      remove.textContent = "Remove";
      remove.setAttribute("aria-label", `Remove ${file.name}`);
      remove.addEventListener("click", () => {
        hold(box, filesOf(box).filter((_, other) => other !== number));
        (list.querySelectorAll("button")[Math.max(0, number - 1)] ?? part(box, '[data-does="record"]')).focus();
      });
      item.append(name, remove);
      return item;
    }),
  );
}

// ---- chosen or dropped ----

function takeChosen(input) {
  const box = recorderOf(input);
  if (!box || input.type !== "file") return;
  take(box, [...input.files]);
  input.value = ""; // the same file may be chosen again
}

document.addEventListener("change", ({ target }) => takeChosen(target));
// The boxes are there before the scripts: what was chosen in the meantime is taken now, or nobody would hear of it.
document.addEventListener("DOMContentLoaded", () => document.querySelectorAll(".em-recorder input").forEach(takeChosen));

for (const kind of ["dragenter", "dragover", "dragleave", "drop"]) {
  document.addEventListener(kind, (event) => {
    const box = recorderOf(event.target);
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault(); // a browser would open a file that misses the box
    for (const other of document.querySelectorAll(".em-recorder")) {
      other.classList.toggle("em-over", other === box && kind !== "drop" && kind !== "dragleave");
    }
    if (box && kind === "drop") take(box, [...event.dataTransfer.files]);
  });
}

document.addEventListener("click", (event) => {
  const button = event.target.closest?.("[data-does]");
  const box = button && recorderOf(button);
  if (!box) return;
  if (button.dataset.does === "clear") {
    hold(box, []);
    part(box, "input").focus();
  }
  if (button.dataset.does === "sample") takeSamples(box);
  if (button.dataset.does === "record") {
    const isOwn = making?.box === box;
    if (making) stopRecording();
    if (!isOwn) record(box);
  }
});

async function takeSamples(box) {
  try {
    const files = JSON.parse(box.dataset.samples).map(async (name) => {
      const response = await fetch(`page/${name}`);
      if (!response.ok) throw new Error(response.statusText);
      return new File([await response.blob()], name, { type: response.headers.get("Content-Type") });
    });
    take(box, await Promise.all(files));
  } catch {
    showProblem(part(box, ".em-refused"), { finding: "The service can't be reached.", remedy: "Check the connection, and try again." });
  }
}

// ---- recorded ----

async function record(box) {
  const mine = { box, blocks: [], n: 0, microphone: null };
  making = mine;
  part(box, ".em-refused").replaceChildren();
  part(box, '[data-does="record"]').textContent = "Stop";
  say(box, "Waiting for the microphone …");
  try {
    const microphone = await openMicrophone((block) => grow(mine, block));
    if (making !== mine) return microphone.close(); // stopped in the meantime
    mine.microphone = microphone;
    say(box, "Recording: 0:00. Please speak.");
  } catch (error) {
    if (making !== mine) return;
    stopRecording();
    showProblem(part(box, ".em-refused"), { finding: "There is no recording.", remedy: microphoneError(error) });
  }
}

function grow(mine, block) {
  if (making !== mine || !mine.microphone) return;
  mine.blocks.push(block);
  mine.n += block.length;
  const text = `Recording: ${clock(Math.floor(mine.n / mine.microphone.rate)).slice(0, -2)}. Please speak.`;
  say(mine.box, text);
  const others = part(mine.box, ".em-clips") ? filesOf(mine.box).reduce((sum, file) => sum + file.size, 0) : 0;
  if (others + 2 * (mine.n + block.length) + 44 > Number(mine.box.dataset.limit)) stopRecording();
}

function say(box, text) {
  const line = part(box, ".em-recording");
  line.hidden = !text;
  if (line.textContent !== text) line.textContent = text;
}

function stopRecording() {
  const { box, blocks, microphone } = making;
  making = null;
  part(box, '[data-does="record"]').textContent = "Record";
  say(box, "");
  microphone?.close();
  if (blocks.length) take(box, [wavOf(blocks, microphone.rate)]);
}

document.addEventListener("em-tab", () => making && stopRecording());
addEventListener("pagehide", () => making && stopRecording());

// ---- answered at once ----

function send(box) {
  const { action } = box.dataset;
  const answer = get(`em-${action}-answer`);
  const [file] = filesOf(box);
  if (!file) return forgetAnswer(answer);
  const form = new FormData();
  form.append("file", file, file.name);
  const speakers = action === "timeline" ? `?speakers=${encodeURIComponent(get("em-timeline-speakers").value)}` : "";
  ask(`page/answers/${action}${speakers}`, form, answer, file, () => {
    const { duration } = part(box, "audio");
    return Number.isFinite(duration) ? duration : null;
  });
}

document.addEventListener("em-take", ({ target }) => target.dataset.action && send(target));

document.addEventListener("change", ({ target }) => {
  const box = get("em-timeline-recording");
  if (target.id === "em-timeline-speakers" && filesOf(box).length) send(box);
});
