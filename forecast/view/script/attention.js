// Where the chosen agent's forecast looks: cells of the map around it, the stronger the colour the more, and all of it in words.
// forecast/view/attention_packing.py wrote the numbers.

//: Opacity of the cell that is looked at most; forecasts and map stay readable through it.
const DEEPEST = 0.7;

/** Gives each row of a model, in the order in which they were packed, its shares of attention. */
function readAttention(packed, rows, layout, units) {
  const own = packed.measured(units.part_share);
  const nothing = packed.measured(units.part_share);
  const neighbours = packed.measured(units.part_share);
  const largest = packed.measured(units.largest_share);
  const parts = packed.whole();
  const [ahead, left] = layout.cells;
  const size = ahead * left;
  rows.forEach((row, k) => {
    row.attention = {
      own: own[k], nothing: nothing[k], neighbours: neighbours[k], largest: largest[k], ahead, left, layout,
      cells: parts.subarray(k * size, (k + 1) * size).map((part) => part / units.parts), // of the largest
    };
  });
}

/** Draws the cells in the frame of the agent when the forecast was issued, and the edge of what the network sees. */
function drawAttention(context, row, view, colours, ratio) {
  const { cells, ahead, left, layout } = row.attention;
  if (!cells.length || !row.start) return;
  view.inMetres(context, ratio);
  context.translate(row.start.x, row.start.y);
  context.rotate(row.start.heading || 0);
  const [rear, right] = [-layout.behind_m, -layout.right_m];
  const [long, wide] = [layout.ahead_m + layout.behind_m, layout.left_m + layout.right_m];
  context.imageSmoothingEnabled = false;
  // One picture: cells drawn one by one would show seams where they meet.
  context.drawImage(cellPicture(cells, ahead, left, colours.attention), rear, right, long, wide);
  context.lineWidth = 1 / view.scale;
  context.strokeStyle = colours.attention;
  context.setLineDash([2 / view.scale, 4 / view.scale]);
  context.strokeRect(rear, right, long, wide);
  context.setLineDash([]);
}

/** A pixel a cell: the further ahead the further right, the further left the further down. */
function cellPicture(cells, ahead, left, colour) {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [ahead, left];
  const context = canvas.getContext("2d");
  context.fillStyle = colour;
  cells.forEach((part, cell) => {
    context.globalAlpha = DEEPEST * part;
    context.fillRect(Math.floor(cell / left), cell % left, 1, 1);
  });
  return canvas;
}

/** How the attention is shared out; what a network does not read is left out. */
function attentionWords({ own, nothing, neighbours, cells, largest }) {
  const others = [own, neighbours, nothing].reduce((sum, share) => sum + (share === share ? share : 0), 0);
  const shares = [["map", cells.length ? 1 - others : NaN], ["own past", own], ["neighbours", neighbours], ["nothing", nothing]];
  const percent = (share) => `${Math.round(100 * Math.max(0, share))} %`;
  const told = shares.filter(([, share]) => share === share).map(([name, share]) => `${name} ${percent(share)}`);
  const strongest = cells.length ? `; the strongest cell ${percent(largest)}` : "";
  return `Of its attention: ${told.join(", ")}${strongest}`;
}

/** Cells for the legend, from little to much. */
function attentionSample() {
  const cells = [0.25, 0.6, 1].map((part, k) => {
    const cell = element("rect", { x: 1 + 9 * k, y: 1, width: 9, height: 10, "fill-opacity": DEEPEST * part });
    cell.style.fill = "var(--attention)";
    return cell;
  });
  return element("svg", { width: 29, height: 12, "aria-hidden": "true" }, ...cells);
}
