// What may be done with an alert, and doing it: buttons, dialogs, and what is said when it is done or was refused.

import { html, nothing } from "./vendor/lit-html.js";
import { appealOf, findingOf } from "./filters.js";

/** The key of each action; `answer` stands for upheld and dismissed, `snooze` is about the rule. */
export const KEYS = {
  c: "claimed", r: "resolved", f: "false_alarm", m: "commented", s: "snooze", o: "reopened", a: "answer",
};
const SHOWN = ["claimed", "takeOver", "released", "resolved", "false_alarm", "answer", "appealed", "reopened", "commented", "snooze"];
const KEY_OF = { ...Object.fromEntries(Object.entries(KEYS).map(([key, action]) => [action, key])), takeOver: "c", released: "c", appealed: "a" };
/** These ask for more before they are sent. */
const ASKING = new Set(["false_alarm", "commented", "appealed", "answer", "snooze"]);
/** These decide, so that a slip must be easy to take back. */
const DECIDING = new Set(["resolved", "false_alarm"]);
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
  #busy = new Set();

  /** `desk`: {link, model, words, dialogs, toast, redraw, acted(id), snoozed()}. */
  constructor(desk) {
    this.desk = desk;
  }

  /** Whether this user may do that, and it makes sense now. */
  can(action, card) {
    const { link } = this.desk;
    const own = action !== "snooze" || link.queues.length === 0 || link.queues.includes(card.queue);
    return Boolean(link.you) && own && link.may(RIGHT[action] ?? action) && FITS[action](card, link.you);
  }

  /** The buttons for cards that are dealt with together; nothing that the user may not do is there. */
  buttons(cards) {
    const words = this.desk.words();
    const actions = SHOWN.filter((action) => cards.some((card) => this.can(action, card)));
    const busy = cards.some((card) => this.#busy.has(card.id));
    return actions.length === 0 ? nothing : html`
      <div class="actions" role="group" aria-label=${words.standing.label}>
        ${actions.map((action) => html`
          <button type="button" data-action=${action} ?disabled=${busy} aria-keyshortcuts=${KEY_OF[action]}
            @click=${() => this.press(action, cards)}>${words.action[action]}<kbd aria-hidden="true">${KEY_OF[action]}</kbd></button>`)}
      </div>`;
  }

  /** A key was pressed; false where it means nothing here. `c` claims and releases, `a` appeals and answers. */
  key(key, cards) {
    const meant = { c: ["claimed", "takeOver", "released"], a: ["answer", "appealed"] }[key] ?? [KEYS[key]];
    const action = meant.find((one) => one && cards.some((card) => this.can(one, card)));
    if (action) this.press(action, cards);
    return Boolean(action);
  }

  /** Do it, after asking what must be known. */
  press(action, cards) {
    const fitting = this.#fitting(action, cards);
    if (fitting.length === 0) return;
    if (!ASKING.has(action)) this.#try(action, fitting);
    else this.desk.dialogs.open(action, fitting, (details) => this.#answered(action, fitting, details));
  }

  /** A comment, an appeal and its answer are about one alert. */
  #fitting(action, cards) {
    const now = cards.map((card) => this.desk.model.alerts.get(card.id) ?? card);
    const fitting = now.filter((card) => this.can(action, card) && !this.#busy.has(card.id));
    return ["commented", "appealed", "answer", "snooze"].includes(action) ? fitting.slice(0, 1) : fitting;
  }

  async #answered(action, cards, details) {
    if (action === "snooze") return this.#snooze(cards[0], details);
    const { decision, ...rest } = details;
    return this.#send(decision ?? action, cards, rest);
  }

  async #snooze(card, { queue, minutes, text }) {
    await this.desk.link.snooze(card.rule, queue, minutes, text);
    this.desk.snoozed();
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
    try {
      await this.#send(action, cards, {});
    } catch (refused) {
      const { toast, words } = this.desk;
      const again = REPEATABLE.has(refused.problem) ? { word: words().retry, run: () => this.press(action, cards) } : null;
      toast(await this.why(refused, cards[0]), "failed", again);
    }
  }

  /** One after the other, as the server takes them. Rejects with Refused where not all came through; `cards` keeps those. */
  async #send(action, cards, details) {
    const all = [...cards];
    const done = [];
    all.forEach((card) => this.#busy.add(card.id));
    this.desk.redraw();
    try {
      for (const card of all) {
        for (const told of TOLD[action] ?? [action]) await this.desk.link.act(card.id, told, details);
        done.push(cards.shift());
        this.desk.acted(card.id);
      }
    } finally {
      all.forEach((card) => this.#busy.delete(card.id));
      if (done.length) this.#tell(action, done);
      this.desk.redraw();
    }
  }

  #tell(action, cards) {
    const { link, toast, words } = this.desk;
    const what = words().done[action];
    const undo = DECIDING.has(action) && link.may("reopened");
    toast(cards.length > 1 ? words().doneSome(what, cards.length) : what, "done",
      undo ? { word: words().undo, run: () => this.press("reopened", cards) } : null);
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
