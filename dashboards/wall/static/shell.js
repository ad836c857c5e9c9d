// What is around every page of the desk: header, banner, login, toasts, help. Templates only; desk.js owns what they show.

import { html, nothing } from "./vendor/lit-html.js";
import { live } from "./vendor/directives/live.js";
import { isShownNow } from "./filters.js";
import { WORST_FIRST } from "./groups.js";
import { icon } from "./icons.js";
import { archiveTrouble, pagerTrouble } from "./model.js";
import { shareOf, waiting } from "./numbers.js";
import { said } from "./pages/parts.js";
import { timeOfDay } from "./words.js";

/** The bar at the top: where, how it stands, who. `desk`: {link, model, verdict, words, place, ...}. */
export const header = (desk) => {
  const words = desk.words();
  const { link, verdict } = desk;
  return html`
    <a class="skip" href="#main">${words.skip}</a>
    <header class="top">
      <a class="brand" href=${desk.listAddress()}><img src="/favicon.svg" alt="" width="28" height="28"><b>三声</b><span>${words.desk}</span></a>
      ${link.you && verdict.state !== "denied" ? navigation(desk, words) : nothing}
      <p class="chip" role="status">${icon(SHAPE_OF[verdict.state] ?? "check")}<b>${words.state[verdict.state]}</b>${since(desk, words)}</p>
      ${engine(desk, words)}
      ${beside("archive", archiveTrouble, desk, words)}
      ${beside("pager", pagerTrouble, desk, words)}
      <time class="now"></time>
      ${link.you && verdict.state !== "denied" ? person(desk, words) : nothing}
      ${verdict.state === "denied" ? nothing : html`<button type="button" class="quiet-button" title="?" @click=${desk.help}>${words.help}</button>`}
      <button type="button" class="quiet-button" lang=${words.lang === "en" ? "zh-CN" : "en"} title=${words.otherHint} @click=${desk.switchLanguage}>${words.other}</button>
    </header>`;
};

const SHAPE_OF = {
  live: "check", connecting: "connecting", stale: "stale", disconnected: "disconnected", denied: "denied", engine: "engine", ears: "ears",
};

function navigation({ listAddress, link, model, place, ruleAddress, searchAddress }, words) {
  const going = [...model.alerts.values()].filter(isShownNow).length;
  const here = (name) => (place.name === name ? "page" : nothing);
  return html`
    <nav aria-label=${words.nav.label}>
      <a href=${listAddress()} aria-current=${here("list")}>${words.nav.list}${model.filled ? html` <b title=${words.floor.nowHint}>${going}</b>` : nothing}</a>
      ${link.may("pages") ? html`<a href=${searchAddress()} aria-current=${here("search")}>${words.nav.search}</a>` : nothing}
      ${link.may("pages") && link.you.role !== "agent" ? html`<a href=${ruleAddress()} aria-current=${here("rules")}>${words.nav.rules}</a>` : nothing}
    </nav>`;
}

const since = ({ model, verdict }, words) =>
  verdict.since ? html`<span>${words.since(timeOfDay(verdict.since, model.zone))}</span>` : nothing;

/** The dead man's tick: the last heartbeat of the detector. Its text is written by the clock. */
function engine({ model, verdict }, words) {
  const at = model.status?.detect?.heard_at;
  return at && verdict.state !== "denied" ? html`<p class="engine" title=${words.tickHint}>${icon("engine")}<span class="beat" data-at=${at}></span></p>` : nothing;
}

/** The trouble of the archivist or of the pager, and nothing else of them: what is live goes on. */
function beside(name, troubleIn, { model, verdict }, words) {
  const trouble = verdict.state === "denied" ? "" : troubleIn(model);
  if (!trouble) return nothing;
  const says = words[name][trouble];
  return html`<p class=${name} role="status" title=${says.join(words.lang === "en" ? ". " : "\u3002")}>${icon(name)}<b>${says[0]}</b></p>`;
}

function person({ link, look, logout }, words) {
  const { teams, team, you } = link;
  return html`
    ${teams.length > 1 || (teams.length === 1 && !(you.teams ?? []).length) ? html`
      <select name="team" aria-label=${words.team} @change=${(event) => look(event.target.value)}>
        <option value="" .selected=${live(!team)}>${words.allTeams}</option>
        ${teams.map((name) => html`<option value=${name} .selected=${live(team === name)}>${name}</option>`)}
      </select>` : nothing}
    <p class="me">${icon("person")}${said(words.me(you.name, words.role[you.role]))}</p>
    ${link.hasToken ? html`<button type="button" class="quiet-button" @click=${logout}>${words.logout}</button>` : nothing}`;
}

/** What must be known before anything here is believed. */
export function banner({ model, verdict }, words) {
  if (!verdict.cause) return nothing;
  const [word, why] = words.cause[verdict.cause];
  return html`
    <section class="banner" role="alert">
      ${icon(SHAPE_OF[verdict.state])}
      <div><h2>${word}</h2><p>${why}${verdict.detail ? html` · ${said(verdict.detail)}` : nothing}</p></div>
      ${verdict.since ? html`<p class="since">${words.since(timeOfDay(verdict.since, model.zone))}</p>` : nothing}
    </section>`;
}

/** The floor in one line: what is open, who waits. */
export function floor({ link, model }, words) {
  if (link.you?.role === "agent" || !model.known) return nothing;
  const text = words.floor;
  const calls = [...model.calls.values()];
  const queued = waiting(calls);
  const going = [...model.alerts.values()].filter(isShownNow);
  const figure = (n) => (model.filled ? n : "–");
  const { counts } = model;
  return html`
    <ul class="floor" aria-label=${text.label}>
      <li data-figure="now" title=${text.nowHint}>${words.list.state.now}<b>${figure(going.length)}</b></li>
      ${WORST_FIRST.map((name) => html`
        <li data-figure=${name} data-severity=${name}>${icon(name)}${words.severity[name]}<b>${figure(going.filter((card) => card.severity === name).length)}</b></li>`)}
      <li data-figure="calls">${icon("talking")}${text.calls}<b>${figure(calls.filter((call) => call.answered && call.phase !== "ended").length)}</b></li>
      <li data-figure="queued">${icon("offered")}${text.queued}<b>${figure(queued.length)}</b></li>
      <li data-figure="longest">${text.longest}<b>${queued.length ? html`<span class="wait" data-since=${queued[0].begun_at}></span>` : "–"}</b></li>
      <li data-figure="level">${text.level(model.inTimeS)}<b>${shareOf(counts?.lately_in_time, counts?.lately_decided)}</b></li>
      ${counts?.snoozed ? html`<li data-figure="snoozed">${icon("hush")}${text.snoozed}<b>${counts.snoozed}</b></li>` : nothing}
    </ul>`;
}

/** Instead of everything, where nobody was let in. */
export function login({ enter, link, problem }, words) {
  const text = words.login;
  const why = problem || (link.why === "role" ? text.role : link.hasToken ? text.wrong : "");
  return html`
    <form class="login" novalidate @submit=${enter}>
      ${icon("denied")}
      <h1>${text.title}</h1>
      <p id="login-why">${text.why}</p>
      <label>${text.label}<input type="password" name="token" autocomplete="off" spellcheck="false" autocapitalize="off"
        aria-describedby="login-why login-problem" aria-invalid=${Boolean(why)}></label>
      <p class="problem" id="login-problem" role="alert">${why}</p>
      <button type="submit" class="primary">${text.enter}</button>
    </form>`;
}

/** What is under way, and what was done or failed just now. */
export const toasts = ({ actions: { progress }, dismiss, said: list }, words) => html`
  <div class="toasts" role="status" aria-live="polite">
    ${progress?.of > 1 ? html`<div class="toast" data-kind="under-way">${icon("connecting")}<p>${words.progress(progress.done, progress.of)}</p></div>` : nothing}
    ${list.map((one) => html`
      <div class="toast" data-kind=${one.kind}>${icon(one.kind === "done" ? "check" : "stale")}<p>${said(one.text)}</p>
        ${one.more ? html`<button type="button" @click=${() => (dismiss(one), one.more.run())}>${one.more.word}</button>` : nothing}
        <button type="button" class="close" aria-label=${words.close} @click=${() => dismiss(one)}>${icon("close")}</button></div>`)}
  </div>`;

/** All keys. */
export const help = (words, link, close) => html`
  <h2 id="help-title">${words.keys.title}</h2>
  <dl>${words.keys.list.filter(([, , right]) => !right || link.may(right)).map(([keys, what]) => html`<div><dt><kbd>${keys}</kbd></dt><dd>${what}</dd></div>`)}</dl>
  <footer><button type="button" class="primary" autofocus @click=${close}>${words.close}</button></footer>`;
