// The timeline tab: playback, and the lanes of speakers.  It loads nothing from other hosts.
"use strict";

/** Candidate distances between ticks, seconds, and how many ticks fit into the width of the lanes without zoom. */
const STEPS_S = [0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400];
const MAX_TICKS = 6;
/** Narrowest mean segment at which the lanes of a phone start, in pixels, and the largest zoom. */
const READABLE_PX = 14;
const MAX_ZOOM = 256;

const timelineOf = (element) => element.closest(".em-timeline");
const playerOf = (timeline) => timeline.querySelector("audio");

function clock(seconds) {
  const tenths = Math.round(10 * seconds);
  const [hours, minutes] = [Math.floor(tenths / 36_000), Math.floor(tenths / 600) % 60];
  const rest = `${String(Math.floor((tenths % 600) / 10)).padStart(2, "0")}.${tenths % 10}`;
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
}

// ---- playback ----

function seek(timeline, seconds) {
  const player = playerOf(timeline);
  if (!player) return;
  player.currentTime = seconds;
  player.play().catch(() => {}); // the browser may not allow playback; the position is kept
  follow(player);
}

/** Timeline -> its segments, each with its begin, end and the buttons of it; a long one has thousands. */
const segments = new WeakMap();

function segmentsOf(timeline) {
  if (!segments.has(timeline)) {
    const buttons = [...timeline.querySelectorAll("[data-seek]")];
    const found = buttons.map((button) => ({ button, from: +button.dataset.seek, to: +button.dataset.end, is: false }));
    segments.set(timeline, found);
  }
  return segments.get(timeline);
}

/** Move the cursor, and mark the segments at the playback position. */
function follow(player) {
  const timeline = timelineOf(player);
  const now = player.currentTime;
  const cursor = timeline.querySelector(".em-cursor");
  cursor.style.left = `${Math.min(100, (100 * now) / Number(timeline.dataset.duration))}%`;
  cursor.hidden = false;
  if (!player.paused) showCursor(cursor);
  for (const segment of segmentsOf(timeline)) {
    const is = segment.from <= now && now < segment.to;
    if (is === segment.is) continue;
    segment.is = is;
    segment.button.setAttribute("aria-current", String(is));
  }
}

/** Scroll lanes that are wider than the page to the cursor. */
function showCursor(cursor) {
  const box = cursor.closest(".em-scroll");
  if (!box || box.scrollWidth <= box.clientWidth) return;
  const place = cursor.offsetLeft - box.scrollLeft;
  if (place < 0 || place > 0.95 * box.clientWidth) box.scrollLeft = cursor.offsetLeft - 0.1 * box.clientWidth;
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
  const stage = event.target.closest(".em-stage");
  if (button) {
    if (stage) moveTo(button);
    seek(timelineOf(button), Number(button.dataset.seek));
  } else if (stage) {
    const box = stage.getBoundingClientRect();
    const timeline = timelineOf(stage);
    seek(timeline, ((event.clientX - box.left) / box.width) * Number(timeline.dataset.duration));
  }
  const zoom = event.target.closest("[data-zoom]");
  if (zoom) zoomBy(timelineOf(zoom), Number(zoom.dataset.zoom));
});

// ---- lanes ----

/** Say what is known of the segment at the pointer or with the focus; without one, the hint. */
function readOut(timeline, button) {
  const line = timeline.querySelector(".em-readout");
  if (!line) return;
  line.replaceChildren();
  if (!button) return line.append(line.dataset.hint);
  const swatch = document.createElement("span");
  swatch.className = "em-swatch";
  swatch.style.setProperty("--em-colour", button.style.getPropertyValue("--em-colour"));
  const name = document.createElement("b");
  name.textContent = button.closest(".em-voice").dataset.called;
  const time = `${clock(button.dataset.seek)} – ${clock(button.dataset.end)} `;
  line.append(swatch, time, name, `: ${button.dataset.says}`);
}

for (const [kind, shows] of [["pointerover", true], ["pointerout", false], ["focusin", true], ["focusout", false]]) {
  document.addEventListener(kind, ({ target }) => {
    const button = target instanceof Element && target.closest(".em-lane [data-seek]");
    if (button) readOut(timelineOf(button), shows ? button : document.activeElement?.closest(".em-lane [data-seek]"));
  });
}

/** Make a segment the one of its lane that the tab key reaches. */
function moveTo(button) {
  for (const other of button.parentElement.querySelectorAll('[tabindex="0"]')) other.tabIndex = -1;
  button.tabIndex = 0;
  button.focus({ preventScroll: true });
  button.scrollIntoView({ block: "nearest", inline: "nearest" });
}

/** Return the segment of a lane that is nearest in time to another one. */
function nearest(lane, button) {
  const away = (other) => Math.abs(other.dataset.seek - button.dataset.seek);
  return [...lane.children].reduce((best, other) => (away(other) < away(best) ? other : best));
}

document.addEventListener("keydown", (event) => {
  const button = event.target instanceof Element && event.target.closest(".em-lane [data-seek]");
  if (!button || event.ctrlKey || event.altKey || event.metaKey) return;
  const lanes = [...timelineOf(button).querySelectorAll(".em-lane")];
  const lane = (step) => lanes[lanes.indexOf(button.parentElement) + step];
  const targets = {
    ArrowLeft: () => button.previousElementSibling,
    ArrowRight: () => button.nextElementSibling,
    ArrowUp: () => lane(-1) && nearest(lane(-1), button),
    ArrowDown: () => lane(1) && nearest(lane(1), button),
    Home: () => button.parentElement.firstElementChild,
    End: () => button.parentElement.lastElementChild,
  };
  if (!(event.key in targets)) return;
  event.preventDefault();
  const target = targets[event.key]();
  if (target) moveTo(target);
});

/** Zoom the lanes; what is in the middle stays there. */
function zoomBy(timeline, factor) {
  const [box, tracks] = [".em-scroll", ".em-tracks"].map((name) => timeline.querySelector(name));
  const middle = (box.scrollLeft + box.clientWidth / 2) / box.scrollWidth;
  const zoom = Math.min(MAX_ZOOM, Math.max(1, Number(tracks.dataset.at ?? 1) * factor));
  tracks.dataset.at = zoom;
  tracks.style.setProperty("--em-zoom", zoom);
  box.scrollLeft = middle * box.scrollWidth - box.clientWidth / 2;
  drawTicks(tracks.querySelector(".em-axis"), Number(timeline.dataset.duration), MAX_TICKS * zoom);
  for (const button of timeline.querySelectorAll("[data-zoom]")) {
    button.disabled = button.dataset.zoom < 1 ? zoom <= 1 : zoom >= MAX_ZOOM;
  }
}

function drawTicks(axis, duration_s, most) {
  const step = STEPS_S.find((step) => duration_s / step <= most) ?? STEPS_S.at(-1);
  const ticks = [];
  for (let number = 0; number * step < duration_s * (1 - 0.24 / most); number += 1) {
    const tick = document.createElement("span");
    tick.textContent = step < 1 ? `${number * step} s` : clock(number * step).slice(0, -2);
    tick.style.left = `${(100 * number * step) / duration_s}%`;
    tick.classList.toggle("em-late", number * step > duration_s * (1 - 0.9 / most));
    ticks.push(tick);
  }
  axis.replaceChildren(...ticks);
}

/** On a phone, stretch the lanes until segments can be seen and pressed. */
function fit(timeline) {
  const box = timeline.querySelector(".em-scroll");
  if (!box) return;
  const mean = (box.clientWidth * timeline.querySelector(".em-tracks").dataset.mean) / timeline.dataset.duration;
  const isPhone = matchMedia("(max-width: 600px)").matches;
  zoomBy(timeline, isPhone && mean > 0 ? 2 ** Math.ceil(Math.log2(Math.max(1, READABLE_PX / mean))) : 1);
  box.scrollLeft = 0;
}

document.addEventListener("em-answered", ({ target }) => {
  const timeline = target.querySelector(".em-timeline");
  if (!timeline) return;
  fit(timeline);
  showNames(timeline);
});

/** List all segments of a long timeline. */
document.addEventListener("click", ({ target }) => {
  const button = target.closest?.("[data-all]");
  if (!button) return;
  const rows = [...timelineOf(button).querySelectorAll(".em-segments > li")];
  const first = rows.find((row) => row.hidden);
  for (const row of rows) row.hidden = false;
  button.remove();
  first?.querySelector("button").focus();
});
