// What the answers mean, how often the model is right, and what not to do: from the card of the model.

import { element } from "./dom.js";
import { facts } from "./shown.js";

const list = (...items) => element("ul", {}, ...items.map((item) => element("li", {}, item)));

/** Fill the tab. */
export function about(panel) {
  const figures = facts.figures.map(({ scope, right }) => element("div", {}, element("dt", {}, `On ${scope}`), element("dd", {}, right === null ? "not measured" : percent(right))));
  const guess = percent(1 / facts.emotions.length);
  panel.replaceChildren(
    element("h2", {}, "What the answers mean"),
    element("p", {}, "Emotone uses how a voice sounds, not what is said. It names the most probable emotion of the voice; what the person feels may differ."),
    element("h2", {}, "How often the model is right"),
    element("dl", { class: "em-figures" }, ...figures),
    element("p", {}, `So often the model is right, if each emotion counts the same. A guess among ${facts.emotions.length} emotions is right ${guess} of the time. Recordings like yours are most like the second kind.`),
    list(...[...facts.right, facts.by_emotion, facts.confident].filter(Boolean)),
    facts.threshold && element("p", {}, `If no emotion reaches ${facts.threshold}, the answer is “unsure” rather than a guess. ${facts.reaching}`),
    element("h2", {}, "Where it is often wrong"),
    list(
      "Emotions of daily life: most training recordings are acted, and stronger.",
      "Other languages, ages, microphones and rooms than those in its training.",
      "Several people at once, music, and noise.",
    ),
    element("h2", {}, "What not to do"),
    element("p", {}, "Not for decisions about people: hiring, policing, medicine, insurance, schooling. Do not use it on people who do not know of it."),
    element("h2", {}, "Your recordings"),
    element("p", {}, "Nothing leaves this device. The model runs in your browser; the page is allowed to call no other address, and it works without a network after the first visit. Recordings are held in memory, and forgotten when you close the page."),
    element("p", { class: "em-note", id: "em-offline", role: "status" }),
    element("h2", {}, "Licence"),
    element("p", {}, `The program has the MIT licence. The model was trained on recordings with licences of their own${facts.is_commercial ? "" : ", and not all are known to allow commercial use"}:`),
    facts.corpora.length ? list(...facts.corpora) : element("p", {}, "The model’s card names no recordings: find out what it was trained on before use."),
    element("p", {}, element("a", { href: "model/card.json" }, "The model card, with all figures")),
  );
}
