// What the list shows: filters as they stand in the address, which cards pass them, and in what order. Pure.

import { WORST_FIRST, isNow, isOver } from "./groups.js";
import { wording } from "./telling.js";

export const SORTS = ["severity", "newest", "oldest"];
/** Of the address, "no queue" among the queues. */
const DIRECT = "-";

// JSON leaves out what is as usual.
export const findingOf = (card) => card.finding ?? "open";
export const appealOf = (card) => card.appeal ?? "none";

/** Whether a snooze keeps it from somebody. What is kept off the walls is no less an agent's own. */
export const isHushed = (card, you) => Boolean(card.snoozed) && you?.role !== "agent";

/** What the wall shows as open: it goes on, or has just happened. */
export const isOpenNow = (card) => Boolean(card.shown) && !isOver(card);

/** What the wall counts as going on. */
export const isShownNow = (card) => Boolean(card.shown) && isNow(card);

/** Each name says the same on a filter and on a row (standing.js). */
const STATES = {
  now: (card, you) => isNow(card) && !isHushed(card, you),
  open: (card, you) => findingOf(card) === "open" && !card.claimed && !isHushed(card, you),
  mine: (card, you) => findingOf(card) === "open" && card.claimed?.id === you?.login,
  claimed: (card) => findingOf(card) === "open" && Boolean(card.claimed),
  decided: (card) => findingOf(card) !== "open",
  appealed: (card) => appealOf(card) === "open",
  snoozed: (card) => Boolean(card.snoozed),
  all: () => true,
};

/** The states that somebody can choose from: an agent claims and snoozes nothing. */
export const statesFor = (you) => (you?.role === "agent" ? ["all", "now", "open", "claimed", "decided", "appealed"] : Object.keys(STATES));

/** The filters of an address. What it does not say is as usual: what goes on now, an agent's whole day. */
export function read(search, you) {
  const query = new URLSearchParams(search);
  const one = (name) => query.get(name) ?? "";
  const states = statesFor(you);
  const severity = one("severity").split(",").filter((name) => WORST_FIRST.includes(name));
  return {
    state: states.includes(one("state")) ? one("state") : states[0],
    severity: new Set(severity),
    rule: one("rule"),
    queue: one("queue"),
    agent: one("agent"),
    text: one("q"),
    sort: SORTS.includes(one("sort")) ? one("sort") : SORTS[0],
  };
}

/** Whether anything is filtered that is not by default. */
export const isNarrow = ({ severity, rule, queue, agent, text }) => Boolean(severity.size || rule || queue || agent || text);

/** Whether a card passes all but the state. */
function passes(card, { severity, rule, queue, agent, text }) {
  return (severity.size === 0 || severity.has(card.severity))
    && (!rule || card.rule === rule)
    && (!queue || (card.queue || DIRECT) === queue)
    && (!agent || card.agent?.id === agent)
    && (!text || contains(card, text.toLowerCase()));
}

function contains(card, text) {
  const { title, says } = wording(card);
  return [title, says, card.title, card.agent?.name, card.agent?.id, card.queue].some((part) => part?.toLowerCase().includes(text));
}

/** Those that pass, in order, and how many there would be in each state. */
export function select(cards, filters, you) {
  const passing = [...cards].filter((card) => passes(card, filters));
  const counts = {};
  for (const name of statesFor(you)) counts[name] = passing.filter((card) => STATES[name](card, you)).length;
  const chosen = passing.filter((card) => STATES[filters.state](card, you));
  return { cards: chosen.sort(ORDERS[filters.sort]), counts };
}

/** Whether a card belongs to the list. */
export const belongs = (card, filters, you) => passes(card, filters) && STATES[filters.state](card, you);

const age = (a, b) => b.opened_at - a.opened_at || (a.id < b.id ? -1 : 1);
/** A rule on trial blames nobody: its alerts come after all others. */
const rank = (card) => (card.trial ? WORST_FIRST.length : 0) + WORST_FIRST.indexOf(card.severity);
/** What goes on now, what has happened and waits for a finding, what has one. */
const SECTIONS = ["now", "past", "decided"];
export const sectionOf = (card) => (findingOf(card) !== "open" ? "decided" : isNow(card) ? "now" : "past");
/** What goes on becomes worse with time, so the oldest comes first; of what is past, the newest. */
const urgency = (a, b) => SECTIONS.indexOf(sectionOf(a)) - SECTIONS.indexOf(sectionOf(b)) || rank(a) - rank(b)
  || (sectionOf(a) === "now" ? -age(a, b) : age(a, b));
const ORDERS = {
  severity: urgency,
  newest: age,
  oldest: (a, b) => -age(a, b),
};

/** What the cards can be filtered by: {rule, queue, agent: [{value, word}]}, sorted by word; what is chosen is among them. */
export function choices(cards, filters, { words, rules }) {
  const found = { rule: new Map(), queue: new Map(), agent: new Map() };
  for (const card of cards) {
    found.rule.set(card.rule, wording(card).title);
    found.queue.set(card.queue || DIRECT, card.queue ? words.queue(card.queue) : words.list.noQueue);
    if (card.agent) found.agent.set(card.agent.id, words.agent(card.agent));
  }
  if (filters.rule && !found.rule.has(filters.rule)) found.rule.set(filters.rule, rules.get(filters.rule)?.title ?? filters.rule);
  if (filters.queue && !found.queue.has(filters.queue)) found.queue.set(filters.queue, words.queue(filters.queue));
  if (filters.agent && !found.agent.has(filters.agent)) found.agent.set(filters.agent, words.agent({ id: filters.agent }));
  const sorted = (map) => [...map].map(([value, word]) => ({ value, word })).sort((a, b) => a.word.localeCompare(b.word, words.lang));
  return { rule: sorted(found.rule), queue: sorted(found.queue), agent: sorted(found.agent) };
}
