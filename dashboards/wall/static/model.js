// What the browser knows of the floor: a snapshot and the changes after it, and the server's clock. Draws nothing.

/** How many messages the estimate of the server's clock looks back on. */
const CLOCK_SAMPLES = 20;
/** Kinds that exist once: what comes replaces what was. */
const ONCE = ["recent", "counts", "status", "rules", "snoozes"];
const local = () => performance.now() / 1000;

export class Model {
  calls = new Map();
  alerts = new Map();
  recent = [];
  counts = null;
  status = null;
  rules = new Map(); // rule id -> its figures of seven days
  snoozes = [];
  stream = "";
  n = -1;
  known = false;
  team = "";
  lastEventAt = null;
  zone = undefined; // the browser's own, until the server says the hotline's
  beatS = 2;
  inTimeS = 10;
  heardAt = -Infinity; // local clock: when the last message came
  #offsets = [];

  /** Take a message in. False: a change was missed, a new snapshot is needed. */
  apply(message) {
    this.heardAt = local();
    this.#tune(message.now);
    this.lastEventAt = message.last_event_at ?? this.lastEventAt;
    if (message.type === "welcome") this.team = message.team ?? "";
    else if (message.type === "snapshot") this.#restart(message);
    else if (message.type === "change") return this.#change(message);
    return true;
  }

  /** Whether the day's record is known: a zero before that would be a lie. */
  get filled() {
    return this.known && this.status.feed.known;
  }

  /** The server's clock, Unix seconds. */
  now() {
    return this.#offsets.length ? local() + Math.max(...this.#offsets) : Date.now() / 1000;
  }

  /** When the last message came, by the server's clock. */
  lastHeard() {
    return this.now() - this.silence();
  }

  /** Seconds since the last message. */
  silence() {
    return local() - this.heardAt;
  }

  // A message is never early, only late: of several estimates the largest is the nearest.
  #tune(now) {
    if (!Number.isFinite(now)) return;
    this.#offsets.push(now - local());
    if (this.#offsets.length > CLOCK_SAMPLES) this.#offsets.shift();
  }

  #restart(message) {
    this.calls = keyed(message.calls);
    this.alerts = keyed(message.alerts);
    this.#replace(message);
    ({ stream: this.stream, n: this.n, timezone: this.zone, beat_s: this.beatS, in_time_s: this.inTimeS } = message);
    this.known = true;
  }

  #change({ after, n, set, gone }) {
    if (after !== this.n) return false;
    this.n = n;
    for (const call of set.calls ?? []) this.calls.set(call.id, call);
    for (const alert of set.alerts ?? []) this.alerts.set(alert.id, alert);
    for (const id of gone.calls ?? []) this.calls.delete(id);
    for (const id of gone.alerts ?? []) this.alerts.delete(id);
    this.#replace(set);
    return true;
  }

  #replace(views) {
    for (const kind of ONCE) {
      if (views[kind] !== undefined) this[kind] = kind === "rules" ? keyed(views.rules) : views[kind];
    }
  }
}

const keyed = (views) => new Map(views.map((view) => [view.id, view]));

/**
 * What may be believed of the screen: {state, cause, since, detail, frozen}, where `cause` is a key of words().cause and
 * `frozen` says that what is shown is the past. Worst first, so that a broken wall never looks like a quiet one.
 */
export function judge(model, link) {
  const verdict = (state, cause, since = null, detail = "", frozen = false) => ({ state, cause, since, detail, frozen });
  if (link.state === "denied") return verdict("denied", null);
  if (link.state === "lost") return verdict("disconnected", "closed", model.known ? model.lastHeard() : null, "", true);
  if (!model.known || link.state !== "open") return verdict("connecting", "opening");
  if (model.silence() > 3 * model.beatS) return verdict("stale", "server", model.lastHeard(), "", true);
  const { feed, detect, pbx } = model.status;
  // why it is gone is an exception of the client: for the log and /healthz, not for a screen
  if (feed.state === "gone") return verdict("stale", "kafka", feed.since, "", true);
  if (feed.state === "reading") return verdict("connecting", "reading");
  if (feed.state !== "live") return verdict("connecting", "kafkaFirst");
  if (isBad(pbx)) return verdict("stale", "pbx", pbx.since, pbx.detail, true);
  for (const [state, name] of [["engine", "detect"], ["ears", "listen"], ["ears", "recognise"]]) {
    const part = model.status[name];
    if (isBad(part)) return verdict(state, part.state === "dead" ? name : `${name}Trouble`, part.since, part.detail);
  }
  if (detect.state !== "ok" || pbx.state !== "ok") return verdict("connecting", "waiting");
  return verdict("live", null);
}

/** What is wrong with the archive, as a key of words().archive: "" where nothing is, or nobody can know. It stops nothing. */
export function archiveTrouble(model) {
  const trouble = troubleOf(model, "archive");
  return trouble === "trouble" && model.status.archive.detail.endsWith(" full") ? "full" : trouble;
}

/** What is wrong with the pager, as a key of words().pager: nobody, or not everybody, is woken. It stops nothing either. */
export const pagerTrouble = (model) => troubleOf(model, "pager");

function troubleOf({ status }, name) {
  const part = status?.[name];
  if (status?.feed.state !== "live" || !isBad(part) || part.detail === "connecting") return ""; // it has just started
  return part.state;
}

const isBad = (part) => part?.state === "dead" || part?.state === "trouble";
