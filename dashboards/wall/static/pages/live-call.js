// One call as its page shows it: the page that the server gave, and the lines that came since. Draws nothing.

const inTime = (a, b) => a.start - b.start || (a.role < b.role ? -1 : 1);
const isGap = (line) => line.kind === "gap";
const keyOf = (line) => `${line.role} ${line.kind ?? "said"} ${line.start}`;
/** JSON leaves out what is as usual; a line without `final` is one that is finished. */
export const isFinal = (line) => line.final !== false;

/** Phases shorter than this, seconds, are how a PBX works, not something that happened to anybody. */
const BRIEF_S = 0.05;

export class LiveCall {
  #talk;

  /** `page`: a CallPage. */
  constructor(page) {
    this.page = page;
    this.lines = [...(page.lines ?? [])].sort(inTime);
    this.spans = page.spans ?? [];
    this.#talk = page.talk ?? [];
  }

  get running() {
    return this.page.ended_at === undefined;
  }

  /** Whether no phase goes on any more, though the page does not know how the call ended. */
  get isCut() {
    return this.spans.length > 0 && this.spans.every((span) => span.until !== undefined);
  }

  /** A newer page of the same call, still running: what was heard of it is at least as new as that page's. */
  renew(page) {
    this.page = page;
  }

  /** Where the call ends as far as it is known `now`. */
  end(now) {
    return this.page.ended_at ?? Math.max(now, this.page.now);
  }

  /** The phases that took time, with `until` filled in. */
  phases(now) {
    const end = this.end(now);
    return this.spans
      .map((span) => ({ ...span, goesOn: span.until === undefined, until: Math.max(span.since, span.until ?? end) }))
      .filter((span) => span.phase !== "ended" && (span.goesOn || span.until - span.since >= BRIEF_S));
  }

  /** What the telephone did, as far as somebody would tell it; the end is its last. */
  get events() {
    const { ended_at: at, ended_by: by } = this.page;
    const told = this.spans.filter((s) => s.phase !== "ended" && (s.until === undefined || s.until - s.since >= BRIEF_S));
    return at === undefined ? told : [...told, { phase: "ended", since: at, by }];
  }

  /** Seconds in each phase. */
  totals(now) {
    const sums = { offered: 0, ringing: 0, talking: 0, held: 0, transferring: 0 };
    for (const span of this.phases(now)) sums[span.phase] += span.until - span.since;
    return sums;
  }

  /** Who of the agents was in the call at that moment. */
  agentAt(at) {
    const span = this.spans.findLast((s) => s.since <= at + 0.5 && s.agent);
    return span?.agent ?? this.page.agents?.[0] ?? null;
  }

  /** Who spoke when, with an end for those who are still speaking. */
  talk(now) {
    const end = this.end(now);
    return this.#talk.map((t) => (t.end === null || t.end === undefined ? { ...t, end: Math.max(t.start, end) } : t));
  }

  /**
   * News of the call (a message `lines`): a line or a stretch of talk replaces the one of its role and start; one without
   * text, or without length, takes it away. Spans come whole or not at all.
   */
  take({ lines = [], talk = [], spans }) {
    this.lines = merged(this.lines, lines, (line) => isGap(line) || Boolean(line.text));
    this.#talk = merged(this.#talk, talk, (t) => t.end !== t.start);
    this.spans = spans ?? this.spans;
  }
}

function merged(known, news, stays) {
  if (!news.length) return known;
  const byKey = new Map(known.map((one) => [keyOf(one), one]));
  for (const one of news) stays(one) ? byKey.set(keyOf(one), one) : byKey.delete(keyOf(one));
  return [...byKey.values()].sort(inTime);
}
