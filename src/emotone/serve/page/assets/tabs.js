// The tabs: chosen by a press, by the arrow keys, or by the address (#live).  Nothing is loaded from other hosts.
"use strict";

const get = (id) => document.getElementById(id);
const percent = (share) => (share > 0 && share < 0.005 ? "< 1 %" : `${Math.round(100 * share)} %`);
const tabs = () => [...document.querySelectorAll('[role="tab"]')];
const panelOf = (tab) => get(tab.getAttribute("aria-controls"));

function choose(tab) {
  for (const other of tabs()) {
    const is = other === tab;
    other.setAttribute("aria-selected", String(is));
    other.tabIndex = is ? 0 : -1;
    panelOf(other).hidden = !is;
  }
  document.dispatchEvent(new CustomEvent("em-tab", { detail: panelOf(tab) }));
}

document.addEventListener("click", (event) => {
  const tab = event.target.closest('[role="tab"]');
  if (!tab) return;
  choose(tab);
  history.replaceState(null, "", `#${tab.id.replace("em-tab-", "")}`);
});

document.addEventListener("keydown", (event) => {
  const tab = event.target.closest?.('[role="tab"]');
  if (!tab || event.ctrlKey || event.altKey || event.metaKey) return;
  const all = tabs();
  const at = all.indexOf(tab);
  const next = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: all.length - 1 }[event.key];
  if (next === undefined) return;
  event.preventDefault();
  const target = all.at(next % all.length);
  target.focus();
  target.click();
});

const named = get(`em-tab-${location.hash.slice(1)}`);
if (named) choose(named);
