// The way to the server: token, one-use ticket, websocket (protocol 3), reconnecting with back-off and resuming where it
// stopped; questions and verdicts as promises with a time limit. Knows nothing of what the messages say.

import { askNeighbours, heedNeighbours, inAddress, keep, kept, tellNeighboursToLeave } from "./token.js";

const NOT_ALLOWED = 4401;
/** This screen read too slowly: it goes on at once, with what it missed. */
const TOO_SLOW = 4408;
const BACK_OFF_S = [0.5, 1, 2, 4, 8];
/** A new token may have been set meanwhile: a screen that was turned away asks again now and then. */
const DENIED_RETRY_S = 30;
/** No message at all for this long: the line is dead even if nobody has said so. */
const DEAD_S = 15;
/** How long a page or a verdict is waited for. */
const ASK_S = 10;
const ACT_S = 12;
/** The server lets 20 messages through at once and 5 a second; a little less than that is sent. */
const BURST = 15;
const PER_S = 4;

const NOTHING = { stream: "", n: -1 };

/** Why a question or a verdict had no effect: what the server says, or "timeout" or "lost" (it may have arrived). */
export class Refused extends Error {
  constructor(problem) {
    super(problem);
    this.problem = problem;
  }
}

export class Link {
  /** "connecting" before the first data, then "open"; "lost" from a loss to the next data; "denied". */
  state = "connecting";
  /** Why it was denied: "token", or "role" (this user may not open this mode). */
  why = "";
  /** The user, and what that role may do: actions, "snooze", "pages". Known from the first `welcome` on. */
  you = null;
  can = new Set();
  teams = [];
  team = "";
  /** The queues of which this user may snooze rules; none: all of them, and every queue at once. */
  queues = [];
  #socket = null;
  #attempt = 0;
  #fetching = null;
  #tries = 0;
  #timer = 0;
  #watch = 0;
  #resume = NOTHING;
  #welcome = false;
  #numbers = 0;
  #waiting = new Map(); // number -> {message, settle, sent}
  #follow = null;
  #pace = new Pace((message) => this.#send(message));

  /**
   * `mode`: "wall" or "desk". `take(message)` gets every message and answers false where it needs a new snapshot;
   * `changed()` is called when `state` changes. `keeps`: the token stays in the address (a television is restarted with it).
   */
  constructor(mode, take, changed, { team = "", keeps = false } = {}) {
    Object.assign(this, { mode, take, changed, team, keeps });
    heedNeighbours(mode, () => this.state === "open", () => this.#leave());
    addEventListener("hashchange", () => inAddress() && this.open());
    addEventListener("online", () => this.open());
  }

  /** Connect, now. */
  open() {
    this.#drop();
    const attempt = this.#attempt;
    this.#connect(attempt).catch(() => attempt === this.#attempt && this.#closed()); // of an older one nobody cares
  }

  /** Try that token. */
  login(token) {
    keep(token);
    this.#forget();
    this.open();
  }

  /** Forget the token and everything that was shown with it, in every tab. */
  logout() {
    tellNeighboursToLeave(this.mode);
    this.#leave();
  }

  /** Look at another team ("": all that this user may see). */
  look(team) {
    this.team = team;
    this.#forget();
    this.open();
  }

  /** Whether a token is known; without one the user comes through a proxy. */
  get hasToken() {
    return Boolean(inAddress() || kept());
  }

  /** Whether the role allows that action, "snooze" or "pages". */
  may(what) {
    return this.can.has(what);
  }

  /** Whether this user may snooze rules in that queue, and lift that; queue "" is every queue. */
  maySnooze(queue) {
    return this.may("snooze") && (this.queues.length === 0 || this.queues.includes(queue));
  }

  /**
   * The page of an "alert", a "call" or an "agent" (of a `day` as `2026-11-22`, else of today). It waits for the connection.
   * Rejects with Refused.
   */
  ask(what, id, at = undefined, day = undefined) {
    return this.#expect({ type: "ask", what, id, at, day }, ASK_S);
  }

  /** Calls that are as asked for: {text, by_sound, role, ...} (docs/wall.md). Waits and rejects as `ask`. */
  find(asked) {
    return this.#expect({ type: "find", ...asked }, ASK_S);
  }

  /** Do something with an alert; resolves when the verdict is stored. Rejects with Refused. */
  act(alert, action, { reason = null, text = "" } = {}) {
    return this.#expect({ type: "act", alert, action, reason, text }, ACT_S);
  }

  /** Keep a rule off the walls for so many minutes, 0 lifts that; queue "" is every queue. Rejects with Refused. */
  snooze(rule, queue, minutes, text = "") {
    return this.#expect({ type: "snooze", rule, queue, minutes, text }, ACT_S);
  }

  /** Hear the lines of a call as they come (and again after a reconnect), until the returned function is called. */
  follow(call, heard) {
    const mine = { call, heard };
    this.#follow = mine;
    if (this.#welcome) this.#pace.put({ type: "follow", call });
    return () => {
      if (this.#follow !== mine) return;
      this.#follow = null;
      if (this.#welcome) this.#pace.put({ type: "follow", call: "" });
    };
  }

  #leave() {
    keep("");
    location.replace("/desk");
  }

  // getting in

  async #connect(attempt) {
    this.#fetching = new AbortController();
    const signal = AbortSignal.any([this.#fetching.signal, AbortSignal.timeout(DEAD_S * 1000)]);
    const answer = await fetch("/ticket", { headers: asking(this.#token()), signal });
    const given = answer.status === 401 && !kept() ? await askNeighbours(this.mode) : "";
    if (attempt !== this.#attempt) return;
    if (given) return this.login(given);
    if (answer.status === 401) return this.#denied("token");
    if (!answer.ok) throw new Refused("unavailable");
    const { ticket } = await answer.json();
    if (attempt === this.#attempt) this.#dial(ticket);
  }

  #dial(ticket) {
    const socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/live`);
    this.#socket = socket;
    const resume = this.#resume.stream ? this.#resume : {};
    const hello = { type: "hello", protocol: 3, ticket, mode: this.mode, team: this.team, ...resume };
    socket.onopen = () => socket.send(JSON.stringify(hello));
    socket.onmessage = ({ data }) => this.#heard(JSON.parse(data));
    socket.onclose = ({ code }) => this.#ended(code);
    this.#guard();
  }

  #token() {
    const given = inAddress();
    if (given) keep(given);
    if (given && !this.keeps) history.replaceState(history.state, "", location.pathname + location.search);
    return given || kept();
  }

  // hearing

  #heard(message) {
    this.#guard();
    if (message.type === "welcome") this.#greeted(message);
    if (message.type === "answer") this.#settle(message.ask, message.problem, message.page);
    if (message.type === "done") this.#settle(message.act, message.problem);
    if (message.type === "lines" && message.call === this.#follow?.call) this.#follow.heard(message);
    if (!this.take(message)) return this.#again();
    if (!["snapshot", "change", "beat"].includes(message.type)) return undefined;
    this.#resume = { stream: message.stream ?? this.#resume.stream, n: message.n };
    this.#tries = 0;
    return this.#be("open");
  }

  #greeted({ you, can, teams = [], team = "", queues = [] }) {
    Object.assign(this, { you, can: new Set(can), teams, team, queues });
    this.#welcome = true;
    this.changed();
    if (this.#follow) this.#pace.put({ type: "follow", call: this.#follow.call });
    for (const one of this.#waiting.values()) if (!one.sent) this.#put(one);
  }

  #again() {
    this.#resume = NOTHING;
    this.open();
  }

  // asking and acting

  #expect(message, limitS) {
    const number = ++this.#numbers;
    message[isQuestion(message) ? "ask" : "act"] = number;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#settle(number, "timeout"), limitS * 1000);
      const one = { message, sent: false, settle: (problem, page) => {
        clearTimeout(timer);
        problem ? reject(new Refused(problem)) : resolve(page);
      } };
      this.#waiting.set(number, one);
      if (this.#welcome) this.#put(one);
      else if (!isQuestion(message)) this.#settle(number, "lost");
    });
  }

  #put(one) {
    one.sent = true;
    this.#pace.put(one.message);
  }

  #settle(number, problem, page = undefined) {
    const one = this.#waiting.get(number);
    this.#waiting.delete(number);
    one?.settle(problem, page);
  }

  #send(message) {
    if (this.#welcome) this.#socket?.send(JSON.stringify(message));
  }

  // losing it

  #denied(why) {
    this.#drop();
    this.why = why;
    this.#forget();
    this.state = "denied";
    this.changed(); // even if it was so before: now it may be for another reason
    this.#later(DENIED_RETRY_S);
  }

  #ended(code) {
    if (code === NOT_ALLOWED) this.#denied("role");
    else if (code === TOO_SLOW && this.#tries++ === 0) this.open(); // nothing is lost; the second time in a row it waits
    else this.#closed();
  }

  #closed() {
    this.#drop();
    this.#be("lost");
    this.#later(BACK_OFF_S[Math.min(this.#tries++, BACK_OFF_S.length - 1)]);
  }

  #later(wait) {
    this.#timer = setTimeout(() => this.open(), wait * 1000 * (0.75 + Math.random() / 2));
  }

  #guard() {
    clearTimeout(this.#watch);
    this.#watch = setTimeout(() => this.#closed(), DEAD_S * 1000);
  }

  #forget() {
    this.#resume = NOTHING;
  }

  /** Questions are put again after a reconnect; whether a verdict has arrived nobody knows. */
  #drop() {
    this.#attempt += 1;
    this.#welcome = false;
    this.#fetching?.abort();
    clearTimeout(this.#timer);
    clearTimeout(this.#watch);
    this.#pace.clear();
    for (const [number, one] of [...this.#waiting]) {
      one.sent = false;
      if (!isQuestion(one.message)) this.#settle(number, "lost");
    }
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

/** Whether it only asks: it may be asked again after a reconnect. */
const isQuestion = ({ type }) => type === "ask" || type === "find";

/** Sends at once while it may, else as soon as it may. */
class Pace {
  #left = BURST;
  #at = performance.now();
  #queue = [];
  #timer = 0;

  constructor(send) {
    this.send = send;
  }

  put(message) {
    this.#queue.push(message);
    if (!this.#timer) this.#run();
  }

  clear() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    this.#queue = [];
  }

  #run() {
    const now = performance.now();
    this.#left = Math.min(BURST, this.#left + ((now - this.#at) / 1000) * PER_S);
    this.#at = now;
    for (; this.#queue.length && this.#left >= 1; this.#left -= 1) this.send(this.#queue.shift());
    this.#timer = this.#queue.length ? setTimeout(() => this.#run(), 1000 / PER_S) : 0;
  }
}

/** The header without which no ticket is given: no other site can send it. */
const asking = (token) => ({ "X-Sansheng": "1", ...(token && { Authorization: `Bearer ${token}` }) });
