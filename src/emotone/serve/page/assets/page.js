// The page's script: playback of a timeline, and the live tab.  It loads nothing from other hosts.
"use strict";

const get = (id) => document.getElementById(id);
const percent = (share) => (share > 0 && share < 0.005 ? "< 1 %" : `${Math.round(100 * share)} %`);

// ---- timeline ----

const timelineOf = (element) => element.closest(".em-timeline");
const playerOf = (timeline) => timeline.querySelector("audio");

/** Fetch the whole recording, so that it plays after the service has deleted it. */
async function fetchRecording(player) {
  const from = player.dataset.from;
  player.removeAttribute("data-from");
  try {
    const response = await fetch(from);
    if (!response.ok) throw new Error(response.statusText);
    player.src = URL.createObjectURL(await response.blob());
  } catch {
    player.insertAdjacentHTML("afterend", '<p class="em-note">This recording was deleted. Choose it again to play it.</p>');
    player.remove();
  }
}

function seek(timeline, seconds) {
  const player = playerOf(timeline);
  if (!player) return;
  player.currentTime = seconds;
  player.play().catch(() => {}); // the browser may not allow playback; the position is kept
  follow(player);
}

/** Move the cursor, and mark the segment at the playback position. */
function follow(player) {
  const timeline = timelineOf(player);
  const now = player.currentTime;
  const cursor = timeline.querySelector(".em-cursor");
  cursor.style.left = `${Math.min(100, (100 * now) / Number(timeline.dataset.duration))}%`;
  cursor.hidden = false;
  for (const button of timeline.querySelectorAll("[data-seek]")) {
    const isCurrent = Number(button.dataset.seek) <= now && now < Number(button.dataset.end);
    if (isCurrent !== (button.getAttribute("aria-current") === "true")) {
      button.setAttribute("aria-current", String(isCurrent));
    }
  }
}

function isOfTimeline(player) {
  return player instanceof HTMLMediaElement && timelineOf(player);
}

for (const kind of ["timeupdate", "seeked"]) {
  document.addEventListener(kind, (event) => isOfTimeline(event.target) && follow(event.target), true);
}

// timeupdate comes only four times a second: too slow for a moving cursor
document.addEventListener(
  "play",
  (event) => {
    const player = event.target;
    if (!isOfTimeline(player)) return;
    const step = () => {
      if (!player.isConnected || player.paused) return;
      follow(player);
      requestAnimationFrame(step);
    };
    step();
  },
  true,
);

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-seek]");
  if (button) seek(timelineOf(button), Number(button.dataset.seek));
  const stage = event.target.closest(".em-stage");
  if (stage) {
    const box = stage.getBoundingClientRect();
    const timeline = timelineOf(stage);
    seek(timeline, ((event.clientX - box.left) / box.width) * Number(timeline.dataset.duration));
  }
  if (event.target.closest("#em-live-button")) toggle();
  if (event.target.closest("#em-live-forget")) forget();
});

new MutationObserver(() => {
  for (const player of document.querySelectorAll("audio[data-from]")) fetchRecording(player);
}).observe(document.documentElement, { childList: true, subtree: true });

// ---- live ----

/** The running session: connection, sound, what it is adapted to, whether it starts anew; null while it is off. */
let listening = null;

function status(text) {
  get("em-live-status").textContent = text;
}

function toggle() {
  if (listening) stop("The microphone is off.");
  else start();
}

async function start() {
  const live = { socket: null, context: null, sound: null, adapted: {}, forgets: false };
  listening = live;
  setButton(true);
  status("Waiting for the microphone …");
  try {
    if (!navigator.mediaDevices || !window.AudioWorkletNode) throw new DOMException("", "NotSupportedError");
    // no processing for calls: it changes how a voice sounds
    const unprocessed = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
    live.sound = await navigator.mediaDevices.getUserMedia({ audio: unprocessed });
    live.context = new AudioContext();
    await live.context.audioWorklet.addModule("page/worklet.js");
  } catch (error) {
    if (listening === live) stop(microphoneError(error));
    return;
  }
  if (listening !== live) return close(live); // stopped in the meantime
  const worklet = new AudioWorkletNode(live.context, "emotone-microphone", { numberOfOutputs: 0, channelCount: 1 });
  worklet.port.onmessage = ({ data }) => canSend(live) && live.socket.send(data);
  live.context.createMediaStreamSource(live.sound).connect(worklet);
  connect(live);
}

function canSend({ socket, forgets }) {
  return socket?.readyState === WebSocket.OPEN && !forgets;
}

/** Start anew with an unknown voice: what the service knows of a voice ends with the connection. */
function forget() {
  if (!canSend(listening)) return;
  listening.socket.send('{"end": true}');
  listening.forgets = true;
  showKnown({ ...listening.adapted, speaker: 0 });
  get("em-live-known").focus(); // the button is gone
}

function microphoneError(error) {
  const texts = {
    NotAllowedError: "The browser blocks the microphone. Allow it next to the address, and press the button again.",
    NotFoundError: "There is no microphone. Connect one, and press the button again.",
    NotReadableError: "Another program uses the microphone. Close it, and press the button again.",
    NotSupportedError: "Browsers allow the microphone only on https pages and on pages from this machine.",
  };
  return texts[error.name] ?? "The microphone can't be used. Try another browser.";
}

function connect(live) {
  const address = new URL("v1/stream", document.baseURI);
  address.protocol = address.protocol.replace("http", "ws");
  const socket = new WebSocket(address);
  Object.assign(live, { socket, forgets: false });
  let problem = "The service closed the connection. Press the button to start again.";
  socket.onopen = () => {
    const hello = { rate: live.context.sampleRate, channels: 1 };
    if (get("em-live-adapt").checked) hello.adapt = true;
    socket.send(JSON.stringify(hello));
    showKnown({ ...live.adapted, speaker: 0 });
    status("Listening. Please speak.");
  };
  socket.onmessage = ({ data }) => {
    const message = JSON.parse(data);
    if (message.kind) show(message);
    else problem = message.code === "too_many_streams" ? "Too many live sessions are open. Try again later." : problem;
  };
  socket.onclose = () => {
    if (listening !== live) return;
    if (live.forgets) connect(live);
    else stop(problem);
  };
}

function stop(reason) {
  const live = listening;
  listening = null;
  setButton(false);
  status(reason);
  get("em-live-now").hidden = true;
  get("em-live-knows").hidden = true;
  close(live);
}

/** Turn the microphone off, and let the service finish the last utterance. */
function close(live) {
  live.sound?.getTracks().forEach((track) => track.stop());
  live.context?.close();
  if (canSend(live)) live.socket.send('{"end": true}');
}

function setButton(on) {
  const button = get("em-live-button");
  button.textContent = on ? "Stop listening" : "Start listening";
  button.setAttribute("aria-pressed", String(on));
  get("em-live-adapt").disabled = on;
}

function show(event) {
  if (listening && !listening.forgets && event.adapted) {
    listening.adapted = event.adapted;
    showKnown(event.adapted);
  }
  if (event.kind === "speech_end") {
    if (event.label) addUtterance(event);
    if (listening) setState("Listening. No speech.", "Last utterance");
    return;
  }
  if (!listening) return;
  setState("Speech detected.", "Now");
  if (event.kind === "emotion") showNow(event);
}

/** Say what the answers are adapted to; both are numbers of utterances. */
function showKnown({ speaker, source }) {
  const known = (what, n) => n > 0 && `Knows ${what} from ${n} utterance${n === 1 ? "" : "s"}.`;
  const voice = known("your voice", speaker) || (get("em-live-adapt").checked && "Does not know your voice yet.");
  const text = [voice, known("this source", source)].filter(Boolean).join(" ");
  if (get("em-live-known").textContent !== text) get("em-live-known").textContent = text;
  get("em-live-knows").hidden = !text;
  get("em-live-forget").hidden = !speaker;
}

function setState(text, when) {
  if (get("em-live-status").textContent !== text) status(text);
  get("em-live-when").textContent = when;
}

function showNow({ emotion, label, confidence, scores }) {
  get("em-live-now").hidden = false;
  get("em-live-now").style.setProperty("--em-colour", colours()[label] ?? "#888888");
  get("em-live-now").dataset.label = label;
  get("em-live-word").textContent = label;
  const best = Object.keys(scores).reduce((best, name) => (scores[name] > scores[best] ? name : best));
  get("em-live-sure").textContent = emotion ? percent(confidence) : `best guess ${best}, ${percent(confidence)}`;
  const body = get("em-live-bars");
  for (const [name, score] of Object.entries(scores)) {
    const row = body.querySelector(`[data-emotion="${name}"]`) ?? addBar(body, name);
    row.querySelector("span").style.width = `${100 * score}%`;
    row.querySelector(".em-value").textContent = percent(score);
  }
}

function addBar(body, name) {
  const row = body.insertRow();
  row.dataset.emotion = name;
  row.innerHTML =
    '<th scope="row"></th><td class="em-track" aria-hidden="true"><span></span></td><td class="em-value"></td>';
  row.querySelector("th").textContent = name;
  row.querySelector("span").style.setProperty("--em-colour", colours()[name] ?? "#888888");
  return row;
}

function addUtterance({ emotion, label, confidence, start_s, end_s }) {
  get("em-live-said").hidden = false;
  const item = document.createElement("li");
  item.innerHTML =
    '<span class="em-line"><span class="em-swatch" aria-hidden="true"></span><span class="em-time"></span><b></b>' +
    '<span class="em-value"></span></span>';
  item.style.setProperty("--em-colour", colours()[label] ?? "#888888");
  item.querySelector(".em-time").textContent = `${clock(start_s)} – ${clock(end_s)}`;
  item.querySelector("b").textContent = label;
  item.querySelector(".em-value").textContent = emotion ? percent(confidence) : "";
  const list = get("em-live-list");
  list.prepend(item);
  while (list.children.length > 200) list.lastElementChild.remove();
}

function colours() {
  return JSON.parse(get("em-live").dataset.colours);
}

function clock(seconds) {
  const tenths = Math.round(10 * seconds);
  const rest = tenths % 600;
  return `${Math.floor(tenths / 600)}:${String(Math.floor(rest / 10)).padStart(2, "0")}.${rest % 10}`;
}

addEventListener("pagehide", () => listening && stop("The microphone is off."));
