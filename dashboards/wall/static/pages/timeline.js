// The course of a call as a picture: phases, who spoke when, what could not be heard, alerts; a time axis below. Made for
// calls of ten seconds and of two hours. Pointing (or the arrow keys) tells what was at a moment, a click goes there.

import { html, nothing, svg } from "../vendor/lit-html.js";
import { SHAPES } from "../icons.js";
import { wording } from "../telling.js";
import { clock, timeOfDay, words } from "../words.js";
import { path, whoIn } from "./parts.js";
import { duration, pageWords } from "./page-words.js";
import { LEFT, RIGHT, Scale, talkPath } from "./scale.js";
import { clusters } from "./signs.js";
import { Width } from "./width.js";

const SIGN = 20;
const ROWS = { alerts: [4, 24], phases: [34, 34], customer: [76, 22], agent: [102, 22], axis: [130, 24] };
const HEIGHT = 154;
const FONT = 13;

/** How wide a text is about: Chinese characters are square. */
const widthOf = (text) => [...text].reduce((sum, c) => sum + (c > "\u2e7f" ? FONT : FONT * 0.58), 0);

/** Where the signs stand; of several as one, an alert of the id `alone` is the one that is shown. */
function signsOf(alerts, scale, alone) {
  const x = ({ opened_at }) => Math.min(Math.max(scale.x(opened_at), LEFT + SIGN / 2), LEFT + scale.room - SIGN / 2);
  return clusters(alerts, x, SIGN + 6).map((one) => {
    const mine = one.cards.find((card) => card.id === alone);
    return { ...one, worst: mine ?? one.worst, mine: Boolean(mine), at: (mine ?? one.cards[0]).opened_at };
  });
}

let made = 0;

export class Timeline {
  #id = `timeline-${++made}`;
  #width = new Width(() => this.changed());
  #cursor = null; // the moment pointed at
  #last = null;

  /** `changed()`: draw again. `seek(at)`: show what was said then. `go(path)`: to another page. */
  constructor(changed, seek, go) {
    Object.assign(this, { changed, seek, go });
  }

  /** The picture of a LiveCall, with the alert of that page marked. */
  template(call, now, zone, { alerts = call.page.alerts ?? [], mine = "", legend = true } = {}) {
    const end = call.end(now);
    const scale = new Scale(call.page.began_at, end, this.#width.px || 900, call.running);
    this.#last = { call, now, zone, scale, end, alerts };
    const text = pageWords();
    const silent = call.lines.length === 0;
    return html`
      <figure class="timeline">
        <p class="readout" aria-hidden="true" data-idle=${this.#cursor === null ? "" : nothing}>
          ${this.#cursor === null ? (silent ? text.timelineHintSilent : text.timelineHint) : this.#readout(this.#cursor)}
        </p>
        <div class="chart">
          <svg viewBox="0 0 ${LEFT + scale.room + RIGHT} ${HEIGHT}" height=${HEIGHT} role="group"
            aria-labelledby="${this.#id}-title" aria-describedby="${this.#id}-desc">
            <title id="${this.#id}-title">${text.timeline}</title>
            <desc id="${this.#id}-desc">${this.#describe()}</desc>
            ${this.#patterns()} ${this.#frame(scale, text)}
            ${call.phases(now).map((span) => this.#phase(span, scale, call))}
            ${this.#talk(call, now, scale)} ${this.#alerts(scale, alerts, mine)} ${this.#cursorLine(scale, end)}
          </svg>
          <div class="scrub" role="slider" tabindex="0" aria-label=${text.timeline} aria-valuemin="0"
            aria-valuemax=${Math.round(end - scale.from)} aria-valuenow=${Math.round((this.#cursor ?? scale.from) - scale.from)}
            aria-valuetext=${this.#readout(this.#cursor ?? scale.from)}
            @pointermove=${(e) => this.#point(e)} @pointerleave=${() => this.#set(null)} @click=${(e) => this.#click(e)}
            @keydown=${(e) => this.#key(e)} @focus=${() => this.#cursor ?? this.#set(scale.from)} @blur=${() => this.#set(null)}></div>
        </div>
        ${legend ? this.#legend(call, now) : nothing}
        ${this.#table(call, now, zone, alerts)}
      </figure>`;
  }

  /** After each drawing: keep to the width that there is. */
  attach(root) {
    this.#width.watch(root.querySelector(".timeline .chart"));
  }

  close() {
    this.#width.close();
  }

  // drawing

  #patterns() {
    const p = (name, size, marks) => svg`
      <pattern id="${this.#id}-${name}" width=${size} height=${size} patternUnits="userSpaceOnUse">
        <rect class="ground" data-phase=${name} width=${size} height=${size}></rect><path class="ink" d=${marks}></path>
      </pattern>`;
    return svg`<defs>
      ${p("offered", 8, "M3 3h2v2h-2z")}
      ${p("ringing", 8, "M-2 2l4-4M0 8l8-8M6 10l4-4")}
      ${p("talking", 8, "")}
      ${p("held", 8, "M0 2h8M0 6h8")}
      ${p("transferring", 10, "M1 1l4 4-4 4")}
      ${p("unheard", 6, "M0 0l6 6M6 0l-6 6")}
    </defs>`;
  }

  #frame(scale, text) {
    const [top] = ROWS.axis;
    return svg`
      ${["alerts", "phases", "customer", "agent"].map((row) => svg`
        <text class="row" x=${LEFT - 10} y=${ROWS[row][0] + ROWS[row][1] / 2 + 4.5} text-anchor="end">${text.rows[row]}</text>
        <rect class="lane" x=${LEFT} y=${ROWS[row][0]} width=${scale.room} height=${ROWS[row][1]}></rect>`)}
      ${scale.ticks().map((s) => {
        const x = scale.x(scale.from + s);
        const anchor = x > LEFT + scale.room - 24 ? "end" : s === 0 ? "start" : "middle";
        return svg`<path class="tick" d="M${x.toFixed(1)} ${ROWS.phases[0]}V${top + 5}"></path>
          <text class="time" x=${x.toFixed(1)} y=${top + 19} text-anchor=${anchor}>${clock(s)}</text>`;
      })}
      <path class="axis" d="M${LEFT} ${top}h${scale.room}"></path>`;
  }

  #phase(span, scale, call) {
    const [top, height] = ROWS.phases;
    const x = scale.x(span.since);
    const width = Math.max(2, scale.x(span.until) - x);
    const label = labelOf(span, width - 12, call);
    return svg`
      <g class="phase" data-phase=${span.phase} data-goes-on=${span.goesOn ? "" : nothing}>
        <rect x=${x.toFixed(1)} y=${top} width=${width.toFixed(1)} height=${height} rx=${width > 8 ? 3 : 0}
          fill="url(#${this.#id}-${span.phase})"></rect>
        ${label.text ? svg`<text class="label" x=${(x + 8).toFixed(1)} y=${top + height / 2 + 4.5}>${label.text}</text>` : nothing}
        ${label.icon ? svg`<path class="shape" fill-rule="evenodd" d=${SHAPES[span.phase]}
          transform="translate(${(x + width / 2 - 7).toFixed(1)} ${top + height / 2 - 7}) scale(.583)"></path>` : nothing}
      </g>`;
  }

  #talk(call, now, scale) {
    const talk = call.talk(now);
    return ["customer", "agent"].map((role) => svg`
      <g class="talk" data-role=${role}>
        ${call.lines.filter((line) => line.kind === "gap" && line.role === role).map((gap) => svg`
          <rect x=${scale.x(gap.start).toFixed(1)} y=${ROWS[role][0]} height=${ROWS[role][1]}
            width=${Math.max(2, scale.x(gap.end) - scale.x(gap.start)).toFixed(1)} fill="url(#${this.#id}-unheard)"></rect>`)}
        <path d=${talkPath(talk, role, scale, ROWS[role])}></path>
      </g>`);
  }

  #alerts(scale, alerts, mine) {
    const [top] = ROWS.alerts;
    return signsOf(alerts, scale, mine).map(({ x, cards, worst, mine: isMine, at }) => {
      const title = cards.map((card) => `${clock(card.opened_at - scale.from)} ${words().severity[card.severity]} ${wording(card).title}`);
      const lasts = worst.over_at && svg`<path class="lasts" d="M${x.toFixed(1)} ${ROWS.phases[0] - 3}H${scale.x(worst.over_at).toFixed(1)}"></path>`;
      return svg`
        <a class="sign" href=${path.alert(worst.id)} data-severity=${worst.severity}
          data-mine=${isMine ? "" : nothing} data-alert=${worst.id} aria-label=${title.join("\n")}
          @click=${(e) => this.#follow(e, cards.length > 1 || isMine ? () => this.seek(at) : () => this.go(path.alert(worst.id)))}
          @pointerenter=${() => this.#set(at)} @focus=${() => this.#set(at)} @blur=${() => this.#set(null)} @pointerleave=${() => this.#set(null)}>
          <title>${title.join("\n")}</title>
          ${lasts ?? nothing}
          <path class="stem" d="M${x.toFixed(1)} ${top + SIGN}V${ROWS.axis[0]}"></path>
          <circle class="halo" cx=${x.toFixed(1)} cy=${top + SIGN / 2} r=${SIGN / 2 + 3}></circle>
          <path class="shape" fill-rule="evenodd" d=${SHAPES[worst.severity]} transform="translate(${(x - SIGN / 2).toFixed(1)} ${top}) scale(${SIGN / 24})"></path>
          ${cards.length > 1 ? svg`<text class="count" x=${(x + SIGN / 2 + 2).toFixed(1)} y=${top + 8}>${cards.length}</text>` : nothing}
        </a>`;
    });
  }

  #cursorLine(scale, end) {
    const { call } = this.#last;
    const at = this.#cursor;
    const x = at === null ? 0 : scale.x(at);
    return svg`
      ${call.running ? svg`<path class="now" d="M${scale.x(end).toFixed(1)} ${ROWS.phases[0] - 4}V${ROWS.axis[0] + 4}"></path>` : nothing}
      ${at === null ? nothing : svg`<path class="cursor" d="M${x.toFixed(1)} 2V${ROWS.axis[0] + 5}"></path>`}`;
  }

  #legend(call, now) {
    const text = pageWords();
    const totals = call.totals(now);
    const shown = Object.keys(totals).filter((phase) => totals[phase] >= 0.5);
    return html`<figcaption class="legend">
      ${shown.map((phase) => html`<span data-phase=${phase}><svg width="18" height="14" aria-hidden="true">
        <rect width="18" height="14" rx="2" fill="url(#${this.#id}-${phase})"></rect></svg>${words().phase[phase]} <b>${duration(totals[phase])}</b></span>`)}
      ${call.lines.some((line) => line.kind === "gap")
        ? html`<span data-phase="unheard"><svg width="18" height="14" aria-hidden="true">
            <rect width="18" height="14" rx="2" fill="url(#${this.#id}-unheard)"></rect></svg>${text.unheard}</span>` : nothing}
    </figcaption>`;
  }

  // telling

  /** What was at that moment, in words. */
  #readout(at) {
    const { call, now, zone, scale, alerts } = this.#last;
    const text = pageWords();
    const span = call.phases(now).findLast((s) => s.since - 0.1 <= at && at <= s.until);
    const talk = call.talk(now);
    const near = 12 / scale.perS;
    const told = alerts.filter((card) => Math.abs(card.opened_at - at) <= Math.min(near, 30));
    return [
      `${clock(at - scale.from)} (${timeOfDay(at, zone)})`,
      span && phaseWords(span, now),
      talk.length && span?.phase === "talking" && text.speaks[speaking(talk, at)],
      ...told.slice(0, 2).map((card) => `${words().severity[card.severity]} ${wording(card).title}`),
      told.length > 2 && text.severalAlerts(told.length),
    ].filter(Boolean).join(" · ");
  }

  #describe() {
    const { call, now } = this.#last;
    const totals = call.totals(now);
    const parts = Object.keys(totals).filter((p) => totals[p] >= 0.5).map((p) => `${words().phase[p]} ${duration(totals[p])}`);
    return pageWords().timelineOf(duration(call.end(now) - call.page.began_at), parts.join(pageWords().and));
  }

  /** The same as a table, for those who do not see the picture. */
  #table(call, now, zone, alerts) {
    const text = pageWords();
    const spoken = (role) => call.talk(now).filter((t) => t.role === role).reduce((sum, t) => sum + t.end - t.start, 0);
    const rows = [
      ...call.phases(now).map((s) => ({ at: s.since, for: s.until - s.since, what: phaseWords(s, now) })),
      ...alerts.map((c) => ({ at: c.opened_at, for: null, what: `${words().severity[c.severity]} ${wording(c).says}` })),
    ].sort((a, b) => a.at - b.at);
    return html`
      <div class="unseen"><table>
        <caption>${text.timeline}: ${this.#describe()}</caption>
        <thead><tr>${text.column.map((name) => html`<th scope="col">${name}</th>`)}</tr></thead>
        <tbody>
          ${rows.map((row) => html`
            <tr><td>${timeOfDay(row.at, zone)}</td><td>${row.for === null ? "" : duration(row.for)}</td><td>${row.what}</td></tr>`)}
          ${["customer", "agent"].filter((role) => spoken(role) > 0).map((role) => html`
            <tr><td></td><td>${duration(spoken(role))}</td><td>${text.talkTotal(text.role[role], duration(spoken(role)))}</td></tr>`)}
        </tbody>
      </table></div>`;
  }

  // pointing

  #set(at) {
    if (at === this.#cursor) return;
    this.#cursor = at;
    this.changed();
  }

  #point(event) {
    this.#set(this.#under(event));
  }

  #click(event) {
    this.seek(this.#under(event));
  }

  /** Links inside a picture are not the router's kind; a new tab stays a new tab. */
  #follow(event, what) {
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0) return;
    event.preventDefault();
    what();
  }

  #under(event) {
    const { scale, end } = this.#last;
    return Math.min(end, scale.at(event.clientX - event.currentTarget.parentElement.getBoundingClientRect().left));
  }

  #key(event) {
    const { scale, end } = this.#last;
    const at = this.#cursor ?? scale.from;
    const step = Math.max(1, scale.step / 5);
    const to = {
      ArrowRight: at + step, ArrowUp: at + step, ArrowLeft: at - step, ArrowDown: at - step,
      PageUp: at + scale.step, PageDown: at - scale.step, Home: scale.from, End: end,
    }[event.key];
    if (event.key === "Enter" || event.key === " ") this.seek(at);
    else if (to === undefined) return;
    else this.#set(Math.min(end, Math.max(scale.from, to)));
    event.preventDefault();
  }
}

/** Which side speaks at that moment. */
function speaking(talk, at) {
  const roles = new Set(talk.filter((t) => t.start <= at && at <= t.end).map((t) => t.role));
  return roles.size === 2 ? "both" : roles.values().next().value ?? "none";
}

/** A phase in words: what, whose, how long. */
function phaseWords(span, now) {
  const text = pageWords();
  const who = span.phase === "held" && span.held_by ? text.heldBy[span.held_by] : whoIn(span);
  const long = duration((span.goesOn ? Math.max(now, span.until) : span.until) - span.since);
  const name = words().phase[span.phase];
  return `${name} ${long}${span.goesOn ? ` ${text.so}` : ""}${who ? ` · ${who}` : ""}`;
}

/** As much of it as the block has room for. */
function labelOf(span, room, call) {
  const name = words().phase[span.phase];
  const long = clock(Math.round(span.until - span.since));
  const several = (call.page.agents?.length ?? 0) > 1;
  const who = several && span.agent ? ` · ${span.agent.name || span.agent.id}` : "";
  const text = [`${name} ${long}${who}`, `${name} ${long}`, name].find((t) => widthOf(t) <= room);
  return { text, icon: !text && room > 4 };
}
