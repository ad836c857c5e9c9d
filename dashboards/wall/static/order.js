// The rows of the list and their order, which must not change under a reader's eyes: while it is held, new cards wait
// outside and those that no longer belong stay. Pure.

import { sectionOf } from "./filters.js";

/** So many opened groups are remembered. */
const MOST_OPENED = 100;

/**
 * Repeats of one agent and rule become one row, never other rules or people: on a row people are judged. What stands
 * differently stays apart, so that what is decided hides nothing that is open.
 */
const repeatKey = ({ agent, appeal, claimed, finding, rule, snoozed, ...card }) =>
  JSON.stringify(agent ? [agent.id, rule, sectionOf({ ...card, finding }), finding, claimed?.id, appeal, snoozed] : card.id);

/**
 * Sorted cards -> [{ids, section}], each at the place of its first card. Unlike the wall's groups (groups.js) they keep
 * the order that the reader has chosen. `folds`: repeats become one group.
 */
function gathered(cards, folds) {
  const groups = Map.groupBy(cards, folds ? repeatKey : (card) => card.id);
  return [...groups.values()].map((some) => ({ ids: some.map(({ id }) => id), section: sectionOf(some[0]) }));
}

export class Order {
  /** How many cards wait outside, and how many of them are critical. */
  fresh = 0;
  critical = 0;
  /** Whether something in the list no longer belongs there. */
  isStale = false;
  #groups = [];
  #own = new Set();
  #opened = new Set();

  get isEmpty() {
    return this.#groups.length === 0;
  }

  /** Take what belongs now, sorted. `held`: keep every row where it is; `folds`: repeats become one row. */
  take(cards, { held, folds }) {
    if (!held || this.isEmpty) this.#groups = gathered(cards, folds);
    const belonging = new Map(cards.map((card) => [card.id, card]));
    this.#dropOwn(belonging);
    const here = new Set(this.#groups.flatMap(({ ids }) => ids));
    const waiting = cards.filter((card) => !here.has(card.id));
    this.fresh = waiting.length;
    this.critical = waiting.filter((card) => card.severity === "critical").length;
    this.isStale = [...here].some((id) => !belonging.has(id));
  }

  /** That card was dealt with here: it may leave at once, until it is held again. */
  letGo(id) {
    this.#own.add(id);
  }

  /** What happens to that card from now on is somebody else's doing. */
  hold(id) {
    this.#own.delete(id);
  }

  #dropOwn(belonging) {
    const leaves = (id) => this.#own.has(id) && !belonging.has(id);
    const left = this.#groups.map(({ ids, section }) => ({ ids: ids.filter((id) => !leaves(id)), section }));
    this.#groups = left.filter(({ ids }) => ids.length > 0);
  }

  /**
   * Rows from the top: {id, group, level, opened, section}; a closed group is one row. `section`: what begins with this
   * row. `known(id)`: whether the card still exists.
   */
  rows(known) {
    const rows = [];
    let above = "";
    for (const { ids, section } of this.#groups) {
      const group = ids.filter(known);
      const opened = group.some((id) => this.#opened.has(id));
      group.forEach((id, i) => {
        if (i === 0 || opened) rows.push({ id, group, level: i === 0 ? 1 : 2, opened, section: section === above ? "" : section });
        above = section;
      });
    }
    return rows;
  }

  /** Open or close a group. */
  toggle(group, open) {
    for (const id of group) this.#opened.delete(id);
    if (open) this.#opened.add(group[0]);
    if (this.#opened.size > MOST_OPENED) this.#opened.delete(this.#opened.values().next().value);
  }
}
