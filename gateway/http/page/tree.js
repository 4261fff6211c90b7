// The draft tree of one step: its nodes, its picture and its description in words.
import {count, html, svg} from "./dom.js";

// The sources of guesses that the page knows. A source has the letter that `recycling tree` gives it.
export const SOURCES = {
  sequence: "what followed the same tokens earlier in this chat",
  pair: "what the model ranked high after the same two tokens",
  matrix: "what the model ranked high after the same token",
  recent: "what the model ranked high in the step before",
};

const ROW = 30;
const NODE_HEIGHT = 24;
const GAP = 26;  // between two columns
const PADDING = 8;
const CHARACTER = 7.25;  // width of a character of the fixed-width font at 12 px
const BADGE = 14;
const LONGEST = 16;  // characters of a token that a node shows

// A token as one line that shows each space. A token without text, such as the end of the answer, shows its id.
function visible(text, id) {
  if (text === "") return `#${id}`;
  return text.replaceAll(" ", "␣").replaceAll("\n", "↵").replaceAll("\t", "⇥");
}

function shortened(text) {
  const characters = [...text];
  return characters.length > LONGEST ? characters.slice(0, LONGEST - 1).join("") + "…" : text;
}

// Characters outside the Latin and similar scripts are about twice as wide in a fixed-width font.
function widthOf(text) {
  const isNarrow = (character) => character.codePointAt(0) < 0x1100 || "␣↵⇥…".includes(character);
  return [...text].reduce((width, character) => width + (isNarrow(character) ? 1 : 2), 0) * CHARACTER;
}

function percent(probability) {
  const value = probability * 100;
  return value > 0 && value < 0.1 ? "<0.1%" : `${value.toFixed(value < 9.95 ? 1 : 0)}%`;
}

// The step of a trace as the server sends it. `nodes` has the root first and the token that the model added last.
// A node has `result`: "root", "accepted", "rejected" or "next".
export function readStep(trace) {
  const accepted = new Set(trace.accepted);
  const nodes = trace.parents.map((parent, i) => ({
    parent,
    piece: trace.pieces[i],
    id: trace.tokens[i],
    sources: trace.sources[i] ?? [],
    probability: i === 0 ? undefined : trace.probabilities[i],
    result: i === 0 ? "root" : accepted.has(i) ? "accepted" : "rejected",
  }));
  const path = [...trace.accepted];
  nodes.push({
    parent: path.at(-1) ?? 0,
    piece: trace.pieces[nodes.length],
    id: trace.next,
    sources: [],
    result: "next",
  });
  return {
    nodes,
    drafted: trace.parents.length - 1,
    accepted: path.length,
    tokens: path.length + 1,
    text: [...path, nodes.length - 1].map((i) => nodes[i].piece).join(""),
  };
}

export function summaryOf(step, index, steps) {
  const guesses = step.drafted === 0 ? "nothing was guessed"
                                     : `${count(step.drafted, "token")} guessed, ${step.accepted} accepted`;
  const text = step.text === "" ? "" : `: “${step.text.replaceAll("\n", "↵")}”`;
  return `Step ${index + 1} of ${steps}: ${guesses}, ${count(step.tokens, "token")} written${text}`;
}

const RESULTS = {root: "written before", accepted: "accepted", rejected: "rejected", next: "added by the model"};

function describe(node) {
  const parts = [`“${node.piece}”`, RESULTS[node.result]];
  if (node.sources.length > 0) parts.push(`guessed by ${node.sources.join(", ")}`);
  if (node.probability !== undefined) parts.push(`probability ${percent(node.probability)}`);
  return parts.join(", ");
}

// Gives each node a row and a column. A parent is in the row of its first child, and the written tokens come first, so
// they are the upper row. Then come guesses that nothing follows, which need little room. A subtree moves up until it
// meets an earlier one. Edges never cross.
function place(nodes) {
  const children = nodes.map(() => []);
  nodes.forEach((node, i) => {
    if (node.parent >= 0) children[node.parent].push(i);
  });
  const rank = (i) => nodes[i].result !== "rejected" ? 0 : children[i].length === 0 ? 1 : 2;
  for (const siblings of children) siblings.sort((a, b) => rank(a) - rank(b));
  const subtree = (i, column) => {
    const places = [{i, row: 0, column}];
    const free = [];  // of each column, the first free row
    for (const child of children[i]) {
      const below = subtree(child, column + 1);
      const down = Math.max(0, ...below.map((place) => (free[place.column] ?? 0) - place.row));
      for (const place of below) {
        place.row += down;
        free[place.column] = Math.max(free[place.column] ?? 0, place.row + 1);
      }
      places.push(...below);
    }
    return places;
  };
  return subtree(0, 0).sort((a, b) => a.i - b.i);
}

function boxOf(node) {
  const label = shortened(visible(node.piece, node.id));
  const share = node.probability === undefined ? "" : percent(node.probability);
  const badges = node.sources.length * BADGE;
  const width = 2 * PADDING + widthOf(label) + (badges && badges + 6) + (share && 6 + share.length * 6.2);
  return {label, share, width: Math.max(width, 36)};
}

// The letter of a source in a small square.
export function badge(source, x = 0, y = 0) {
  const known = source in SOURCES ? source : "other";
  return svg("g", {class: `badge ${known}`, transform: `translate(${x} ${y})`},
    svg("rect", {width: BADGE - 1, height: BADGE - 1, rx: 3}),
    svg("text", {x: (BADGE - 1) / 2, y: 10, "text-anchor": "middle"}, source[0].toUpperCase()));
}

function drawNode(node, box, x, y, width) {
  const group = svg("g", {class: `node ${node.result}`, transform: `translate(${x} ${y})`},
    svg("title", {}, describe(node)),
    svg("rect", {class: "box", width, height: NODE_HEIGHT, rx: 5}),
    svg("text", {class: "token", x: PADDING, y: 16}, box.label));
  const badges = PADDING + widthOf(box.label) + 6;
  node.sources.forEach((source, i) => group.append(badge(source, badges + i * BADGE, 5.5)));
  if (box.share) {
    group.append(svg("text", {class: "share", x: width - PADDING, y: 16, "text-anchor": "end"}, box.share));
  }
  return group;
}

export function drawTree(picture, step) {
  const places = place(step.nodes);
  const boxes = step.nodes.map(boxOf);
  const widths = [];
  places.forEach(({column}, i) => widths[column] = Math.max(widths[column] ?? 0, boxes[i].width));
  const lefts = [];
  widths.reduce((left, width, column) => (lefts[column] = left) + width + GAP, 1);
  const right = lefts.at(-1) + widths.at(-1) + 1;
  const topOf = (i) => places[i].row * ROW + 2;
  const middleOf = (i) => topOf(i) + NODE_HEIGHT / 2;

  const edges = step.nodes.flatMap((node, i) => {
    if (i === 0) return [];
    const {column} = places[i];
    const from = lefts[column - 1] + widths[column - 1];
    const trunk = lefts[column] - GAP / 2;
    const [y0, y1] = [middleOf(node.parent), middleOf(i)];
    const bend = y1 > y0 ? `H${trunk}V${y1 - 5}Q${trunk} ${y1} ${trunk + 5} ${y1}` : "";
    return [svg("path", {class: `edge ${node.result}`, d: `M${from} ${y0}${bend}H${lefts[column]}`})];
  });
  // Written edges cover the others.
  edges.sort((a, b) => b.classList.contains("rejected") - a.classList.contains("rejected"));
  const nodes = step.nodes.map((node, i) =>
    drawNode(node, boxes[i], lefts[places[i].column], topOf(i), widths[places[i].column]));
  const height = (Math.max(...places.map(({row}) => row)) + 1) * ROW;
  picture.setAttribute("width", right);
  picture.setAttribute("height", height);
  picture.setAttribute("viewBox", `0 0 ${right} ${height}`);
  picture.replaceChildren(...edges, ...nodes);
}

// The rows of the table that says the same as the picture.
export function nodeRows(step) {
  return step.nodes.map((node, i) => html("tr", {class: node.result},
    html("th", {scope: "row"}, String(i)),
    html("td", {class: "code"}, visible(node.piece, node.id)),
    html("td", {}, node.parent < 0 ? "" : String(node.parent)),
    html("td", {}, node.sources.join(", ")),
    html("td", {}, node.probability === undefined ? "" : node.probability.toFixed(4)),
    html("td", {}, RESULTS[node.result])));
}
