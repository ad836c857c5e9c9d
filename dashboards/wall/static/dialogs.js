// The dialogs of the actions that ask for more: false alarm, comment, snooze, appeal and its answer. One at a time; the
// browser's own <dialog> keeps the focus inside and gives it back. What was typed stays until it has been delivered.

import { html, nothing, render } from "./vendor/lit-html.js";
import { live } from "./vendor/directives/live.js";

/** The longest text, characters (streams/verdicts.py). */
const TEXT = 500;
const REASONS = ["misheard", "exempt", "rule", "technical", "other"];
const MINUTES = [15, 30, 60, 120];
const FORMS = {
  false_alarm: { title: "falseTitle", send: "falseSend", body: (self) => self.reasons() },
  commented: { title: "commentTitle", send: "commentSend", needs: true, body: () => nothing },
  appealed: { title: "appealTitle", send: "appealSend", needs: true, text: "appealText", more: "appealMore", body: () => nothing },
  answer: { title: "answerTitle", send: "answerSend", body: (self) => self.decisions() },
  snooze: { title: "snoozeTitle", send: "snoozeSend", more: "snoozeMore", body: (self) => self.span() },
};

export class Dialogs {
  #now = null; // {action, lead, others, ticked, delivered, send, values, problem, sending}

  /**
   * `why(refused, card)`: in words; `wording(card)`: title and sentence; `everywhere()`: whether this user may snooze in
   * every queue at once; `time(at)`: as it is written; `progress()`: {done, of} of what is being sent, or null;
   * `closed()`: the focus is back.
   */
  constructor(element, { words, why, wording, everywhere, time, progress, closed }) {
    Object.assign(this, { element, words, why, wording, everywhere, time, progress, closed });
    element.addEventListener("cancel", (event) => this.#now?.sending && event.preventDefault());
    element.addEventListener("close", () => {
      this.#now = null;
      render(nothing, element);
      closed();
    });
  }

  get isOpen() {
    return this.element.open;
  }

  /**
   * Show one about `lead`; of `others` those that are ticked are dealt with as well. Both stay as they are now, whatever
   * happens to them meanwhile. `send(cards, details, delivered)` resolves when it is done and the dialog may go, and
   * calls `delivered(id)` for each card; Refused is shown here.
   */
  open(action, lead, others, send) {
    const values = { reason: "", text: "", queue: lead.queue ?? "", minutes: 30, decision: "" };
    this.#now = { action, lead, others, ticked: new Set(), delivered: new Set(), send, values, problem: "", sending: false };
    this.draw();
    this.element.showModal();
  }

  /** Close it; what was typed is gone. */
  close() {
    if (this.element.open) this.element.close();
  }

  /** Draw it again, for another language or as it changes. */
  draw() {
    if (!this.#now) return;
    const { action, lead, others, problem, sending, values } = this.#now;
    const form = FORMS[action];
    const words = this.words().dialog;
    render(html`
      <form novalidate @submit=${(event) => this.#submit(event)} @keydown=${(event) => this.#enter(event)}>
        <h2 id="dialog-title">${words[form.title]}</h2>
        <p class="about"><bdi>${action === "snooze" ? this.wording(lead).title : this.wording(lead).says}</bdi></p>
        ${form.more ? html`<p class="hint">${words[form.more]}</p>` : nothing}
        ${form.body(this)}
        ${others.length ? this.#others(others) : nothing}
        <label class="text">
          <span>${words[form.text ?? "text"]}${this.#needsText ? words.required : words.optional}</span>
          <textarea rows="4" maxlength=${TEXT} ?autofocus=${form.needs} .value=${live(values.text)} aria-describedby="dialog-hint"
            @input=${(event) => this.#set("text", event.target.value)}></textarea>
          <span class="hint" id="dialog-hint">${words.masked}${values.text.length > TEXT - 100 ? words.left(TEXT - values.text.length) : ""}</span>
        </label>
        <p class="problem" role="alert">${problem}</p>
        <footer>
          <span class="hint" role="status">${sending ? this.#sent() : ""}</span>
          <button type="button" ?disabled=${sending} @click=${() => this.close()}>${this.words().cancel}</button>
          <button type="submit" class="primary" ?disabled=${sending}>${words[form.send]}</button>
        </footer>
      </form>`, this.element);
  }

  /** Which others are meant as well: none, unless somebody says so. */
  #others(others) {
    const { sending, ticked } = this.#now;
    const { dialog } = this.words();
    const tick = (id, on) => {
      ticked[on ? "add" : "delete"](id);
      this.draw();
    };
    return html`
      <fieldset class="others" ?disabled=${sending}>
        <legend>${dialog.others(others.length, ticked.size)}</legend>
        ${others.map((card) => html`
          <label><input type="checkbox" name="also" value=${card.id} .checked=${live(ticked.has(card.id))}
            @change=${(event) => tick(card.id, event.target.checked)}><time>${this.time(card.opened_at)}</time>
            <span><bdi>${this.wording(card).says}</bdi></span></label>`)}
      </fieldset>`;
  }

  #sent() {
    const progress = this.progress();
    return progress && progress.of > 1 ? this.words().progress(progress.done, progress.of) : "";
  }

  /** Why it was false. */
  reasons() {
    const words = this.words();
    return this.#radios("reason", words.dialog.falseWhy, REASONS.map((name) => [name, words.reason[name], words.reasonMore[name]]));
  }

  /** Whether the appeal is right. */
  decisions() {
    const { dialog, action } = this.words();
    const each = [["upheld", action.upheld, dialog.upheldMore], ["dismissed", action.dismissed, dialog.dismissedMore]];
    return this.#radios("decision", dialog.answerWhich, each);
  }

  /** Where and how long. */
  span() {
    const words = this.words();
    const { queue } = this.#now.lead;
    const one = queue ? [[queue, words.dialog.snoozeQueue(words.queue(queue))]] : [];
    const where = this.everywhere() ? [...one, ["", words.dialog.snoozeAll]] : one;
    const minutes = MINUTES.map((n) => [n, words.dialog.minutes(n)]);
    return html`${this.#radios("queue", words.dialog.snoozeWhere, where)}${this.#radios("minutes", words.dialog.snoozeFor, minutes)}`;
  }

  #radios(name, legend, each) {
    const { values } = this.#now;
    return html`
      <fieldset class=${name}>
        <legend>${legend}</legend>
        ${each.map(([value, word, more], i) => html`
          <label><input type="radio" name=${name} ?autofocus=${i === 0} .checked=${live(values[name] === value)}
            @change=${() => this.#set(name, value)}><span>${word}</span>${more ? html`<small>${more}</small>` : nothing}</label>`)}
      </fieldset>`;
  }

  #set(name, value) {
    this.#now.values[name] = value;
    this.#now.problem = "";
    this.draw();
  }

  get #needsText() {
    return Boolean(FORMS[this.#now.action].needs) || this.#now.values.reason === "other";
  }

  #missing() {
    const { action, values } = this.#now;
    const words = this.words().dialog;
    if (action === "false_alarm" && !values.reason) return words.needReason;
    if (action === "answer" && !values.decision) return words.needDecision;
    return this.#needsText && !values.text.trim() ? words.needText : "";
  }

  #enter(event) {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) this.#submit(event);
  }

  async #submit(event) {
    event.preventDefault();
    const now = this.#now;
    if (now.sending) return;
    now.problem = this.#missing();
    now.sending = !now.problem;
    this.draw();
    if (now.problem) return;
    try {
      const cards = [now.lead, ...now.others.filter(({ id }) => now.ticked.has(id))].filter(({ id }) => !now.delivered.has(id));
      await now.send(cards, this.#details(), (id) => now.delivered.add(id));
      if (this.#now === now) this.close();
    } catch (refused) {
      now.problem = await this.why(refused, now.lead);
      now.sending = false;
      this.draw();
    }
  }

  #details() {
    const { action, values } = this.#now;
    const text = values.text.trim();
    if (action === "false_alarm") return { reason: values.reason, text };
    if (action === "answer") return { decision: values.decision, text };
    if (action === "snooze") return { queue: values.queue, minutes: values.minutes, text };
    return { text };
  }
}
