// Puts the page together: messages in, one drawing a frame, clocks four times a second.

import { Cards, WORST_FIRST } from "./cards.js";
import { byId, make, mark, put, show } from "./dom.js";
import { icon, reshape } from "./icons.js";
import { Link } from "./link.js";
import { Model, judge } from "./model.js";
import { Tiles } from "./tiles.js";
import { dateOf, switchLanguage, timeOfDay, words } from "./words.js";

const model = new Model();
const link = new Link((message) => take(message), () => draw());
const cards = new Cards();
const tiles = new Tiles();
let verdict = { state: "connecting" };
let wanted = false;

function take(message) {
  const complete = model.apply(message);
  if (message.type !== "beat") draw();
  return complete;
}

/** Draw once, however many messages came since the last frame. A hidden page has no frames: it draws later. */
function draw() {
  if (wanted) return;
  wanted = true;
  requestAnimationFrame(() => {
    wanted = false;
    drawAll();
  });
}

function drawAll() {
  verdict = judge(model, link);
  drawState();
  drawNumbers();
  cards.draw(model, verdict.state);
  tiles.draw(model);
  if (verdict.frozen) tick();
}

/** Four times a second: nothing but clocks, and whether the screen may still be believed. */
function tick() {
  const now = model.now();
  put(byId("time"), model.known ? timeOfDay(now, model.zone) : "");
  put(byId("date"), model.known ? dateOf(now, model.zone) : "");
  const next = judge(model, link);
  if (next.state !== verdict.state || next.cause !== verdict.cause) {
    draw();
    return;
  }
  const then = verdict.frozen ? verdict.since ?? now : now;
  cards.tick(then);
  tiles.tick(then);
}

function drawState() {
  const { state, cause, since, detail, frozen } = verdict;
  const text = words();
  document.documentElement.lang = text.lang;
  mark(document.body, "state", state);
  mark(document.body, "frozen", frozen);
  put(byId("tagline"), text.tagline);
  put(byId("language"), text.other);
  byId("language").title = text.otherHint;
  const time = since ? timeOfDay(since, model.zone) : "";
  put(byId("chip-word"), text.state[state] + (time ? ` ${text.since(time)}` : ""));
  show(byId("banner"), Boolean(cause));
  if (cause) {
    const [word, why] = text.cause[cause];
    reshape(byId("banner-icon"), state);
    put(byId("banner-word"), word);
    put(byId("banner-why"), why + (detail ? ` · ${detail}` : ""));
    put(byId("banner-since"), time ? text.since(time) : "");
  }
  drawDenied(state === "denied", text);
  const open = [...model.alerts.values()].filter((a) => a.over_at === undefined && a.severity === "critical").length;
  document.title = state === "live" ? `${open ? `(${open}) ` : ""}三声` : `${text.state[state]} · 三声`;
}

function drawDenied(denied, text) {
  show(byId("denied"), denied);
  if (!denied) return;
  reshape(byId("denied-icon"), "denied");
  put(byId("denied-word"), text.denied);
  put(byId("denied-why"), text.deniedWhy);
  byId("denied-do").replaceChildren(...text.deniedDo.map((line) => make("li", "", line)));
}

// the day's numbers

const numbers = new Map();

function number(id, label, value, shape) {
  if (!numbers.has(id)) {
    const parts = { label: make("span", "label"), value: make("b", "value") };
    const root = make("div", "number", ...(shape ? [icon(shape)] : []), parts.label, parts.value);
    mark(root, "number", id);
    byId("numbers").append(root);
    numbers.set(id, parts);
  }
  put(numbers.get(id).label, label);
  put(numbers.get(id).value, value);
}

function drawNumbers() {
  const { counts } = model;
  const text = words();
  const figure = (name) => (model.filled ? String(counts[name]) : "–");
  number("offered", text.offered, figure("offered"));
  number("answered", text.answered, figure("answered"));
  number("level", text.level(model.inTimeS), model.filled && counts.decided ? `${Math.round((100 * counts.in_time) / counts.decided)}%` : "–");
  number("abandoned", text.abandoned, figure("abandoned"));
  for (const severity of WORST_FIRST) {
    number(severity, text.alertsToday(text.severity[severity]), figure(severity), severity);
  }
}

byId("language").addEventListener("click", () => {
  switchLanguage();
  draw();
});
addEventListener("resize", draw);
addEventListener("visibilitychange", draw);
document.fonts?.ready.then(draw);
draw();
setInterval(tick, 250);
link.open();
