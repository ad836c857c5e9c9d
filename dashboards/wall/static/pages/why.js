// Why an alert came: each condition of its rule with the answer, what it rests on, and the conditions inside it.

import { html, nothing } from "../vendor/lit-html.js";
import { icon } from "../icons.js";
import { moment, said } from "./parts.js";
import { pageWords } from "./page-words.js";

const SHAPE = { yes: "check", no: "disconnected", wait: "stale", never: "question" };

/** Half-width marks beside Chinese become as wide as it is, wherever they were typed. */
const typeset = (text) =>
  text.replace(/(?<=[\p{Script=Han}\u201d\u3015)])[,;] ?|[,;] ?(?=[\p{Script=Han}\u201c\u3014])/gu, ([mark]) => WIDE[mark]);
const WIDE = { ",": "\uff0c", ";": "\uff1b" };

/** A condition in readable words: `words: any \u3014...\u3015 by agent`. */
function asked(asks) {
  const { asks: heads, asked: values } = pageWords();
  const [, head, of, rest] = /^([a-z_]+)(?: of ([a-z]+))?(?:: (.*))?$/s.exec(asks) ?? [];
  if (!heads?.[head]) return asks;
  const whole = of ? `${heads[head]} \u00b7 ${values[of] ?? of}` : heads[head];
  return rest ? `${whole}\uff1a${listed(rest).replace(/[A-Za-z_-]+/g, (word) => values[word] ?? word)}` : whole;
}

/** Sets of phrases as Chinese lists them; where there is but one, "any" says nothing. */
function listed(rest) {
  const sets = rest.replace(/\u3015, (?=\u3014)/g, "\u3015\u3001");
  return sets.replace(/\bany (?=\u3014[^\u3015]*\u3015(?!\u3001))/g, "");
}

/** On what the answer rests: a word of the rulebook, or a sentence. */
const because = (text) => pageWords().asked?.[text] ?? typeset(text);

/** `parts`: [Why]; `seek(at)` shows the call at that moment. */
export const tree = (parts, zone, seek) => html`<ul class="why-tree">${parts.map((why) => branch(why, zone, seek))}</ul>`;

const branch = (why, zone, seek) => html`
  <li data-answer=${why.answer}>
    <p>
      <span class="answer">${icon(SHAPE[why.answer] ?? "question")}<b>${pageWords().answer[why.answer] ?? why.answer}</b></span>
      <span class="asks">${said(asked(why.asks))}</span>
      ${why.at === undefined ? nothing : html`<button type="button" class="at" @click=${() => seek(why.at)}>${moment(why.at, zone)}</button>`}
    </p>
    ${why.because ? html`<p class="because">${said(because(why.because))}</p>` : nothing}
    ${why.parts?.length ? tree(why.parts, zone, seek) : nothing}
  </li>`;
