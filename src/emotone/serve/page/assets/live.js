// The live tab.  It loads nothing from other hosts.
"use strict";

document.addEventListener("click", (event) => {
  if (event.target.closest("#em-live-button")) toggle();
  if (event.target.closest("#em-live-forget")) forget();
  if (event.target.closest("#em-live-all")) showAll();
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
  const live = { socket: null, microphone: null, adapted: {}, known_s: 0, last_s: 0, forgets: false };
  listening = live;
  setButton(true);
  status("Waiting for the microphone …");
  try {
    live.microphone = await openMicrophone((samples) => canSend(live) && live.socket.send(samples));
  } catch (error) {
    if (listening === live) stop(microphoneError(error));
    return;
  }
  if (listening === live) connect(live);
  else close(live); // stopped in the meantime
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

function connect(live) {
  const address = new URL("v1/stream", document.baseURI);
  address.protocol = address.protocol.replace("http", "ws");
  const socket = new WebSocket(address);
  Object.assign(live, { socket, forgets: false });
  let problem = "The service closed the connection. Press the button to start again.";
  let refused = false; // asking again would be refused again
  socket.onopen = () => {
    const hello = { rate: live.microphone.rate, channels: 1 };
    if (get("em-live-adapt").checked) hello.adapt = true;
    socket.send(JSON.stringify(hello));
    Object.assign(live, { adapted: { ...live.adapted, speaker: 0 }, known_s: 0, last_s: 0 });
    showKnown(live);
    status("Listening. Please speak.");
  };
  socket.onmessage = ({ data }) => {
    const message = JSON.parse(data);
    if (message.kind) show(message);
    else if (message.code) [problem, refused] = [refusalText(message), true];
  };
  socket.onclose = () => {
    if (listening !== live) return;
    if (live.forgets && !refused) connect(live);
    else stop(problem);
  };
}

/** Say why the service refused, and what to do. */
function refusalText({ code, title }) {
  const texts = {
    unauthorized: "You are not logged in. Load this page again, and type the key; whoever runs the service has it.",
    forbidden_origin: "The service refuses this page. Whoever runs the service can allow its address.",
    too_many_streams: "Too many live sessions are open. Try again later.",
    busy: "The service is busy. Try again in a few seconds.",
    idle: "No sound arrived for too long. Press the button to start again.",
  };
  return texts[code] ?? `The service ended the session: ${title}. Press the button to start again.`;
}

function stop(reason) {
  const live = listening;
  listening = null;
  setButton(false);
  status(reason);
  if (get("em-live-when").textContent === "Now") get("em-live-now").hidden = true; // its final answer is still to come
  get("em-live-knows").hidden = true;
  close(live);
}

/** Turn the microphone off, and let the service finish the last utterance. */
function close(live) {
  live.microphone?.close();
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
    showLast(event.label ? event : last);
    if (listening) status("Listening. No speech.");
    return;
  }
  if (!listening) return;
  if (get("em-live-status").textContent !== "Speech detected.") status("Speech detected.");
  if (event.kind === "emotion") get("em-live-when").textContent = "Now";
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

function showNow({ emotion, label, confidence, scores }) {
  get("em-live-now").hidden = false;
  get("em-live-now").style.setProperty("--em-colour", colourOf(label));
  get("em-live-now").dataset.label = label;
  get("em-live-word").textContent = label;
  const best = Object.keys(scores).reduce((best, name) => (scores[name] > scores[best] ? name : best));
  get("em-live-sure").textContent = label === "no speech" ? "" : emotion ? `${percent(confidence)} sure` : `best guess ${best}, ${percent(confidence)} sure`;
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
  row.querySelector("span").style.setProperty("--em-colour", colourOf(name));
  return row;
}

/** The last utterance with a final prediction; null if there is none. */
let last = null;

/** Keep the final prediction of an utterance on the card. */
function showLast(event) {
  last = event;
  get("em-live-when").textContent = "Last utterance";
  if (event) showNow(event);
  else get("em-live-now").hidden = true; // what was heard was no utterance
}

/** Utterances that are listed until a person asks for all, and that are kept at most. */
const LISTED = 12;
const KEPT = 1000;
/** Label -> seconds in which it was the answer, and the number of utterances. */
const spoken_s = new Map();
let n_spoken = 0;

function addUtterance({ emotion, label, confidence, start_s, end_s }) {
  get("em-live-said").hidden = false;
  const item = document.createElement("li");
  item.innerHTML =
    '<span class="em-line"><span class="em-swatch" aria-hidden="true"></span><span class="em-time"></span><b></b>' +
    '<span class="em-value"></span></span>';
  item.style.setProperty("--em-colour", colourOf(label));
  item.querySelector(".em-time").textContent = `${clock(start_s)} – ${clock(end_s)}`;
  item.querySelector("b").textContent = label;
  item.querySelector(".em-value").textContent = emotion ? `${percent(confidence)} sure` : "";
  const list = get("em-live-list");
  list.prepend(item);
  while (list.children.length > KEPT) list.lastElementChild.remove();
  n_spoken += 1;
  spoken_s.set(label, (spoken_s.get(label) ?? 0) + end_s - start_s);
  showOverview();
}

/** Show all utterances in a bar, and list the newest. */
function showOverview() {
  const total_s = [...spoken_s.values()].reduce((sum, seconds) => sum + seconds, 0);
  const shares = [...spoken_s].sort(([, one], [, other]) => other - one);
  get("em-live-count").textContent = `${n_spoken} utterance${n_spoken === 1 ? "" : "s"}, ${clock(total_s).slice(0, -2)}`;
  get("em-live-mix").replaceChildren(...shares.map(([label, seconds]) => coloured("span", label, (bar) => {
    bar.style.width = `${(100 * seconds) / total_s}%`;
  })));
  get("em-live-shares").replaceChildren(...shares.map(([label, seconds]) => coloured("li", label, (item) => {
    item.innerHTML = '<span class="em-swatch" aria-hidden="true"></span>';
    item.append(`${label} ${clock(seconds).slice(0, -2)}, ${percent(seconds / total_s)} of the time`);
  })));
  const list = get("em-live-list");
  const items = [...list.children];
  const all = "all" in list.dataset;
  items.forEach((item, number) => { item.hidden = !all && number >= LISTED; });
  get("em-live-all").hidden = all || items.length <= LISTED;
  get("em-live-all").textContent = `Show all ${items.length} utterances`;
}

function showAll() {
  get("em-live-list").dataset.all = "";
  showOverview();
}

function coloured(kind, label, fill) {
  const element = document.createElement(kind);
  element.style.setProperty("--em-colour", colourOf(label));
  fill(element);
  return element;
}

function colourOf(label) {
  return JSON.parse(get("em-live-tab").dataset.colours)[label] ?? "#888888";
}

addEventListener("pagehide", () => listening && stop("The microphone is off."));
