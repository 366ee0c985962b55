// What cannot be undone is asked once more. The search by keys: "/" begins it, arrows go through
// what is found, Escape ends it.
"use strict";
document.addEventListener("keydown", (event) => {
  const field = document.querySelector(".find input");
  const hits = document.getElementById("hits");
  if (!field || !hits) return;
  const at = document.activeElement;
  const typing = /^(INPUT|TEXTAREA|SELECT)$/.test(at.tagName);
  if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
    event.preventDefault();
    field.focus();
    return;
  }
  if (!field.form.contains(at)) return;
  if (event.key === "Escape") {
    hits.replaceChildren();
    field.focus();
    return;
  }
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step) return;
  const stops = [field, ...hits.querySelectorAll("a")];
  const next = stops[stops.indexOf(at) + step];
  if (next) {
    event.preventDefault();
    next.focus();
  }
});
document.addEventListener("click", (event) => {
  const hits = document.getElementById("hits");
  if (hits && !event.target.closest(".find")) hits.replaceChildren();
});
document.addEventListener("click", (event) => {
  const button = event.target.closest("button.final");
  if (button && !window.confirm(document.body.dataset.sure)) event.preventDefault();
});
// Tables: rows are cards on a phone, each cell with the head of its column.
function headsOf(table) {
  return [...table.querySelectorAll(":scope > thead > tr:only-child > th")];
}
function rowsOf(table, heads) {
  return [...table.rows].filter((row) => row.cells.length === heads.length);
}
function labelCells(root) {
  for (const table of root.querySelectorAll(".wide:not(.bars):not(.steps) > table")) {
    const heads = headsOf(table);
    if (heads.length < 4) continue;
    table.parentElement.classList.add("cards-on-phone");
    for (const row of rowsOf(table, heads)) {
      heads.slice(1).forEach((head, at) => {
        const label = head.textContent.trim();
        const cell = row.cells[at + 1];
        if (label && cell.childElementCount + cell.textContent.trim().length) {
          cell.dataset.label ??= label;
        }
      });
    }
  }
}
labelCells(document);
document.addEventListener("htmx:load", (event) => labelCells(event.target));
// Whoever reads a long list chooses its columns: the address keeps what is hidden, and so do views.
const list = document.querySelector(".wide[data-columns] > table");
if (list) {
  const heads = headsOf(list);
  const asked = new URLSearchParams(location.search).get("hide") || "";
  const hidden = new Set(asked.split(".").filter(Boolean).map(Number).filter((at) => heads[at]));
  const keep = (search) => {
    const query = new URLSearchParams(search);
    query.delete("hide");
    if (hidden.size) query.set("hide", [...hidden].sort((a, b) => a - b).join("."));
    return query;
  };
  const show = () => {
    for (const row of rowsOf(list, heads)) {
      [...row.cells].forEach((cell, at) => (cell.hidden = hidden.has(at)));
    }
    const said = keep("").get("hide") || "";
    for (const form of document.querySelectorAll("main form")) {
      if (form.elements.query) form.elements.query.value = keep(form.elements.query.value);
      if (form.method !== "get") continue;
      const field = form.elements.hide || document.createElement("input");
      Object.assign(field, { type: "hidden", name: "hide", value: said, disabled: !said });
      form.append(field);
    }
    for (const link of document.querySelectorAll('main a[href^="?"]')) {
      link.setAttribute("href", `?${keep(link.search)}`);
    }
  };
  const choice = document.createElement("details");
  choice.className = "columns screen";
  choice.append(document.createElement("summary"));
  choice.firstChild.textContent = list.parentElement.dataset.columns;
  heads.forEach((head, at) => {
    const label = document.createElement("label");
    const box = document.createElement("input");
    Object.assign(box, { type: "checkbox", checked: !hidden.has(at) });
    box.addEventListener("change", () => {
      if (box.checked) hidden.delete(at);
      else hidden.add(at);
      history.replaceState(null, "", `?${keep(location.search)}`);
      show();
    });
    label.append(box, ` ${head.textContent.replace(/[↑↓]/, "").trim()}`);
    if (head.textContent.trim()) choice.append(label);
  });
  list.parentElement.before(choice);
  show();
}
