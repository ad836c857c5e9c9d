// The desk: puts link, model, pages, actions and keys together. Draws once a frame; clocks run four times a second.

import { html, nothing, render } from "./vendor/lit-html.js";
import { Actions } from "./actions.js";
import { deskWords } from "./desk-words.js";
import { Dialogs } from "./dialogs.js";
import { isOpenNow } from "./filters.js";
import { icon } from "./icons.js";
import { Link } from "./link.js";
import { ListPage } from "./list.js";
import { Model, judge } from "./model.js";
import { readBy } from "./pages/page-words.js";
import { said } from "./pages/parts.js";
import { Router } from "./router.js";
import { banner, floor, header, help, login, toasts } from "./shell.js";
import { wording } from "./telling.js";
import { clock, switchLanguage, timeOfDay } from "./words.js";

const PAGES = {
  alert: async () => (await import("./pages/alert-page.js")).AlertPage,
  call: async () => (await import("./pages/call-page.js")).CallPage,
  agent: async () => (await import("./pages/agent-page.js")).AgentPage,
  rules: async () => (await import("./pages/rules-page.js")).RulesPage,
  search: async () => (await import("./pages/search-page.js")).SearchPage,
};
/** How long a toast stays, seconds; one that offers something stays longer. */
const TOAST_S = { done: 6, failed: 15 };
const MOST_TOASTS = 4;

const byId = (id) => document.getElementById(id);
const asked = (name) => new URLSearchParams(location.search).get(name) ?? "";

class Desk {
  model = new Model();
  verdict = { state: "connecting" };
  words = deskWords;
  said = [];
  problem = "";
  #page = null;
  #shown = "";
  #pageLost = false;
  #wanted = false;
  #news = "";
  #focusMain = false;
  #team = asked("team");

  constructor() {
    this.link = new Link("desk", (message) => this.#take(message), () => this.#changed(), { team: asked("team") });
    this.router = new Router(() => this.#arrive());
    this.dialogs = new Dialogs(byId("dialog"), {
      words: deskWords, wording, why: (refused, card) => this.actions.why(refused, card),
      everywhere: () => this.link.queues.length === 0,
      time: (at) => timeOfDay(at, this.model.zone), progress: () => this.actions.progress, closed: () => this.redraw(),
    });
    this.actions = new Actions(this);
    this.list = new ListPage(this.#context());
    document.addEventListener("keydown", (event) => this.#key(event));
    addEventListener("resize", () => this.redraw());
    addEventListener("beforeunload", (event) => this.actions.progress && event.preventDefault());
    addEventListener("visibilitychange", () => this.redraw());
    setInterval(() => this.#tick(), 250);
    this.link.open();
    this.#arrive();
  }

  /** What pages get (router.js says what pages are). */
  #context() {
    const desk = this;
    return {
      link: this.link,
      router: this.router,
      words: deskWords,
      get model() {
        return desk.model;
      },
      verdict: () => this.verdict,
      now: () => this.#now(),
      go: (path) => this.router.go(path),
      redraw: () => this.redraw(),
      toast: (...what) => this.toast(...what),
      act: (action, card) => this.actions.press(action, card),
      buttons: (cards) => this.actions.buttons([cards].flat()[0]),
      lift: (hush) => this.actions.lift(hush),
    };
  }

  // messages

  #take(message) {
    const before = message.type === "change" ? this.#critical() : null;
    const complete = this.model.apply(message);
    if (before) this.#announce(before);
    if (message.type !== "beat") this.redraw();
    return complete;
  }

  #critical() {
    const cards = [...this.model.alerts.values()];
    return new Set(cards.filter((c) => c.severity === "critical" && isOpenNow(c) && !c.trial).map((c) => c.id));
  }

  /** Screen readers are told of a new critical alert; the eyes see it in the list. */
  #announce(before) {
    const fresh = [...this.#critical()].filter((id) => !before.has(id));
    if (fresh.length) this.#news = this.words().list.announce(wording(this.model.alerts.get(fresh.at(-1))).says);
  }

  #changed() {
    if (this.link.state === "denied") this.#forget();
    else if (!this.#page && this.link.state === "open") this.#arrive();
    this.redraw();
  }

  /** Nobody is let in: nothing that was seen may stay. */
  #forget() {
    this.#page?.close();
    this.#page = null;
    this.#shown = "";
    this.model = new Model();
    this.dialogs.close();
    byId("help").close();
  }

  // pages

  async #arrive() {
    if (this.#team !== asked("team")) this.link.look(asked("team"));
    this.#team = asked("team");
    const { name } = (this.place = this.router.place);
    if (this.#shown !== name) {
      this.#page?.close();
      this.#page = null;
      this.#shown = name;
      const page = await this.#load(name);
      if (this.#shown !== name) return;
      this.#page = page;
      this.#focusMain = name !== "list";
    }
    this.#page?.open(this.router.place.params);
    this.redraw();
  }

  async #load(name) {
    this.#pageLost = false;
    if (name === "list") return this.list;
    try {
      return new (await PAGES[name]())(this.#context());
    } catch {
      this.#pageLost = true; // the server may be down: the banner says so, and there is a button
      return null;
    }
  }

  // drawing

  redraw = () => {
    if (this.#wanted) return;
    this.#wanted = true;
    requestAnimationFrame(() => {
      this.#wanted = false;
      this.#draw();
    });
  };

  #draw() {
    this.verdict = judge(this.model, this.link);
    readBy(this.link.you);
    const words = deskWords();
    document.documentElement.lang = words.lang;
    this.#mark();
    const denied = this.verdict.state === "denied";
    render(html`
      ${header(this)}
      ${banner(this, words)}
      ${denied ? nothing : floor(this, words)}
      <main id="main" tabindex="-1">${denied ? login(this, words) : this.#content(words)}</main>
      ${toasts(this, words)}
      <p class="unseen" role="status" aria-live="assertive">${said(this.#news)}</p>`, byId("desk"));
    this.dialogs.draw();
    this.#after(denied);
  }

  #content(words) {
    if (this.#pageLost) {
      return html`<section class="page-lost" role="alert">${icon("stale")}<h1>${words.pageLost}</h1><p>${words.pageLostMore}</p>
        <button type="button" @click=${() => ((this.#shown = ""), this.#arrive())}>${words.retry}</button></section>`;
    }
    return this.#page ? this.#page.draw() : nothing;
  }

  #after(denied) {
    if (!denied) this.#page?.drawn?.();
    if (this.#focusMain && this.#page) byId("main").focus({ preventScroll: true });
    if (this.#page) this.#focusMain = false;
    const field = document.querySelector(".login input");
    if (field && document.activeElement === document.body) field.focus();
    this.#clocks();
  }

  #mark() {
    const { state, frozen } = this.verdict;
    const quiet = state === "live" && ![...this.model.alerts.values()].some(isOpenNow);
    const { body } = document;
    body.dataset.state = state;
    body.toggleAttribute("data-frozen", frozen);
    body.toggleAttribute("data-quiet", quiet);
    const words = deskWords();
    const page = this.#page?.title?.() || words.page[this.place?.name ?? "list"];
    const open = this.#critical().size;
    document.title = state === "live" ? `${open ? `(${open}) ` : ""}${page} · 三声` : `${words.state[state]} · 三声`;
  }

  // clocks

  #now() {
    const now = this.model.now();
    return this.verdict.frozen ? this.verdict.since ?? now : now;
  }

  #tick() {
    const next = judge(this.model, this.link);
    if (next.state !== this.verdict.state || next.cause !== this.verdict.cause) this.redraw();
    this.#clocks();
    if (this.verdict.state !== "denied") this.#page?.tick(this.#now());
  }

  #clocks() {
    const now = this.model.now();
    const fill = (selector, text) => {
      for (const element of document.querySelectorAll(selector)) {
        const wanted = text(element.dataset);
        if (element.textContent !== wanted) element.textContent = wanted;
      }
    };
    fill(".top .now", () => (this.model.known ? timeOfDay(now, this.model.zone) : ""));
    fill(".wait", ({ since }) => clock(this.#now() - Number(since)));
    fill(".beat", ({ at }) => this.words().tick(Math.max(0, Math.floor(now - Number(at)))));
  }

  // toasts

  /** Say that something is done or failed; `more`: {word, run()} is offered with it. */
  toast = (text, kind, more = null) => {
    const one = { text, kind, more };
    this.said = [...this.said.slice(1 - MOST_TOASTS), one];
    setTimeout(() => this.dismiss(one), TOAST_S[kind] * 1000);
    this.redraw();
  };

  dismiss = (one) => {
    this.said = this.said.filter((other) => other !== one);
    this.redraw();
  };

  /** An alert was dealt with here. */
  acted = (id) => this.list.acted(id);

  // the header

  listAddress = () => (this.list ? this.list.address : "/desk");
  ruleAddress = () => "/rules";
  searchAddress = () => "/search";
  look = (team) => this.router.query({ team });
  logout = () => this.link.logout();

  switchLanguage = () => {
    switchLanguage();
    this.redraw();
  };

  help = () => {
    render(help(this.words(), this.link, () => byId("help").close()), byId("help"));
    byId("help").showModal();
  };

  enter = (event) => {
    event.preventDefault();
    const field = event.target.elements.token;
    const token = field.value.trim();
    this.problem = token ? "" : this.words().login.empty;
    if (token) this.link.login(token);
    else this.redraw();
    field.value = "";
  };

  // keys

  #key(event) {
    if (this.dialogs.isOpen || byId("help").open || this.verdict.state === "denied" || event.isComposing) return;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const typing = event.target.closest?.("input, textarea, select");
    if (typing && event.key !== "Escape") return;
    if (this.#meant(event)) event.preventDefault();
  }

  #meant(event) {
    if (event.key === "?") return this.help(), true;
    if (this.#page?.key?.(event)) return true;
    const [card] = this.#page?.cards?.() ?? [];
    if (card && !event.repeat && this.actions.key(event.key.toLowerCase(), card)) return true;
    if (event.key !== "Escape" || this.place.name === "list") return false;
    this.router.back();
    return true;
  }
}

new Desk();
