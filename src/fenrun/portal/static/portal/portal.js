// What cannot be undone is asked once more. The search by keys: "/" begins it, arrows go through what is found, Escape ends it.
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
