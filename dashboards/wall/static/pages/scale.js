// From time to pixels, for the picture of a call: the scale, its ticks, and talk as a path. Pure.

/** Room beside the lanes, pixels: the names of the rows on the left. */
export const LEFT = 70;
export const RIGHT = 14;
/** A tick needs so many pixels. */
const TICK_PX = 76;
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400];
/** Below so many pixels a second, talk is drawn as how much was spoken in each column of pixels. */
const DENSE = 0.8;
const COLUMN = 3;

/** The distance of ticks, seconds, for a call of that length on so many pixels. */
function tickStep(seconds, pixels) {
  return STEPS.find((step) => (step / seconds) * pixels >= TICK_PX) ?? STEPS.at(-1);
}

/** Time to pixels. A call that goes on has room ahead, up to a whole tick, so the picture does not shift each second. */
export class Scale {
  constructor(from, until, width, running) {
    this.from = from;
    this.room = Math.max(60, width - LEFT - RIGHT);
    const length = Math.max(until - from, 1);
    this.step = tickStep(length, this.room);
    const ahead = Math.max(this.step, 5);
    this.until = running ? from + Math.ceil((length * 1.02) / ahead) * ahead : from + length;
    this.step = tickStep(this.until - from, this.room);
    this.perS = this.room / (this.until - from);
  }

  x(at) {
    return LEFT + Math.min(this.room, Math.max(0, (at - this.from) * this.perS));
  }

  at(x) {
    return this.from + Math.min(this.room, Math.max(0, x - LEFT)) / this.perS;
  }

  ticks() {
    const count = Math.floor((this.until - this.from) / this.step + 1e-9);
    return Array.from({ length: count + 1 }, (_, i) => i * this.step);
  }
}

/** Talk of one side as a path: each stretch, or on a long call the share that was spoken in each column. */
export function talkPath(talk, role, scale, [top, height]) {
  const mine = talk.filter((t) => t.role === role);
  if (scale.perS >= DENSE) {
    return mine.map((t) => {
      const x = scale.x(t.start);
      return `M${x.toFixed(1)} ${top}h${Math.max(1.5, scale.x(t.end) - x).toFixed(1)}v${height}H${x.toFixed(1)}z`;
    }).join("");
  }
  const shares = new Float64Array(Math.ceil(scale.room / COLUMN));
  const column = (at) => ((at - scale.from) * scale.perS) / COLUMN;
  for (const { start, end } of mine) share(shares, column(start), column(end));
  return [...shares].map((value, i) => {
    if (value < 0.01) return "";
    const h = height * Math.min(1, 0.2 + 0.8 * value);
    return `M${LEFT + i * COLUMN} ${(top + (height - h) / 2).toFixed(1)}h${COLUMN - 0.6}v${h.toFixed(1)}h${0.6 - COLUMN}z`;
  }).join("");
}

function share(shares, from, until) {
  for (let i = Math.max(0, Math.floor(from)); i < Math.min(shares.length, Math.ceil(until)); i += 1) {
    shares[i] += Math.min(until, i + 1) - Math.max(from, i);
  }
}
