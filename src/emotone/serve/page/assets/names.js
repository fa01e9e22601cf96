// Names of speakers that a person types: they stay in this browser, and go into the files that it saves.
"use strict";

const UNNAMED = "unnamed"; // as files of Emotone name speakers without a visible character

/** Write a name in one line, without control characters, as files of Emotone do. */
function plain(text) {
  return text
    .replace(/\p{Cc}/gu, " ")
    .replace(/[\p{Cs}\ufffe\uffff]/gu, "\ufffd")
    .replace(/[ \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+/gu, " ")
    .replace(/^ | $/g, "");
}

function field(name) {
  const text = name.replaceAll(" ", "_").replaceAll('"', "'");
  return (text.startsWith("<") && text.endsWith(">") ? text.replace(/^[<>]+|[<>]+$/g, "") : text) || UNNAMED;
}

/** Write a cell of CSV: an apostrophe precedes what a spreadsheet would take for a formula, unless it is a number. */
function cell(name) {
  const isNumber = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(name);
  const text = /^'*([=+@\uff1d\uff0b\uff0d\uff20]|-.)/s.test(name) && !isNumber ? `'${name}` : name;
  return /[",]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function markup(name) {
  return name.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

/** Format -> how it writes the name of a speaker; a test compares each with what Emotone writes. */
const WRITTEN = {
  json: (name) =>
    JSON.stringify(name)
      .slice(1, -1)
      .replace(/[^ -~]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`),
  csv: cell,
  audformat: cell,
  vtt: markup,
  srt: (name) => name.replaceAll("<", "‹").replaceAll(">", "›"),
  audacity: (name) => name,
  rttm: field,
  textgrid: (name) => name.replaceAll('"', '""'),
  elan: (name) => markup(name).replaceAll('"', "&quot;"),
};

/** Return the names of all speakers: those typed, or those found where none is.  No two are the same in any file. */
function namesOf(timeline) {
  const taken = new Set(JSON.parse(timeline.dataset.reserved));
  return [...timeline.querySelectorAll("[data-lane-name]")].map(({ value, dataset }) => {
    const first = plain(value) || plain(dataset.found) || UNNAMED;
    let name = first;
    for (let number = 2; taken.has(field(name)); number += 1) name = `${first} ${number}`;
    taken.add(field(name));
    return name;
  });
}

/** Show the names wherever a speaker is named. */
function showNames(timeline) {
  if (!timeline.dataset.place) return;
  const names = namesOf(timeline);
  for (const element of timeline.querySelectorAll("[data-name]")) element.textContent = names[element.dataset.name];
  for (const voice of timeline.querySelectorAll(".em-voice")) {
    const input = voice.querySelector("[data-lane-name]");
    const shown = input ? names[input.dataset.laneName] : voice.querySelector(".em-head").textContent;
    voice.dataset.called = shown;
    if (!input) continue;
    input.setAttribute("aria-label", `Name of ${shown}`);
    voice.querySelector(".em-lane").setAttribute("aria-label", `Segments of ${shown}; move with the arrow keys, play with Enter`);
    for (const button of voice.querySelectorAll("[data-seek]")) {
      button.setAttribute("aria-label", `${clock(button.dataset.seek)} – ${clock(button.dataset.end)}, ${shown}: ${button.dataset.says}`);
    }
  }
}

const inputOf = ({ target }) => target instanceof Element && target.closest("[data-lane-name]");

document.addEventListener("input", (event) => inputOf(event) && showNames(timelineOf(event.target)));

document.addEventListener("change", (event) => {
  if (!inputOf(event)) return;
  const timeline = timelineOf(event.target);
  const names = namesOf(timeline); // a second Anna is "Anna 2"
  for (const input of timeline.querySelectorAll("[data-lane-name]")) input.value = names[input.dataset.laneName];
});

document.addEventListener("keydown", (event) => inputOf(event) && event.key === "Enter" && event.target.blur());

/** Return the content of a link's file, with the names of the speakers. */
function fileOf(link) {
  const bytes = Uint8Array.from(atob(link.dataset.content), (letter) => letter.charCodeAt(0));
  const timeline = timelineOf(link);
  const names = namesOf(timeline).map(WRITTEN[link.dataset.format]);
  const places = new RegExp(`${timeline.dataset.place}(\\d+)x`, "g");
  const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes).replace(places, (_, number) => names[number]);
  return new Blob([text], { type: link.dataset.type });
}

for (const kind of ["click", "contextmenu"]) {
  document.addEventListener(kind, (event) => {
    const link = event.target instanceof Element && event.target.closest("a[data-content]");
    if (!link) return;
    const address = URL.createObjectURL(fileOf(link));
    link.href = address;
    setTimeout(() => URL.revokeObjectURL(address), 60_000);
  });
}
