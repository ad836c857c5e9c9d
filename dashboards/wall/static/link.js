// The websocket: greeting, reconnecting with back-off, and the distinct end "not allowed".

const NOT_ALLOWED = 4401;
const BACK_OFF_S = [0.5, 1, 2, 4, 8];
/** A new token may have been set meanwhile: a screen that was turned away asks again now and then. */
const DENIED_RETRY_S = 30;
/** No message at all for this long: the line is dead even if nobody has said so. */
const DEAD_S = 15;

const token = () => new URLSearchParams(location.hash.slice(1)).get("token") ?? "";

export class Link {
  /** "connecting" before the first message, then "open"; "lost" from a loss to the next message; "denied". */
  state = "connecting";
  #socket = null;
  #tries = 0;
  #timer = 0;
  #watch = 0;

  /** `take(message)` answers false where it needs a new snapshot; `changed()` is called when `state` changes. */
  constructor(take, changed) {
    this.take = take;
    this.changed = changed;
    addEventListener("hashchange", () => this.open());
    addEventListener("online", () => this.open());
  }

  /** Connect, now. */
  open() {
    clearTimeout(this.#timer);
    this.#drop();
    const socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/live`);
    this.#socket = socket;
    socket.onopen = () => socket.send(JSON.stringify({ type: "hello", protocol: 1, token: token() }));
    socket.onmessage = ({ data }) => this.#heard(JSON.parse(data));
    socket.onclose = ({ code }) => this.#closed(code);
    this.#expect();
  }

  #heard(message) {
    this.#tries = 0;
    this.#expect();
    if (!this.take(message)) return this.open();
    this.#be("open");
    return undefined;
  }

  #closed(code) {
    this.#drop();
    this.#be(code === NOT_ALLOWED ? "denied" : "lost");
    const wait = this.state === "denied" ? DENIED_RETRY_S : BACK_OFF_S[Math.min(this.#tries++, BACK_OFF_S.length - 1)];
    this.#timer = setTimeout(() => this.open(), wait * 1000 * (0.75 + Math.random() / 2));
  }

  #expect() {
    clearTimeout(this.#watch);
    this.#watch = setTimeout(() => this.#closed(0), DEAD_S * 1000);
  }

  #drop() {
    clearTimeout(this.#watch);
    if (!this.#socket) return;
    this.#socket.onopen = this.#socket.onmessage = this.#socket.onclose = null;
    this.#socket.close();
    this.#socket = null;
  }

  #be(state) {
    const before = this.state;
    this.state = state;
    if (before !== state) this.changed();
  }
}
