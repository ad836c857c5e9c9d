// The list of alerts: filters in the address, groups, one selected row, and only as many rows in the page as can be seen.
// While somebody reads (selected, scrolled, pointing at it) nothing moves: what is new waits behind a button.

import { html, nothing } from "./vendor/lit-html.js";
import { live } from "./vendor/directives/live.js";
import { repeat } from "./vendor/directives/repeat.js";
import { SORTS, belongs, choices, isNarrow, read, select, statesFor } from "./filters.js";
import { WORST_FIRST, isOver } from "./groups.js";
import { icon } from "./icons.js";
import { Order } from "./order.js";
import { path, said } from "./pages/parts.js";
import { Preview, tags } from "./preview.js";
import { standing } from "./standing.js";
import { titleOf, wording } from "./telling.js";
import { clock, minuteOf, timeOfDay } from "./words.js";

/** A row's height, rem (desk.css: --row), and how many are drawn above and below what is seen. */
const ROW_REM = 4;
/** The same of a heading (desk.css: --heading). */
const HEADING_REM = 2;
const SPARE = 8;
/** Of a sentence, in a row: the whole of it is in the preview. */
const SAYS_CHARACTERS = 240;
const TYPING_MS = 200;
/** What was done here comes back from the server within this time, ms. */
const OWN_MS = 5000;
const PAGE_ROWS = 8;

const cut = (text) => (text.length > SAYS_CHARACTERS ? `${text.slice(0, SAYS_CHARACTERS)}…` : text);

export class ListPage {
  #order = new Order();
  #rows = [];
  #selected = "";
  #typed = null;
  #typing = 0;
  #top = 0;
  #scrollTo = null;
  #after = -1;
  #besides = new Map(); // call id -> how many alerts it has
  #pointed = false;
  #wantsFocus = false;
  #settles = true;
  #isOpen = false;
  #address = "/desk";

  constructor(context) {
    this.context = context;
    this.preview = new Preview(context);
  }

  /** Where this list is, filters included. */
  get address() {
    return this.#address;
  }

  open() {
    const address = location.pathname + location.search;
    const same = address === this.#address;
    if (!same) this.#settle();
    this.#scrollTo = same ? this.#top : 0;
    this.#address = address;
    this.#wantsFocus = !this.#isOpen && Boolean(this.#selected);
    this.#isOpen = true;
    this.#typed = null;
  }

  close() {
    this.#isOpen = false;
    clearTimeout(this.#typing);
    this.preview.close();
  }

  title() {
    return "";
  }

  /** The card that keys and buttons are about: the selected one, never those that its row hides. */
  cards() {
    const row = this.#rows.find(({ id }) => id === this.#selected);
    return row ? [this.context.model.alerts.get(row.id)].filter(Boolean) : [];
  }

  /** That card was dealt with here: it may leave the list at once, and the one below takes its place. */
  acted(id) {
    this.#order.letGo(id);
    setTimeout(() => this.#order.hold(id), OWN_MS);
    this.#after = this.#rows.findIndex((row) => row.id === this.#selected);
  }

  // drawing

  draw() {
    const { link, model } = this.context;
    this.filters = read(location.search, link.you);
    const { cards, counts } = select(model.alerts.values(), this.filters, link.you);
    this.#order.take(cards, { held: this.#isHeld, folds: link.you?.role !== "agent" });
    this.#besides = besides(model.alerts.values());
    this.#settles = false;
    this.#rows = this.#order.rows((id) => model.alerts.has(id));
    this.#reselect();
    const [chosen] = this.cards();
    this.preview.show(chosen ?? null);
    const words = this.context.words();
    return html`
      <div class="list-page">
        <section class="list" aria-label=${words.list.label}>
          <h1 class="unseen">${words.list.label}</h1>
          ${this.#filterBar(words, counts)}
          ${this.#snoozes(words)}
          ${this.#pill(words)}
          ${this.#scroller(words)}
          ${this.#rows.length === 0 ? this.#nothing(words) : nothing}
        </section>
        ${this.preview.draw(chosen)}
      </div>`;
  }

  /** After it was drawn: the room above and below the rows that are there, and the focus. */
  drawn() {
    const rows = document.querySelector(".rows");
    if (!rows) return;
    const { first, last } = this.#window;
    rows.style.setProperty("--above", `${this.#height(0, first)}rem`);
    rows.style.setProperty("--below", `${this.#height(last, this.#rows.length)}rem`);
    if (this.#scrollTo !== null) this.#scrollNow(rows.parentElement);
    if (this.#wantsFocus) rows.querySelector('[tabindex="0"]')?.focus({ preventScroll: true });
    this.#wantsFocus = false;
    this.tick(this.context.now());
  }

  tick(now) {
    for (const age of document.querySelectorAll(".row .age")) {
      const text = clock((Number(age.dataset.over) || now) - Number(age.dataset.since));
      if (age.textContent !== text) age.textContent = text;
    }
  }

  // the order is held while somebody reads

  get #isHeld() {
    return !this.#settles && (Boolean(this.#selected) || this.#top > 0 || this.#pointed);
  }

  #settle() {
    this.#settles = true;
  }

  #update() {
    this.#settle();
    this.#scrollTo = 0;
    this.context.redraw();
  }

  /** What was selected may be gone, or inside a group that was closed: its neighbour is next. */
  #reselect() {
    if (!this.#selected || this.#rows.some(({ id }) => id === this.#selected)) return;
    const lead = this.#rows.find(({ group }) => group.includes(this.#selected));
    const next = lead ?? (this.#after >= 0 ? this.#rows[Math.min(this.#after, this.#rows.length - 1)] : undefined);
    this.#selected = next?.id ?? "";
    this.#after = -1;
    this.#wantsFocus = Boolean(next) && this.#hasFocus;
  }

  get #hasFocus() {
    const { activeElement } = document;
    return activeElement === document.body || Boolean(activeElement?.closest(".rows, .preview"));
  }

  // filters

  #filterBar(words, counts) {
    const { link, model, router } = this.context;
    const { filters } = this;
    const each = choices(model.alerts.values(), filters, { words, rules: model.rules });
    const change = (changes) => router.query(changes);
    const flip = (name) => WORST_FIRST.filter((one) => filters.severity.has(one) !== (one === name)).join(",");
    const [usual] = statesFor(link.you);
    const count = (name) => (model.filled ? counts[name] : "–");
    return html`
      <search class="filters" aria-label=${words.list.filters}>
        <div class="states" role="group" aria-label=${words.list.stateLabel}>
          ${statesFor(link.you).map((name) => html`
            <button type="button" data-state-filter=${name} aria-pressed=${filters.state === name}
              @click=${() => change({ state: name === usual ? null : name })}>${words.list.state[name]} <b>${count(name)}</b></button>`)}
        </div>
        <label class="search">${icon("search")}<input type="search" name="q" autocomplete="off" spellcheck="false" aria-label=${words.list.search}
          placeholder=${words.list.search} title=${words.list.searchHint} aria-keyshortcuts="/" .value=${live(this.#typed ?? filters.text)}
          @input=${(event) => this.#type(event.target.value)}></label>
        <div class="severities" role="group" aria-label=${words.list.severity}>
          ${WORST_FIRST.map((name) => html`
            <button type="button" class="severity" data-severity=${name} aria-pressed=${filters.severity.has(name)}
              @click=${() => change({ severity: flip(name) })}>${icon(name)}${words.severity[name]}</button>`)}
        </div>
        ${["rule", "queue", ...(link.you?.role === "agent" ? [] : ["agent"])].map((name) => html`
          <select name=${name} aria-label=${words.list[name]} ?data-chosen=${Boolean(filters[name])}
            @change=${(event) => change({ [name]: event.target.value })}>
            <option value="" .selected=${live(!filters[name])}>${words.list.any[name]}</option>
            ${each[name].map(({ value, word }) => html`<option value=${value} .selected=${live(filters[name] === value)}>${word}</option>`)}
          </select>`)}
        <select name="sort" aria-label=${words.list.sort} @change=${(event) => change({ sort: event.target.value === SORTS[0] ? null : event.target.value })}>
          ${SORTS.map((name) => html`<option value=${name} .selected=${live(filters.sort === name)}>${words.list.sorts[name]}</option>`)}
        </select>
        ${isNarrow(filters) ? html`<button type="button" class="clear" @click=${() => this.#clear()}>${icon("close")}${words.list.clear}</button>` : nothing}
      </search>`;
  }

  #type(text) {
    this.#typed = text;
    clearTimeout(this.#typing);
    this.#typing = setTimeout(() => this.context.router.query({ q: text.trim() }, { replace: true }), TYPING_MS);
  }

  #clear() {
    clearTimeout(this.#typing);
    this.#typed = null;
    this.context.router.query({ severity: null, rule: null, queue: null, agent: null, q: null });
  }

  // what is snoozed now

  #snoozes(words) {
    const { link, lift, model } = this.context;
    const text = words.snoozes;
    return model.snoozes.length === 0 || link.you?.role === "agent" ? nothing : html`
      <ul class="snoozes" aria-label=${text.label}>
        ${model.snoozes.map((one) => html`
          <li>${icon("hush")}<span>${said(text.line(titleOf(one), one.queue ? words.queue(one.queue) : text.all,
            minuteOf(one.until, model.zone), one.by_name))}${one.text ? html` <q>${said(one.text)}</q>` : nothing}</span>
            <b>${text.held(one.held_back ?? 0)}</b>
            ${link.maySnooze(one.queue ?? "") ? html`<button type="button" @click=${() => lift(one)}>${text.lift}</button>` : nothing}</li>`)}
      </ul>`;
  }

  #pill(words) {
    const { fresh, critical, isStale } = this.#order;
    const word = fresh ? words.list.fresh(fresh, critical) : isStale ? words.list.stale : "";
    return html`
      <div class="pill-place" role="status">
        ${word ? html`<button type="button" class="pill" ?data-critical=${critical > 0} title=${words.list.freshHint} aria-keyshortcuts="."
          @click=${() => this.#update()}>${critical ? icon("critical") : nothing}${word}</button>` : nothing}
      </div>`;
  }

  // rows

  /** Of those rows with the headings above them, rem. */
  #height(from, to) {
    const headings = this.#isDivided ? this.#rows.slice(from, to).filter(({ section }) => section).length : 0;
    return (to - from) * ROW_REM + headings * HEADING_REM;
  }

  /** Only the order of urgency has sections; what shows one of them needs no heading. */
  get #isDivided() {
    return this.filters?.sort === "severity" && this.filters.state !== "now";
  }

  get #window() {
    const rem = parseFloat(getComputedStyle(document.documentElement).fontSize) * ROW_REM;
    const first = Math.max(0, Math.floor(this.#top / rem) - SPARE);
    return { first, last: Math.min(this.#rows.length, first + Math.ceil(innerHeight / rem) + 2 * SPARE) };
  }

  #scroller(words) {
    const { first, last } = this.#window;
    const rows = this.#rows.slice(first, last);
    const stop = rows.some(({ id }) => id === this.#selected) ? this.#selected : rows[0]?.id;
    return html`
      <div class="scroller" @scroll=${(event) => this.#scrolled(event.target)} ?hidden=${this.#rows.length === 0}
        @pointerenter=${() => this.#point(true)} @pointerleave=${() => this.#point(false)}>
        <div class="rows" role="treegrid" aria-label=${words.list.label} aria-rowcount=${this.#rows.length}>
          ${repeat(rows, ({ id }) => id, (row, i) => html`${row.section && this.#isDivided ? heading(words.list.section[row.section]) : nothing}
            ${this.#row(row, first + i + 1, stop, words)}`)}
        </div>
      </div>`;
  }

  #row({ id, group, level, opened }, index, stop, words) {
    const { link, model } = this.context;
    const card = model.alerts.get(id);
    const text = wording(card);
    const isSelected = id === this.#selected;
    const isGroup = level === 1 && group.length > 1;
    return html`
      <div class="row" role="row" data-alert=${id} data-severity=${card.severity} tabindex=${id === stop ? 0 : -1} aria-level=${level}
        aria-rowindex=${index} aria-selected=${isSelected} aria-expanded=${isGroup ? opened : nothing} ?data-left=${!belongs(card, this.filters, link.you)}
        ?data-over=${isOver(card)} @click=${(event) => this.#click(event, id)} @dblclick=${() => this.#open(id)}>
        <div role="gridcell" class="cell-severity"><span class="severity" data-severity=${card.severity}>${icon(card.severity)}<b>${words.severity[card.severity]}</b></span></div>
        <div role="gridcell" class="cell-what">
          <p class="title"><b>${said(cut(text.title))}</b>${tags(card, words)}${isGroup ? this.#more(group, opened, words) : nothing}${this.#ofCall(card, words)}</p>
          <p class="says">${said(cut(text.says))}</p>
        </div>
        <div role="gridcell" class="cell-who"><p>${card.agent ? said(words.agent(card.agent)) : words.nobody}</p><p>${card.queue ? said(words.queue(card.queue)) : words.direct}</p></div>
        <div role="gridcell" class="cell-when"><p>${timeOfDay(card.opened_at, model.zone)}</p>
          <p>${this.#age(card, words)}</p></div>
        <div role="gridcell" class="cell-standing">${standing(card, link.you, words)}${card.comments ? comments(card.comments, words) : nothing}</div>
        <div role="gridcell" class="cell-open">${link.may("pages") ? door(id, words) : nothing}</div>
      </div>`;
  }

  #age(card, words) {
    if (!card.ongoing && card.over_at === undefined) return words.past;
    const age = html`<span class="age" data-since=${card.opened_at} data-over=${card.over_at ?? nothing}></span>`;
    return card.over_at === undefined ? age : html`${words.cleared} ${age}`;
  }

  #more(group, opened, words) {
    const word = words.list.repeats(group.length - 1);
    return html`<button type="button" class="more" tabindex="-1" title=${words.list.repeatsHint} aria-label="${word} ${opened ? words.list.collapse : words.list.expand}"
      @click=${(event) => this.#toggle(event, group, !opened)}>${icon("next")}${word}</button>`;
  }

  /** That its call has other alerts, of whatever rule: they are rows of their own. */
  #ofCall(card, words) {
    const n = this.#besides.get(card.call) - 1;
    return n > 0 ? html`<span class="tag same-call">${words.list.sameCall(n)}</span>` : nothing;
  }

  #nothing(words) {
    const { model } = this.context;
    const quiet = isNarrow(this.filters) ? "" : words.list.quiet[this.filters.state];
    if (!model.filled) return html`<div class="empty" data-kind="waiting">${icon("connecting")}<p>${words.waiting}</p></div>`;
    if (!quiet) return html`<div class="empty" data-kind="none">${icon("filter")}<p>${words.list.none}</p><p class="hint">${words.list.noneMore}</p></div>`;
    const { state } = this.context.verdict();
    if (state !== "live") return html`<div class="empty" data-kind="unsure">${icon("question")}<p>${words.unsure}</p><p class="hint">${words.unsureMore}</p></div>`;
    const last = model.lastEventAt ? words.list.quietMore(timeOfDay(model.lastEventAt, model.zone)) : words.noEvent;
    return html`<div class="empty" data-kind="quiet">${icon("check")}<p>${quiet}</p><p class="hint">${last}</p></div>`;
  }

  // pointing and scrolling

  #point(pointed) {
    this.#pointed = pointed;
    if (!pointed) this.context.redraw();
  }

  #scrolled({ scrollTop }) {
    this.#top = scrollTop;
    this.context.redraw();
  }

  #scrollNow(scroller) {
    scroller.scrollTop = this.#scrollTo;
    this.#top = scroller.scrollTop;
    this.#scrollTo = null;
  }

  #click(event, id) {
    if (event.target.closest("a, button")) return;
    this.#select(id);
  }

  #toggle(event, group, open) {
    event.stopPropagation();
    this.#order.toggle(group, open);
    this.context.redraw();
  }

  #open(id) {
    if (this.context.link.may("pages")) this.context.go(path.alert(id));
  }

  #select(id) {
    this.#selected = id;
    this.#wantsFocus = true;
    this.context.redraw();
  }

  // keys

  /** True where the key meant something here. */
  key(event) {
    const act = {
      ArrowDown: () => this.#step(1), j: () => this.#step(1), ArrowUp: () => this.#step(-1), k: () => this.#step(-1),
      PageDown: () => this.#step(PAGE_ROWS), PageUp: () => this.#step(-PAGE_ROWS),
      Home: () => this.#step(-Infinity), End: () => this.#step(Infinity),
      ArrowRight: () => this.#unfold(true), ArrowLeft: () => this.#unfold(false),
      Enter: () => this.#enter(event), ".": () => this.#update(), "/": () => this.#search(), Escape: () => this.#escape(event),
    }[event.key];
    const scrolls = ["PageDown", "PageUp", "Home", "End"].includes(event.key) && event.target.closest?.(".preview");
    return act && !scrolls ? act() !== false : false;
  }

  #step(by) {
    if (this.#rows.length === 0) return false;
    const at = this.#rows.findIndex(({ id }) => id === this.#selected);
    const next = Math.max(0, Math.min(this.#rows.length - 1, at < 0 ? (by > 0 && by < Infinity ? 0 : by) : at + by));
    this.#show(next);
    this.#select(this.#rows[next].id);
    return true;
  }

  /** Scroll so far that the row is seen, and no further. */
  #show(index) {
    const scroller = document.querySelector(".scroller");
    const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
    const top = Math.min(this.#top, this.#height(0, index) * rem);
    const wanted = Math.max(top, this.#height(0, index + 1) * rem - scroller.clientHeight);
    if (wanted === this.#top) return;
    this.#top = this.#scrollTo = wanted;
  }

  #unfold(open) {
    const row = this.#rows.find(({ id }) => id === this.#selected);
    if (!row || row.group.length < 2) return false;
    this.#order.toggle(row.group, open);
    this.context.redraw();
    return true;
  }

  #enter(event) {
    if (!this.#selected || event.target.closest?.("a, button, select")) return false;
    this.#open(this.#selected);
    return true;
  }

  #search() {
    document.querySelector(".search input").focus();
    return true;
  }

  #escape(event) {
    if (event.target.closest?.(".search")) {
      if (event.target.value) this.#clearText();
      event.target.blur();
      return true;
    }
    this.#selected = "";
    this.#settle();
    this.context.redraw();
    document.activeElement?.closest(".row")?.blur();
    return true;
  }

  #clearText() {
    clearTimeout(this.#typing);
    this.#typed = null;
    this.context.router.query({ q: null }, { replace: true });
  }
}

const comments = (n, words) => html`
  <span class="comments" title=${words.standing.comments(n)}>${icon("comment")}<span aria-hidden="true">${n}</span><span class="unseen">${words.standing.comments(n)}</span></span>`;

const heading = (word) => html`<div class="section" role="row"><h2 role="rowheader">${word}</h2></div>`;

/** call id -> how many alerts it has. */
function besides(cards) {
  const counts = new Map();
  for (const { call } of cards) counts.set(call, (counts.get(call) ?? 0) + 1);
  return counts;
}

const door = (id, words) => html`
  <a href=${path.alert(id)} tabindex="-1" aria-label=${words.list.open} title=${words.list.open}>${icon("next")}</a>`;
