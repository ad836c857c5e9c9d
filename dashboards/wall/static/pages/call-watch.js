// Keeps the call of a page current: follows its lines while it goes on, and asks for the page anew once it is over.

import { LiveCall } from "./live-call.js";

/** The end of a call may reach the page's reader a little later than the floor: it is asked for again so often. */
const AGAIN_S = 3;
const TRIES = 5;

export class CallWatch {
  call = null;
  #page = null;
  #stop = null;
  #second = 0;
  #askedAt = 0;
  #tries = 0;
  #seen = false; // on this user's floor

  /** `again()` asks for the page anew. */
  constructor(context, again) {
    this.context = context;
    this.again = again;
  }

  /** The CallPage of the newest answer (undefined: its record is gone). */
  take(page) {
    if (page === this.#page) return;
    const goesOn = this.#stop && this.#page?.id === page?.id && page.ended_at === undefined;
    this.#page = page;
    if (goesOn) return this.call.renew(page);
    this.call = page ? new LiveCall(page) : null;
    this.#stop?.();
    this.#stop = this.call?.running ? this.context.link.follow(page.id, (message) => this.#heard(message)) : null;
  }

  /** Let a call that goes on grow, once a second; frozen screens stop with their clock. */
  tick(now) {
    if (!this.call?.running || Math.floor(now) === this.#second) return;
    this.#second = Math.floor(now);
    if (this.#isOver() && this.#tries < TRIES && now - this.#askedAt >= AGAIN_S) {
      this.#askedAt = now;
      this.#tries += 1;
      this.again();
    }
    this.context.redraw();
  }

  close() {
    this.#stop?.();
    this.call = this.#page = this.#stop = null;
    this.#tries = this.#askedAt = 0;
    this.#seen = false;
  }

  /** By the floor, which hears of it first; of a call that was never on this user's floor, by what is heard of it. */
  #isOver() {
    const { model } = this.context;
    const tile = model.calls.get(this.call.page.id);
    this.#seen ||= Boolean(tile);
    if (tile || !model.known) return tile?.phase === "ended";
    return this.#seen || this.call.isCut;
  }

  #heard(message) {
    this.call.take(message);
    this.context.redraw();
  }
}
