// An agent's day, today or an earlier one: the figures, the calls as a strip and as a list, and the alerts with what was found.

import { html, nothing } from "../vendor/lit-html.js";
import { deskWords } from "../desk-words.js";
import { WORST_FIRST } from "../groups.js";
import { icon } from "../icons.js";
import { standing } from "../standing.js";
import { wording } from "../telling.js";
import { dateOf, words } from "../words.js";
import { Asking } from "./asking.js";
import { DayStrip, endOf } from "./day-strip.js";
import { dayIn, instead, moment, panel, path, said, severity } from "./parts.js";
import { duration, pageWords } from "./page-words.js";

/** The day is read anew so often. */
const RENEW_S = 60;

export class AgentPage {
  #asking;
  #strip;
  #known = ""; // the agent's cards at the last reading
  #readAt = 0;

  constructor(context) {
    this.context = context;
    const redraw = () => context.redraw();
    this.#asking = new Asking(context.link, "agent", redraw);
    this.#strip = new DayStrip(redraw, (where) => context.go(where));
  }

  open({ id, at, day }) {
    this.close();
    this.#ask(id, at, day);
  }

  close() {
    this.#asking.stop();
    this.#strip.close();
  }

  cards() {
    return [];
  }

  /** The day before and after. */
  key(event) {
    const { page } = this.#asking;
    const by = { "[": -1, "]": 1 }[event.key];
    if (!page?.first || !by) return false;
    this.#pick(page, dayBeside(page.day, by));
    return true;
  }

  title() {
    const { page } = this.#asking;
    return page ? words().agent(page.agent) : "";
  }

  tick(now) {
    const { page } = this.#asking;
    if (page && this.#isToday(page) && now - this.#readAt > RENEW_S) this.#ask();
  }

  draw() {
    const { page, problem } = this.#asking;
    if (!page) return html`<article class="page page-agent">${instead("agent", problem, () => this.#ask())}</article>`;
    if (this.#isToday(page) && this.#cardsOf(page.agent.id) !== this.#known) this.#ask();
    return this.#page(page);
  }

  #ask(...asked) {
    this.#known = this.#cardsOf(asked.length ? asked[0] : this.#asking.id);
    this.#readAt = this.#time;
    this.#asking.ask(...asked);
  }

  /** After each drawing. */
  drawn() {
    const root = document.querySelector(".page-agent");
    if (root) this.#strip.attach(root);
  }

  get #time() {
    return this.context.now();
  }

  #isToday(page) {
    return page.day === dayIn(this.#time, this.context.model.zone);
  }

  /** New alerts of the agent call for a new page; how they stand is known from the floor anyway. */
  #cardsOf(agent) {
    return [...this.context.model.alerts.values()].filter((card) => card.agent?.id === agent).map((card) => card.id).join(" ");
  }

  // what it looks like

  #page(page) {
    const text = pageWords();
    const { zone } = this.context.model;
    const calls = [...(page.calls ?? [])].sort((a, b) => a.began_at - b.began_at);
    const alerts = (page.alerts ?? []).map((card) => this.context.model.alerts.get(card.id) ?? card)
      .sort((a, b) => a.opened_at - b.opened_at);
    return html`
      <article class="page page-agent">
        ${this.#head(page, calls, alerts, zone)}
        ${calls.length
          ? panel("day", text.dayStrip, this.#strip.template(calls, alerts, this.#time, zone))
          : html`<p class="note">${text.noCalls}</p>`}
        ${panel("alerts", text.alerts, alerts.length
          ? alertTable(alerts, zone, this.context.link.you) : html`<p class="note">${text.noAlertsToday}</p>`, html`<b>${alerts.length || nothing}</b>`)}
        ${calls.length ? panel("calls", text.call, callTable(calls, zone), html`<b>${calls.length}</b>`) : nothing}
      </article>`;
  }

  /** To the day before and after, and to any. */
  #days(page) {
    const text = pageWords();
    const link = (day, word, shape) => (day < page.first || day > page.today
      ? html`<span class="off" aria-disabled="true">${icon(shape)}${word}</span>`
      : html`<a href=${path.agent(page.agent.id, day === page.today ? undefined : day)} rel=${shape === "back" ? "prev" : "next"}>${icon(shape)}${word}</a>`);
    return html`
      <nav class="days" aria-label=${text.dayNav}>
        ${link(dayBeside(page.day, -1), text.dayBefore, "back")}
        <input type="date" name="day" aria-label=${text.dayPick} min=${page.first} max=${page.today} .value=${page.day}
          @change=${(event) => this.#pick(page, event.target.value)}>
        ${link(dayBeside(page.day, 1), text.dayAfter, "next")}
      </nav>`;
  }

  #pick(page, day) {
    if (day >= page.first && day <= page.today && day !== page.day) this.context.go(path.agent(page.agent.id, day === page.today ? undefined : day));
  }

  #head(page, calls, alerts, zone) {
    const text = pageWords();
    const taken = calls.filter((call) => call.talk_s > 0);
    const sum = (name) => calls.reduce((total, call) => total + (call[name] ?? 0), 0);
    const mean = (name) => (taken.length ? duration(taken.reduce((total, call) => total + (call[name] ?? 0), 0) / taken.length) : "–");
    const noon = Date.parse(`${page.day}T12:00:00Z`) / 1000; // a day there, whatever the zone here
    return html`
      <header class="page-head">
        <h1>${said(words().agent(page.agent))}</h1>
        <p class="facts">
          <b>${dateOf(noon, "UTC")}</b>
          ${this.#isToday(page) ? html`<span class="tag">${text.today}</span>` : nothing}
        </p>
        ${page.first ? this.#days(page) : nothing}
        <dl class="figures">
          ${figure(text.calls, `${taken.length} / ${calls.length}`)}
          ${figure(text.talkTime, duration(sum("talk_s")))}
          ${figure(text.meanTalk, mean("talk_s"))}
          ${figure(text.meanRing, mean("ring_s"))}
          ${figure(text.holdTime, duration(sum("held_s")))}
          ${WORST_FIRST.map((name) => html`<div data-severity=${name}><dt>${icon(name)}${words().severity[name]}</dt>
            <dd>${alerts.filter((card) => card.severity === name).length}</dd></div>`)}
        </dl>
      </header>`;
  }
}

/** The day `by` days after that one, `2026-11-22`. */
function dayBeside(day, by) {
  const noon = new Date(`${day}T12:00:00Z`);
  noon.setUTCDate(noon.getUTCDate() + by);
  return noon.toISOString().slice(0, 10);
}

const figure = (name, value) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`;

const table = (columns, rows, numbers = []) => html`
  <div class="scroll-x"><table>
    <thead><tr>${columns.map((name, i) => html`<th scope="col" class=${numbers.includes(i) ? "number" : ""}>${name}</th>`)}</tr></thead>
    <tbody>${rows}</tbody>
  </table></div>`;

const alertTable = (alerts, zone, you) => table(pageWords().alertColumns, alerts.toReversed().map((card) => html`
  <tr data-alert=${card.id}>
    <td>${moment(card.opened_at, zone)}</td>
    <td>${severity(card.severity)}</td>
    <td class="wide"><a href=${path.alert(card.id)}>${said(wording(card).says)}</a></td>
    <td>${standing(card, you, deskWords())}</td>
  </tr>`));

const callTable = (calls, zone) => table(pageWords().callColumns, calls.toReversed().map((call) => html`
  <tr data-call=${call.id}>
    <td><a href=${path.call(call.id, call.began_at)}>${moment(call.began_at, zone)}</a></td>
    <td>${said(call.queue ?? "")}</td>
    <td>${said(call.caller ?? "")}</td>
    ${["ring_s", "talk_s", "held_s"].map((name) => html`<td class="number">${call[name] ? duration(call[name]) : "–"}</td>`)}
    <td>${endOf(call)}</td>
    <td>${call.alerts ? html`${severity(call.worst)} ${call.alerts > 1 ? `× ${call.alerts}` : ""}` : ""}</td>
  </tr>`), [3, 4, 5]);
