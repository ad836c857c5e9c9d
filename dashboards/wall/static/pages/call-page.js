// The page of one call: its figures, its course as a picture, its alerts, and what is said, as it is said.

import { html, nothing } from "../vendor/lit-html.js";
import { deskWords } from "../desk-words.js";
import { WORST_FIRST } from "../groups.js";
import { icon } from "../icons.js";
import { standing } from "../standing.js";
import { wording } from "../telling.js";
import { timeOfDay, words } from "../words.js";
import { Asking } from "./asking.js";
import { CallWatch } from "./call-watch.js";
import { instead, moment, panel, path, person, said, severity } from "./parts.js";
import { duration, pageWords } from "./page-words.js";
import { Timeline } from "./timeline.js";
import { Transcript } from "./transcript.js";

export class CallPage {
  #asking;
  #timeline;
  #transcript;
  #watch;
  #wanted = null; // the moment of the address, until it has been shown

  constructor(context) {
    this.context = context;
    const redraw = () => context.redraw();
    this.#asking = new Asking(context.link, "call", redraw);
    this.#watch = new CallWatch(context, () => this.#asking.ask());
    this.#timeline = new Timeline(redraw, (at) => this.#seek(at), (where) => context.go(where));
    this.#transcript = new Transcript(redraw);
  }

  open({ id, at }) {
    this.close();
    this.#wanted = at ?? null;
    this.#asking.ask(id, at);
  }

  close() {
    this.#asking.stop();
    this.#watch.close();
    this.#timeline.close();
    this.#transcript.close();
  }

  /** A key judges one alert: where the call has several, it is not clear which. */
  cards() {
    const alerts = this.#alerts;
    return alerts.length === 1 ? alerts : [];
  }

  title() {
    const call = this.#watch.call?.page;
    if (!call) return "";
    const who = call.agents?.length ? words().agent(call.agents[0]) : call.queue ? words().queue(call.queue) : "";
    return [pageWords().call, who, timeOfDay(call.began_at, this.context.model.zone)].filter(Boolean).join(" ");
  }

  tick(now) {
    this.#watch.tick(now);
  }

  draw() {
    const { page, problem } = this.#asking;
    if (!page) return html`<article class="page page-call">${instead("call", problem, () => this.#asking.ask())}</article>`;
    this.#watch.take(page);
    const root = document.querySelector(".page-call");
    if (root) this.#transcript.before(root);
    return this.#page(this.#watch.call);
  }

  /** After each drawing. */
  drawn() {
    const root = document.querySelector(".page-call");
    if (!root || !this.#watch.call) return;
    this.#timeline.attach(root);
    this.#transcript.after(root);
    const wanted = this.#wanted;
    this.#wanted = null;
    if (wanted !== null && !this.#atLatest(wanted)) this.#seek(wanted);
  }

  /** A running call that is opened at the present moment follows what is said instead of staying where it is. */
  #atLatest(at) {
    return this.#watch.call.running && this.#time - at < 5;
  }

  #seek(at) {
    this.#transcript.seek(at, document.querySelector(".page-call"));
  }

  get #time() {
    return this.context.now();
  }

  /** The call's alerts as they are now; those that came since the page was read too. */
  get #alerts() {
    const { call } = this.#watch;
    if (!call) return [];
    const cards = new Map((call.page.alerts ?? []).map((card) => [card.id, card]));
    for (const card of this.context.model.alerts.values()) if (card.call === call.page.id) cards.set(card.id, card);
    return [...cards.values()].sort((a, b) => a.opened_at - b.opened_at);
  }

  // what it looks like

  #page(call) {
    const text = pageWords();
    const { zone } = this.context.model;
    const alerts = this.#alerts;
    return html`
      <article class="page page-call" data-running=${call.running ? "" : nothing}>
        ${this.#head(call, zone)}
        ${call.page.gone === "record" ? nothing
          : panel("course", text.course, this.#timeline.template(call, this.#time, zone, { alerts, legend: false }))}
        <div class="columns">
          <div class="main">${this.#words(call, zone, alerts)}</div>
          <aside>
            ${panel("alerts", text.alerts, alerts.length
              ? html`<ol class="alert-list">${byWorst(alerts).map((card) => this.#alert(card, zone))}</ol>`
              : html`<p class="note">${text.noAlerts}</p>`, html`<b>${alerts.length || nothing}</b>`)}
          </aside>
        </div>
      </article>`;
  }

  #head(call, zone) {
    const text = pageWords();
    const { page } = call;
    const totals = page.gone === "record" ? left(page.figures) : call.totals(this.#time);
    const agents = page.agents ?? [];
    const tile = this.context.model.calls.get(page.id);
    const phase = call.running ? tile?.phase ?? call.spans.at(-1)?.phase ?? page.phase : "ended";
    return html`
      <header class="page-head">
        <h1>${agents.length
          ? agents.map((agent, i) => html`${i ? html` <span class="to">→</span> ` : nothing}${person(agent, page.began_at, zone)}`)
          : words().nobody}</h1>
        <p class="facts">
          <span class="phase" data-phase=${phase}>${icon(phase)}${words().phase[phase]}</span>
          <span>${text[page.direction ?? "inbound"]}</span>
          ${page.queue ? html`<span>${said(words().queue(page.queue))}</span>` : nothing}
          ${page.caller ? html`<span>${text.caller} ${said(page.caller)}</span>` : nothing}
          <span>${moment(page.began_at, zone, { day: true })}${page.ended_at === undefined
            ? nothing : html` – ${moment(page.ended_at, zone)}`}</span>
          ${page.ended_by ? html`<span>${text.endedBy[page.ended_by]}</span>` : nothing}
          ${call.running && !this.context.verdict().frozen ? html`<span class="following">${icon("connecting")}${text.following}</span>` : nothing}
        </p>
        <dl class="figures">
          ${["offered", "ringing", "talking", "held", "transferring"]
            .filter((name) => ["ringing", "talking", "held"].includes(name) || totals[name] >= 0.5)
            .map((name) => html`<div data-phase=${name}><dt>${icon(name)}${words().phase[name]}</dt><dd>${duration(totals[name])}</dd></div>`)}
          <div><dt>${text.total}</dt><dd>${duration(call.end(this.#time) - page.began_at)}</dd></div>
        </dl>
      </header>`;
  }

  #alert(card, zone) {
    return html`
      <li data-severity=${card.severity} data-alert=${card.id}>
        <p>${severity(card.severity)}
          <button type="button" class="at" @click=${() => this.#seek(card.opened_at)}>${moment(card.opened_at, zone)}</button>
          ${standing(card, this.context.link.you, deskWords())}</p>
        <a href=${path.alert(card.id)}>${said(wording(card).says)}</a>
      </li>`;
  }

  #words(call, zone, alerts) {
    const text = pageWords();
    const nothingHeard = call.running ? text.nothingYet : text.nothingSaid;
    if (call.page.gone) return panel("words", text.transcript, html`<p class="note">${text.gone[call.page.gone]}</p>`);
    const hint = !call.page.listened && !call.lines.length ? text.notListened : call.lines.length ? "" : nothingHeard;
    return panel("words", text.transcript, html`
      ${hint ? html`<p class="note">${hint}</p>` : nothing}
      ${this.#transcript.template(call, zone, { alerts })}`);
  }
}

/** What is left of a call whose record is gone, by phase. */
const left = (line) => ({ offered: 0, ringing: line.ring_s ?? 0, talking: line.talk_s ?? 0, held: line.held_s ?? 0, transferring: 0 });

const byWorst = (alerts) =>
  alerts.toSorted((a, b) => WORST_FIRST.indexOf(a.severity) - WORST_FIRST.indexOf(b.severity) || a.opened_at - b.opened_at);
