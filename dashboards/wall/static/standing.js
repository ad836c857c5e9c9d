// How an alert stands, drawn as shape and word: open, somebody's, true, false, appealed, snoozed.

import { html, nothing } from "./vendor/lit-html.js";
import { icon } from "./icons.js";
import { said } from "./pages/parts.js";
import { appealOf, findingOf, isHushed } from "./filters.js";

/** One to three badges. */
export function standing(card, you, words) {
  const text = words.standing;
  const appeal = appealOf(card);
  return html`
    ${found(card, you, text, words)}
    ${appeal === "none" ? nothing : badge(`appeal-${appeal}`, "appeal", text.appeal[appeal])}
    ${isHushed(card, you) ? badge("snoozed", "hush", text.snoozed) : nothing}`;
}

function found(card, you, text, words) {
  const finding = findingOf(card);
  if (finding === "true") return badge("true", "check", text.true);
  if (finding === "false") return badge("false", "close", card.reason ? text.falseFor(words.reason[card.reason]) : text.false);
  if (!card.claimed) return isHushed(card, you) ? nothing : badge("open", "offered", text.open);
  return card.claimed.id === you?.login ? badge("mine", "person", text.mine) : badge("claimed", "person", text.claimed(words.person(card.claimed)));
}

const badge = (kind, shape, word) => html`<span class="standing" data-standing=${kind}>${icon(shape)}${said(word)}</span>`;
