// The list of alerts: the worst first, grouped, as much detail as fits, never more than one screen.

import { html, nothing } from "/vendor/lit-html.js";
import { repeat } from "/vendor/directives/repeat.js";
import { WORST_FIRST, grouped, isNow, isOver } from "./groups.js";
import { icon } from "./icons.js";
import { minuteOf, timeOfDay, words } from "./words.js";

/** How long a new critical alert pulses, seconds. */
const FRESH_S = 12;
/** How many further alerts of a call are named on its card. */
const BELOW = 2;

// Heights in rem, as in wall.css. A "mini" takes half of a row.
const GAP = 0.5;
const HEIGHT = { mini: 2.3, line: 3.1, brief: 5.7, full: 9.9 };
const SAYS_LINE = 2.43;
const BELOW_LINE = 1.9;
const TITLE = 3.1;
const MORE = 3.1 + GAP;
const HUSH = { head: 2.9, line: 1.75 };
const RECENT = { head: 3.4, line: 2.1 };
const QUIET = 15;
/** How many characters of its sentence a card holds in a line; a Latin letter is about half of one. */
const SAYS_WIDTH = 24;

/** Draw the column of alerts. `state` is the screen's (live, stale ...), `room` the column's height in rem. */
export function alertsColumn(model, state, room) {
  const groups = grouped(model.alerts.values(), model.recent);
  const open = groups.filter(({ lead }) => !isOver(lead));
  const hush = hushOf(model);
  let left = room - TITLE - hush.height;
  const { shown, detail } = fit(groups, (open.length ? left : left - QUIET) + GAP);
  const hidden = groups.slice(shown.length);
  left -= heightOf(shown, detail) + (hidden.length ? MORE : 0) + (open.length ? 0 : QUIET);
  const now = model.now();
  return html`${title(model, open)}
    <div id="cards" ?hidden=${shown.length === 0}>
      ${repeat(shown, ({ id }) => id, (group) => card(group, detail.get(group.id), model, now))}</div>
    ${hidden.length ? html`<p id="cards-more">${more(hidden)}</p>` : nothing}
    ${open.length ? nothing : quiet(model, state)}
    ${recent(model, left)}
    ${hush.drawn}`;
}

/** All cards of groups that are open. */
export const openCards = (model) => [...model.alerts.values()].filter((alert) => !isOver(alert));

function title(model, open) {
  const cards = openCards(model);
  const counts = WORST_FIRST.map((severity) => [severity, cards.filter((c) => c.severity === severity).length]);
  return html`<h2><span>${words().openAlerts}</span> <b id="alerts-count">${model.filled ? cards.length : ""}</b>
    <span class="counts">${counts.filter(([, n]) => n && open.length).map(([severity, n]) => html`<span
      class="count" data-severity=${severity}>${icon(severity)}${words().severity[severity]} <b>${n}</b></span>`)}</span></h2>`;
}

// what fits

/** The height that these cards need, rem. */
function heightOf(groups, detail) {
  const minis = groups.filter(({ id }) => detail.get(id) === "mini").length;
  const rows = groups.filter(({ id }) => detail.get(id) !== "mini");
  const heights = rows.reduce((sum, group) => sum + cost(group, detail.get(group.id)) + GAP, 0);
  return heights + Math.ceil(minis / 2) * (HEIGHT.mini + GAP);
}

/** Detail where it matters most: a line for each, a second for what goes on, then the clauses, worst first. */
function fit(groups, room) {
  const { shown, detail } = atLeast(groups, room);
  if (shown.length < groups.length) room -= MORE;
  const share = (some, wish) => {
    for (const group of some) {
      const before = detail.get(group.id);
      detail.set(group.id, wish);
      if (heightOf(shown, detail) <= room) continue;
      detail.set(group.id, before);
      return;
    }
  };
  if (shown.some(({ id }) => detail.get(id) === "mini")) {
    share(shown.filter(({ id }) => detail.get(id) === "mini"), "line");
    return { shown, detail };
  }
  const lives = (now) => shown.filter(({ lead }) => isNow(lead) === now);
  for (const now of [true, false]) for (const wish of ["brief", "full"]) share(lives(now), wish);
  return { shown, detail };
}

/** A line for each; where that is too much, half a line for all but the critical ones; then the last are left out. */
function atLeast(groups, room) {
  const details = (wish) => new Map(groups.map((group) => [group.id, wish(group)]));
  const lines = details(() => "line");
  if (heightOf(groups, lines) <= room) return { shown: groups, detail: lines };
  const minis = details(({ lead }) => (lead.severity === "critical" && !isOver(lead) ? "line" : "mini"));
  let shown = groups;
  while (shown.length > 1 && heightOf(shown, minis) > room - (shown === groups ? 0 : MORE)) shown = shown.slice(0, -1);
  return { shown, detail: minis };
}

function cost(group, detail) {
  if (detail !== "full") return HEIGHT[detail];
  return HEIGHT.full + (saysLines(group.lead) - 1) * SAYS_LINE + below(group) * BELOW_LINE;
}

/** How many lines stand under a card's sentence: further alerts of the call, and further calls. */
const below = (group) => Math.min(group.others.length, BELOW) + (group.again.length ? 1 : 0);

function saysLines(lead) {
  const width = (char) => (char === " " ? 0.25 : char < "\u2000" ? 0.56 : 1);
  const wide = [...marked(lead, wording(lead).says)].reduce((sum, char) => sum + width(char), 0);
  return wide > SAYS_WIDTH ? 2 : 1;
}

// one card

/** Title and sentence in the language in use. */
export const wording = (alert) => (words().lang === "en" && alert.en ? alert.en : alert);

/** A text of the alert; of a rule on trial with a word that says so. */
export const marked = (alert, text) => (alert.trial ? words().onTrial(text) : text);

function card(group, detail, model, now) {
  const { lead } = group;
  const text = words();
  const over = isOver(lead);
  const life = over ? "cleared" : isNow(lead) ? "now" : "past";
  const fresh = lead.severity === "critical" && life === "now" && now - lead.opened_at < FRESH_S;
  const [sign, meaning] = text.bySound;
  return html`<article class="card" data-alert=${lead.id} data-severity=${lead.severity} data-life=${life}
      data-detail=${detail} data-fresh=${fresh ? "true" : nothing} data-lines=${saysLines(lead)} data-below=${below(group)}>
    <div class="head">${icon(over ? "check" : lead.severity)}<b class="severity">${over ? ending(lead) : text.severity[lead.severity]}</b>
      ${lead.by_sound ? html`<span class="by-sound" title=${meaning}>${sign}</span>` : nothing}
      <span class="title">${detail === "mini" ? short(lead, (p) => p.name || p.id) : wording(lead).title}</span>
      ${badges(group, detail)}
      ${detail === "brief" && life !== "now" ? html`<span class="when">${when(lead, model.zone)}</span>` : nothing}
      ${whose(lead, life, detail)}
      <span class="clock age" .since=${lead.opened_at} .until=${over ? lead.over_at ?? now : undefined}></span></div>
    ${detail === "mini" ? nothing : html`<p class="says">${detail === "line" && lead.claimed ? short(lead, (p) => p.name || text.agent(p)) : marked(lead, wording(lead).says)}</p>`}
    ${detail === "full" ? [belowLines(group, model), foot(lead, model)] : nothing}
  </article>`;
}

const ending = (lead) => (lead.over_at === undefined ? words().finding[lead.finding] : words().cleared);

/** Who and what, where there is no room for the sentence. */
const short = (lead, name) => [lead.agent ? name(lead.agent) : lead.queue, marked(lead, wording(lead).title)].filter(Boolean).join(" ");

/** How many are alike, and how many more the call has where they are not named. */
function badges({ others, alike }, detail) {
  if (detail === "mini") return nothing;
  const more = detail !== "full" && others.length > 0;
  return [
    alike > 1 ? html`<span class="alike">${words().alike(alike)}</span>` : nothing,
    more ? html`<span class="alike" title=${words().alsoAlerts(others.length)}>+${others.length}</span>` : nothing,
  ];
}

/** Who is on it; that nobody is, where somebody should be. */
function whose(lead, life, detail) {
  if (lead.claimed && life !== "cleared") {
    const name = words().person(lead.claimed);
    const says = words().handledBy(name);
    const shown = { mini: "", line: name }[detail] ?? says;
    return html`<span class="claimed" title=${says}>${icon("person")}<span>${shown}</span></span>`;
  }
  const missing = life === "now" && (detail === "brief" || detail === "full");
  return missing ? html`<span class="unclaimed">${words().unclaimed}</span>` : nothing;
}

function belowLines({ others, again }, model) {
  const hidden = others.length - BELOW;
  const named = others.slice(0, BELOW).map((other, i) => html`<p class="also" data-severity=${other.severity}>
    ${icon(isOver(other) ? "check" : other.severity)}<span>${marked(other, wording(other).title)}</span>
    ${i === BELOW - 1 && hidden > 0 ? html`<b>${words().alsoAlerts(hidden)}</b>` : nothing}
    <span class="when">${timeOfDay(other.opened_at, model.zone)}</span></p>`);
  const times = again.slice(0, 4).map((other) => minuteOf(other.opened_at, model.zone)).join(" ");
  return [...named, again.length ? html`<p class="also">${words().alsoCalls(again.length, times)}</p>` : nothing];
}

function foot(lead, model) {
  const who = [when(lead, model.zone), lead.agent && words().agent(lead.agent), lead.queue && words().queue(lead.queue)];
  const quote = lead.clause.quote ? words().quote(lead.clause.quote) : "";
  return html`<p class="foot"><span class="who">${who.filter(Boolean).join(" · ")}</span>
      <span class="precision">${precision(model.rules.get(lead.rule))}</span></p>
    <p class="foot"><span class="clause">${words().clause(lead.clause)}${quote}</span></p>`;
}

/** How often the rule was wrong, where people have found it so. */
function precision(figures) {
  if (!figures?.wrong) return nothing;
  const all = (figures.right ?? 0) + figures.wrong + (figures.undecided ?? 0);
  return words().precision(all, figures.wrong);
}

function when(alert, zone) {
  if (alert.over_at !== undefined) return words().clearedAt(timeOfDay(alert.over_at, zone));
  const at = timeOfDay(alert.opened_at, zone);
  return isNow(alert) ? words().ongoing(at) : words().happened(at);
}

// below the cards

function more(groups) {
  const cards = groups.flatMap(({ lead, others, again }) => [lead, ...others, ...again]);
  const parts = WORST_FIRST.map((s) => [words().severity[s], cards.filter((c) => c.severity === s).length]);
  return words().moreAlerts(cards.length, parts.filter(([, n]) => n).map(([word, n]) => `${word} ${n}`).join(" · "));
}

function quiet(model, state) {
  const kind = { live: "quiet", connecting: "waiting", ears: "unheard" }[state] ?? "unsure";
  const last = model.lastEventAt ? words().lastEvent(timeOfDay(model.lastEventAt, model.zone)) : words().noEvent;
  const below = { quiet: last, waiting: words().waitingMore, unheard: words().unheardMore, unsure: words().unsureMore };
  const shape = { quiet: "check", waiting: "connecting", unheard: "ears", unsure: "question" };
  return html`<div id="quiet" data-kind=${kind}>${icon(shape[kind])}
    <p id="quiet-word">${words()[kind]}</p><p id="quiet-more">${below[kind]}</p></div>`;
}

/** Only where there is room: what is open now matters more than what was. */
function recent(model, left) {
  const lines = Math.min(model.recent.length, 8, Math.floor((left - RECENT.head) / RECENT.line));
  if (lines < 2 && lines < model.recent.length) return nothing;
  if (lines < 1) return nothing;
  return html`<div id="recent"><h3>${words().recent}</h3>
    <ol>${model.recent.slice(0, lines).map((alert) => recentLine(alert, model.zone))}</ol></div>`;
}

function recentLine(alert, zone) {
  const who = alert.agent ? words().agent(alert.agent) : alert.queue ? words().queue(alert.queue) : "";
  return html`<li data-severity=${alert.severity}>${icon(alert.severity)}
    <span class="when">${timeOfDay(alert.opened_at, zone)}</span>
    <span class="title">${marked(alert, wording(alert).title)}</span>
    <span class="who">${who}</span><span class="how">${isOver(alert) ? ending(alert) : words().past}</span></li>`;
}

/** What is kept off the wall, until when and by whom: {height, drawn}. */
function hushOf(model) {
  const now = model.now();
  const live = model.snoozes.filter(({ until }) => until > now).sort((a, b) => a.until - b.until);
  const before = model.counts?.snoozed ?? 0;
  if (!live.length && !before) return { height: 0, drawn: nothing };
  const lines = live.slice(0, live.length > 2 ? 1 : 2);
  const held = live.reduce((sum, { held_back: n }) => sum + (n ?? 0), 0);
  const head = live.length ? words().hush(new Set(live.map(({ rule }) => rule)).size, held) : words().hushBefore(before);
  const drawn = html`<div id="hush"><p class="hush-head">${icon("hush")}<b>${head}</b></p>
    ${lines.map((hush) => html`<p class="hush-line">${hushLine(hush, model.zone)}</p>`)}
    ${live.length > lines.length ? html`<p class="hush-line">${words().hushMore(live.length - lines.length)}</p>` : nothing}</div>`;
  const count = lines.length + (live.length > lines.length ? 1 : 0);
  return { height: HUSH.head + count * HUSH.line + GAP, drawn };
}

function hushLine(hush, zone) {
  const what = words().lang === "en" && hush.en ? hush.en : hush.title;
  return words().hushLine(what, hush.queue, minuteOf(hush.until, zone), hush.by_name);
}
