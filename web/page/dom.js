// Make elements.  Texts are set as text, and styles by properties: nothing from a recording becomes HTML.

const SVG = "http://www.w3.org/2000/svg";
const SVG_NAMES = ["svg", "path", "rect", "title"];

/**
 * Return an element.
 *
 * @param {string} name
 * @param {Record<string, string | boolean | number | undefined>} [attributes]  `style` is an object; false leaves one out
 * @param {...(Node | string | null | false)} children
 */
export function element(name, attributes = {}, ...children) {
  const made = SVG_NAMES.includes(name) ? document.createElementNS(SVG, name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === false || value === undefined) continue;
    if (key === "style") for (const [property, text] of Object.entries(value)) made.style.setProperty(property, text);
    else made.setAttribute(key, value === true ? "" : String(value));
  }
  made.append(...children.filter((child) => child !== null && child !== false));
  return made;
}
