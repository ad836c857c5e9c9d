// Small helpers. Text reaches the page through textContent only, so hostile text stays text.

export const byId = (id) => document.getElementById(id);

/** A new element with its class and children (nodes). */
export function make(tag, className = "", ...children) {
  const element = document.createElement(tag);
  element.className = className;
  element.append(...children);
  return element;
}

/** Set the text, touching the page only where it differs. */
export function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Show or hide. */
export function show(element, shown) {
  if (element.hidden === shown) element.hidden = !shown;
}

/** Set or remove a data attribute. */
export function mark(element, name, value) {
  if (value === undefined || value === null || value === false) delete element.dataset[name];
  else if (element.dataset[name] !== String(value)) element.dataset[name] = value;
}

/** One element per item, kept from drawing to drawing, in the order of the items. */
export class Keyed {
  #made = new Map();

  constructor(parent, create) {
    this.parent = parent;
    this.create = create;
  }

  /** `draw(parts, item)` fills what `create()` made ({root, ...}). */
  draw(items, draw) {
    const wanted = new Set(items.map((item) => item.id));
    for (const [id, parts] of this.#made) {
      if (wanted.has(id)) continue;
      parts.root.remove();
      this.#made.delete(id);
    }
    items.forEach((item, place) => {
      if (!this.#made.has(item.id)) this.#made.set(item.id, this.create(item));
      const parts = this.#made.get(item.id);
      draw(parts, item);
      if (this.parent.children[place] !== parts.root) this.parent.insertBefore(parts.root, this.parent.children[place] ?? null);
    });
  }

  /** Every element that is shown now, with its item's id. */
  entries() {
    return this.#made.entries();
  }
}
