// How wide an element is: what is drawn to fit it is drawn again when that changes.

export class Width {
  /** Whole pixels; 0 until it has been measured. */
  px = 0;
  #box = null;
  #observer = null;

  /** `changed()`: draw again. */
  constructor(changed) {
    this.changed = changed;
  }

  /** After each drawing: this is the element, or null. */
  watch(box) {
    if (box === this.#box) return;
    this.close();
    if (!box) return;
    this.#box = box;
    this.#observer = new ResizeObserver(([entry]) => this.#resize(Math.floor(entry.contentRect.width)));
    this.#observer.observe(box);
  }

  close() {
    this.#observer?.disconnect();
    this.#box = null;
  }

  #resize(px) {
    if (!px || px === this.px) return;
    this.px = px;
    this.changed();
  }
}
