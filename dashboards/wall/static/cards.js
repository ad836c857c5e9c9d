// The list of alerts: the worst first, as much detail as fits, never more than one screen.

import { Keyed, byId, make, mark, put, show } from "./dom.js";
import { icon, reshape } from "./icons.js";
import { clock, timeOfDay, words } from "./words.js";

export const WORST_FIRST = ["critical", "warning", "notice"];
/** How long a new critical alert pulses, seconds. */
const FRESH_S = 12;

/** A card's gap and its height in each detail, rem; "full" is measured, its sentence may take two lines. */
const GAP_REM = 0.6;
const HEIGHT_REM = { line: 3.1, brief: 5.7 };

const isOver = (alert) => alert.over_at !== undefined;
const isNow = (alert) => Boolean(alert.ongoing) && !isOver(alert);

/** What needs somebody now, then what has happened, then what is cleared; in each by severity and age. */
export function inOrder(alerts) {
  const key = (a) => [isOver(a) ? 1 : 0, WORST_FIRST.indexOf(a.severity), isNow(a) ? 0 : 1];
  return [...alerts].sort((a, b) => {
    const [x, y] = [key(a), key(b)];
    const differs = x.findIndex((value, i) => value !== y[i]);
    if (differs >= 0) return x[differs] - y[differs];
    return isNow(a) ? a.opened_at - b.opened_at : b.opened_at - a.opened_at;
  });
}

/** Title and sentence in the language in use. */
function wording(alert) {
  return words().lang === "en" && alert.en ? alert.en : alert;
}

/** A text of the alert; of a rule on trial with a word that says so. */
function marked(alert, text) {
  return alert.trial ? words().onTrial(text) : text;
}

function create() {
  const parts = {
    badge: icon("notice"),
    severity: make("b", "severity"),
    bySound: make("span", "by-sound"),
    title: make("span", "title"),
    age: make("span", "age"),
    when: make("span", "when"),
    says: make("p", "says"),
    who: make("span", "who"),
    clause: make("span", "clause"),
  };
  const head = make("div", "head", parts.badge, parts.severity, parts.bySound, parts.title, parts.when, parts.age);
  parts.root = make("article", "card", head, parts.says, make("p", "foot", parts.who, parts.clause));
  return parts;
}

export class Cards {
  #list = byId("cards");
  #keyed = new Keyed(this.#list, create);
  #shown = [];

  /** Draw the open alerts; `state` is the screen's (live, stale ...). */
  draw(model, state) {
    show(byId("recent"), false); // it may only have what the cards leave
    const alerts = inOrder(model.alerts.values());
    const open = alerts.filter((a) => !isOver(a));
    put(byId("alerts-title"), words().openAlerts);
    put(byId("alerts-count"), model.filled ? String(open.length) : "");
    this.#fit(alerts, model);
    this.#quiet(open.length === 0, model, state);
    this.#recent(model, alerts.length);
  }

  /** Let the ages run. */
  tick(now) {
    const byKey = new Map(this.#shown.map((a) => [a.id, a]));
    for (const [id, parts] of this.#keyed.entries()) {
      const alert = byKey.get(id);
      put(parts.age, clock((alert.over_at ?? now) - alert.opened_at));
      mark(parts.root, "fresh", alert.severity === "critical" && isNow(alert) && now - alert.opened_at < FRESH_S);
    }
  }

  /** Detail where it matters most: a line for each, then a second for what goes on, then the clauses, worst first. */
  #fit(alerts, model) {
    const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
    const more = byId("cards-more");
    show(more, false);
    show(byId("quiet"), false);
    show(this.#list, alerts.length > 0);
    const open = !alerts.every(isOver);
    mark(byId("alerts"), "open", open);
    const room = this.#list.clientHeight / rem + GAP_REM;
    const each = HEIGHT_REM.line + GAP_REM;
    const fit = alerts.length * each <= room ? alerts : alerts.slice(0, Math.max(1, Math.floor(room / each) - 1));
    this.#put(fit, () => "full", model);
    const full = new Map([...this.#keyed.entries()].map(([id, { root }]) => [id, root.offsetHeight / rem]));
    const detail = this.#share(fit, full, open ? room - fit.length * each : 0); // else the room is the quiet panel's
    this.#put(fit, (alert) => detail.get(alert.id), model);
    show(more, fit.length < alerts.length);
    put(more, this.#more(alerts.slice(fit.length)));
  }

  #share(alerts, full, spare) {
    const detail = new Map(alerts.map((alert) => [alert.id, "line"]));
    const heights = (alert) => ({ ...HEIGHT_REM, full: full.get(alert.id) });
    const rest = (now) => alerts.filter((alert) => isNow(alert) === now);
    const wishes = [[rest(true), "brief"], [rest(true), "full"], [rest(false), "brief"], [rest(false), "full"]];
    for (const [some, wish] of wishes) {
      for (const alert of some) {
        const cost = heights(alert)[wish] - heights(alert)[detail.get(alert.id)];
        if (cost > spare) break;
        detail.set(alert.id, wish);
        spare -= cost;
      }
    }
    return detail;
  }

  #more(hidden) {
    const parts = WORST_FIRST.map((s) => [words().severity[s], hidden.filter((a) => a.severity === s).length]);
    return words().moreAlerts(hidden.length, parts.filter(([, n]) => n).map(([word, n]) => `${word} ${n}`).join(" · "));
  }

  #put(alerts, detailOf, model) {
    this.#shown = alerts;
    this.#keyed.draw(alerts, (parts, alert) => {
      mark(parts.root, "detail", detailOf(alert));
      fill(parts, alert, model.zone);
    });
    this.tick(model.now());
  }

  #quiet(none, model, state) {
    const sure = state === "live";
    const kind = sure ? "quiet" : state === "connecting" ? "waiting" : "unsure";
    const panel = byId("quiet");
    show(panel, none);
    mark(panel, "kind", kind);
    reshape(byId("quiet-icon"), { quiet: "check", waiting: "connecting", unsure: "question" }[kind]);
    put(byId("quiet-word"), words()[kind]);
    const last = model.lastEventAt ? words().lastEvent(timeOfDay(model.lastEventAt, model.zone)) : words().noEvent;
    put(byId("quiet-more"), { quiet: last, waiting: words().waitingMore, unsure: words().unsureMore }[kind]);
  }

  // Only where there is room: what is open now matters more than what was.
  #recent(model, open) {
    const panel = byId("recent");
    const past = model.recent.slice(0, open ? 3 : 6);
    show(panel, past.length > 0 && open <= 2);
    put(byId("recent-title"), words().recent);
    byId("recent-list").replaceChildren(...past.map((alert) => recentLine(alert, model.zone)));
    if (this.#list.scrollHeight > this.#list.clientHeight + 1) show(panel, false);
  }
}

function recentLine(alert, zone) {
  const line = make("li", "", icon(alert.severity));
  line.dataset.severity = alert.severity;
  const [when, title, who, how] = ["when", "title", "who", "how"].map((name) => line.appendChild(make("span", name)));
  put(when, timeOfDay(alert.opened_at, zone));
  put(title, marked(alert, wording(alert).title));
  put(who, alert.agent ? words().agent(alert.agent) : alert.queue ? words().queue(alert.queue) : "");
  put(how, isOver(alert) ? words().cleared : words().past);
  return line;
}

function fill(parts, alert, zone) {
  const { root } = parts;
  const over = isOver(alert);
  mark(root, "alert", alert.id);
  mark(root, "severity", alert.severity);
  mark(root, "life", over ? "cleared" : isNow(alert) ? "now" : "past");
  reshape(parts.badge, over ? "check" : alert.severity);
  put(parts.severity, over ? words().cleared : words().severity[alert.severity]);
  put(parts.title, wording(alert).title);
  const [sign, meaning] = words().bySound;
  put(parts.bySound, sign);
  parts.bySound.title = meaning;
  show(parts.bySound, Boolean(alert.by_sound));
  put(parts.says, marked(alert, wording(alert).says));
  put(parts.when, when(alert, zone));
  const who = [alert.agent && words().agent(alert.agent), alert.queue && words().queue(alert.queue)];
  put(parts.who, who.filter(Boolean).join(" · "));
  put(parts.clause, words().clause(alert.clause) + (alert.clause.quote ? words().quote(alert.clause.quote) : ""));
}

function when(alert, zone) {
  if (isOver(alert)) return words().clearedAt(timeOfDay(alert.over_at, zone));
  const at = timeOfDay(alert.opened_at, zone);
  return isNow(alert) ? words().ongoing(at) : words().happened(at);
}
