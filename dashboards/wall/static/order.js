// The rows of the list and their order, which must not change under a reader's eyes: while it is held, new cards wait
// outside and those that no longer belong stay. Pure.

const callKey = (card) => `${card.call} ${standing(card)}`;
const agentKey = (card) => `${card.agent?.id} ${card.rule} ${standing(card)}`;
/** Only cards that stand alike become one: what is decided must not hide what is open. */
const standing = (card) => `${card.finding ?? "open"} ${card.claimed?.id ?? ""}`;

/** Sorted cards -> groups of ids, each by its first: those of one call, then those of one agent and rule. */
export function grouped(cards) {
  const calls = gather(cards.map((card) => [card]), callKey);
  return gather(calls, (card) => (card.agent ? agentKey(card) : `alone ${card.id}`)).map((group) => group.map((card) => card.id));
}

function gather(groups, keyOf) {
  const found = new Map();
  for (const group of groups) {
    const key = keyOf(group[0]);
    if (found.has(key)) found.get(key).push(...group);
    else found.set(key, [...group]);
  }
  return [...found.values()];
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

  /** Take what belongs now, sorted. `held`: keep every row where it is. */
  take(cards, held) {
    if (!held || this.isEmpty) this.#groups = grouped(cards);
    const belonging = new Map(cards.map((card) => [card.id, card]));
    this.#dropOwn(belonging);
    const here = new Set(this.#groups.flat());
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
    this.#groups = this.#groups.map((group) => group.filter((id) => !leaves(id))).filter((group) => group.length > 0);
  }

  /** Rows from the top: {id, group, level, opened}; a closed group is one row. `known(id)`: whether the card still exists. */
  rows(known) {
    const rows = [];
    for (const ids of this.#groups) {
      const group = ids.filter(known);
      const opened = group.some((id) => this.#opened.has(id));
      group.forEach((id, i) => {
        if (i === 0 || opened) rows.push({ id, group, level: i === 0 ? 1 : 2, opened });
      });
    }
    return rows;
  }

  /** Open or close a group. */
  toggle(group, open) {
    for (const id of group) this.#opened.delete(id);
    if (open) this.#opened.add(group[0]);
  }
}
