// What all pages share: icons, severities, people, times, findings, and the panel of a page that cannot be had.

import { html, nothing } from "../vendor/lit-html.js";
import { icon } from "../icons.js";
import { CARRIED } from "../router.js";
import { timeOfDay, words } from "../words.js";
import { pageWords } from "./page-words.js";

/** Severity as shape, colour and word. */
export const severity = (name) =>
  html`<span class="severity" data-severity=${name}>${icon(name)}<b>${words().severity[name]}</b></span>`;

/** Words by people or machines: as text, and whatever direction they are written in, they change nothing around. */
export const said = (text) => html`<bdi>${text}</bdi>`;

/** The text of a proof with the words that were looked for marked in it. */
export function quoted({ text, match }) {
  const at = match ? text.indexOf(match) : -1;
  return at < 0 ? text : html`${text.slice(0, at)}<mark data-mine>${match}</mark>${text.slice(at + match.length)}`;
}

/** Addresses, with the query that stays with a user (language, team). */
export const path = {
  alert: (id) => `/alerts/${encodeURIComponent(id)}${kept()}`,
  call: (id, at) => `/calls/${encodeURIComponent(id)}${kept({ at: at === undefined ? undefined : at.toFixed(1) })}`,
  agent: (id, day) => `/agents/${encodeURIComponent(id)}${kept({ day })}`,
  desk: (filters = {}) => `/desk${kept(filters)}`,
};

function kept(more = {}) {
  const now = new URLSearchParams(location.search);
  const query = new URLSearchParams();
  for (const name of CARRIED) if (now.get(name)) query.set(name, now.get(name));
  for (const [name, value] of Object.entries(more)) if (value !== undefined && value !== "") query.set(name, value);
  return String(query) && `?${query}`;
}

/** An agent, with a link to the day: of that moment, where it is given, else today. */
export const person = (agent, at = undefined, zone = undefined) =>
  html`<a class="person" href=${path.agent(agent.id, at === undefined ? undefined : earlierDay(at, zone))}>${said(words().agent(agent))}</a>`;

/** Who a phase is about: whose phones ring, to whom the call is passed, else who talks. */
export function whoIn({ phase, rings, to, agent }) {
  if (phase === "held") return "";
  if (phase === "ringing" && rings?.length) return rings.map(words().agent).join(pageWords().and);
  if (phase === "transferring" && to) return words().to(words().agent(to));
  return agent ? words().agent(agent) : "";
}

/** The date there, `2026-11-22`. */
export const dayIn = (at, zone) =>
  new Intl.DateTimeFormat("en-CA", { timeZone: zone, year: "numeric", month: "2-digit", day: "2-digit" }).format(at * 1000);

/** The same, undefined for today. */
function earlierDay(at, zone) {
  const day = dayIn(at, zone);
  return day === dayIn(Date.now() / 1000, zone) ? undefined : day;
}

/** A moment: time of day; with `day` also the date. */
export function moment(at, zone, { day = false } = {}) {
  const time = timeOfDay(at, zone);
  return html`<time datetime=${new Date(at * 1000).toISOString()}>${day ? `${dayOf(at, zone)} ${time}` : time}</time>`;
}

/** `11月22日` or `22 November`; of another year with the year. */
function dayOf(at, zone) {
  const isThisYear = dayIn(at, zone).slice(0, 4) === dayIn(Date.now() / 1000, zone).slice(0, 4);
  const key = `${zone} ${words().lang} ${isThisYear}`;
  if (!formats.has(key)) {
    const year = isThisYear ? {} : { year: "numeric" };
    formats.set(key, new Intl.DateTimeFormat(words().lang, { ...year, month: "long", day: "numeric", timeZone: zone }));
  }
  return formats.get(key).format(at * 1000);
}

const formats = new Map();

/** A panel: heading, what is in it, and what stands to the right of the heading. */
export const panel = (name, title, body, aside = nothing) => html`
  <section class="panel panel-${name}" aria-labelledby="title-${name}">
    <header><h2 id="title-${name}">${title}</h2>${aside}</header>
    ${body}
  </section>`;

const SHAPE_OF = { not_allowed: "denied", unknown: "question", forgotten: "question", bad: "question", archive: "archive", no_archive: "archive" };

/** While a page is waited for, or instead of one that cannot be had: what and why. `retry()` asks again. */
export function instead(what, problem, retry) {
  const text = pageWords();
  if (!problem) return html`<p class="page-loading" role="status">${icon("connecting")}${text.loading}</p>`;
  const [title, why] = problem === "unknown" ? text.problem[what] : text.problem[problem] ?? text.problem.unavailable;
  const more = (problem === "archive" && text.needsArchive[what]) || why;
  const can = !["unknown", "not_allowed", "forgotten"].includes(problem);
  return html`
    <section class="page-problem" data-problem=${problem} role="alert">
      ${icon(SHAPE_OF[problem] ?? "stale")}
      <h1>${title}</h1>
      <p>${more}</p>
      <p class="ways">
        ${can ? html`<button type="button" @click=${retry}>${text.retry}</button>` : nothing}
        <a href=${path.desk()}>${text.back}</a>
      </p>
    </section>`;
}
