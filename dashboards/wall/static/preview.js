// The selected alert at the right of the list: the sentence, the clause, what it rests on, the advice, what was done.

import { html, nothing } from "./vendor/lit-html.js";
import { icon } from "./icons.js";
import { Asking } from "./pages/asking.js";
import { path, quoted, said } from "./pages/parts.js";
import { standing } from "./standing.js";
import { when, wording } from "./telling.js";
import { timeOfDay } from "./words.js";

/** The page behind it is asked for when the selection has rested for so long: running through the list asks nothing. */
const REST_MS = 250;
/** Newest entries of the history that are shown here. */
const HISTORY = 4;

export class Preview {
  #id = "";
  #version = "";
  #timer = 0;

  constructor(context) {
    this.context = context;
    this.asking = new Asking(context.link, "alert", () => context.redraw());
  }

  /** Show that card; null: none. */
  show(card) {
    const version = card ? `${card.id} ${card.finding} ${card.claimed?.id} ${card.appeal} ${card.comments} ${card.severity} ${card.over_at}` : "";
    if (version === this.#version) return;
    this.#version = version;
    clearTimeout(this.#timer);
    if (card?.id !== this.#id) this.asking.stop();
    this.#id = card?.id ?? "";
    if (card && this.context.link.may("pages")) {
      this.#timer = setTimeout(() => this.asking.ask(card.id, card.opened_at), REST_MS);
    }
  }

  /** Nobody looks any more. */
  close() {
    clearTimeout(this.#timer);
    this.asking.stop();
    this.asking.page = null;
    this.#id = this.#version = "";
  }

  /** `card`: the shown one, if any. */
  draw(card) {
    const { words } = this.context;
    return html`
      <aside class="preview" aria-label=${words().preview.label} tabindex="-1">
        ${card ? this.#card(card) : html`
          <div class="preview-none"><p>${words().preview.none}</p><p>${words().preview.noneMore}</p></div>`}
      </aside>`;
  }

  #card(card) {
    const { buttons, link, model } = this.context;
    const words = this.context.words();
    const text = wording(card);
    const page = this.asking.page?.card.id === card.id ? this.asking.page : null;
    return html`
      <article data-alert=${card.id} data-severity=${card.severity}>
        <header>
          <p class="badges">
            <span class="severity" data-severity=${card.severity}>${icon(card.severity)}<b>${words.severity[card.severity]}</b></span>
            ${tags(card, words)}
            ${standing(card, link.you, words)}
          </p>
          <h2>${said(text.title)}</h2>
          <p class="says">${said(text.says)}</p>
          <p class="facts">
            ${card.agent ? html`<a href=${path.agent(card.agent.id)}>${said(words.agent(card.agent))}</a>` : html`<span>${words.nobody}</span>`}
            <span>${card.queue ? said(words.queue(card.queue)) : words.direct}</span>
            <span>${when(card, model.zone)}</span>
            ${card.ongoing ? html`<span class="ongoing">${words.preview.ongoing}</span>` : nothing}
          </p>
        </header>
        ${buttons(card)}
        ${part("clause", words.preview.clause, this.#clause(card, page, words))}
        ${link.may("pages") ? this.#page(page, words) : nothing}
        ${link.may("pages") ? html`
          <p class="ways">
            <a class="button" href=${path.alert(card.id)}>${words.preview.open}<kbd aria-hidden="true">Enter</kbd></a>
            <a class="button" href=${path.call(card.call, card.opened_at)}>${words.preview.call}</a>
          </p>` : nothing}
      </article>`;
  }

  #clause({ clause }, page, words) {
    const all = [page?.clause ?? clause, ...(page?.also ?? [])];
    return all.map((one) => html`<p>${words.clause(one)}</p>${one.quote ? html`<blockquote>${one.quote}</blockquote>` : nothing}`);
  }

  #page(page, words) {
    const text = words.preview;
    const { problem } = this.asking;
    if (!page) return html`<p class="hint" role="status">${problem ? words.problem[problem] ?? words.problem.unavailable : text.loading}</p>`;
    const { proofs = [], advice = "", history = [] } = page;
    return html`
      ${part("evidence", text.evidence, proofs.length ? proofs.map((proof) => this.#proof(proof, words)) : html`<p class="hint">${text.noEvidence}</p>`)}
      ${advice ? part("advice", text.advice, html`<p>${said(advice)}</p>`) : nothing}
      ${history.length ? part("history", text.history, history.slice(-HISTORY).map((one) => this.#did(one, words))) : nothing}`;
  }

  #proof(proof, words) {
    const { role, start, by_sound, meant } = proof;
    return html`
      <p class="proof"><time>${timeOfDay(start, this.context.model.zone)}</time> <b>${words.preview.speaker[role]}</b>
        <q>${said(quoted(proof))}</q>
        ${by_sound ? html`<span class="tag" title=${words.bySound[1]}>${words.bySound[0]}</span>` : nothing}
        ${meant ? html`<span class="hint">${words.preview.meant(meant)}</span>` : nothing}</p>`;
  }

  #did({ by_name, action, at, reason, text }, words) {
    return html`
      <p class="did"><time>${timeOfDay(at, this.context.model.zone)}</time> <b>${said(by_name)}</b> ${words.did[action]}${
        reason ? html`<span class="hint"> ${words.reason[reason]}</span>` : nothing}${text ? html`<q>${said(text)}</q>` : nothing}</p>`;
  }
}

/** Words about a card that are neither severity nor standing. */
export const tags = (card, words) => html`
  ${card.trial ? html`<span class="tag" title=${words.trialHint}>${words.trialTag}</span>` : nothing}
  ${card.by_sound ? html`<span class="tag" title=${words.bySound[1]}>${words.bySound[0]}</span>` : nothing}`;

const part = (name, title, body) => html`<section class=${name}><h3>${title}</h3>${body}</section>`;
