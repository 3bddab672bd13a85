// Bringing the document to what the server has rendered anew, and leaving alone what a person is at: focus, what is typed
// and not yet sent, what is folded, what this script has written.

/** An element with a text, attributes, children. */
const element = (name, text, attributes = {}, ...children) => {
  const made = document.createElement(name);
  if (text) made.textContent = text;
  for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, value);
  made.append(...children);
  return made;
};

/** What a person or this script has set, which the server knows nothing of. */
const OWN_ATTRIBUTES = new Set(["open", "aria-invalid", "aria-busy"]);

const keyOf = (node) => (node.nodeType === Node.ELEMENT_NODE ? node.dataset.key || node.id : "");

const isSame = (before, after) =>
  before.nodeName === after.nodeName && keyOf(before) === keyOf(after);

const bringAttributes = (before, after) => {
  for (const { name } of [...before.attributes]) {
    if (!after.hasAttribute(name) && !OWN_ATTRIBUTES.has(name)) before.removeAttribute(name);
  }
  for (const { name, value } of after.attributes) {
    if (!OWN_ATTRIBUTES.has(name) && before.getAttribute(name) !== value) {
      before.setAttribute(name, value);
    }
  }
};

/** Makes `before` what `after` is. A field that was typed into keeps its text: only its default changes. */
const bring = (before, after) => {
  if (before.nodeType !== Node.ELEMENT_NODE) {
    if (before.data !== after.data) before.data = after.data;
    return;
  }
  if (before.dataset.script !== undefined) return;
  bringAttributes(before, after);
  const byKey = new Map([...before.childNodes].filter(keyOf).map((node) => [keyOf(node), node]));
  const wantedKeys = new Set([...after.childNodes].map(keyOf));
  // What goes, goes first: to move the others around it would cost them the focus.
  for (const [key, node] of byKey) {
    if (!wantedKeys.has(key)) node.remove();
  }
  let place = before.firstChild;
  for (const wanted of [...after.childNodes]) {
    while (place?.nodeType === Node.TEXT_NODE && wanted.nodeType !== Node.TEXT_NODE) {
      const next = place.nextSibling;
      place.remove();
      place = next;
    }
    const found = keyOf(wanted) ? byKey.get(keyOf(wanted)) : place;
    if (!found || !isSame(found, wanted)) {
      before.insertBefore(document.importNode(wanted, true), place);
      continue;
    }
    if (found !== place) before.insertBefore(found, place);
    bring(found, wanted);
    place = found.nextSibling;
  }
  while (place) {
    const next = place.nextSibling;
    place.remove();
    place = next;
  }
};
