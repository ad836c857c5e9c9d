// Two soft tones for a new critical alert. Owns which alerts have been heard; draws nothing.

import { isOver } from "./groups.js";

const KEY = "sansheng.sound";
/** Hz, and when each begins, seconds. */
const TONES = [[659, 0], [880, 0.22]];
const TONE_S = 0.45;
const LOUDNESS = 0.16;
/** However many come at once, no more often than this. */
const APART_S = 3;
/** So many are remembered as heard, or as many as are open. */
const MOST = 1000;

export class Bell {
  #audio = null;
  #heard = null; // ids of critical alerts; null until the first picture, which is no news
  #rangAt = -Infinity;

  /** `changed()` is called when `state` may have changed. */
  constructor(changed) {
    this.changed = changed;
    this.wanted = recall() !== "off";
    this.allow();
  }

  /** Somebody has touched the page: now the browser may let it sound. */
  allow() {
    if (this.wanted) this.#wake();
  }

  /** "on", "off", "blocked" (the browser wants a click first) or "none". */
  get state() {
    if (typeof AudioContext === "undefined") return "none";
    if (!this.wanted) return "off";
    return this.#audio?.state === "running" ? "on" : "blocked";
  }

  /** The button: allow what is blocked, else on or off. Switching on sounds once, so that one hears how loud it is. */
  async toggle() {
    const before = this.state;
    this.wanted = before !== "on";
    keep(this.wanted ? "on" : "off");
    if (this.wanted) {
      await this.#wake();
      this.#play();
    }
    this.changed();
  }

  /** Take note of the open cards; sounds once for those that are critical and new. Nothing for the first picture. */
  heed(cards) {
    const critical = [...cards].filter((card) => card.severity === "critical" && !card.trial && !isOver(card));
    const fresh = critical.filter((card) => this.#heard && !this.#heard.has(card.id));
    this.#remember(critical);
    if (fresh.some((card) => !card.claimed)) this.#play();
    return fresh;
  }

  /** The latest at the end, so that the oldest go. */
  #remember(critical) {
    this.#heard ??= new Set();
    for (const { id } of critical) {
      this.#heard.delete(id);
      this.#heard.add(id);
    }
    const over = this.#heard.size - Math.max(MOST, critical.length);
    if (over > 0) this.#heard = new Set([...this.#heard].slice(over));
  }

  async #wake() {
    if (typeof AudioContext === "undefined") return;
    this.#audio ??= this.#open();
    try {
      if (this.#audio.state !== "running") await this.#audio.resume();
    } catch {
      // stays blocked, and says so
    }
    this.changed();
  }

  #open() {
    const audio = new AudioContext();
    audio.onstatechange = () => this.changed();
    return audio;
  }

  #play() {
    const now = performance.now() / 1000;
    if (this.state !== "on" || now - this.#rangAt < APART_S) return;
    this.#rangAt = now;
    for (const [hertz, after] of TONES) this.#tone(hertz, this.#audio.currentTime + after);
  }

  #tone(hertz, at) {
    const [tone, volume] = [this.#audio.createOscillator(), this.#audio.createGain()];
    tone.frequency.value = hertz;
    volume.gain.setValueAtTime(0, at);
    volume.gain.linearRampToValueAtTime(LOUDNESS, at + 0.03);
    volume.gain.exponentialRampToValueAtTime(0.001, at + TONE_S);
    tone.connect(volume).connect(this.#audio.destination);
    tone.start(at);
    tone.stop(at + TONE_S);
  }
}

function recall() {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null; // storage may be switched off
  }
}

function keep(value) {
  try {
    localStorage.setItem(KEY, value);
  } catch {
    // then it is not remembered
  }
}
