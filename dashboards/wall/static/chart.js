// Alerts an hour as stacked bars. Each severity has a pattern of its own, so that the bars are read without colour.

import { html, nothing, svg } from "/vendor/lit-html.js";
import { WORST_FIRST } from "./groups.js";
import { minuteOf, words } from "./words.js";

// One unit is a tenth of a rem.
const WIDTH = 300;
const HEIGHT = 54;
const FOOT = 13; // the hours
const HEAD = 12; // the totals
const SIDE = 38; // what the bars count
const SLOT = WIDTH / 12;
const BAR = 17;
/** Fewer alerts than this do not fill the height: one alert is no mountain. */
const LEAST_TOP = 4;

const total = (hour) => WORST_FIRST.reduce((sum, severity) => sum + hour[severity], 0);

/** The panel: today's alerts by severity, and the bars of the last twelve hours. `counts` null: not known yet. */
export function chart(counts, zone) {
  const text = words();
  const keys = WORST_FIRST.map((severity) => html`<span class="key" data-number=${severity}>${swatch(severity)}<span
    class="label">${text.severity[severity]}</span><b class="value">${counts ? counts[severity] : "–"}</b></span>`);
  return html`<div class="number" data-number="hours">
    <p class="keys"><span class="label">${text.alertsToday}</span>${keys}</p>${bars(counts?.hours ?? [], zone)}</div>`;
}

/** The pattern of a severity on its own, for the key. */
const swatch = (severity) => html`<svg class="swatch" viewBox="0 0 12 12" aria-hidden="true">
  <rect class="bar" data-severity=${severity} width="12" height="12" fill=${`url(#pattern-${severity})`}></rect></svg>`;

function bars(hours, zone) {
  const text = words();
  const top = Math.max(LEAST_TOP, ...hours.map(total));
  const hourOf = (hour) => minuteOf(hour.at, zone).slice(0, 2);
  const said = hours.filter(total).map((hour) => text.hourSays(hourOf(hour), partsOf(hour))).join("\uff1b");
  return html`<svg class="bars" viewBox="${-SIDE} 0 ${WIDTH + SIDE} ${HEIGHT}" role="img" aria-label="${text.perHour} ${text.perHourSays(said || "0")}">
    ${PATTERNS}
    ${text.perHourLines.map((line, i) => svg`<text class="axis" x=${-SIDE} y=${20 + 13 * i}>${line}</text>`)}
    <line class="base" x1="0" x2=${WIDTH} y1=${HEIGHT - FOOT} y2=${HEIGHT - FOOT}></line>
    ${hours.map((hour, i) => column(hour, i + 12 - hours.length, top, hourOf(hour)))}</svg>`;
}

const partsOf = (hour) =>
  WORST_FIRST.filter((severity) => hour[severity]).map((severity) => `${words().severity[severity]} ${hour[severity]}`).join(" ");

function column(hour, place, top, label) {
  const middle = (place + 0.5) * SLOT;
  const scale = (HEIGHT - FOOT - HEAD) / top;
  let floor = HEIGHT - FOOT;
  const parts = WORST_FIRST.filter((severity) => hour[severity]).map((severity) => {
    floor -= hour[severity] * scale;
    return svg`<rect class="bar" data-severity=${severity} x=${middle - BAR / 2} y=${floor} width=${BAR}
      height=${hour[severity] * scale} fill=${`url(#pattern-${severity})`}></rect>`;
  });
  const count = total(hour);
  return svg`<g data-hour=${label} data-now=${place === 11 ? "true" : nothing}>${parts}
    ${count ? svg`<text class="total" x=${middle} y=${floor - 2.5}>${count}</text>` : nothing}
    <text class="hour" x=${middle} y=${HEIGHT - 2}>${label}</text></g>`;
}

const PATTERNS = svg`<defs>
  <pattern id="pattern-critical" width="4" height="4" patternUnits="userSpaceOnUse"><rect class="fill" width="4" height="4"></rect></pattern>
  <pattern id="pattern-warning" width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
    <rect class="fill" width="5" height="5"></rect><rect class="cut" width="1.8" height="5"></rect></pattern>
  <pattern id="pattern-notice" width="4" height="4" patternUnits="userSpaceOnUse">
    <rect class="fill" width="4" height="4"></rect><circle class="cut" cx="2" cy="2" r="1.1"></circle></pattern>
</defs>`;
