// What belongs together, so that repeated alerts do not tire: pure, from single cards to the cards that are drawn.
//
//   alerts of one call                         -> one group, the worst leads, the others stand below it
//   groups led by the same agent and rule      -> one group, the worst leads and says how many are alike

export const WORST_FIRST = ["critical", "warning", "notice"];

/** Whether somebody has said what it was, or its cause has ended. */
export const isOver = (card) => card.over_at !== undefined || (card.finding ?? "open") !== "open";

/** Whether it goes on: one can still act. */
export const isNow = (card) => Boolean(card.ongoing) && !isOver(card);

/** What needs somebody now, then what has happened, then what is over; in each by severity and age. */
export function inOrder(cards) {
  return [...cards].sort(byUrgency);
}

function byUrgency(a, b) {
  return Number(isOver(a)) - Number(isOver(b))
    || WORST_FIRST.indexOf(a.severity) - WORST_FIRST.indexOf(b.severity)
    || Number(isNow(b)) - Number(isNow(a))
    || (isNow(a) ? a.opened_at - b.opened_at : b.opened_at - a.opened_at)
    || (a.id < b.id ? -1 : 1);
}

/**
 * Groups in order of urgency: {id, lead, others, again, alike}. `others`: further cards of the lead's call; `again`: the
 * leads of other calls that are alike; `alike`: how many alerts of this agent and rule are known, those in `past` included.
 */
export function grouped(cards, past = []) {
  const calls = [...Map.groupBy(inOrder(cards), (card) => card.call).values()];
  const merged = [...Map.groupBy(calls, kin).values()].map((some) => group(some, past));
  return merged.sort((a, b) => byUrgency(a.lead, b.lead));
}

/** Cards of calls with the same key become one group; without an agent nothing is alike. */
function kin([lead]) {
  return lead.agent ? `${isOver(lead)} ${lead.rule} ${lead.agent.id}` : `call ${lead.call}`;
}

function group(calls, past) {
  const [[lead, ...others], ...rest] = calls;
  const again = rest.map(([first]) => first);
  const known = new Set([lead, ...again].map((card) => card.id));
  const before = lead.agent ? past.filter((card) => card.rule === lead.rule && card.agent?.id === lead.agent.id) : [];
  const more = before.filter((card) => !known.has(card.id)).length;
  return { id: lead.call, lead, others: [...others, ...rest.flatMap(([, ...below]) => below)], again, alike: known.size + more };
}

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
