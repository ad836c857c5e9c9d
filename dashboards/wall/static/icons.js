// Shapes, so that colour is never the only sign. Paths on a 24 x 24 grid, drawn even-odd.

import { html } from "/vendor/lit-html.js";

export const SHAPES = {
  // severity: octagon, triangle, disc, each with its mark cut out
  critical: "M8 1h8l7 7v8l-7 7H8l-7-7V8zM10.6 5.5v8h2.8v-8zM10.6 15.7v2.8h2.8v-2.8z",
  warning: "M12 1.5 23.5 22H.5zM10.7 8.5v6.5h2.6V8.5zM10.7 16.7v2.6h2.6v-2.6z",
  notice: "M12 1a11 11 0 1 1 0 22 11 11 0 0 1 0-22zM10.7 10v8h2.6v-8zM10.7 5.8v2.6h2.6V5.8z",
  // phases
  offered: "M5 2h14v3l-5 7 5 7v3H5v-3l5-7-5-7z",
  ringing: "M12 1.5a2 2 0 0 1 2 2v.6c3 .9 5 3.6 5 6.9v5l2.5 3H2.5l2.5-3v-5c0-3.3 2-6 5-6.9v-.6a2 2 0 0 1 2-2zM9 20.5h6a3 3 0 0 1-6 0z",
  talking: "M2 3h14v10H8l-4 4v-4H2zM18 8h4v10h-2v4l-4-4H9v-3h9z",
  held: "M5 3h5v18H5zM14 3h5v18h-5z",
  transferring: "M13 3l9 9-9 9v-6H2V9h11z",
  ended: "M4 9.5c5-4 11-4 16 0l1.5 4-5 1.5-1-3.5c-2.5-.8-4.5-.8-7 0l-1 3.5-5-1.5z",
  // states
  check: "M9.5 18.5 3 12l2.2-2.2 4.3 4.3L18.8 4.8 21 7z",
  question: "M12 1a11 11 0 1 1 0 22 11 11 0 0 1 0-22zM10.7 16.2v2.8h2.6v-2.8zM8 9.3h2.5a1.7 1.7 0 1 1 2.6 1.4c-1.7 1-2.4 1.9-2.4 3.8h2.5c0-1.1.4-1.5 1.5-2.2A4.1 4.1 0 1 0 8 9.3z",
  stale: "M12 1a11 11 0 1 1 0 22 11 11 0 0 1 0-22zM10.7 5.5v7.6l5.2 3.1 1.3-2.2-3.9-2.3V5.5z",
  disconnected: "M12 1a11 11 0 1 1 0 22 11 11 0 0 1 0-22zM7.6 5.8 5.8 7.6 10.2 12l-4.4 4.4 1.8 1.8 4.4-4.4 4.4 4.4 1.8-1.8-4.4-4.4 4.4-4.4-1.8-1.8-4.4 4.4z",
  denied: "M7 10V7a5 5 0 0 1 10 0v3h2v12H5V10zM9.6 10h4.8V7a2.4 2.4 0 0 0-4.8 0zM10.8 14v4.5h2.4V14z",
  connecting: "M4 9.5a2.5 2.5 0 1 1 0 5 2.5 2.5 0 0 1 0-5zM12 9.5a2.5 2.5 0 1 1 0 5 2.5 2.5 0 0 1 0-5zM20 9.5a2.5 2.5 0 1 1 0 5 2.5 2.5 0 0 1 0-5z",
  engine: "M1 10.7h5.2l3-8 5 15.5 2.6-7.5H23v2.6h-4.3L14.3 24 9 8 8 13.3H1z",
  ears: "M12 1.5a7.5 7.5 0 0 1 7.5 7.5c0 3-1.3 4.5-2.5 6-1 1.2-1.5 1.8-1.7 3.2A5 5 0 0 1 6 19.5h2.8a2.2 2.2 0 0 0 3.8-1.5c.3-2.2 1.3-3.4 2.3-4.6 1-1.3 1.9-2.3 1.9-4.4a4.8 4.8 0 0 0-9.6 0H4.5A7.5 7.5 0 0 1 12 1.5zM9.7 9a2.3 2.3 0 0 1 4.6 0c0 1.8-1.9 2-1.9 4h-2.3c0-2.6 1.9-3 1.9-4zM1.4 20.4 20.7 1.1l1.8 1.8L3.2 22.2z",
  archive: "M1.5 3h21v6h-21zM3.5 10.5h17V21h-17zM8.7 13v2.6h6.6V13z",
  pager: "M6 1h12v22H6zM8.2 4v13h7.6V4zM10.7 18.8v2.2h2.6v-2.2zM10.8 5.6v6.2h2.4V5.6zM10.8 13.2v2.3h2.4v-2.3z",
  // people and what they do
  person: "M12 2a5 5 0 1 1 0 10 5 5 0 0 1 0-10zM2.5 22c0-5 4-8.5 9.5-8.5s9.5 3.5 9.5 8.5z",
  hush: "M12 1.5a2 2 0 0 1 2 2v.6c3 .9 5 3.6 5 6.9v3.3L8.1 4.9A6.8 6.8 0 0 1 10 4.1v-.6a2 2 0 0 1 2-2zM5.2 9.3 15.9 19H2.5L5 16v-5zM9 20.5h6a3 3 0 0 1-6 0zM1.7 3.5l1.8-1.9 18.8 17.2-1.8 1.9z",
  comment: "M2 3h20v14H11l-5 5v-5H2z",
  appeal: "M4 2h3v1h13l-3 5 3 5H7v9H4z",
  soundOn: "M2 8.5h4.5L13 3v18l-6.5-5.5H2zM15.5 7.5a6 6 0 0 1 0 9zM18 4a10.5 10.5 0 0 1 0 16l-1.5-1.7a8 8 0 0 0 0-12.6z",
  soundOff: "M2 8.5h4.5L13 3v18l-6.5-5.5H2zM15 9.8l1.7-1.7 2.3 2.3 2.3-2.3L23 9.8 20.7 12l2.3 2.2-1.7 1.7-2.3-2.3-2.3 2.3-1.7-1.7 2.3-2.2z",
  soundBlocked: "M2 8.5h4.5L13 3v18l-6.5-5.5H2zM17.2 5h2.8v9h-2.8zM17.2 16.5h2.8v2.8h-2.8z",
  // moving about
  search: "M10 2a8 8 0 0 1 6.3 12.9l5.4 5.4-1.9 1.9-5.4-5.4A8 8 0 1 1 10 2zM10 4.7a5.3 5.3 0 1 0 0 10.6 5.3 5.3 0 0 0 0-10.6z",
  filter: "M2 3h20l-7.5 9v7l-5 3V12z",
  close: "M5.3 3.5 12 10.2l6.7-6.7 1.8 1.8L13.8 12l6.7 6.7-1.8 1.8L12 13.8l-6.7 6.7-1.8-1.8 6.7-6.7-6.7-6.7z",
  back: "M14.5 3 16.5 5 9.5 12l7 7-2 2L5.5 12z",
  next: "M9.5 3 7.5 5l7 7-7 7 2 2 9-9z",
};

/** An icon of that shape. Decoration: the word beside it says the same. */
export const icon = (shape) =>
  html`<svg class="icon" data-shape=${shape} viewBox="0 0 24 24" aria-hidden="true"><path fill-rule="evenodd" d=${SHAPES[shape]}></path></svg>`;
