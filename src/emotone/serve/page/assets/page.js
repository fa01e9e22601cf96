// What the page does in the browser: playback of a timeline, and the live tab.  Everything is fetched from the service.
"use strict";

const get = (id) => document.getElementById(id);
const percent = (share) => (share > 0 && share < 0.005 ? "< 1 %" : `${Math.round(100 * share)} %`);

// ---- timeline ----

const timelineOf = (element) => element.closest(".em-timeline");
const playerOf = (timeline) => timeline.querySelector("audio");

/** Fetch a recording whole: the service deletes it soon, and it is to be played for as long as the page is open. */
async function fill(player) {
  const from = player.dataset.from;
  player.removeAttribute("data-from");
  try {
    const response = await fetch(from);
    if (!response.ok) throw new Error(response.statusText);
    player.src = URL.createObjectURL(await response.blob());
  } catch {
    player.insertAdjacentHTML("afterend", '<p class="em-note">The recording can no longer be played here.</p>');
    player.remove();
  }
}

function seek(timeline, seconds) {
  const player = playerOf(timeline);
  if (!player) return;
  player.currentTime = seconds;
  player.play().catch(() => {}); // a browser may not let it play; the place is kept
  follow(player);
}

/** Move the cursor, and mark the segment that is heard. */
function follow(player) {
  const timeline = timelineOf(player);
  const now = player.currentTime;
  const cursor = timeline.querySelector(".em-cursor");
  cursor.style.left = `${Math.min(100, (100 * now) / Number(timeline.dataset.duration))}%`;
  cursor.hidden = false;
  for (const button of timeline.querySelectorAll("[data-seek]")) {
    const heard = Number(button.dataset.seek) <= now && now < Number(button.dataset.end);
    if (heard !== (button.getAttribute("aria-current") === "true")) button.setAttribute("aria-current", String(heard));
  }
}

function isOfTimeline(player) {
  return player instanceof HTMLMediaElement && timelineOf(player);
}

for (const kind of ["timeupdate", "seeked"]) {
  document.addEventListener(kind, (event) => isOfTimeline(event.target) && follow(event.target), true);
}

// timeupdate comes four times a second, which is too seldom for a cursor
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
});

new MutationObserver(() => {
  for (const player of document.querySelectorAll("audio[data-from]")) fill(player);
}).observe(document.documentElement, { childList: true, subtree: true });

// ---- live ----

/** What is open while the microphone is on. */
let listening = null;

function status(text) {
  get("em-live-status").textContent = text;
}

function toggle() {
  if (listening) stop("The microphone is off.");
  else start();
}

async function start() {
  const live = { socket: null, context: null, sound: null };
  listening = live;
  button(true);
  status("Waiting for the microphone …");
  try {
    if (!navigator.mediaDevices || !window.AudioWorkletNode) throw new DOMException("", "NotSupportedError");
    // as it is: what a browser does to a voice for calls changes how it sounds
    const asItIs = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
    live.sound = await navigator.mediaDevices.getUserMedia({ audio: asItIs });
    live.context = new AudioContext();
    await live.context.audioWorklet.addModule("page/worklet.js");
  } catch (error) {
    if (listening === live) stop(refused(error));
    return;
  }
  if (listening !== live) return close(live); // it was stopped in the meantime
  connect(live);
}

function refused(error) {
  const said = {
    NotAllowedError: "The browser may not use the microphone. Allow it beside the address, and press again.",
    NotFoundError: "There is no microphone. Plug one in, and press again.",
    NotReadableError: "Another program uses the microphone. Close that one, and press again.",
    NotSupportedError: "Browsers give the microphone only to pages of this machine or over https.",
  };
  return said[error.name] ?? "The microphone can't be used. Try another browser.";
}

function connect(live) {
  const address = new URL("v1/stream", document.baseURI);
  address.protocol = address.protocol.replace("http", "ws");
  const socket = new WebSocket(address);
  live.socket = socket;
  let problem = "The service closed the connection. Press to begin again.";
  socket.onopen = () => {
    const hello = { rate: live.context.sampleRate, channels: 1 };
    if (get("em-live-adapt").checked) hello.adapt = true;
    socket.send(JSON.stringify(hello));
    const worklet = new AudioWorkletNode(live.context, "emotone-microphone", { numberOfOutputs: 0, channelCount: 1 });
    worklet.port.onmessage = ({ data }) => socket.readyState === WebSocket.OPEN && socket.send(data);
    live.context.createMediaStreamSource(live.sound).connect(worklet);
    status("Listening. Speak.");
  };
  socket.onmessage = ({ data }) => {
    const message = JSON.parse(data);
    if (message.kind) show(message);
    else problem = message.code === "too_many_streams" ? "Too many people are listening now. Try again later." : problem;
  };
  socket.onclose = () => listening === live && stop(problem);
}

function stop(why) {
  const live = listening;
  listening = null;
  button(false);
  status(why);
  get("em-live-now").hidden = true;
  close(live);
}

/** End the microphone, and let the service finish what was being said. */
function close({ socket, context, sound }) {
  sound?.getTracks().forEach((track) => track.stop());
  context?.close();
  if (socket?.readyState === WebSocket.OPEN) socket.send('{"end": true}');
}

function button(on) {
  const one = get("em-live-button");
  one.textContent = on ? "Stop listening" : "Start listening";
  one.setAttribute("aria-pressed", String(on));
  get("em-live-adapt").disabled = on;
}

function show(event) {
  if (event.kind === "speech_end") {
    if (event.label) add(event);
    if (listening) quiet("Listening. Nobody speaks.", "Heard last");
    return;
  }
  if (!listening) return;
  quiet("Somebody speaks.", "Now");
  if (event.kind === "emotion") now(event);
}

function quiet(what, when) {
  if (get("em-live-status").textContent !== what) status(what);
  get("em-live-when").textContent = when;
}

function now({ emotion, label, confidence, scores }) {
  get("em-live-now").hidden = false;
  get("em-live-now").style.setProperty("--em-colour", colours()[label] ?? "#888888");
  get("em-live-now").dataset.label = label;
  get("em-live-word").textContent = label;
  const best = Object.keys(scores).reduce((one, other) => (scores[other] > scores[one] ? other : one));
  get("em-live-sure").textContent = emotion ? percent(confidence) : `most probably ${best}, ${percent(confidence)}`;
  const body = get("em-live-bars");
  for (const [name, score] of Object.entries(scores)) {
    const row = body.querySelector(`[data-emotion="${name}"]`) ?? added(body, name);
    row.querySelector("span").style.width = `${100 * score}%`;
    row.querySelector(".em-value").textContent = percent(score);
  }
}

function added(body, name) {
  const row = body.insertRow();
  row.dataset.emotion = name;
  row.innerHTML =
    '<th scope="row"></th><td class="em-track" aria-hidden="true"><span></span></td><td class="em-value"></td>';
  row.querySelector("th").textContent = name;
  row.querySelector("span").style.setProperty("--em-colour", colours()[name] ?? "#888888");
  return row;
}

function add({ emotion, label, confidence, start_s, end_s }) {
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
