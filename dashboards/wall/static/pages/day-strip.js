// An agent's day as one line: each call where it was and as long as it was, with the alerts above it.

import { html, nothing, svg } from "../vendor/lit-html.js";
import { WORST_FIRST } from "../groups.js";
import { SHAPES } from "../icons.js";
import { wording } from "../telling.js";
import { timeOfDay, words } from "../words.js";
import { path } from "./parts.js";
import { clusters } from "./signs.js";
import { duration, pageWords } from "./page-words.js";
import { Width } from "./width.js";

const HEIGHT = 96;
const LANE = [34, 30];
const SIGN = 16;
const HOUR_S = 3600;
const SIDE = 22;

/** Full hours around the calls, at least three. */
function hoursAround(calls, now) {
  const from = Math.floor(Math.min(...calls.map((c) => c.began_at)) / HOUR_S) * HOUR_S;
  const last = Math.max(...calls.map((c) => c.ended_at ?? now));
  return [from, Math.max(from + 3 * HOUR_S, Math.ceil(last / HOUR_S) * HOUR_S)];
}

export class DayStrip {
  #width = new Width(() => this.changed());
  #pointed = null;

  /** `changed()`: draw again. `go(path)`: to the page of a call. */
  constructor(changed, go) {
    Object.assign(this, { changed, go });
  }

  template(calls, alerts, now, zone) {
    const text = pageWords();
    const [from, until] = hoursAround(calls, now);
    const room = (this.#width.px || 900) - 2 * SIDE;
    const x = (at) => SIDE + ((at - from) / (until - from)) * room;
    const told = text.dayStripOf(calls.length, timeOfDay(from, zone).slice(0, 5), timeOfDay(until, zone).slice(0, 5));
    return html`
      <figure class="strip">
        <p class="readout" aria-hidden="true" data-idle=${this.#pointed ? nothing : ""}>${this.#pointed ? describe(this.#pointed, zone) : told}</p>
        <div class="chart">
          <svg viewBox="0 0 ${room + 2 * SIDE} ${HEIGHT}" height=${HEIGHT} role="group" aria-label=${`${text.dayStrip} ${told}`}>
            <rect class="lane" x=${SIDE} y=${LANE[0]} width=${room} height=${LANE[1]}></rect>
            ${hours(from, until, room, zone, x)}
            ${calls.map((call) => this.#call(call, x, now, zone))}
            ${this.#alerts(alerts, x, zone)}
          </svg>
        </div>
      </figure>`;
  }

  /** After each drawing: keep to the width that there is. */
  attach(root) {
    this.#width.watch(root.querySelector(".strip .chart"));
  }

  close() {
    this.#width.close();
  }

  #point(call) {
    this.#pointed = call;
    this.changed();
  }

  #call(call, x, now, zone) {
    const left = x(call.began_at);
    const width = Math.max(3, x(call.ended_at ?? now) - left);
    const where = path.call(call.id, call.began_at);
    return svg`
      <a class="call" href=${where} data-severity=${call.worst ?? nothing} data-taken=${call.talk_s > 0 ? "" : nothing} aria-label=${describe(call, zone)}
        @click=${(e) => this.#follow(e, where)} @pointerenter=${() => this.#point(call)} @pointerleave=${() => this.#point(null)}
        @focus=${() => this.#point(call)} @blur=${() => this.#point(null)}>
        <rect class="reach" x=${left.toFixed(1)} y=${LANE[0] - 4} width=${width.toFixed(1)} height=${LANE[1] + 8}></rect>
        <rect class="block" x=${left.toFixed(1)} y=${LANE[0] + 3} width=${width.toFixed(1)} height=${LANE[1] - 6} rx=${width > 6 ? 2 : 0}></rect>
      </a>`;
  }

  #alerts(alerts, x, zone) {
    return clusters(alerts, (card) => x(card.opened_at), SIGN + 8).map(({ x: at, cards, worst }) => svg`
      <g class="sign" data-severity=${worst.severity}>
        <title>${cards.map((card) => `${timeOfDay(card.opened_at, zone)} ${words().severity[card.severity]} ${wording(card).title}`).join("\n")}</title>
        <path class="shape" fill-rule="evenodd" d=${SHAPES[worst.severity]}
          transform="translate(${(at - SIGN / 2).toFixed(1)} 12) scale(${(SIGN / 24).toFixed(3)})"></path>
        ${cards.length > 1 ? svg`<text class="count" x=${(at + SIGN / 2 + 1).toFixed(1)} y="18">${cards.length}</text>` : nothing}
      </g>`);
  }

  #follow(event, where) {
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0) return;
    event.preventDefault();
    this.go(where);
  }
}

function hours(from, until, room, zone, x) {
  const count = (until - from) / HOUR_S;
  const every = Math.max(1, Math.ceil((count * 48) / room));
  return Array.from({ length: count + 1 }, (_, i) => from + i * HOUR_S).filter((_, i) => i % every === 0).map((at) => svg`
    <path class="tick" d="M${x(at).toFixed(1)} ${LANE[0]}v${LANE[1] + 5}"></path>
    <text class="time" x=${x(at).toFixed(1)} y=${LANE[0] + LANE[1] + 20} text-anchor="middle">${timeOfDay(at, zone).slice(0, 5)}</text>`);
}

/** One call in words: when, how long, how it ended, its worst alert. */
function describe(call, zone) {
  const text = pageWords();
  return [
    `${timeOfDay(call.began_at, zone)}${call.ended_at ? ` – ${timeOfDay(call.ended_at, zone)}` : ""}`,
    call.queue && words().queue(call.queue),
    call.talk_s > 0 && `${words().phase.talking} ${duration(call.talk_s)}`,
    endOf(call),
    call.alerts > 0 && `${text.severalAlerts(call.alerts)} (${words().severity[call.worst ?? WORST_FIRST.at(-1)]})`,
  ].filter(Boolean).join(" · ");
}

/** How it ended, or that it goes on. */
export function endOf(call) {
  const text = pageWords();
  if (call.ended_at === undefined) return text.running;
  if (!call.talk_s && call.ended_by === "customer") return text.lineEnd.abandoned;
  return text.lineEnd[call.ended_by] ?? words().phase.ended;
}
