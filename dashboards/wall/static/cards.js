// The list of alerts: the worst first, grouped, as much detail as fits, never more than one screen.

import { html, nothing } from "/vendor/lit-html.js";
import { repeat } from "/vendor/directives/repeat.js";
import { BELOW, GAP, MORE, below, fit, fitsLine, onTrial, saysLines } from "./fit.js";
import { WORST_FIRST, cardsOf, grouped, isNow, isOver, lifeOf } from "./groups.js";
import { icon } from "./icons.js";
import { titleOf, when, wording } from "./telling.js";
import { minuteOf, timeOfDay, words } from "./words.js";

/** How long a new critical alert pulses, seconds. */
const FRESH_S = 12;
// Heights in rem, as in wall.css.
const TITLE = 3.1;
const HUSH = { head: 2.9, line: 1.75 };
const RECENT = { head: 3.4, line: 2.1 };
const QUIET = 15;

/** Draw the column of alerts. `state` is the screen's (live, stale ...), `room` the column's {width, height} in rem. */
export function alertsColumn(model, state, room) {
  const groups = grouped(model.alerts.values(), model.recent);
  const open = groups.filter(({ lead }) => !isOver(lead));
  const hush = hushOf(model);
  const left = room.height - TITLE - hush.height - (open.length ? 0 : QUIET);
  const shown = fit(groups, { width: room.width, height: left + GAP }, beside);
  const seen = new Set(shown.groups.flatMap(cardsOf));
  const hidden = openCards(model).filter((alert) => !seen.has(alert));
  const draw = (some) => repeat(some, ({ id }) => id, (group) => card(group, shown.detail.get(group.id), model, room.width));
  const happened = openCards(model).filter((alert) => !isNow(alert));
  return html`${title(model)}
    <div id="cards" ?hidden=${!shown.groups.length && !happened.length}>
      ${draw(shown.groups.filter(({ lead }) => isNow(lead)))}
      ${happened.length ? html`<h3 id="past">${words().happenedNow} <b id="past-count">${happened.length}</b>${counts(happened)}</h3>` : nothing}
      ${draw(shown.groups.filter(({ lead }) => !isNow(lead)))}</div>
    ${hidden.length ? html`<p id="cards-more">${more(hidden)}</p>` : nothing}
    ${open.length ? nothing : quiet(model, state)}
    ${recent(model, left - shown.height - (hidden.length ? MORE : 0))}
    ${hush.drawn}`;
}

/** All cards of groups that are open. */
export const openCards = (model) => [...model.alerts.values()].filter((alert) => !isOver(alert));

function title(model) {
  const live = openCards(model).filter(isNow);
  return html`<h2><span>${words().goingOn}</span> <b id="alerts-count">${model.filled ? live.length : ""}</b>${counts(live)}</h2>`;
}

function counts(cards) {
  const parts = WORST_FIRST.map((severity) => [severity, cards.filter((c) => c.severity === severity).length]);
  return html`<span class="counts">${parts.filter(([, n]) => n).map(([severity, n]) => html`<span
    class="count" data-severity=${severity}>${icon(severity)}${words().severity[severity]} <b>${n}</b></span>`)}</span>`;
}

// one card

function card(group, detail, model, width) {
  const { lead } = group;
  const life = lifeOf(lead);
  const now = model.now();
  const fresh = lead.severity === "critical" && life === "now" && now - lead.opened_at < FRESH_S;
  const lines = detail === "brief" || detail === "full" ? saysLines(group, detail, width, beside(group, detail)) : nothing;
  return html`<article class="card" data-alert=${lead.id} data-severity=${lead.severity} data-life=${life}
      data-detail=${detail} data-fresh=${fresh ? "true" : nothing} data-lines=${lines} data-below=${below(group)}>
    ${{ full: whole, brief, line: row, mini: row }[detail](group, detail, model, width)}</article>`;
}

const sign = (lead) => html`${icon(shapeOf(lead))}<b class="severity">${isOver(lead) ? ending(lead) : words().severity[lead.severity]}</b>`;

/** A false alarm is not crossed off as done: it has a sign and a word of its own. */
const shapeOf = (lead) => (lead.finding === "false" ? "close" : isOver(lead) ? "check" : lead.severity);

function whole(group, detail, model) {
  const { lead } = group;
  return html`<div class="head">${sign(lead)}${heard(lead)}<span class="title">${wording(lead).title}</span>
      ${badges(group, detail)}${whose(lead, detail)}${age(lead, model)}</div>
    <p class="says">${sentence(lead)}</p>
    ${belowLines(group, model)}${foot(lead, model)}`;
}

/** The sentence between its sign and, one over the other, its age and who is on it. */
function brief(group, detail, model) {
  const { lead } = group;
  return html`<div class="sign">${sign(lead)}</div><p class="says">${sentence(lead)}</p>
    <div class="side">${age(lead, model)}<p>${heard(lead)}${badges(group, detail)}${whose(lead, detail)}</p></div>`;
}

/** One line: the sentence where it fits whole, else who and what. */
function row(group, detail, model, width) {
  const { lead } = group;
  const says = group.folded ? words().times(onTrial(lead, wording(lead).title), group.alike) : sentence(lead);
  const fits = group.folded || fitsLine(says, detail, width, beside(group, detail));
  const text = fits ? says : short(lead);
  // where that is too long, no name says that nobody is on it
  const named = detail === "line" || lead.claimed || fitsLine(text, detail, width, beside(group, detail));
  return html`<div class="head">${sign(lead)}${heard(lead)}<span class="says">${text}</span>
    ${badges(group, detail)}${named ? whose(lead, detail) : nothing}${age(lead, model)}</div>`;
}

const sentence = (lead) => onTrial(lead, wording(lead).says);

const age = (lead, model) =>
  html`<span class="clock age" .since=${lead.opened_at} .until=${isOver(lead) ? lead.over_at ?? model.now() : undefined}></span>`;

function heard(lead) {
  const [word, meaning] = words().bySound;
  return lead.by_sound ? html`<span class="by-sound" title=${meaning}>${word}</span>` : nothing;
}

const ending = (lead) => (lead.finding === "false" || lead.over_at === undefined ? words().finding[lead.finding] : words().cleared);

/** Who and what, where there is no room for the sentence. */
function short(lead) {
  const who = lead.agent ? lead.agent.name || words().agent(lead.agent) : lead.queue;
  return [who, onTrial(lead, wording(lead).title)].filter(Boolean).join(" ");
}

/** The texts that stand beside the sentence of a group, so that it is known how much room they leave. */
const beside = (group, detail) => [group.lead.by_sound && words().bySound[0], ...marksOf(group, detail), handling(group.lead, detail)?.says].filter(Boolean);

const badges = (group, detail) => marksOf(group, detail).map((text) => html`<span class="alike">${text}</span>`);

/** How many are alike, and how many more the calls have where they are not named. */
function marksOf({ others, again, alike, folded }, detail) {
  if (folded) return [];
  if (detail === "mini") return again.length ? [words().times("", again.length + 1)] : [];
  const further = detail !== "full" && others.length ? words().further(others.length, again.length + 1) : "";
  return [alike > 1 ? words().alike(alike) : "", further].filter(Boolean);
}

/** Who is on it; that nobody is, where somebody should be: {says, kind}, or nothing. */
function handling(lead, detail) {
  if (isOver(lead)) return undefined;
  const one = detail === "line" || detail === "mini";
  if (lead.claimed) return { kind: "claimed", says: one ? words().person(lead.claimed) : words().handledBy(words().person(lead.claimed)) };
  if (one && !isNow(lead)) return undefined;
  return { kind: "unclaimed", says: detail === "mini" ? words().nobodyShort : words().unclaimed };
}

function whose(lead, detail) {
  const found = handling(lead, detail);
  if (!found) return nothing;
  return html`<span class=${found.kind}>${found.kind === "claimed" ? icon("person") : nothing}<span>${found.says}</span></span>`;
}

function belowLines({ others, again }, model) {
  const hidden = others.length - BELOW;
  const named = others.slice(0, BELOW).map((other, i) => html`<p class="also" data-severity=${other.severity}>
    ${icon(shapeOf(other))}<span>${onTrial(other, wording(other).title)}</span>
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

// below the cards

function more(cards) {
  const parts = WORST_FIRST.map((s) => [words().severity[s], cards.filter((c) => c.severity === s).length]);
  const said = parts.filter(([, n]) => n).map(([word, n]) => `${word} ${n}`).join(" · ");
  return words().moreAlerts(cards.length, cards.filter(isNow).length, said);
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
    <span class="title">${onTrial(alert, wording(alert).title)}</span>
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
  return words().hushLine(titleOf(hush), hush.queue, minuteOf(hush.until, zone), hush.by_name);
}
