// Asks the server for one page and keeps the answer: waiting, there, or why not. A page that is read anew keeps showing
// what it had, so nothing flickers.

/** After a lost connection, a busy server and the like it asks again by itself, seconds. */
const AGAIN_S = { lost: 3, timeout: 3, busy: 3, unavailable: 3, archive: 10 };

export class Asking {
  page = null;
  problem = "";
  #turn = 0;
  #timer = 0;

  /** `changed()` is called whenever an answer came. */
  constructor(link, what, changed) {
    Object.assign(this, { link, what, changed });
  }

  /** Ask for that one (id, at, day), or without any for the same again; an answer to an earlier question is then ignored. */
  async ask(...asked) {
    const [id, at, day] = asked.length ? asked : [this.id, this.at, this.day];
    if (id !== this.id || day !== this.day) this.page = null;
    Object.assign(this, { id, at, day });
    const turn = ++this.#turn;
    clearTimeout(this.#timer);
    try {
      const page = await this.link.ask(this.what, id, at, day);
      if (turn !== this.#turn) return;
      this.page = page;
      this.problem = "";
    } catch (refused) {
      if (turn !== this.#turn) return;
      this.problem = refused.problem ?? "unavailable";
      const again = AGAIN_S[this.problem];
      if (again) this.#timer = setTimeout(() => this.ask(), again * 1000);
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
