// Colours, line patterns and words: what is told apart is told apart by more than colour.

const DASHES = [[], [7, 4], [2, 3], [10, 3, 2, 3], [4, 2, 1, 2, 1, 2], [14, 4]];
const KINDS = { 0: "vehicle", 1: "pedestrian", 2: "cyclist", 3: "other", 4: "track" };
const MODEL_COLOURS = 6;
//: Seconds between the marks on forecasts and truth, and of the past that is drawn.
const MARKED_S = 2;
const PAST_S = 2;

/** The colours of the theme that is on, by their names in player.css. */
function themeColours() {
  const style = getComputedStyle(document.documentElement);
  const read = (name) => style.getPropertyValue(`--${name}`).trim();
  const names = ["page", "text", "quiet", "ground", "road", "walkway", "crossing", "divider", "lane", "truth", "target",
    "other", "ego", "halo", "attention"];
  const colours = Object.fromEntries(names.map((name) => [name, read(name)]));
  colours.models = Array.from({ length: MODEL_COLOURS }, (_, number) => read(`model-${number}`));
  return colours;
}

const dashOf = (model) => DASHES[model % DASHES.length];
const colourVariable = (model) => `var(--model-${model % MODEL_COLOURS})`;

/** Width of a mode's line in pixels, and its opacity: both say how probable it is. */
const widthOf = (share) => 0.9 + 2.7 * share;
const opacityOf = (share) => 0.35 + 0.65 * Math.min(1, 1.5 * share);

function agentWords(agent) {
  const what = agent.category || KINDS[agent.kind] || "agent";
  return agent.ego ? "ego vehicle" : `${what} ${shortened(agent.name)}`;
}

const shortened = (name) => (name.length > 24 ? `${name.slice(0, 8)}…` : name);

const seconds = (value) => `${value.toFixed(1)} s`;

/** An element with attributes and children; text is text. */
function element(name, attributes = {}, ...children) {
  const inSvg = ["svg", "path", "line", "circle", "text", "rect", "g", "title"].includes(name);
  const made = inSvg ? document.createElementNS("http://www.w3.org/2000/svg", name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/** A short line as a model is drawn. */
function sample(model, width = 34) {
  const line = element("line", {
    x1: 1, x2: width - 1, y1: 6, y2: 6, "stroke-width": 3, "stroke-dasharray": dashOf(model).join(" "),
  });
  line.style.stroke = colourVariable(model);
  return element("svg", { width, height: 12, "aria-hidden": "true" }, line);
}

/** Write over whatever is drawn: letters with a rim in the colour of the page. */
function writeOver(context, text, x, y, colours) {
  context.lineWidth = 3;
  context.strokeStyle = colours.page;
  context.fillStyle = colours.text;
  context.strokeText(text, x, y);
  context.fillText(text, x, y);
}
