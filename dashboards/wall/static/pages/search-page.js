// Looking for calls: what is asked stands in the address, what was found is a list, newest first, that goes on as it is
// read. Each question is noted in the audit, so it is asked when somebody means it, never while he types.

import { html, nothing } from "../vendor/lit-html.js";
import { live } from "../vendor/directives/live.js";
import { deskWords } from "../desk-words.js";
import { WORST_FIRST } from "../groups.js";
import { icon } from "../icons.js";
import { titleOf } from "../telling.js";
import { words } from "../words.js";
import { endOf } from "./day-strip.js";
import { instead, moment, path, said } from "./parts.js";
import { duration, pageWords } from "./page-words.js";

/** What is asked, as it stands in the address: `q` the words, `by` "sound", `min` and `max` minutes. */
const FIELDS = ["q", "by", "role", "since", "until", "queue", "agent", "rule", "severity", "verdict", "min", "max"];
const LONGEST = 100;
const VERDICTS = ["", "open", "true", "false", "appealed"];
/** After a lost connection and the like it is asked again by itself, seconds. */
const AGAIN_S = { lost: 3, timeout: 3, busy: 3, unavailable: 3, archive: 10 };

/** What was found last: who comes back from a call finds it as it was. */
const NOTHING = { calls: null, after: "", cut: false, reached: null, selected: -1, top: 0 };
let kept = { address: "", ...NOTHING };

const readAddress = () => {
  const query = new URLSearchParams(location.search);
  return Object.fromEntries(FIELDS.map((name) => [name, query.get(name) ?? ""]));
};

export class SearchPage {
  #asked = {};
  #typed = null;
  #problem = "";
  #busy = false;
  #turn = 0;
  #timer = 0;
  #scrollTo = null;
  #focus = false;
  #stepped = false;
  #end = new IntersectionObserver((seen) => seen.some((one) => one.isIntersecting) && this.#more(), { rootMargin: "300px" });

  constructor(context) {
    this.context = context;
  }

  open() {
    this.#asked = readAddress();
    this.#typed = null;
    const address = FIELDS.map((name) => this.#asked[name]).join("\n") + this.#team;
    this.#scrollTo = null;
    if (address !== kept.address) kept = { address, ...NOTHING };
    else this.#scrollTo = kept.top;
    this.#problem = "";
    this.#focus = kept.calls === null;
    if (kept.calls === null && this.#isAsked) this.#ask();
  }

  close() {
    this.#turn += 1;
    clearTimeout(this.#timer);
    this.#unwatch();
    kept.top = document.getElementById("main").scrollTop;
  }

  title() {
    return pageWords().find.title;
  }

  tick() {}

  /** After each drawing. */
  drawn() {
    const last = document.querySelector(".found-end");
    this.#unwatch();
    if (last && !this.#busy) this.#end.observe(last);
    if (this.#scrollTo !== null) document.getElementById("main").scrollTop = this.#scrollTo;
    this.#scrollTo = null;
    if (this.#focus) requestAnimationFrame(() => document.querySelector(".find input[name=q]")?.focus());
    this.#focus = false;
    if (this.#stepped) this.#showSelected();
  }

  /** What was seen of the end counts until it is asked for more: told after the answer, it would ask for the next at once. */
  #unwatch() {
    this.#end.disconnect();
    this.#end.takeRecords();
  }

  key(event) {
    const act = {
      ArrowDown: () => this.#step(1), j: () => this.#step(1), ArrowUp: () => this.#step(-1), k: () => this.#step(-1),
      "/": () => document.querySelector(".find input[name=q]").focus(), Enter: () => this.#enter(event), Escape: () => this.#escape(event),
    }[event.key];
    return act ? act() !== false : false;
  }

  // asking

  get #team() {
    return new URLSearchParams(location.search).get("team") ?? "";
  }

  get #isAsked() {
    return FIELDS.some((name) => name !== "by" && name !== "role" && this.#asked[name]);
  }

  get #message() {
    const { q, by, role, since, until, queue, agent, rule, severity, verdict, min, max } = this.#asked;
    const seconds = (minutes) => (minutes === "" || !(Number(minutes) >= 0) ? undefined : Math.min(Number(minutes) * 60, 1e6));
    return {
      text: q.slice(0, LONGEST), by_sound: by === "sound", role: role in pageWords().find.roles ? role : "", since: since.slice(0, 10),
      until: until.slice(0, 10), queue: queue.slice(0, 128), agent: agent.slice(0, 128), rule: rule.slice(0, 128),
      severity: WORST_FIRST.includes(severity) ? severity : "", verdict: VERDICTS.includes(verdict) ? verdict : "",
      shortest_s: seconds(min), longest_s: seconds(max), team: this.#team, after: kept.after,
    };
  }

  async #ask() {
    const turn = ++this.#turn;
    clearTimeout(this.#timer);
    this.#unwatch();
    this.#busy = true;
    this.context.redraw();
    try {
      const found = await this.context.link.find(this.#message);
      if (turn !== this.#turn) return;
      kept.calls = [...(kept.calls ?? []), ...(found.calls ?? [])];
      Object.assign(kept, { after: found.after ?? "", cut: found.cut ?? false, reached: found.reached ?? null });
      this.#problem = "";
    } catch (refused) {
      if (turn !== this.#turn) return;
      this.#problem = refused.problem ?? "unavailable";
      const again = AGAIN_S[this.#problem];
      if (again) this.#timer = setTimeout(() => this.#ask(), again * 1000);
    }
    this.#busy = false;
    this.context.redraw();
  }

  /** Reading on asks for more; where it took long, only who presses the button does. */
  #more(meant = false) {
    if (kept.cut && !meant) return;
    if (kept.after && !this.#busy && !this.#problem) this.#ask();
  }

  #submit(form) {
    const given = new FormData(form);
    const changes = Object.fromEntries(FIELDS.map((name) => [name, String(given.get(name) ?? "").trim()]));
    if (FIELDS.every((name) => changes[name] === this.#asked[name])) return this.#again();
    this.context.router.query(changes);
  }

  /** The same once more: there may be newer calls. */
  #again() {
    if (!this.#isAsked) return;
    kept = { ...kept, ...NOTHING };
    this.#ask();
  }

  #clear() {
    this.context.router.query(Object.fromEntries(FIELDS.map((name) => [name, null])));
    this.#focus = true;
  }

  // keys

  #step(by) {
    if (!kept.calls?.length) return false;
    kept.selected = Math.max(0, Math.min(kept.calls.length - 1, kept.selected + by));
    this.#stepped = true;
    this.context.redraw();
    return true;
  }

  /** The one that was stepped to has the focus, and is seen. */
  #showSelected() {
    const row = document.querySelectorAll(".found > li")[kept.selected];
    row?.querySelector(".to-call").focus({ preventScroll: true });
    row?.scrollIntoView({ block: "nearest" });
    this.#stepped = false;
  }

  #enter(event) {
    const call = kept.calls?.[kept.selected];
    if (!call || event.target.closest?.("a, button, select, input")) return false;
    this.context.go(where(call));
    return true;
  }

  #escape(event) {
    if (!event.target.closest?.("input, select")) return false;
    event.target.blur();
    return true;
  }

  // what it looks like

  draw() {
    const text = pageWords().find;
    return html`
      <article class="page page-search">
        <h1 class="unseen">${text.title}</h1>
        ${this.#form(text)}
        ${this.#problem ? instead("find", this.#problem, () => this.#ask()) : this.#results(text)}
      </article>`;
  }

  #form(text) {
    const { link, model } = this.context;
    const asked = this.#asked;
    const given = (name) => this.#typed?.[name] ?? asked[name];
    const type = (event) => (this.#typed = { ...this.#typed, [event.target.name]: event.target.value });
    const go = (event) => this.#submit(event.target.form);
    const choice = (name, options) => html`
      <select name=${name} aria-label=${text[name]} ?data-chosen=${Boolean(asked[name])} @change=${go}>
        ${options.map(([value, word]) => html`<option value=${value} .selected=${live(asked[name] === value)}>${word}</option>`)}
      </select>`;
    const day = (name) => html`<input type="date" name=${name} aria-label=${text[name]} .value=${live(given(name))} @change=${go}>`;
    const minutes = (name, word) => html`<input type="number" name=${name} min="0" max="1440" step="any" inputmode="decimal" aria-label=${word} placeholder="–"
      .value=${live(given(name))} @input=${type} @change=${go}>`;
    return html`
      <search><form class="find" aria-label=${text.title} novalidate @submit=${(event) => (event.preventDefault(), this.#submit(event.target))}>
        <label class="words">${icon("search")}<input type="search" name="q" maxlength=${LONGEST} autocomplete="off" spellcheck="false" enterkeyhint="search"
          aria-label=${text.text} aria-describedby="find-more" placeholder=${text.textHint} aria-keyshortcuts="/" title=${text.textMore}
          .value=${live(given("q"))} @input=${type}></label>
        <span id="find-more" class="unseen">${text.textMore}</span>
        <fieldset class="by"><legend class="unseen">${text.by}</legend>
          ${[["", text.byText, ""], ["sound", text.bySound, text.bySoundHint]].map(([value, word, hint]) => html`
            <label title=${hint}><input type="radio" name="by" value=${value} .checked=${live(asked.by === value)} @change=${go}><span>${word}</span></label>`)}
        </fieldset>
        ${choice("role", Object.entries(text.roles))}
        <button type="submit" class="primary">${text.go}</button>
        <span class="line-end"></span>
        <span class="span">${day("since")}<span aria-hidden="true">${text.to}</span>${day("until")}</span>
        ${choice("queue", named(queuesOf(model), asked.queue, text.any.queue, words().queue))}
        ${link.you?.role === "agent" ? nothing : html`
          <input type="text" name="agent" maxlength="64" autocomplete="off" spellcheck="false" aria-label=${text.agent} placeholder=${text.agentHint}
            .value=${live(given("agent"))} @input=${type} @change=${go}>`}
        ${choice("rule", named(rulesOf(model), asked.rule, text.any.rule, (id) => id))}
        ${choice("severity", ["", ...WORST_FIRST.toReversed()].map((name) => [name, text.severities[name]]))}
        ${choice("verdict", VERDICTS.map((name) => [name, text.verdicts[name]]))}
        <span class="span">${text.length}${minutes("min", text.atLeast)}<span aria-hidden="true">${text.to}</span>${minutes("max", text.atMost)}${text.minutes}</span>
        ${FIELDS.some((name) => asked[name]) ? html`<button type="button" class="clear" @click=${() => this.#clear()}>${icon("close")}${text.clear}</button>` : nothing}
      </form></search>`;
  }

  #results(text) {
    const { zone } = this.context.model;
    const { calls, after } = kept;
    if (!this.#isAsked) return html`<div class="find-hint">${icon("search")}<p>${text.first}</p><p class="soft">${text.firstMore}</p></div>`;
    if (!calls) return html`<p class="page-loading" role="status">${icon("connecting")}${text.working}</p>`;
    if (!calls.length && !kept.cut) return html`<div class="find-hint" role="status">${icon("filter")}<p>${text.none}</p><p class="soft">${text.noneMore}</p></div>`;
    return html`
      ${kept.cut ? nothing : html`<p class="count" role="status">${text.count(calls.length, Boolean(after))}</p>`}
      <ol class="found" aria-label=${text.list}>${calls.map((call, i) => this.#call(call, i, zone, text))}</ol>
      ${kept.cut ? this.#cut(text, zone) : nothing}
      ${after ? html`<p class="found-end"><button type="button" ?disabled=${this.#busy} @click=${() => this.#more(true)}>${this.#busy ? text.working : kept.cut ? text.goOn : text.more}</button></p>` : nothing}`;
  }

  /** It took too long: what was looked at, and what helps. */
  #cut(text, zone) {
    const { calls, reached } = kept;
    const [before, after] = text.reached;
    const told = reached === null ? text.reachedNothing : html`${before}${moment(reached, zone, { day: true })}${after(calls.length)}`;
    return html`<div class="find-hint found-cut" role="status">${icon("filter")}<p>${text.broad}</p>
      <p class="soft">${told}${text.broadMore}</p></div>`;
  }

  #call(call, i, zone, text) {
    const { line, lines = [], alerts = [] } = call;
    const { agents = [] } = line;
    return html`
      <li data-call=${line.id} ?data-selected=${i === kept.selected}>
        <p class="head">
          <a class="to-call" href=${where(call)} @focus=${() => (kept.selected = i)}>${moment(line.began_at, zone, { day: true })}
            ${agents.length ? agents.map((agent, n) => html`${n ? " → " : ""}${said(words().agent(agent))}`) : words().nobody}</a>
          ${line.queue ? html`<span>${said(words().queue(line.queue))}</span>` : nothing}
          ${line.caller ? html`<span>${said(line.caller)}</span>` : nothing}
          ${line.direction === "outbound" ? html`<span>${pageWords().outbound}</span>` : nothing}
          <span>${text.lasted(duration(call.duration_s))}</span>
          <span>${endOf(line)}</span>
        </p>
        ${lines.length ? html`<ol class="said">${lines.map((one) => sentence(one, call, zone))}
          ${call.further ? html`<li class="soft">${text.further(call.further)}</li>` : nothing}</ol>` : nothing}
        ${alerts.length ? html`<p class="fired">${alike(alerts).map(fired)}</p>` : nothing}
      </li>`;
  }
}

/** To the call, at the first sentence that was looked for. */
const where = ({ line, lines }) => path.call(line.id, lines?.[0]?.at ?? line.began_at);

const worstFirst = (a, b) => WORST_FIRST.indexOf(a.severity) - WORST_FIRST.indexOf(b.severity);

/** The alerts of a call, the worst first; those that say the same are one, with how many they are. */
function alike(alerts) {
  const groups = new Map();
  for (const alert of alerts.toSorted(worstFirst)) {
    const key = `${alert.severity} ${alert.title} ${alert.finding ?? "open"} ${alert.appealed ?? false}`;
    groups.set(key, { alert: groups.get(key)?.alert ?? alert, times: (groups.get(key)?.times ?? 0) + 1 });
  }
  return [...groups.values()];
}

const sentence = (one, { line }, zone) => html`
  <li data-role=${one.role}>
    <a href=${path.call(line.id, one.at)}>${moment(one.at, zone)}</a>
    <b>${pageWords().role[one.role]}</b>
    <span class="text"><bdi>${marked(one)}</bdi></span>
    ${one.by_sound ? html`<span class="by-sound" title=${pageWords().bySound[1]}>${pageWords().bySound[0]}</span>` : nothing}
  </li>`;

function marked({ text, marks = [] }) {
  let at = 0;
  const parts = marks.map(([start, end]) => {
    const part = html`${text.slice(at, start)}<mark>${text.slice(start, end)}</mark>`;
    at = end;
    return part;
  });
  return html`${parts}${text.slice(at)}`;
}

const fired = ({ alert, times }) => html`
  <a href=${path.alert(alert.id)} data-severity=${alert.severity}>${icon(alert.severity)}<span class="unseen">${words().severity[alert.severity]}</span>${said(titleOf(alert))}${times > 1 ? ` ×${times}` : nothing}
    ${alert.finding && alert.finding !== "open" ? html`<small>${deskWords().standing[alert.finding]}</small>` : nothing}
    ${alert.appealed ? html`<small>${deskWords().standing.appeal.open}</small>` : nothing}</a>`;

/** A choice of [id, name], "any" first; what is chosen is among them. */
function named(known, chosen, any, name) {
  const all = new Map(known);
  if (chosen && !all.has(chosen)) all.set(chosen, name(chosen));
  return [["", any], ...[...all].sort(([, a], [, b]) => a.localeCompare(b, words().lang))];
}

/** The queues that are seen now; others stand in an address. */
function queuesOf(model) {
  const seen = [...model.alerts.values(), ...model.calls.values()].map((one) => one.queue).filter(Boolean);
  return seen.map((queue) => [queue, words().queue(queue)]);
}

const rulesOf = (model) => [...model.rules.values()].map((rule) => [rule.id, titleOf(rule)]);
