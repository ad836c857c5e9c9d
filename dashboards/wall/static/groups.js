// What belongs together, so that repeated alerts do not tire: pure, from single cards to the cards that are drawn.
//
//   alerts of one call                         -> one group, the worst leads, the others stand below it
//   groups of the same rule and agent          -> one group, the worst leads and says how many are alike;
//                                                 where no agent is known, those of the same rule and queue
// What goes on, what has happened and what is over never share a group.

export const WORST_FIRST = ["critical", "warning", "notice"];

/** Whether somebody has said what it was, or its cause has ended. */
export const isOver = (card) => card.over_at !== undefined || (card.finding ?? "open") !== "open";

/** Whether it goes on: one can still act. */
export const isNow = (card) => Boolean(card.ongoing) && !isOver(card);

/** now, past (it cannot be undone) or cleared. */
export const lifeOf = (card) => (isOver(card) ? "cleared" : isNow(card) ? "now" : "past");

/** What needs somebody now, then what has happened, then what is over; in each by severity and age. */
function inOrder(cards) {
  return [...cards].sort(byUrgency);
}

function byUrgency(a, b) {
  return Number(isOver(a)) - Number(isOver(b))
    || Number(isNow(b)) - Number(isNow(a))
    || WORST_FIRST.indexOf(a.severity) - WORST_FIRST.indexOf(b.severity)
    || (isNow(a) ? a.opened_at - b.opened_at : b.opened_at - a.opened_at)
    || (a.id < b.id ? -1 : 1);
}

/**
 * Groups in order of urgency: {id, lead, others, again, alike}. `others`: further cards of the lead's call; `again`: the
 * leads of other calls that are alike; `alike`: how many alerts of this kind are known, those in `past` and those that are over included.
 */
export function grouped(cards, past = []) {
  const all = [...cards];
  const calls = [...Map.groupBy(inOrder(all), (card) => card.call).values()];
  const known = Map.groupBy(new Map([...all, ...past].map((card) => [card.id, card])).values(), likeness);
  const merged = Map.groupBy(calls, ([lead]) => `${lifeOf(lead)} ${likeness(lead)}`);
  return [...merged.values()].map((some) => group(some, known)).sort((a, b) => byUrgency(a.lead, b.lead));
}

/** Cards with the same key tell of the same: an agent who does it again, or a queue where nobody had the call yet. */
const likeness = ({ rule, agent, queue }) => JSON.stringify([rule, agent ? agent.id : null, agent ? "" : queue ?? ""]);

function group(calls, known) {
  const [[lead, ...others], ...rest] = calls;
  const again = rest.map(([first]) => first);
  const below = rest.flatMap(([, ...more]) => more);
  return { id: lead.call, lead, others: [...others, ...below], again, alike: known.get(likeness(lead)).length };
}

/** The open notices of one rule as one group with `folded`: what matters least gives up its room first. */
export function folded(groups) {
  const key = ({ id, lead }) => (lead.severity === "notice" && !isOver(lead) ? `folded ${lifeOf(lead)} ${lead.rule}` : id);
  return [...Map.groupBy(groups, key)].map(([id, some]) => (some.length > 1 ? bundle(id, some) : some[0]));
}

function bundle(id, groups) {
  const [first, ...rest] = groups;
  const again = [...first.again, ...rest.flatMap(({ lead, again: more }) => [lead, ...more])];
  return { id, lead: first.lead, others: groups.flatMap(({ others }) => others), again, alike: again.length + 1, folded: true };
}

/** All cards of a group. */
export const cardsOf = ({ lead, others, again }) => [lead, ...others, ...again];

/** call id -> the worst severity of its open alerts. */
export function severities(cards) {
  const worst = new Map();
  for (const card of cards) {
    if (isOver(card)) continue;
    const rank = WORST_FIRST.indexOf(card.severity);
    worst.set(card.call, Math.min(worst.get(card.call) ?? rank, rank));
  }
  return new Map([...worst].map(([call, rank]) => [call, WORST_FIRST[rank]]));
}
