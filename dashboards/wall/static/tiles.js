// The floor: one tile a call, the worst first, as large as they all fit.

import { WORST_FIRST } from "./cards.js";
import { Keyed, byId, make, mark, put, show } from "./dom.js";
import { icon, reshape } from "./icons.js";
import { clock, words } from "./words.js";

const PHASES = ["offered", "ringing", "transferring", "held", "talking", "ended"];
const OVERFLOW = "~more"; // no call's id: it is only a key of this list

// Columns, a tile's height in rem, the scale of its text; `terse` leaves out queue and caller.
const SIZES = [
  { columns: 3, height: 12.2, scale: 1.22 },
  { columns: 4, height: 10.2, scale: 1.0 },
  { columns: 5, height: 8.7, scale: 0.84 },
  { columns: 6, height: 7.4, scale: 0.72 },
  { columns: 6, height: 6.4, scale: 1.0, terse: true },
  { columns: 7, height: 5.8, scale: 0.92, terse: true },
  { columns: 8, height: 5.2, scale: 0.8, terse: true },
  { columns: 9, height: 4.6, scale: 0.72, terse: true },
];
const GAP_REM = 0.6;
/** How much taller a tile may become where there is room. */
const STRETCH = 1.18;

/** call id -> the worst severity of its open alerts. */
function severities(alerts) {
  const worst = new Map();
  for (const { call, severity, over_at: over } of alerts) {
    if (over !== undefined) continue;
    const rank = WORST_FIRST.indexOf(severity);
    worst.set(call, Math.min(worst.get(call) ?? rank, rank));
  }
  return worst;
}

function create() {
  const parts = {
    icon: icon("offered"),
    phase: make("span", "phase"),
    badge: icon("notice"),
    severity: make("b", "severity"),
    clock: make("span", "clock"),
    who: make("p", "who"),
    more: make("p", "more"),
  };
  const flag = make("span", "flag", parts.badge, parts.severity);
  parts.root = make("article", "tile", make("p", "head", parts.icon, parts.phase, flag), parts.clock, parts.who, parts.more);
  return parts;
}

export class Tiles {
  #grid = byId("tiles");
  #keyed = new Keyed(this.#grid, create);
  #shown = new Map();
  #phases = new Map();

  /** Draw the floor. */
  draw(model) {
    const worst = severities(model.alerts.values());
    const rank = (call) => worst.get(call.id) ?? WORST_FIRST.length;
    const calls = [...model.calls.values()].sort((a, b) =>
      rank(a) - rank(b) || PHASES.indexOf(a.phase) - PHASES.indexOf(b.phase) || a.since - b.since || (a.id < b.id ? -1 : 1));
    put(byId("floor-title"), words().floor);
    put(byId("floor-count"), model.filled ? String(calls.filter((c) => c.phase !== "ended").length) : "");
    this.#summary(calls, model.filled);
    show(byId("floor-empty"), calls.length === 0);
    put(byId("floor-empty"), model.filled ? words().noCalls : "–");
    this.#place(calls, (call) => WORST_FIRST[worst.get(call.id)]);
    this.tick(model.now());
  }

  /** Let the clocks run. */
  tick(now) {
    for (const [id, parts] of this.#keyed.entries()) {
      const call = this.#shown.get(id);
      if (call) put(parts.clock, clock(call.phase === "ended" ? call.ended_at - call.begun_at : now - call.since));
    }
  }

  #summary(calls, filled) {
    const parent = byId("phases");
    for (const phase of PHASES.slice(0, -1)) {
      if (!this.#phases.has(phase)) {
        const parts = [icon(phase), make("span"), make("b")];
        const root = parent.appendChild(make("span", "phase-count", ...parts));
        mark(root, "phase", phase);
        this.#phases.set(phase, parts);
      }
      const [, word, count] = this.#phases.get(phase);
      put(word, words().phase[phase]);
      put(count, filled ? String(calls.filter((c) => c.phase === phase).length) : "–");
    }
  }

  #place(calls, severityOf) {
    const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
    const room = this.#grid.clientHeight / rem;
    const capacity = ({ columns, height }) => columns * Math.max(1, Math.floor((room + GAP_REM) / (height + GAP_REM)));
    const size = SIZES.find((s) => capacity(s) >= calls.length) ?? SIZES.at(-1);
    this.#grid.style.setProperty("--columns", size.columns);
    const rows = Math.max(1, Math.ceil(calls.length / size.columns));
    const height = Math.max(size.height, Math.min(size.height * STRETCH, (room + GAP_REM) / rows - GAP_REM));
    this.#grid.style.setProperty("--height", `${height}rem`);
    this.#grid.style.setProperty("--scale", size.scale);
    mark(this.#grid, "terse", size.terse);
    const most = capacity(size);
    const fit = calls.length > most ? calls.slice(0, most - 1) : calls;
    this.#shown = new Map(fit.map((call) => [call.id, call]));
    const items = fit.length < calls.length ? [...fit, { id: OVERFLOW, count: calls.length - fit.length }] : fit;
    this.#keyed.draw(items, (parts, item) => (item.id === OVERFLOW ? fillMore(parts, item) : fill(parts, item, severityOf(item))));
  }
}

function fillMore({ root, who }, { count }) {
  mark(root, "overflow", true);
  put(who, words().moreCalls(count));
}

function fill(parts, call, severity) {
  mark(parts.root, "call", call.id);
  mark(parts.root, "phase", call.phase);
  mark(parts.root, "severity", severity);
  reshape(parts.icon, call.phase);
  put(parts.phase, words().phase[call.phase]);
  put(parts.severity, severity ? words().severity[severity] : "");
  if (severity) reshape(parts.badge, severity);
  put(parts.who, people(call));
  put(parts.more, more(call));
}

const queue = (call) => (call.queue ? words().queue(call.queue) : words().direct);

/** Who is on it: `王芳(101)`, `王芳(101)等 3 人`; the queue while nobody is. */
function people(call) {
  const agents = (call.agents ?? []).map(words().agent);
  if (agents.length > 1) return words().several(agents[0], agents.length);
  return agents[0] ?? (call.phase === "talking" || call.phase === "held" ? words().nobody : queue(call));
}

/** The small line: where a transfer goes, how a call ended, else the queue and the caller. */
function more(call) {
  if (call.phase === "ended") return how(call);
  if (call.to) return words().to(words().agent(call.to));
  const line = call.direction === "outbound" ? words().outbound : call.agents?.length ? call.queue || words().direct : "";
  return [line, call.caller].filter(Boolean).join(" · ");
}

function how(call) {
  if (!call.answered) return call.ended_by === "customer" ? words().endedBy.gaveUp : words().endedBy.nobody;
  return words().endedBy[call.ended_by] ?? "";
}
