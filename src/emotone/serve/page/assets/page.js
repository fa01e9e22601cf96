// The live tab.  It loads nothing from other hosts.
"use strict";

const get = (id) => document.getElementById(id);
const percent = (share) => (share > 0 && share < 0.005 ? "< 1 %" : `${Math.round(100 * share)} %`);

document.addEventListener("click", (event) => {
  if (event.target.closest("#em-live-button")) toggle();
  if (event.target.closest("#em-live-forget")) forget();
});

/**
 * The running session: connection, sound, what it is adapted to, seconds of the voice in that, seconds of the last
 * utterance until it is known whether they are in it, and whether it starts anew; null while it is off.
 */
let listening = null;

function status(text) {
  get("em-live-status").textContent = text;
}

function toggle() {
  if (listening) stop("The microphone is off.");
  else start();
}

async function start() {
  const live = { socket: null, context: null, sound: null, adapted: {}, known_s: 0, last_s: 0, forgets: false };
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
  showKnown({ adapted: { ...listening.adapted, speaker: 0 } });
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
    Object.assign(live, { adapted: { ...live.adapted, speaker: 0 }, known_s: 0, last_s: 0 });
    showKnown(live);
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
    if (event.adapted.speaker > (listening.adapted.speaker ?? 0)) listening.known_s += listening.last_s;
    listening.adapted = event.adapted;
    listening.last_s = event.kind === "speech_end" ? event.end_s - event.start_s : 0;
    showKnown(listening);
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

/** Say what the answers are adapted to: numbers of utterances, and seconds of the voice. */
function showKnown({ adapted: { speaker, source }, known_s }) {
  const utterances = (n) => `${n} utterance${n === 1 ? "" : "s"}`;
  const voice = `Knows your voice from ${Math.max(1, Math.round(known_s))} s of speech (${utterances(speaker)}).`;
  const unknown = get("em-live-adapt").checked && "Does not know your voice yet.";
  const text = [speaker > 0 ? voice : unknown, source > 0 && `Knows this source from ${utterances(source)}.`]
    .filter(Boolean)
    .join(" ");
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

addEventListener("pagehide", () => listening && stop("The microphone is off."));
