"use strict";
// Sorts tables by the column whose head is pressed; a second press turns the order round. What has no value goes last.
(function () {
  function keyOf(row, column) {
    const given = row.cells[column].dataset.key;
    if (given === undefined) return null;
    return given !== "" && Number.isFinite(Number(given)) ? Number(given) : given;
  }

  function compare(one, two) {
    if (typeof one === "number" && typeof two === "number") return one - two;
    return String(one).localeCompare(String(two), "en", { numeric: true });
  }

  function sort(head) {
    const table = head.closest("table");
    const ascending = head.getAttribute("aria-sort") !== "ascending";
    const column = head.cellIndex;
    for (const other of table.tHead.rows[0].cells) other.setAttribute("aria-sort", "none");
    head.setAttribute("aria-sort", ascending ? "ascending" : "descending");
    const body = table.tBodies[0];
    const keyed = Array.from(body.rows, (row) => ({ row, key: keyOf(row, column) }));
    keyed.sort((one, two) => {
      if (one.key === null || two.key === null) return (one.key === null) - (two.key === null);
      return ascending ? compare(one.key, two.key) : compare(two.key, one.key);
    });
    body.append(...keyed.map((entry) => entry.row));
  }

  for (const button of document.querySelectorAll("thead button")) {
    button.addEventListener("click", () => sort(button.closest("th")));
  }
})();
