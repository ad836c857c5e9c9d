// Asks the server for one page and keeps the answer: waiting, there, or why not. A page that is read anew keeps showing
// what it had, so nothing flickers.

/** After a lost connection or a busy server it asks again by itself, seconds. */
const AGAIN_S = 3;
const PASSING = new Set(["lost", "timeout", "busy", "unavailable"]);

export class Asking {
  page = null;
  problem = "";
  #turn = 0;
  #timer = 0;

  /** `changed()` is called whenever an answer came. */
  constructor(link, what, changed) {
    Object.assign(this, { link, what, changed });
  }

  /** Ask for that one; an answer to an earlier question is then ignored. */
  async ask(id = this.id, at = this.at) {
    if (id !== this.id) this.page = null;
    Object.assign(this, { id, at });
    const turn = ++this.#turn;
    clearTimeout(this.#timer);
    try {
      const page = await this.link.ask(this.what, id, at);
      if (turn !== this.#turn) return;
      this.page = page;
      this.problem = "";
    } catch (refused) {
      if (turn !== this.#turn) return;
      this.problem = refused.problem ?? "unavailable";
      if (PASSING.has(this.problem)) this.#timer = setTimeout(() => this.ask(), AGAIN_S * 1000);
      else this.page = null;
    }
    this.changed();
  }

  /** Nobody looks any more. */
  stop() {
    this.#turn += 1;
    clearTimeout(this.#timer);
  }
}
