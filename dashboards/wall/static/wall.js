// Puts wall mode together: messages in, a few drawings a second at most, clocks once a second.

import { html, nothing, render } from "/vendor/lit-html.js";
import { alertsColumn, openCards } from "./cards.js";
import { everySecond, runClocks } from "./clocks.js";
import { onTrial } from "./fit.js";
import { icon } from "./icons.js";
import { Link } from "./link.js";
import { Model, archiveTrouble, judge, pagerTrouble } from "./model.js";
import { numbersRow, waiting } from "./numbers.js";
import { Bell } from "./sound.js";
import { wording } from "./telling.js";
import { crowdOf, floorColumn } from "./tiles.js";
import { dateOf, switchLanguage, timeOfDay, words } from "./words.js";

/** Drawings are at least this far apart, milliseconds; what comes between is drawn together. */
const APART_MS = 200;
const byId = (id) => document.getElementById(id);
const team = new URLSearchParams(location.search).get("team") ?? "";

let verdict = { state: "connecting" };
let drawnAt = -Infinity;
let wanted = 0;
const model = new Model();
const link = new Link("wall", (message) => take(message), () => changed(), { team, keeps: true });
const bell = new Bell(() => draw());
const room = { alerts: { width: 0, height: 0 }, floor: { width: 0, height: 0 } }; // rem

function take(message) {
  const complete = model.apply(message);
  heed();
  if (message.type !== "beat") draw();
  return complete;
}

function changed() {
  heed();
  draw();
}

/** Draw soon, once for all that came meanwhile. A hidden page has no frames: it draws when it is looked at. */
function draw() {
  if (wanted) return;
  const wait = drawnAt + APART_MS - performance.now();
  wanted = wait > 0 ? setTimeout(() => requestAnimationFrame(drawAll), wait) : requestAnimationFrame(drawAll);
}

function drawAll() {
  wanted = 0;
  drawnAt = performance.now();
  verdict = judge(model, link);
  const now = shownAt();
  mark();
  render(header(now), byId("head"));
  render(banner(), byId("banner"));
  render(numbersRow(model, now), byId("numbers"));
  if (room.alerts.height) render(alertsColumn(model, verdict.state, room.alerts), byId("alerts"));
  if (room.floor.height) render(floorColumn(model, room.floor, lay), byId("floor"));
  render(denied(), byId("denied"));
  runClocks(now);
}

/** The time that clocks show: while the screen shows the past, the time at which it was true. */
const shownAt = () => Math.floor(verdict.frozen ? verdict.since ?? model.now() : model.now());

const lay = (name, value) => byId("floor").style.setProperty(name, value);

/** Once a second: nothing but clocks, and whether the screen may still be believed. */
function tick() {
  const next = judge(model, link);
  const late = waiting(model.calls.values()).some((call) => shownAt() - call.begun_at > model.inTimeS);
  const wasLate = Boolean(byId("numbers").querySelector("[data-late]"));
  if (next.state !== verdict.state || next.cause !== verdict.cause || late !== wasLate) draw();
  render(header(shownAt()), byId("head"));
  runClocks(shownAt());
}

/** What the whole page is told: its state, for the stylesheet. */
function mark() {
  const { state, frozen } = verdict;
  const cards = openCards(model);
  document.documentElement.lang = words().lang;
  const flags = { state, frozen, quiet: state === "live" && cards.length === 0, crowd: crowdOf(model, document.body.dataset.crowd) };
  for (const [name, value] of Object.entries(flags)) {
    if (value) document.body.dataset[name] = value;
    else delete document.body.dataset[name];
  }
  byId("banner").hidden = !verdict.cause;
  byId("denied").hidden = state !== "denied";
  const critical = cards.filter(({ severity }) => severity === "critical").length;
  document.title = state === "live" ? `${critical ? `(${critical}) ` : ""}三声` : `${words().state[state]} · 三声`;
}

/** New critical alerts sound, and are said to those who listen to the page instead of looking at it. It may be hidden. */
function heed() {
  if (!model.filled || judge(model, link).frozen) return;
  const fresh = bell.heed(openCards(model));
  if (fresh.length) byId("announce").textContent = fresh.map((card) => onTrial(card, wording(card).says)).join(" ");
}

const since = () => (verdict.since ? words().since(timeOfDay(verdict.since, model.zone)) : "");

function header(shown) {
  const text = words();
  const now = model.now();
  return html`<img class="mark" src="/favicon.svg" alt="">
    <h1>三声 <small id="tagline">${model.team || text.tagline}</small></h1>
    <p id="chip" role="status"><span class="lamp"></span><span id="chip-word">${text.state[verdict.state]} ${since()}</span></p>
    ${verdict.state === "denied" ? nothing : engine(shown)}
    ${beside("archive", archiveTrouble)}
    ${beside("pager", pagerTrouble)}
    <p class="when"><span id="date">${model.known ? dateOf(now, model.zone) : ""}</span><time id="time">${model.known ? timeOfDay(now, model.zone) : ""}</time></p>
    ${sound()}
    <button id="language" type="button" title=${text.otherHint} @click=${otherLanguage}>${text.other}</button>`;
}

/** The dead-man's tick: when the detector was last heard. */
function engine(shown) {
  const part = model.status?.detect;
  const text = words();
  const [kind, says] = ((p) => {
    if (!p || p.state === "waiting" || verdict.frozen) return ["unknown", text.engineUnknown]; // old news proves nothing
    if (p.state === "trouble") return ["bad", text.engineTrouble];
    if (p.state === "dead") return ["bad", text.engineSilent(text.since(timeOfDay(p.since, model.zone)))];
    return ["ok", p.heard_at ? text.engineAlive(Math.max(0, Math.floor(shown - p.heard_at))) : text.engineOk];
  })(part);
  return html`<p id="engine" data-kind=${kind}>${icon("engine")}<span>${says}</span></p>`;
}

/** The trouble of the archivist or of the pager: small, for what is live goes on without them. */
function beside(name, troubleIn) {
  const trouble = verdict.state === "denied" ? "" : troubleIn(model);
  return trouble ? html`<p id=${name}>${icon(name)}<span>${words()[name][trouble][0]}</span></p>` : nothing;
}

function sound() {
  const { state } = bell;
  const shape = { on: "soundOn", off: "soundOff", blocked: "soundBlocked", none: "soundOff" }[state];
  return html`<button id="sound" type="button" data-kind=${state} ?disabled=${state === "none"} aria-pressed=${state === "on"}
    title=${words().soundHint[state]} @click=${() => bell.toggle()}>${icon(shape)}<span>${words().sound[state]}</span></button>`;
}

function otherLanguage() {
  switchLanguage();
  draw();
}

function banner() {
  if (!verdict.cause) return nothing;
  const [word, why] = words().cause[verdict.cause];
  return html`${icon(verdict.state)}<div><h2>${word}</h2><p>${why}${verdict.detail ? ` · ${verdict.detail}` : ""}</p></div>
    <p id="banner-since">${since()}</p>`;
}

function denied() {
  if (verdict.state !== "denied") return nothing;
  const text = words();
  return html`${icon("denied")}<h2>${text.denied}</h2><p>${text.deniedWhy}</p>
    <ol>${text.deniedDo.map((line) => html`<li>${line}</li>`)}</ol>`;
}

/** The two columns say how large they are; then, and whenever that changes, they are filled anew before one sees it. */
const sizes = new ResizeObserver((entries) => {
  const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
  for (const { target, contentRect } of entries) {
    room[target.id] = { width: contentRect.width / rem, height: contentRect.height / rem };
  }
  drawAll();
});

sizes.observe(byId("alerts"));
sizes.observe(byId("floor"));
addEventListener("visibilitychange", draw);
for (const gesture of ["pointerdown", "keydown"]) {
  addEventListener(gesture, ({ target }) => target.closest?.("#sound") || bell.allow()); // its own button does more
}
draw();
everySecond(() => model.now(), tick);
link.open();
