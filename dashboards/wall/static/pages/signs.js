// Alerts as signs on a line of time: those that would cover each other stand as one, with the worst in front.

import { WORST_FIRST } from "../groups.js";

/** [{x, cards, worst}] from left to right; `x(card)` in pixels, `apart`: pixels that a sign needs. */
export function clusters(alerts, x, apart) {
  const found = [];
  for (const card of alerts.toSorted((a, b) => a.opened_at - b.opened_at)) {
    const last = found.at(-1);
    if (last && x(card) - last.x < apart) last.cards.push(card);
    else found.push({ x: x(card), cards: [card] });
  }
  return found.map((one) => ({ ...one, worst: worstOf(one.cards) }));
}

const worstOf = (cards) => cards.toSorted((a, b) => WORST_FIRST.indexOf(a.severity) - WORST_FIRST.indexOf(b.severity))[0];
