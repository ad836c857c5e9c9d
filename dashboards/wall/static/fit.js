// How much of each alert fits in the column: the gravest keep their whole sentence, what is less grave or over gives way.
// Detail never grows on the way down the list: full, brief, line, mini (half a row), then only counted.

import { folded, isNow, isOver } from "./groups.js";
import { wording } from "./telling.js";
import { words } from "./words.js";

/** So many of the gravest keep the whole sentence and who is on it; where even that is too much, the fewest. */
const WHOLE = { most: 5, fewest: 3 };
/** How many further alerts of a call are named on its card. */
export const BELOW = 2;

// Lengths in rem, as in wall.css.
export const GAP = 0.5;
export const HEAD = 2.6; // of what has happened
export const MORE = 3.1 + GAP;
const HEIGHT = { mini: 2.3, line: 3.1, brief: 5.2, full: 9.9 };
const SAYS = { font: 1.9, line: 2.43, least: 1, most: 3 };
const BRIEF = { font: 1.75, line: 2.24, least: 2, most: 4 }; // beside two lines of age and name
const LINE_FONT = 1.48;
/** Of what has happened, two rows are worth more than more detail above. */
const LEAST_PAST = 2 * (HEIGHT.mini + GAP);
const BELOW_LINE = 1.9;
const PADDING = 3.1; // edge and air of a card
const SIGN = { brief: 5, line: 7.4, mini: 2.4 };
const AGE = { brief: 8.6, line: 6.2, mini: 5.2 };
const CHIP = 1.6; // air of a name or a badge

/** How wide a text is, in characters of Chinese; a Latin letter is about half of one. */
export function wide(text) {
  const width = (char) => (char === " " ? 0.28 : char < "\u2000" ? 0.58 : 1);
  return [...text].reduce((sum, char) => sum + width(char), 0);
}

/** The sentence of an alert; of a rule on trial with a word that says so. */
export const onTrial = (alert, text) => (alert.trial ? words().onTrial(text) : text);

/** In how many lines the sentence of a group's lead stands. `side`: what stands beside it, as texts. */
export function saysLines({ lead }, detail, width, side) {
  const { font, least, most } = detail === "brief" ? BRIEF : SAYS;
  const room = detail === "brief" ? width - PADDING - SIGN.brief - Math.max(AGE.brief, sideWidth(side)) : width - PADDING;
  return Math.min(most, Math.max(least, linesOf(onTrial(lead, wording(lead).says), room / font)));
}

/** In how many lines of that many characters a text stands: Latin words and figures stay whole, Chinese breaks anywhere. */
function linesOf(text, room) {
  const line = room - 1; // a mark that may not begin a line takes a character along
  let lines = 1;
  let used = 0;
  for (const [word] of text.matchAll(/[!-\u1fff]+|./gsu)) {
    const needs = wide(word);
    if (used + needs > line && used) {
      lines += 1;
      used = 0;
    }
    lines += Math.max(0, Math.ceil(needs / line) - 1);
    used += word === " " && !used ? 0 : needs % line;
  }
  return lines;
}

const sideWidth = (texts) => texts.reduce((sum, text) => sum + 1.25 * wide(text) + CHIP + 0.6, 0);

/** Whether a text fits on the only line of a card beside these texts. `size`: that of its letters, rem. */
export function fitsLine(text, detail, width, side) {
  const [whole, font] = detail === "mini" ? [(width - GAP) / 2 - PADDING + 1.2, 1.3] : [width - PADDING, LINE_FONT];
  return wide(text) * font <= whole - SIGN[detail] - AGE[detail] - sideWidth(side);
}

/**
 * What is shown: {groups, detail (group id -> how much), height}. What does not fit is left out: first what is over, then
 * what comes last. `room`: {width, height} in rem; `side(group, detail)`: the texts beside its sentence.
 */
export function fit(all, room, side) {
  const sized = new Column(room, side);
  const open = all.filter(({ lead }) => !isOver(lead));
  const over = all.slice(open.length);
  const few = folded(open);
  for (const groups of [all, [...few, ...over], few]) {
    const detail = sized.plain(groups);
    if (sized.height(groups, detail) <= room.height) return sized.grown(groups, detail);
  }
  return sized.squeezed(few);
}

class Column {
  constructor(room, side) {
    this.room = room;
    this.side = side;
  }

  /** The height that these cards need, the heading of what has happened among them. */
  height(groups, detail) {
    const parts = [groups.filter(({ lead }) => isNow(lead)), groups.filter(({ lead }) => !isNow(lead))];
    const happened = parts[1].some(({ lead }) => !isOver(lead));
    return parts.reduce((sum, part) => sum + this.#part(part, detail), happened ? HEAD + GAP : 0);
  }

  #part(groups, detail) {
    const rows = groups.filter(({ id }) => detail.get(id) !== "mini");
    const tall = rows.reduce((sum, group) => sum + this.#cost(group, detail.get(group.id)) + GAP, 0);
    return tall + Math.ceil((groups.length - rows.length) / 2) * (HEIGHT.mini + GAP);
  }

  #cost(group, wish) {
    if (wish === "mini" || wish === "line") return HEIGHT[wish];
    const { line, least } = wish === "brief" ? BRIEF : SAYS;
    const more = saysLines(group, wish, this.room.width, this.side(group, wish)) - least;
    return HEIGHT[wish] + more * line + (wish === "full" ? below(group) * BELOW_LINE : 0);
  }

  /** The gravest with their whole sentence, a line for each of the others. */
  plain(groups) {
    return this.#details(groups, (i) => (i < WHOLE.most ? "brief" : "line"));
  }

  #details(groups, wish) {
    return new Map(groups.map((group, i) => [group.id, atMost(groups, group, wish(i))]));
  }

  /** Room that is left goes to the gravest first: the sentence of each, then the clauses. */
  grown(groups, detail) {
    const open = groups.filter(({ lead }) => !isOver(lead));
    for (const wish of ["brief", "full"]) if (!this.#raise(groups, open, detail, wish, this.room.height)) break;
    return { groups, detail, height: this.height(groups, detail) };
  }

  /** Whether all of `some` could be raised. */
  #raise(groups, some, detail, wish, height) {
    return some.every((group) => {
      const before = detail.get(group.id);
      detail.set(group.id, atMost(groups, group, wish));
      if (this.height(groups, detail) <= height) return true;
      detail.set(group.id, before);
      return false;
    });
  }

  /** Too many: what goes on gets what it needs, what has happened is as short as can be, the last are counted. */
  squeezed(groups) {
    const live = groups.filter(({ lead }) => isNow(lead));
    const height = this.room.height - MORE - (live.length < groups.length ? HEAD + GAP : 0);
    const shortest = (whole) => this.#details(groups, (i) => (i < whole ? "brief" : "mini"));
    let whole = WHOLE.most;
    while (whole > WHOLE.fewest && this.height(live, shortest(whole)) > height) whole -= 1;
    const detail = shortest(whole);
    const shown = [...live];
    while (shown.length > 1 && this.height(shown, detail) > height) shown.pop();
    const lines = shown.length < live.length ? [] : shown.slice(whole);
    const kept = height - (live.length < groups.length ? LEAST_PAST : 0);
    if (this.#raise(shown, lines, detail, "line", kept)) this.#raise(shown, lines, detail, "brief", kept);
    const rest = shown.length < live.length ? [] : groups.slice(live.length);
    if (shown.length === live.length && this.height(groups, detail) <= this.room.height) shown.push(...rest);
    else while (rest.length && this.height([...shown, rest[0]], detail) <= this.room.height - MORE) shown.push(rest.shift());
    return { groups: shown, detail, height: this.height(shown, detail) };
  }
}

/** How many lines stand under a card's sentence: further alerts of the call, and further calls. */
export const below = (group) => Math.min(group.others.length, BELOW) + (group.again.length ? 1 : 0);

/** What is over is a line at most; so are all notices once some of them are folded. */
function atMost(groups, { lead }, wish) {
  const small = isOver(lead) || (lead.severity === "notice" && groups.some((group) => group.folded));
  return small && wish !== "mini" ? "line" : wish;
}
