// Why an alert came: each condition of its rule with the answer, what it rests on, and the conditions inside it.

import { html, nothing } from "../vendor/lit-html.js";
import { icon } from "../icons.js";
import { moment, said } from "./parts.js";
import { pageWords } from "./page-words.js";

const SHAPE = { yes: "check", no: "disconnected", wait: "stale", never: "question" };

/** A condition in readable words; names of word sets stay as the rulebook calls them. */
function asked(asks) {
  const { asks: heads, asked: values } = pageWords();
  const [, head, rest] = /^([a-z_]+)(?:: (.*))?$/s.exec(asks) ?? [];
  if (!heads?.[head]) return asks;
  return rest ? `${heads[head]}\uff1a${rest.replace(/[A-Za-z_-]+/g, (word) => values[word] ?? word)}` : heads[head];
}

/** `parts`: [Why]; `seek(at)` shows the call at that moment. */
export const tree = (parts, zone, seek) => html`<ul class="why-tree">${parts.map((why) => branch(why, zone, seek))}</ul>`;

const branch = (why, zone, seek) => html`
  <li data-answer=${why.answer}>
    <p>
      <span class="answer">${icon(SHAPE[why.answer] ?? "question")}<b>${pageWords().answer[why.answer] ?? why.answer}</b></span>
      <span class="asks">${said(asked(why.asks))}</span>
      ${why.at === undefined ? nothing : html`<button type="button" class="at" @click=${() => seek(why.at)}>${moment(why.at, zone)}</button>`}
    </p>
    ${why.because ? html`<p class="because">${said(why.because)}</p>` : nothing}
    ${why.parts?.length ? tree(why.parts, zone, seek) : nothing}
  </li>`;
