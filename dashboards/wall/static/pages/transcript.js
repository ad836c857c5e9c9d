// The words of a call as a chat of two sides, with what the telephone did and the alerts in between. What is still being
// spoken is grey; what was hidden says of what kind it was; words that an alert rests on are marked and lead to it.
// A live one keeps to its end while its reader is there, and stays where it is while he reads further up.

import { html, noChange, nothing } from "../vendor/lit-html.js";
import { repeat } from "../vendor/directives/repeat.js";
import { WORST_FIRST } from "../groups.js";
import { icon } from "../icons.js";
import { wording } from "../telling.js";
import { clock, timeOfDay, words } from "../words.js";
import { isFinal } from "./live-call.js";
import { path, said, whoIn } from "./parts.js";
import { duration, pageWords } from "./page-words.js";

/** So near to the end counts as at the end, pixels. */
const AT_END_PX = 40;
/** A moment that was looked for is shown so long, ms. */
const SOUGHT_MS = 2600;

/** A text cut at its marks: [{text, marks}]. */
function pieces(text, marks = []) {
  const inside = marks.filter((m) => m.start < Math.min(m.end, text.length));
  const cuts = [0, text.length, ...inside.flatMap((m) => [m.start, Math.min(m.end, text.length)])];
  const edges = [...new Set(cuts)].sort((a, b) => a - b);
  return edges.slice(1).map((end, i) => ({
    text: text.slice(edges[i], end),
    marks: inside.filter((m) => m.start <= edges[i] && end <= m.end),
  }));
}

/** Which lines to show of a call around one alert: those with its words, or those at its moment, with some around. */
function around(items, card, before = 3, after = 3) {
  const mine = items.flatMap((item, i) => (item.line?.marks?.some((m) => m.alert === card.id) ? [i] : []));
  const near = items.findLastIndex((item) => item.at <= card.opened_at);
  const centres = mine.length ? mine : near >= 0 ? [near] : [];
  const own = items.findIndex((item) => item.card?.id === card.id);
  const shown = new Set();
  for (const centre of own >= 0 ? [...centres, own] : centres) {
    for (let i = Math.max(0, centre - before); i <= Math.min(items.length - 1, centre + after); i += 1) shown.add(i);
  }
  return shown;
}

/** Lines, phases and alerts of a call in the order of time: [{key, at, end, line | span | card}]. */
function itemsOf(call, alerts) {
  const { events } = call;
  const spans = events.map((span, i) => ({ span, before: events[i - 1] }));
  return [
    ...call.lines.map((line) => ({ key: `${line.role} ${line.kind ?? "said"} ${line.start}`, at: line.start, end: line.end, line })),
    ...spans.map(({ span, before }) => ({ key: `phase ${span.since} ${span.phase}`, at: span.since, end: span.since, span, before })),
    ...alerts.map((card) => ({ key: `alert ${card.id}`, at: card.opened_at, end: card.opened_at, card })),
  ].sort((a, b) => a.at - b.at);
}

export class Transcript {
  #root = null;
  #atEnd = true;
  #unseen = false;
  #count = 0;
  #sought = null;
  #timer = 0;
  #drawn = []; // what was drawn last

  /** `changed()`: draw again. */
  constructor(changed) {
    this.changed = changed;
  }

  /** `card`: mark this alert above the others; `only`: show no more than what is around it. */
  template(call, zone, { alerts = call.page.alerts ?? [], card = null, only = false } = {}) {
    const live = call.running && !only;
    const items = itemsOf(call, alerts);
    this.#note(items.length);
    const { lines, page, spans } = call;
    const told = alerts.map(({ id, severity, opened_at }) => `${id} ${severity} ${opened_at}`).join("\n");
    if (this.#isDrawn([lines, spans, page, told, zone, card?.id, only, live, this.#unseen, this.#sought, words()])) return noChange;
    const shown = only && card ? around(items, card) : null;
    const from = call.page.began_at;
    return html`
      <div class="transcript" data-live=${live ? "" : nothing} data-part=${shown ? "" : nothing}>
        <div class="scroll" tabindex="0" role=${live ? "log" : "region"} aria-live=${live ? "off" : nothing}
          aria-label=${pageWords().transcript} @scroll=${() => this.#scrolled()}>
          <ol>${repeat(cut(items, shown), (item) => item.key, (item) => this.#item(item, { call, from, zone, card }))}</ol>
        </div>
        ${live && this.#unseen
          ? html`<button type="button" class="newer" @click=${() => this.#toEnd()}>↓ ${pageWords().newer}</button>`
          : nothing}
      </div>`;
  }

  /** Before a drawing: is its reader at the end? */
  before(root) {
    const box = root.querySelector(".transcript .scroll");
    if (box && box === this.#root) this.#atEnd = atEnd(box);
  }

  /** After it: stay at the end, or where its reader is. */
  after(root) {
    const box = root.querySelector(".transcript[data-live] .scroll");
    const fresh = box !== this.#root;
    this.#root = root.querySelector(".transcript .scroll");
    if (box && (fresh || this.#atEnd) && this.#sought === null) box.scrollTop = box.scrollHeight;
  }

  /** Show what was said at that moment; answers false where nothing was. */
  seek(at, root) {
    const lines = [...root.querySelectorAll(".transcript [data-at]")];
    if (!lines.length) return false;
    const far = (e) => (Number(e.dataset.end) < at ? at - Number(e.dataset.end) : Math.max(0, Number(e.dataset.at) - at));
    const nearest = lines.reduce((best, e) => (far(e) < far(best) ? e : best));
    clearTimeout(this.#timer);
    this.#sought = nearest.dataset.key;
    this.#atEnd = false;
    const box = nearest.closest(".scroll");
    box.scrollTop += nearest.getBoundingClientRect().top - box.getBoundingClientRect().top - box.clientHeight / 3;
    box.scrollIntoView({ block: "nearest" });
    this.#timer = setTimeout(() => {
      this.#sought = null;
      this.changed();
    }, SOUGHT_MS);
    this.changed();
    return true;
  }

  close() {
    clearTimeout(this.#timer);
    this.#root = null;
    this.#drawn = [];
  }

  /** A call of two hours has thousands of lines; the page is drawn each second, and whenever somebody points at a moment. */
  #isDrawn(wanted) {
    const same = this.#root?.isConnected && wanted.every((one, i) => one === this.#drawn[i]);
    this.#drawn = wanted;
    return same;
  }

  #note(count) {
    if (count > this.#count && !this.#atEnd && this.#count) this.#unseen = true;
    if (this.#atEnd) this.#unseen = false;
    this.#count = count;
  }

  #scrolled() {
    if (!this.#root) return;
    this.#atEnd = atEnd(this.#root);
    if (!this.#atEnd || !this.#unseen) return;
    this.#unseen = false;
    this.changed();
  }

  #toEnd() {
    this.#root.scrollTop = this.#root.scrollHeight;
    this.#atEnd = true;
    this.#unseen = false;
    this.changed();
  }

  #item(item, how) {
    if (item.left) return html`<li class="left">${pageWords().left(item.left)}</li>`;
    if (item.card) return this.#alert(item, how);
    if (item.span) return this.#event(item, how);
    return item.line.kind === "gap" ? this.#gap(item, how) : this.#line(item, how);
  }

  #place(item) {
    return { at: item.at, end: item.end, sought: this.#sought === item.key ? "" : nothing };
  }

  #line(item, { call, from, zone, card }) {
    const { line } = item;
    const text = pageWords();
    const place = this.#place(item);
    const who = line.role === "agent" ? call.agentAt(line.start) : null;
    const mine = line.marks?.some((m) => m.alert === card?.id);
    return html`
      <li class="line" data-key=${item.key} data-role=${line.role} data-at=${place.at} data-end=${place.end} data-sought=${place.sought}
        data-partial=${isFinal(line) ? nothing : ""} data-aside=${line.aside ? "" : nothing} data-mine=${mine ? "" : nothing}>
        <p class="meta">
          <b>${text.role[line.role]}</b>${who?.name ? said(who.name) : nothing}
          <time title=${timeOfDay(line.start, zone)}>${clock(line.start - from)}</time>
          ${isFinal(line) ? nothing : html`<i class="speaking">${text.speaking}…</i>`}
          ${line.aside ? html`<span class="by-sound" title=${text.aside[1]}>${text.aside[0]}</span>` : nothing}
          ${line.by_sound ? html`<span class="by-sound" title=${text.bySound[1]}>${text.bySound[0]}</span>` : nothing}
        </p>
        <p class="text"><bdi>${pieces(line.text ?? "", line.marks).map((piece) => marked(piece, card, call))}</bdi></p>
        ${line.masked?.length ? html`<p class="hidden-kinds">${icon("denied")}${text.hidden(kinds(line.masked))}</p>` : nothing}
        ${meanings(line.marks)}
      </li>`;
  }

  #gap(item, { from, zone }) {
    const { line } = item;
    const place = this.#place(item);
    return html`
      <li class="gap" data-key=${item.key} data-role=${line.role} data-at=${place.at} data-end=${place.end} data-sought=${place.sought}>
        <time title=${timeOfDay(line.start, zone)}>${clock(line.start - from)}</time>
        ${pageWords().gap(duration(line.end - line.start), line.role)}
      </li>`;
  }

  #event(item, { from, zone }) {
    const place = this.#place(item);
    const { span } = item;
    const who = span.by ? pageWords().endedBy[span.by] : whoIn(span);
    return html`
      <li class="event" data-key=${item.key} data-phase=${span.phase} data-at=${place.at} data-end=${place.end} data-sought=${place.sought}>
        ${icon(span.phase)}<time title=${timeOfDay(span.since, zone)}>${clock(span.since - from)}</time>
        ${pageWords().event[eventOf(item)]}${who ? html` · ${said(who)}` : nothing}
      </li>`;
  }

  #alert(item, { from, zone, card }) {
    const place = this.#place(item);
    const one = item.card;
    return html`
      <li class="alert-line" data-key=${item.key} data-severity=${one.severity} data-mine=${one.id === card?.id ? "" : nothing}
        data-at=${place.at} data-end=${place.end} data-sought=${place.sought}>
        ${icon(one.severity)}<time title=${timeOfDay(one.opened_at, zone)}>${clock(one.opened_at - from)}</time>
        <a href=${path.alert(one.id)}>${words().severity[one.severity]} · ${said(wording(one).title)}</a>
      </li>`;
  }
}

const atEnd = (box) => box.scrollHeight - box.scrollTop - box.clientHeight < AT_END_PX;

function eventOf({ span, before }) {
  const later = span.phase === "talking" && before && before.phase !== "ringing" && before.phase !== "offered";
  if (later) return before.agent?.id === span.agent?.id ? "resumed" : "passedOn";
  if (span.phase === "held" && span.held_by === "customer") return "heldByCustomer";
  return span.phase;
}

/** The shown items, and how many were left out between them. */
function cut(items, shown) {
  if (!shown) return items;
  const some = [];
  let left = 0;
  items.forEach((item, i) => {
    if (!shown.has(i)) left += item.line ? 1 : 0;
    if (!shown.has(i)) return;
    if (left) some.push({ key: `left ${i}`, left });
    left = 0;
    some.push(item);
  });
  return left ? [...some, { key: "left end", left }] : some;
}

function marked({ text, marks }, card, call) {
  if (!marks.length) return stars(text);
  const worst = marks.find((m) => m.alert === card?.id)
    ?? marks.toSorted((a, b) => WORST_FIRST.indexOf(a.severity) - WORST_FIRST.indexOf(b.severity))[0];
  const mine = worst.alert === card?.id;
  const named = (call.page.alerts ?? []).find((c) => c.id === worst.alert);
  const title = pageWords().toAlert(named ? wording(named).title : worst.rule);
  const inside = html`<mark data-severity=${worst.severity} data-mine=${mine ? "" : nothing}>${stars(text)}</mark>`;
  return mine ? inside : html`<a class="to-alert" href=${path.alert(worst.alert)} title=${title}>${inside}</a>`;
}

/** What was hidden stands out, so that nobody takes it for a word. */
const stars = (text) =>
  text.includes("*") ? text.split(/(\*+)/).map((part) => (part.startsWith("*") ? html`<span class="stars">${part}</span>` : part)) : text;

const kinds = (masked) => [...new Set(masked)].map((kind) => pageWords().kind[kind] ?? pageWords().kind.number).join(pageWords().and);

/** What the marked words were taken for, and what was heard there before the line was put right. */
function meanings(marks = []) {
  const text = pageWords();
  const notes = [
    ...marks.filter((m) => m.meant).map((m) => text.meant(m.meant)),
    ...marks.filter((m) => m.heard).map((m) => text.heard(m.heard)),
  ];
  return notes.length ? html`<p class="meant">${[...new Set(notes)].map(said)}</p>` : nothing;
}
