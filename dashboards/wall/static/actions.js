// What may be done with an alert, and doing it: buttons, dialogs, and what is said when it is done or was refused.

import { html, nothing } from "./vendor/lit-html.js";
import { appealOf, findingOf } from "./filters.js";

/** The key of each action; `answer` stands for upheld and dismissed, `snooze` is about the rule. */
const KEYS = {
  c: "claimed", r: "resolved", f: "false_alarm", m: "commented", s: "snooze", o: "reopened", a: "answer",
};
const SHOWN = ["claimed", "takeOver", "released", "resolved", "false_alarm", "answer", "appealed", "reopened", "commented", "snooze"];
const KEY_OF = { ...Object.fromEntries(Object.entries(KEYS).map(([key, action]) => [action, key])), takeOver: "c", released: "c", appealed: "a" };
/** These ask for more before they are sent. */
const ASKING = new Set(["false_alarm", "commented", "appealed", "answer", "snooze"]);
/** These decide, so that a slip must be easy to take back. */
const DECIDING = new Set(["resolved", "false_alarm"]);
/** Who takes one alert of a call takes the call: these are about all its alerts that stand the same. */
const OF_CALL = new Set(["claimed", "takeOver", "released"]);
/** After these it may leave the list at once; whoever only claims or comments goes on with the same alert. */
const SETTLING = new Set(["resolved", "false_alarm", "reopened", "upheld", "dismissed"]);
/** All but those of a call are about one alert; in the dialogs of these, further ones of the same rule and agent can be ticked. */
const TICKABLE = new Set(["false_alarm", "commented", "appealed"]);
const REPEATABLE = new Set(["timeout", "lost", "unavailable", "busy"]);

/** Whether an action makes sense for the card as it stands (streams/verdicts.py says the same). */
const FITS = {
  claimed: (card) => isOpen(card) && !card.claimed,
  takeOver: (card, you) => isOpen(card) && Boolean(card.claimed) && card.claimed.id !== you.login,
  released: (card, you) => isOpen(card) && card.claimed?.id === you.login,
  resolved: (card) => isOpen(card),
  false_alarm: (card) => isOpen(card),
  reopened: (card) => !isOpen(card),
  commented: () => true,
  appealed: (card) => appealOf(card) === "none" && findingOf(card) !== "false",
  answer: (card) => appealOf(card) === "open",
  upheld: (card) => appealOf(card) === "open",
  dismissed: (card) => appealOf(card) === "open",
  snooze: () => true,
};
/** What the server is told, where that is something else. Who takes over releases first, so that everybody sees it. */
const TOLD = { takeOver: ["released", "claimed"] };
/** The right that an action needs. */
const RIGHT = { answer: "upheld", takeOver: "claimed" };
const isOpen = (card) => findingOf(card) === "open";

export class Actions {
  /** Of what is under way: {done, of}, verdicts; null: nothing is. */
  progress = null;
  #busy = new Set();

  /** `desk`: {link, model, words, dialogs, toast, redraw, acted(id)}. */
  constructor(desk) {
    this.desk = desk;
  }

  /** Whether this user may do that, and it makes sense now. */
  can(action, card) {
    const { link } = this.desk;
    const may = action === "snooze" ? link.maySnooze(card.queue) : link.may(RIGHT[action] ?? action);
    return Boolean(link.you) && may && FITS[action](card, link.you);
  }

  /** The buttons for a card; nothing that the user may not do is there. */
  buttons(card) {
    const words = this.desk.words();
    const actions = SHOWN.filter((action) => this.can(action, card));
    const busy = this.#busy.has(card.id);
    return actions.length === 0 ? nothing : html`
      <div class="actions" role="group" aria-label=${words.standing.label}>
        ${actions.map((action) => html`
          <button type="button" data-action=${action} ?disabled=${busy} aria-keyshortcuts=${KEY_OF[action]}
            @click=${() => this.press(action, card)}>${words.action[action]}<kbd aria-hidden="true">${KEY_OF[action]}</kbd></button>`)}
      </div>`;
  }

  /** A key was pressed; false where it means nothing here. `c` claims and releases, `a` appeals and answers. */
  key(key, card) {
    const meant = { c: ["claimed", "takeOver", "released"], a: ["answer", "appealed"] }[key] ?? [KEYS[key]];
    const action = meant.find((one) => one && this.can(one, card));
    if (action) this.press(action, card);
    return Boolean(action);
  }

  /** Do it to that alert, after asking what must be known. */
  press(action, card) {
    const [lead] = this.#fitting(action, [card]);
    if (!lead) return;
    if (!ASKING.has(action)) this.#try(action, OF_CALL.has(action) ? this.#ofCall(action, lead) : [lead]);
    else this.desk.dialogs.open(action, lead, this.#alike(action, lead), (...answer) => this.#answered(action, ...answer));
  }

  /** Those of the cards that it makes sense for, as they are now. */
  #fitting(action, cards) {
    const now = cards.map((card) => this.desk.model.alerts.get(card.id) ?? card);
    return now.filter((card) => this.can(action, card) && !this.#busy.has(card.id));
  }

  /** The card and the others of its call, in the hands of the same person or of nobody. */
  #ofCall(action, lead) {
    const others = [...this.desk.model.alerts.values()].filter(({ id, call, claimed }) =>
      id !== lead.id && call === lead.call && claimed?.id === lead.claimed?.id);
    return [lead, ...this.#fitting(action, others)];
  }

  /** Further alerts of the same rule and agent, the newest first: nothing else may be judged along with that one. */
  #alike(action, lead) {
    if (!TICKABLE.has(action) || !lead.agent) return [];
    const others = [...this.desk.model.alerts.values()].filter(({ id, agent, rule }) =>
      id !== lead.id && rule === lead.rule && agent?.id === lead.agent.id);
    return this.#fitting(action, others).sort((a, b) => b.opened_at - a.opened_at);
  }

  async #answered(action, cards, details, delivered) {
    if (action === "snooze") return this.#snooze(cards[0], details);
    const { decision, ...rest } = details;
    return this.#send(decision ?? action, cards, rest, delivered);
  }

  async #snooze(card, { queue, minutes, text }) {
    await this.desk.link.snooze(card.rule, queue, minutes, text);
    this.desk.toast(this.desk.words().done.snooze, "done");
  }

  /** Let a rule's alerts on the walls again. */
  async lift({ rule, queue }) {
    const { link, toast, words } = this.desk;
    try {
      await link.snooze(rule, queue, 0);
      toast(words().done.lift, "done");
    } catch (refused) {
      toast(words().problem[refused.problem] ?? words().problem.unavailable, "failed");
    }
  }

  async #try(action, cards) {
    const delivered = new Set();
    try {
      await this.#send(action, cards, {}, (id) => delivered.add(id));
    } catch (refused) {
      const { toast, words } = this.desk;
      const left = cards.filter(({ id }) => !delivered.has(id));
      const again = REPEATABLE.has(refused.problem) ? { word: words().retry, run: () => this.#again(action, left) } : null;
      toast(await this.why(refused, left[0]), "failed", again);
    }
  }

  /** Once more, or the opposite, for exactly those. */
  #again(action, cards) {
    const fitting = this.#fitting(action, cards);
    if (fitting.length) this.#try(action, fitting);
  }

  /** One after the other, as the server takes them; `delivered(id)` for each. Rejects with Refused at the first that is not. */
  async #send(action, cards, details, delivered) {
    const done = [];
    this.#begin(cards);
    try {
      for (const card of cards) {
        for (const told of TOLD[action] ?? [action]) await this.desk.link.act(card.id, told, details);
        done.push(card);
        delivered(card.id);
        this.#step(1);
        if (SETTLING.has(action)) this.desk.acted(card.id);
      }
    } finally {
      this.#end(cards);
      if (done.length) this.#tell(action, done);
    }
  }

  #begin(cards) {
    cards.forEach(({ id }) => this.#busy.add(id));
    const { done, of } = this.progress ?? { done: 0, of: 0 };
    this.progress = { done, of: of + cards.length };
    this.desk.redraw();
  }

  #step(n) {
    this.progress.done += n;
    this.desk.redraw();
  }

  #end(cards) {
    cards.forEach(({ id }) => this.#busy.delete(id));
    if (this.#busy.size === 0) this.progress = null;
    this.desk.redraw();
  }

  #tell(action, cards) {
    const { link, toast, words } = this.desk;
    const what = words().done[action];
    const undo = DECIDING.has(action) && link.may("reopened");
    toast(cards.length > 1 ? words().doneSome(what, cards.length) : what, "done",
      undo ? { word: words().undo, run: () => this.#again("reopened", cards) } : null);
  }

  /** Why it had no effect, in words; where somebody was first, who. */
  async why({ problem }, card) {
    const words = this.desk.words();
    if (problem === "too_late") {
      const first = await this.#whoWasFirst(card);
      if (first) return words.tooLateBy(first);
    }
    return words.problem[problem] ?? words.problem.unavailable;
  }

  async #whoWasFirst(card) {
    try {
      const { history = [] } = await this.desk.link.ask("alert", card.id, card.opened_at);
      return history.findLast(({ action }) => action !== "commented")?.by_name ?? "";
    } catch {
      return ""; // then it is said without a name
    }
  }
}
