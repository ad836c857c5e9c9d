// How an alert is told, on the wall, at the desk and on the pages: its words and its time in the language in use.

import { isNow } from "./groups.js";
import { timeOfDay, words } from "./words.js";

/** Title and sentence of a card, in the language in use. */
export const wording = (card) => (words().lang === "en" && card.en ? card.en : card);

/** The title of a rule, by its figures or a snooze of it. */
export const titleOf = ({ title, en }) => (words().lang === "en" && en ? en : title);

/** When it was: cleared then, going on since, or what happened then. */
export function when(card, zone) {
  if (card.over_at !== undefined) return words().clearedAt(timeOfDay(card.over_at, zone));
  const at = timeOfDay(card.opened_at, zone);
  return isNow(card) ? words().ongoing(at) : words().happened(at);
}
