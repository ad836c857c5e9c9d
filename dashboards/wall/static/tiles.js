// The floor: one tile a call, as large as they all fit. On a crowded floor the calls with alerts stay tiles, and the
// calm ones become chips, phase by phase.

import { html, nothing } from "/vendor/lit-html.js";
import { repeat } from "/vendor/directives/repeat.js";
import { WORST_FIRST, isOver, severities } from "./groups.js";
import { icon } from "./icons.js";
import { words } from "./words.js";

const PHASES = ["offered", "ringing", "transferring", "held", "talking", "ended"];
/** More calls than this make the floor a crowded one. */
const CROWD = 42;
/** Up to so many calls leave the alerts much room, some room, as usual; beyond, the floor needs some of theirs. */
const CROWDS = [["few", 8], ["some", 18], ["usual", 150]];
/** So many calls more or fewer do not yet move the columns: a screen that jumps with every call tires. */
const SLACK = 2;

// Lengths in rem, as in wall.css.
const GAP = 0.6;
const TITLE = 3.1;
/** How much taller a tile may become where there is room. */
const STRETCH = 1.18;

// Columns, a tile's height, the scale of its text; `terse` leaves out queue and caller, `small` is two lines.
const SIZES = [
  { columns: 3, height: 12.2, scale: 1.22 },
  { columns: 4, height: 10.2, scale: 1.0 },
  { columns: 5, height: 8.7, scale: 0.84 },
  { columns: 6, height: 7.4, scale: 0.72 },
  { columns: 6, height: 6.4, scale: 1.0, shape: "terse" },
  { columns: 7, height: 5.8, scale: 0.92, shape: "terse" },
];
// The same where the alerts have much or some of the width.
const NARROW = [
  { columns: 2, height: 11.4, scale: 1.12 },
  { columns: 3, height: 8.4, scale: 0.82 },
  { columns: 3, height: 6.4, scale: 0.95, shape: "terse" },
  { columns: 4, height: 5.2, scale: 0.8, shape: "terse" },
];
const MIDDLE = [
  { columns: 3, height: 10.8, scale: 1.06 },
  { columns: 4, height: 8.7, scale: 0.84 },
  { columns: 5, height: 7.4, scale: 0.72 },
];
const CROWDED = [
  ...SIZES.slice(1),
  { columns: 8, height: 5.2, scale: 0.8, shape: "terse" },
  { columns: 7, height: 4.3, scale: 1.1, shape: "small" },
  { columns: 8, height: 3.9, scale: 1.0, shape: "small" },
  { columns: 9, height: 3.5, scale: 0.9, shape: "small" },
];

// A chip is as wide as `name` characters and a clock of that font; the column of the phases stands before them.
// `last`: only where nothing else fits.
const CHIPS = [
  { font: 1.4, name: 4 }, { font: 1.25, name: 4 }, { font: 1.1, name: 4 }, { font: 1.0, name: 4 },
  { font: 0.9, name: 4 }, { font: 0.9, name: 3 }, { font: 0.85, name: 3 }, { font: 0.8, name: 3 }, { font: 0.75, name: 3, last: true },
];
const CHIP = { clock: 2.6, air: 0.6, line: 1.36, gap: 0.15 };
const PHASE_COLUMN = 7.3;
const PHASE_ROW = 1.5; // a phase's sign is this tall
const PHASE_GAP = 0.35;

/** How crowded the floor is, which decides how wide the columns are: few, some, usual or packed. `before`: what it was. */
export function crowdOf(model, before) {
  const size = (calls) => CROWDS.find(([, most]) => calls <= most)?.[0] ?? "packed";
  const near = [model.calls.size - SLACK, model.calls.size + SLACK].map(size);
  return near.includes(before) ? before : size(model.calls.size);
}

/** Draw the floor. `room`: {width, height} in rem. `lay(name, value)` sets a length that the stylesheet reads. */
export function floorColumn(model, room, lay) {
  const worst = severities(model.alerts.values());
  const claimed = new Set([...model.alerts.values()].filter((a) => a.claimed && !isOver(a)).map((a) => a.call));
  const rank = (call) => (worst.has(call.id) ? WORST_FIRST.indexOf(worst.get(call.id)) : WORST_FIRST.length);
  const calls = [...model.calls.values()].sort((a, b) =>
    rank(a) - rank(b) || PHASES.indexOf(a.phase) - PHASES.indexOf(b.phase) || a.since - b.since || (a.id < b.id ? -1 : 1));
  const plan = calls.length > CROWD ? crowded(calls, worst, room) : { tiles: calls, size: tileSize(calls.length, room), chips: [] };
  layTiles(plan, room, lay);
  const name = plan.size.shape === "small" ? briefly : people;
  const one = (call) => tile(call, worst.get(call.id), claimed.has(call.id), name);
  return html`${title(calls, model.filled)}
    <div id="tiles" data-shape=${plan.size.shape ?? nothing} ?hidden=${!plan.tiles.length}>
      ${repeat(plan.tiles, ({ id }) => id, one)}
      ${plan.hiddenTiles ? html`<article class="tile" data-overflow><p class="who">${words().moreCalls(plan.hiddenTiles)}</p></article>` : nothing}</div>
    ${plan.chips.length ? html`<div id="chips">${plan.chips.map((part) => phaseOf(part))}</div>` : nothing}
    ${calls.length ? nothing : html`<p id="floor-empty">${model.filled ? words().noCalls : "–"}</p>`}`;
}

function title(calls, filled) {
  const count = (phase) => (filled ? calls.filter((c) => c.phase === phase).length : "–");
  return html`<h2><span>${words().floor}</span> <b id="floor-count">${filled ? calls.filter((c) => c.phase !== "ended").length : ""}</b>
    <span class="counts">${PHASES.slice(0, -1).map((phase) => html`<span class="phase-count" data-phase=${phase} data-none=${count(phase) ? nothing : "true"}>
      ${icon(phase)}<span>${words().phase[phase]}</span> <b>${count(phase)}</b></span>`)}</span></h2>`;
}

// what fits

const rowsIn = (height, room) => Math.max(1, Math.floor((room + GAP) / (height + GAP)));

function tileSize(count, room) {
  const sizes = room.width < 45 ? NARROW : room.width < 60 ? MIDDLE : SIZES;
  return sizes.find(({ columns, height }) => columns * rowsIn(height, room.height - TITLE) >= count) ?? sizes.at(-1);
}

/** The largest tiles and chips that fit together; large tiles count as much as large chips. Ended calls are left out. */
function crowded(calls, worst, room) {
  const tiles = calls.filter((call) => worst.has(call.id));
  const calm = PHASES.slice(0, -1).map((phase) => ({ phase, calls: calls.filter((c) => c.phase === phase && !worst.has(c.id)) })).filter((p) => p.calls.length);
  const height = room.height - TITLE;
  const pairs = CROWDED.flatMap((size, i) => CHIPS.map((chip, j) => ({ size, chip, order: i / CROWDED.length + j / CHIPS.length + (chip.last ? 1 : 0) })));
  const fits = ({ size, chip }) => tilesHeight(tiles.length, size) + chipsHeight(calm, chip, room.width) <= height;
  const best = pairs.sort((a, b) => a.order - b.order).find(fits);
  const { size, chip } = best ?? { size: CROWDED.at(-1), chip: CHIPS.at(-1) };
  const plan = { tiles, size, chip, chips: calm };
  return best ? plan : cut(plan, height, room.width);
}

const tilesHeight = (count, { columns, height }) => (count ? Math.ceil(count / columns) * (height + GAP) : 0);
const perRow = ({ font, name }, width) => Math.floor((width - PHASE_COLUMN + CHIP.gap) / (chipWidth({ font, name }) + CHIP.gap));
const chipWidth = ({ font, name }) => font * (name + CHIP.clock + CHIP.air);

function chipsHeight(parts, chip, width) {
  const row = chip.font * CHIP.line + CHIP.gap;
  const tall = ({ calls }) => Math.max(PHASE_ROW, Math.ceil(calls.length / perRow(chip, width)) * row - CHIP.gap);
  return parts.reduce((sum, part) => sum + tall(part) + PHASE_GAP, 0);
}

/** More than any screen holds: the calm calls of the longest phase are counted, then the least of the tiles. */
function cut(plan, height, width) {
  const most = plan.size.columns * rowsIn(plan.size.height, height * 0.6);
  const tiles = plan.tiles.length > most ? plan.tiles.slice(0, most - 1) : plan.tiles;
  const left = height - tilesHeight(Math.min(plan.tiles.length, most), plan.size);
  const chips = plan.chips.map((part) => ({ ...part, hidden: 0 }));
  while (chipsHeight(chips, plan.chip, width) > left && chips.some(({ calls }) => calls.length > 1)) {
    const longest = chips.reduce((a, b) => (b.calls.length > a.calls.length ? b : a));
    const fewer = Math.max(1, longest.calls.length - perRow(plan.chip, width));
    longest.hidden += longest.calls.length - fewer;
    longest.calls = longest.calls.slice(0, fewer);
  }
  return { ...plan, tiles, chips, hiddenTiles: plan.tiles.length - tiles.length };
}

function layTiles({ tiles, size, chip, chips, hiddenTiles }, room, lay) {
  const rows = Math.max(1, Math.ceil((tiles.length + (hiddenTiles ? 1 : 0)) / size.columns));
  const share = (room.height - TITLE + GAP) / rows - GAP;
  const height = chips.length ? size.height : Math.max(size.height, Math.min(size.height * STRETCH, share));
  lay("--columns", size.columns);
  lay("--height", `${height}rem`);
  lay("--scale", size.scale);
  if (!chip) return;
  lay("--chip-font", `${chip.font}rem`);
  lay("--chip-name", chip.name);
  lay("--chip-columns", perRow(chip, room.width));
}

// one call

function tile(call, severity, claimed, name) {
  return html`<article class="tile" data-call=${call.id} data-phase=${call.phase} data-severity=${severity ?? nothing} data-claimed=${claimed ? "true" : nothing}>
    <p class="head">${icon(call.phase)}<span class="phase">${words().phase[call.phase]}</span>
      ${severity ? html`<span class="flag">${claimed ? html`<span class="claim">${icon("person")}</span>` : nothing}${icon(severity)}<b class="severity">${words().severity[severity]}</b></span>` : nothing}</p>
    ${clockOf(call)}<p class="who">${name(call)}</p><p class="more">${more(call)}</p></article>`;
}

const clockOf = (call) => (call.phase === "ended"
  ? html`<span class="clock" .since=${call.begun_at} .until=${call.ended_at}></span>`
  : html`<span class="clock" .since=${call.since} .until=${undefined}></span>`);

function phaseOf({ phase, calls, hidden }) {
  return html`<section class="chip-phase" data-phase=${phase}>
    <p class="chip-head">${icon(phase)}<span>${words().phase[phase]}</span><b>${calls.length + (hidden ?? 0)}</b></p>
    <div class="chip-list">${repeat(calls, ({ id }) => id, chipOf)}
      ${hidden ? html`<span class="chip" data-overflow>${words().moreCalls(hidden)}</span>` : nothing}</div></section>`;
}

function chipOf(call) {
  const ended = call.phase === "ended";
  return html`<span class="chip" data-call=${call.id} title=${people(call)}><span class="who" data-long=${briefly(call).length > 3 ? "true" : nothing}>${briefly(call)}</span><span
    class="clock" data-short .since=${ended ? call.begun_at : call.since} .until=${ended ? call.ended_at : undefined}></span></span>`;
}

const queue = (call) => (call.queue ? words().queue(call.queue) : words().direct);

/** Who is on it: `王芳 101`, `王芳 101 等 3 人`; the queue while nobody is. */
function people(call) {
  const agents = (call.agents ?? []).map(words().agent);
  if (agents.length > 1) return words().several(agents[0], agents.length);
  return agents[0] ?? (call.phase === "talking" || call.phase === "held" ? words().nobody : queue(call));
}

/** The same in a few characters. */
function briefly(call) {
  const [first, ...rest] = call.agents ?? [];
  if (!first) return call.phase === "talking" || call.phase === "held" ? "?" : call.queue || words().direct;
  return `${first.name || first.id}${rest.length ? `+${rest.length}` : ""}`;
}

/** The small line: where a transfer goes, how a call ended, else the queue and the caller. */
function more(call) {
  if (call.phase === "ended") return how(call);
  if (call.to) return words().to(words().agent(call.to));
  const line = call.direction === "outbound" ? words().outbound : call.agents?.length ? call.queue || words().direct : "";
  return [line, call.caller].filter(Boolean).join(" · ");
}

function how(call) {
  if (!call.answered) return call.ended_by === "customer" ? words().endedBy.gaveUp : words().endedBy.nobody;
  return words().endedBy[call.ended_by] ?? "";
}
