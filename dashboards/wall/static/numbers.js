// The row of figures: who waits now, how soon calls are answered, the day's calls, and alerts an hour.

import { html, nothing } from "/vendor/lit-html.js";
import { chart } from "./chart.js";
import { icon } from "./icons.js";
import { words } from "./words.js";

const DASH = "–";

/** Inbound calls that nobody has answered yet, the one that has waited longest first. */
export function waiting(calls) {
  const open = [...calls].filter((call) =>
    (call.phase === "offered" || call.phase === "ringing") && !call.answered && (call.direction ?? "inbound") === "inbound");
  return open.sort((a, b) => a.begun_at - b.begun_at);
}

/** How many per cent `some` are of `all`, as it is shown; a dash where there are none. */
export const shareOf = (some, all) => (all ? `${Math.round((100 * some) / all)}%` : DASH);

/** Draw the row at the time `now`. */
export function numbersRow(model, now) {
  const text = words();
  const counts = model.filled ? model.counts : null;
  const level = text.level(model.inTimeS);
  return html`${queue(model, now)}
    ${share("lately", level, text.lately, counts?.lately_in_time, counts?.lately_decided)}
    ${share("level", level, text.today, counts?.in_time, counts?.decided)}
    ${["offered", "answered", "abandoned"].map((name) => figure(name, text[name], counts ? counts[name] : DASH))}
    ${chart(counts, model.zone)}`;
}

const figure = (name, label, value) => html`<div class="number" data-number=${name}>
  <span class="label">${label}</span><b class="value">${value}</b></div>`;

function share(name, label, over, some, all) {
  return html`<div class="number" data-number=${name}><span class="label">${label}</span>
    <div class="pair"><b class="value">${shareOf(some, all)}</b><p class="of"><b>${over}</b><span>${all ? words().ofCalls(some, all) : ""}</span></p></div></div>`;
}

function queue(model, now) {
  const text = words();
  const calls = waiting(model.calls.values());
  const [first] = calls;
  const late = first && now - first.begun_at > model.inTimeS;
  return html`<div class="number" data-number="queue" data-late=${late ? "true" : nothing}>
    <div><span class="label">${icon("offered")}${text.waitingNow}</span>
      <p class="pair"><b class="value">${model.filled ? calls.length : DASH}</b>${calls.length ? parts(calls) : nothing}</p></div>
    <div><span class="label">${text.longest}${first?.queue ? ` · ${first.queue}` : ""}</span>
      <p class="pair">${first ? html`<b class="value clock" .since=${first.begun_at} .until=${undefined}></b>` : html`<span class="of">${model.filled ? text.noneWaiting : DASH}</span>`}
        ${late ? html`<b class="late">${text.overLimit(model.inTimeS)}</b>` : nothing}</p></div></div>`;
}

/** Of those who wait, how many still queue and how many phones ring: the same figures as over the tiles. */
const parts = (calls) => html`<span class="of">${["offered", "ringing"].map((phase) => html`<span data-phase=${phase}>${words().phase[phase]} ${calls.filter((call) => call.phase === phase).length}</span>`)}</span>`;
