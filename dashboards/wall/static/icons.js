// Shapes, so that colour is never the only sign. Paths on a 24 x 24 grid.

export const SHAPES = {
  // severity: octagon, triangle, disc, each with its mark cut out
  critical: "M8 1h8l7 7v8l-7 7H8l-7-7V8zM10.6 5.5v8h2.8v-8zM10.6 15.7v2.8h2.8v-2.8z",
  warning: "M12 1.5 23.5 22H.5zM10.7 8.5v6.5h2.6V8.5zM10.7 16.7v2.6h2.6v-2.6z",
  notice: "M12 1a11 11 0 1 1 0 22 11 11 0 0 1 0-22zM10.7 10v8h2.6v-8zM10.7 5.8v2.6h2.6V5.8z",
  // phases
  offered: "M5 2h14v3l-5 7 5 7v3H5v-3l5-7-5-7z",
  ringing: "M12 1.5a2 2 0 0 1 2 2v.6c3 .9 5 3.6 5 6.9v5l2.5 3H2.500l2.5-3v-5c0-3.3 2-6 5-6.900v-.6a2 2 0 0 1 2-2zM9 20.500h6a3 3 0 0 1-6 0z",
  talking: "M2 3h14v10H8l-4 4v-4H2zM18 8h4v10h-2v4l-4-4H9v-3h9z",
  held: "M5 3h5v18H5zM14 3h5v18h-5z",
  transferring: "M13 3l9 9-9 9v-6H2V9h11z",
  ended: "M4 9.500c5-4 11-4 16 0l1.5 4-5 1.5-1-3.500c-2.5-.8-4.5-.8-7 0l-1 3.5-5-1.500z",
  // states
  check: "M9.5 18.5 3 12l2.2-2.2 4.3 4.300L18.8 4.8 21 7z",
  question: "M12 1a11 11 0 1 1 0 22 11 11 0 0 1 0-22zM10.7 16.200v2.800h2.600v-2.800zM8 9.300h2.500a1.7 1.7 0 1 1 2.6 1.400c-1.7 1-2.4 1.9-2.4 3.800h2.500c0-1.1.4-1.5 1.5-2.200A4.1 4.1 0 1 0 8 9.300z",
  stale: "M12 1a11 11 0 1 1 0 22 11 11 0 0 1 0-22zM10.7 5.500v7.600l5.2 3.1 1.3-2.2-3.9-2.300V5.500z",
  disconnected: "M12 1a11 11 0 1 1 0 22 11 11 0 0 1 0-22zM7.6 5.8 5.8 7.6 10.2 12l-4.4 4.4 1.8 1.8 4.4-4.4 4.4 4.4 1.8-1.8-4.4-4.4 4.4-4.4-1.8-1.8-4.4 4.400z",
  denied: "M7 10V7a5 5 0 0 1 10 0v3h2v12H5V10zM9.6 10h4.800V7a2.4 2.4 0 0 0-4.8 0zM10.8 14v4.500h2.400V14z",
  connecting: "M4 9.500a2.5 2.5 0 1 1 0 5 2.5 2.5 0 0 1 0-5zM12 9.500a2.5 2.5 0 1 1 0 5 2.5 2.5 0 0 1 0-5zM20 9.500a2.5 2.5 0 1 1 0 5 2.5 2.5 0 0 1 0-5z",
};

const SVG = "http://www.w3.org/2000/svg";

/** A new icon of that shape. */
export function icon(shape) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("fill-rule", "evenodd");
  svg.append(path);
  reshape(svg, shape);
  return svg;
}

/** Give an icon another shape. */
export function reshape(svg, shape) {
  if (svg.dataset.shape === shape) return;
  svg.dataset.shape = shape;
  svg.firstElementChild.setAttribute("d", SHAPES[shape]);
}
