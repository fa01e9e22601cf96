// The tab "Your voice": whose voice, its clips or a saved profile, and another recording of it.
"use strict";

/** The saved profile that is open; null if there is none. */
let profile = null;

const SOMEBODY = "this person";

function showWho() {
  const name = get("em-who").value.trim() || SOMEBODY;
  for (const element of document.querySelectorAll("[data-who]")) element.textContent = name;
}

function openProfile(file) {
  profile = file;
  get("em-profile-name").textContent = file ? `Open: ${file.name}` : "";
  get("em-profile-close").hidden = !file;
}

function compare() {
  const [clips, [test]] = [filesOf(get("em-clips")), filesOf(get("em-test"))];
  const answer = get("em-voice-answer");
  const person = get("em-who").value.trim() || SOMEBODY;
  const missing = !clips.length && !profile ? `clips of ${person}, or a saved voice` : test ? "" : `another recording of ${person}`;
  if (missing) {
    forgetAnswer(answer);
    return showProblem(answer, { finding: "Something is missing.", remedy: `Add ${missing} first.` });
  }
  const most = Number(get("em-compare").dataset.most);
  if (clips.length > most) {
    forgetAnswer(answer);
    const remedy = `There are ${clips.length}, and at most ${most} are used. Remove some.`;
    return showProblem(answer, { finding: "There are too many clips.", remedy });
  }
  const form = new FormData();
  form.append("name", get("em-who").value);
  for (const clip of clips) form.append("clips", clip, clip.name);
  if (profile) form.append("profile", profile, profile.name);
  form.append("test", test, test.name);
  ask("page/answers/voice", form, answer, test);
}

function takeProfile(input) {
  if (!input.files.length) return;
  openProfile(input.files[0]);
  input.value = ""; // the same file may be chosen again
}

document.addEventListener("input", ({ target }) => target.id === "em-who" && showWho());
document.addEventListener("change", ({ target }) => target.id === "em-profile" && takeProfile(target));
document.addEventListener("DOMContentLoaded", () => takeProfile(get("em-profile"))); // chosen before the scripts ran
document.addEventListener("click", ({ target }) => {
  if (target.id === "em-compare") compare();
  if (target.id === "em-profile-close") {
    openProfile(null);
    get("em-profile").focus();
  }
});
