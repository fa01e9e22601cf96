// What the theme leaves out for the keyboard and for screen readers.

// Tables that are wider than the page scroll inside themselves: those that do can be reached and moved by the keyboard.
function markTables() {
  document.querySelectorAll(".md-typeset__scrollwrap").forEach((box, index) => {
    if (box.scrollWidth > box.clientWidth) {
      box.tabIndex = 0;
      box.setAttribute("role", "region");
      box.setAttribute("aria-label", `Table ${index + 1}, scrolls sideways`);
    } else {
      for (const name of ["tabindex", "role", "aria-label"]) box.removeAttribute(name);
    }
  });
}

// The theme puts the copy button of each block of code into a landmark of its own, which has no name.
function mend() {
  for (const box of document.querySelectorAll("nav.md-code__nav:not([role])")) box.setAttribute("role", "none");
  markTables();
}

new MutationObserver(mend).observe(document.body, { childList: true, subtree: true });
addEventListener("load", mend);
addEventListener("resize", markTables);
