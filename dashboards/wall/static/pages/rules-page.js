// How right the rules are: what people found the alerts of the last seven days to be, appeals, and snoozes in force.

import { html, nothing, svg } from "../vendor/lit-html.js";
import { deskWords } from "../desk-words.js";
import { icon } from "../icons.js";
import { titleOf } from "../telling.js";
import { timeOfDay, words } from "../words.js";
import { panel, path, said } from "./parts.js";
import { duration, pageWords } from "./page-words.js";

const BAR = 220;
const BAR_HEIGHT = 16;
/** Fewer judgements than this prove little. */
const FEW = 10;

const judged = (rule) => (rule.right ?? 0) + (rule.wrong ?? 0);
const all = (rule) => judged(rule) + (rule.undecided ?? 0);

const ORDERS = {
  wrong: (a, b) => (b.wrong ?? 0) - (a.wrong ?? 0) || (b.appeals ?? 0) - (a.appeals ?? 0) || all(b) - all(a),
  total: (a, b) => all(b) - all(a),
  title: (a, b) => titleOf(a).localeCompare(titleOf(b), words().lang),
};

/** Right ones of all that were judged, in whole per cent; null: none was. */
const precision = (rule) => (judged(rule) ? Math.round((100 * (rule.right ?? 0)) / judged(rule)) : null);

export class RulesPage {
  #order = "wrong";
  #minute = 0;
  #lifting = new Set();

  constructor(context) {
    this.context = context;
  }

  open() {
    this.context.redraw();
  }

  close() {}

  cards() {
    return [];
  }

  title() {
    return pageWords().rules;
  }

  /** The time that is left of a snooze. */
  tick(now) {
    if (Math.floor(now / 10) === this.#minute) return;
    this.#minute = Math.floor(now / 10);
    if (this.context.model.snoozes.length) this.context.redraw();
  }

  draw() {
    const text = pageWords();
    const { model } = this.context;
    if (!model.known) return html`<article class="page page-rules"><p class="page-loading" role="status">${icon("connecting")}${text.loading}</p></article>`;
    const rules = [...model.rules.values()].sort(ORDERS[this.#order]);
    return html`
      <article class="page page-rules">
        <header class="page-head"><h1>${text.rules}</h1><p class="facts"><span>${text.rulesHint}</span></p></header>
        ${this.#snoozes(model.snoozes, model.zone)}
        ${panel("rules", text.eachRule, rules.length ? this.#table(rules) : html`<p class="note">${text.noRules}</p>`, this.#sorts())}
      </article>`;
  }

  #sorts() {
    const text = pageWords();
    return html`
      <span class="legend">${Object.entries(text.legend).map(([name, word]) => html`
        <span><svg width="18" height="14" aria-hidden="true"><rect width="18" height="14" rx="2" data-found=${name}></rect></svg>${word}</span>`)}</span>
      <label>${text.sortBy}
        <select @change=${(e) => this.#sort(e.target.value)}>${Object.entries(text.sort).map(([name, word]) => html`
          <option value=${name} ?selected=${name === this.#order}>${word}</option>`)}</select></label>`;
  }

  #sort(order) {
    this.#order = order;
    this.context.redraw();
  }

  #table(rules) {
    const most = Math.max(...rules.map(all), 1);
    return html`
      <div class="scroll-x"><table>
        <thead><tr>${pageWords().ruleColumns.map((name, i) => html`<th scope="col" class=${i > 1 ? "number" : ""}>${name}</th>`)}</tr></thead>
        <tbody>${rules.map((rule) => this.#rule(rule, most))}</tbody>
      </table></div>`;
  }

  #rule(rule, most) {
    const { right = 0, wrong = 0, undecided = 0, appeals = 0 } = rule;
    return html`
      <tr data-rule=${rule.id}>
        <th scope="row"><a href=${path.desk({ state: "all", rule: rule.id })}>${said(titleOf(rule))}</a>
          ${rule.trial ? html`<span class="tag" title=${deskWords().trialHint}>${deskWords().trialTag}</span>` : nothing}</th>
        <td>${bar([["right", right], ["wrong", wrong], ["undecided", undecided]], most, pageWords().bar(right, wrong, undecided))}</td>
        <td class="number precision">${this.#precision(rule)}</td>
        <td class="number">${right}</td><td class="number">${wrong}</td><td class="number">${undecided}</td>
        <td class="number">${appeals
          ? html`<a class="appeals" href=${path.desk({ state: "appealed", rule: rule.id })}>${icon("question")}${appeals}</a>` : "–"}</td>
      </tr>`;
  }

  #precision(rule) {
    const text = pageWords();
    const share = precision(rule);
    if (share === null) return html`<span class="soft">${text.noPrecision}</span>`;
    return html`<b>${text.precision(share)}</b>${judged(rule) < FEW ? html`<small>${text.few(judged(rule))}</small>` : nothing}`;
  }

  #snoozes(snoozes, zone) {
    const text = pageWords();
    const now = this.context.now();
    return panel("snoozes", text.snoozes, snoozes.length
      ? html`<ul class="snooze-list">${snoozes.map((one) => this.#snooze(one, now, zone))}</ul><p class="note">${text.snoozeHint}</p>`
      : html`<p class="note">${text.noSnoozes}</p>`, html`<b>${snoozes.length || nothing}</b>`);
  }

  #snooze(one, now, zone) {
    const text = pageWords();
    const key = `${one.rule} ${one.queue}`;
    return html`
      <li data-rule=${one.rule}>
        <p><b>${said(titleOf(one))}</b> <span>${one.queue ? said(words().queue(one.queue)) : text.everyQueue}</span>
          <span class="until">${text.until(timeOfDay(one.until, zone).slice(0, 5), duration(Math.ceil((one.until - now) / 60) * 60))}</span>
          <span class="held-back">${text.heldBack(one.held_back ?? 0)}</span></p>
        <p class="soft">${said(text.by(one.by_name, timeOfDay(one.at, zone).slice(0, 5)))}${one.text ? html` · ${said(one.text)}` : nothing}</p>
        ${this.context.link.maySnooze(one.queue ?? "")
          ? html`<button type="button" ?disabled=${this.#lifting.has(key)} @click=${() => this.#lift(one, key)}>${text.lift}</button>`
          : nothing}
      </li>`;
  }

  async #lift(one, key) {
    const { lift, redraw } = this.context;
    this.#lifting.add(key);
    redraw();
    await lift(one);
    this.#lifting.delete(key);
    redraw();
  }
}

/** Shares as one bar, as long as the rule has alerts. Patterns, not only colours, tell the parts apart (pages.css). */
function bar(parts, most, told) {
  const sum = parts.reduce((total, [, n]) => total + n, 0);
  const scale = BAR / most;
  let x = 0;
  return html`
    <svg class="bar" width=${BAR} height=${BAR_HEIGHT} viewBox="0 0 ${BAR} ${BAR_HEIGHT}" role="img" aria-label=${told}>
      ${parts.filter(([, n]) => n > 0).map(([name, n]) => {
        const width = Math.max(3, n * scale);
        const rect = svg`<rect data-found=${name} x=${x.toFixed(1)} width=${width.toFixed(1)} height=${BAR_HEIGHT}></rect>
          ${name === "wrong" ? svg`<path class="hatch" d=${hatch(x, width)}></path>` : nothing}`;
        x += width + 1;
        return rect;
      })}
      ${sum ? nothing : svg`<rect data-found="undecided" width="2" height=${BAR_HEIGHT}></rect>`}
    </svg>`;
}

/** Slanted lines over a part of a bar. */
function hatch(from, width) {
  const lines = [];
  for (let x = from + 2; x < from + width - 1; x += 5) {
    const reach = Math.min(6, from + width - x);
    lines.push(`M${x.toFixed(1)} ${BAR_HEIGHT}L${(x + reach).toFixed(1)} ${(BAR_HEIGHT * (1 - reach / 6)).toFixed(1)}`);
  }
  return lines.join("");
}
