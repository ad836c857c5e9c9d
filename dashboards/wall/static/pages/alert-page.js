// The page of one alert: what was broken, by which clause, why, on what it rests, and what people made of it.

import { html, nothing } from "../vendor/lit-html.js";
import { deskWords } from "../desk-words.js";
import { icon } from "../icons.js";
import { standing } from "../standing.js";
import { wording } from "../telling.js";
import { clock, timeOfDay, words } from "../words.js";
import { Asking } from "./asking.js";
import { CallWatch } from "./call-watch.js";
import { instead, moment, panel, path, person, quoted, said, severity } from "./parts.js";
import { duration, pageWords } from "./page-words.js";
import { Timeline } from "./timeline.js";
import { Transcript } from "./transcript.js";
import { tree } from "./why.js";

/** What of a card says that its page must be read anew. */
const stateOf = (card) =>
  JSON.stringify([card.severity, card.over_at, card.finding, card.claimed?.id, card.appeal, card.comments, card.reason]);

export class AlertPage {
  #asking;
  #timeline;
  #transcript;
  #watch;
  #made = null; // the answer that is shown
  #asked = ""; // the state of the card when the page was last asked for
  #whole = false;

  constructor(context) {
    this.context = context;
    const redraw = () => context.redraw();
    this.#asking = new Asking(context.link, "alert", redraw);
    this.#watch = new CallWatch(context, () => this.#asking.ask());
    this.#timeline = new Timeline(redraw, (at) => this.#seek(at), (where) => context.go(where));
    this.#transcript = new Transcript(redraw);
  }

  open({ id, at }) {
    this.close();
    this.#whole = false;
    this.#asked = "";
    this.#asking.ask(id, at);
  }

  close() {
    this.#asking.stop();
    this.#watch.close();
    this.#timeline.close();
    this.#transcript.close();
  }

  /** What is older than the wall knows is only read. */
  cards() {
    return this.#card && !this.#asking.page.archived ? [this.#card] : [];
  }

  title() {
    return this.#card ? wording(this.#card).title : "";
  }

  tick(now) {
    this.#watch.tick(now);
  }

  draw() {
    const { page, problem } = this.#asking;
    if (!page) return html`<article class="page page-alert">${instead("alert", problem, () => this.#asking.ask())}</article>`;
    this.#take(page);
    this.#renew();
    const root = document.querySelector(".page-alert");
    if (root) this.#transcript.before(root);
    return this.#page(page, this.#card);
  }

  /** The card as it is now: the page's own, or the newer one of the floor. */
  get #card() {
    const { page, id } = this.#asking;
    return this.context.model.alerts.get(id) ?? page?.card ?? null;
  }

  get #time() {
    return this.context.now();
  }

  get #call() {
    return this.#watch.call;
  }

  #take(page) {
    this.#watch.take(page.call);
    this.#made = page;
  }

  /** Something was done with it that the page does not know: the history is only in a new one. Each state asks once. */
  #renew() {
    const state = stateOf(this.#card);
    if (state === stateOf(this.#made.card) || state === this.#asked) return;
    this.#asked = state;
    this.#asking.ask();
  }

  /** After each drawing. */
  drawn() {
    const root = document.querySelector(".page-alert");
    if (!root) return;
    this.#timeline.attach(root);
    this.#transcript.after(root);
  }

  /** Show what was said then: the whole call, since the part around the alert may not have it. */
  #seek(at) {
    const root = document.querySelector(".page-alert");
    if (!this.#call?.lines.length) return;
    this.#whole = true;
    this.context.redraw();
    requestAnimationFrame(() => requestAnimationFrame(() => this.#transcript.seek(at, root)));
  }

  // what it looks like

  #page(page, card) {
    const { zone } = this.context.model;
    return html`
      <article class="page page-alert" data-severity=${card.severity} data-running=${this.#call?.running ? "" : nothing}>
        ${this.#head(page, card, zone)}
        <div class="columns">
          <div class="main">
            ${this.#clause(page)}
            ${this.#proof(page, card, zone)}
            ${this.#course(page, card, zone)}
            ${this.#why(page, zone)}
          </div>
          <aside>
            ${this.#stands(page, card, zone)}
            ${this.#advice(page)}
            ${this.#earlier(page, card, zone)}
          </aside>
        </div>
      </article>`;
  }

  #head(page, card, zone) {
    const text = pageWords();
    const [sign, meaning] = words().bySound;
    const raised = (page.steps ?? []).filter((step) => step.state === "raised");
    return html`
      <header class="page-head">
        <p class="about">
          ${severity(card.severity)}
          <span class="title">${said(wording(card).title)}</span>
          ${card.trial ? html`<span class="tag" title=${deskWords().trialHint}>${deskWords().trialTag}</span>` : nothing}
          ${card.by_sound ? html`<span class="tag" title=${meaning}>${sign}</span>` : nothing}
          <button type="button" class="copy" @click=${() => this.#copy()}>${text.copy}</button>
        </p>
        <h1 class="says">${said(wording(card).says)}</h1>
        <p class="facts">
          <span>${icon("stale")}${moment(card.opened_at, zone, { day: true })}</span>
          ${raised.map((step) => html`<span>${icon(step.severity)}${text.raised(words().severity[step.severity], timeOfDay(step.at, zone))}</span>`)}
          <span>${this.#lasting(card, zone)}</span>
          ${card.agent ? html`<span>${person(card.agent, card.opened_at, zone)}</span>` : nothing}
          ${card.queue ? html`<span>${said(words().queue(card.queue))}</span>` : nothing}
          ${page.call?.caller ? html`<span>${text.caller} ${said(page.call.caller)}</span>` : nothing}
        </p>
      </header>`;
  }

  #lasting(card, zone) {
    const text = pageWords();
    if (card.over_at !== undefined) {
      return `${text.cleared(timeOfDay(card.over_at, zone))} · ${text.lasted(duration(card.over_at - card.opened_at))}`;
    }
    return card.ongoing ? `${text.ongoing} · ${clock(this.#time - card.opened_at)}` : words().past;
  }

  #copy() {
    const address = new URL(`/alerts/${encodeURIComponent(this.#asking.id)}`, location.origin); // no language, no team
    navigator.clipboard?.writeText(address.href).then(() => this.context.toast(pageWords().copied, "done"), () => {});
  }

  #clause(page) {
    const text = pageWords();
    return panel("clause", text.clause, html`
      ${clauseOf(page.clause)}
      ${page.also?.length ? html`<details><summary>${text.clauseMore(page.also.length)}</summary>${page.also.map(clauseOf)}</details>` : nothing}`);
  }

  #why(page, zone) {
    const text = pageWords();
    const later = (page.steps ?? []).filter((step) => step.why?.length);
    const told = page.why?.length
      ? html`${tree(page.why, zone, (at) => this.#seek(at))}${later.map((step) => this.#later(step, zone))}`
      : html`<p class="note">${text.whyNot[page.why_not] ?? text.whyNot.record}</p>`;
    const known = page.steps?.[0]?.known_at;
    return panel("why", text.why, html`
      ${page.fires?.length ? html`<ul class="fires" aria-label=${text.fires}>${page.fires.map((line) => html`<li>${said(line)}</li>`)}</ul>` : nothing}
      ${told}`,
      html`<small>${known === undefined ? text.whyHint : text.knownAt(timeOfDay(known, zone))}</small>`);
  }

  #later(step, zone) {
    return html`
      <h3>${moment(step.at, zone)} ${pageWords().step[step.state]} ${step.state === "raised" ? severity(step.severity) : nothing}</h3>
      ${tree(step.why, zone, (at) => this.#seek(at))}`;
  }

  #proof(page, card, zone) {
    const text = pageWords();
    const call = this.#call;
    if (!call || call.page.gone === "record") return this.#proofsAlone(page, zone);
    if (call.page.gone) return this.#wordsGone(page, card);
    const words_ = call.lines.some((line) => line.marks?.some((mark) => mark.alert === card.id));
    const aside = html`
      ${call.running ? html`<span class="following">${icon("connecting")}${text.following}</span>` : nothing}
      ${call.lines.length ? html`<button type="button" class="whole" aria-expanded=${this.#whole} @click=${() => this.#toggle()}>
        ${this.#whole ? text.part : text.whole}</button>` : nothing}
      <a class="to-call" href=${path.call(call.page.id, card.opened_at)}>${text.toCall}</a>`;
    const hint = words_ ? nothing : html`<p class="note">${text.noProof}${call.lines.length ? ` ${text.noProofLines}` : ""}</p>`;
    const body = call.lines.length
      ? this.#transcript.template(call, zone, { alerts: this.#alerts(card), card, only: !this.#whole })
      : html`<p class="note">${call.page.listened ? text.nothingSaid : text.notListened}</p>`;
    return panel("proof", text.proof, html`${hint}${body}`, aside);
  }

  /** Where retention has taken what was said. */
  #wordsGone(page, card) {
    const text = pageWords();
    return panel("proof", text.proof, html`<p class="note">${text.gone.words}</p>`,
      html`<a class="to-call" href=${path.call(page.call.id, card.opened_at)}>${text.toCall}</a>`);
  }

  /** Where the call's record is gone, the words that the alert itself kept. */
  #proofsAlone(page, zone) {
    const text = pageWords();
    const lines = (page.proofs ?? []).map((proof) => html`
      <li class="line" data-role=${proof.role}>
        <p class="meta"><b>${text.role[proof.role]}</b>${moment(proof.start, zone)}
          ${proof.by_sound ? html`<span class="by-sound" title=${text.bySound[1]}>${text.bySound[0]}</span>` : nothing}</p>
        <p class="text"><bdi>${quoted(proof)}</bdi></p>
        ${proof.meant ? html`<p class="meant">${said(text.meant(proof.meant))}</p>` : nothing}
      </li>`);
    return panel("proof", text.proof, html`
      <p class="note">${page.call ? text.gone.record : text.callGone}</p>
      ${lines.length ? html`<div class="transcript" data-part><div class="scroll"><ol>${lines}</ol></div></div>` : nothing}`);
  }

  #toggle() {
    this.#whole = !this.#whole;
    this.context.redraw();
  }

  /** The alerts of the call with this one among them, each as it is now. */
  #alerts(card) {
    const known = (this.#call.page.alerts ?? []).map((one) => this.context.model.alerts.get(one.id) ?? one);
    return known.some((one) => one.id === card.id) ? known : [...known, card];
  }

  #course(page, card, zone) {
    if (!this.#call || this.#call.page.gone === "record") return nothing;
    return panel("course", pageWords().course,
      this.#timeline.template(this.#call, this.#time, zone, { alerts: this.#alerts(card), mine: card.id }));
  }

  #stands(page, card, zone) {
    const text = pageWords();
    return panel("stands", deskWords().standing.label, html`
      ${page.archived ? html`<p class="note">${text.archived}</p>` : html`<div class="buttons">${this.context.buttons([card])}</div>`}
      <h3>${text.history}</h3>
      ${page.history?.length
        ? html`<ol class="history">${page.history.map((one) => judgement(one, zone))}</ol>`
        : html`<p class="note">${text.noHistory}</p>`}`,
      html`<span class="standings">${this.#standing(card)}</span>`);
  }

  #standing(card) {
    return standing(card, this.context.link.you, deskWords());
  }

  #advice(page) {
    return page.advice ? panel("advice", pageWords().advice, html`<p>${said(page.advice)}</p>`) : nothing;
  }

  #earlier(page, card, zone) {
    const text = pageWords();
    const earlier = [...(page.earlier ?? [])].sort((a, b) => b.opened_at - a.opened_at);
    return html`
      ${panel("earlier", text.earlier(card.agent ? card.agent.name || card.agent.id : "", page.archived), earlier.length ? html`
        <ol class="earlier-list">${earlier.map((one) => html`
          <li><a href=${path.alert(one.id)}>${icon(one.severity)}<span>${moment(one.opened_at, zone, { day: true })}</span></a>
            <span>${this.#standing({ ...(this.context.model.alerts.get(one.id) ?? one), snoozed: false })}</span></li>`)}</ol>`
        : html`<p class="note">${text.noEarlier(page.archived)}</p>`,
        earlier.length ? html`<b>${text.earlierCount(earlier.length)}</b>` : nothing)}
      ${page.others?.length ? panel("others", text.alsoCalls, html`
        <ol>${page.others.map((id, i) => html`<li><a href=${path.call(id, card.opened_at)}>${text.call} ${i + 1}</a></li>`)}</ol>`) : nothing}
      <p class="rulebook">${text.rulebook} <code>${page.rulebook}</code></p>`;
  }
}

const clauseOf = (clause) => html`
  <p class="clause">${said(words().clause(clause))}</p>
  ${clause.quote ? html`<blockquote>${said(clause.quote)}</blockquote>` : nothing}`;

function judgement(one, zone) {
  const desk = deskWords();
  const reason = one.reason ? ` · ${desk.reason[one.reason]}` : "";
  return html`
    <li data-action=${one.action}>
      <p>${moment(one.at, zone, { day: true })} <b>${said(one.by_name)}</b> ${desk.did[one.action]}${reason}</p>
      ${one.text ? html`<blockquote>${said(one.text)}</blockquote>` : nothing}
    </li>`;
}

