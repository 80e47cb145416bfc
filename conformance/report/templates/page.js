"use strict";
// The page is whole without this: it only adds a filter and buttons that copy.
(() => {
  const open = (element) => {
    for (let node = element; node; node = node.parentElement) {
      if (node.tagName === "DETAILS") node.open = true;
    }
  };
  const follow = () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (target) {
      open(target);
      target.scrollIntoView();
    }
  };
  addEventListener("hashchange", follow);
  follow();

  const copied = async (code) => {
    const range = document.createRange();
    range.selectNodeContents(code);
    getSelection().removeAllRanges();
    getSelection().addRange(range);
    try {
      await navigator.clipboard.writeText(code.textContent);
      return true;
    } catch {
      // Without a secure context there is no clipboard, only the selection.
      return document.execCommand("copy");
    }
  };
  for (const place of document.querySelectorAll(".curl")) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "copy";
    button.addEventListener("click", async () => {
      button.textContent = (await copied(place.querySelector("code"))) ? "copied" : "press Ctrl-C";
      setTimeout(() => { button.textContent = "copy"; }, 2000);
    });
    place.append(button);
  }

  const filter = document.querySelector(".filter");
  if (!filter) return;
  filter.hidden = false;
  const search = filter.querySelector("[type=search]");
  const boxes = [...filter.querySelectorAll("[type=checkbox]")];
  const groups = [...document.querySelectorAll("details.group")];
  const apply = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const kinds = new Set(boxes.filter((box) => box.checked).map((box) => box.value));
    const narrowed = words.length > 0 || kinds.size < boxes.length;
    let shown = 0;
    for (const group of groups) {
      let left = 0;
      for (const row of group.querySelectorAll("li[data-kind]")) {
        const text = row.textContent.toLowerCase();
        row.hidden = !kinds.has(row.dataset.kind) || !words.every((word) => text.includes(word));
        left += row.hidden ? 0 : 1;
      }
      group.hidden = left === 0;
      group.open = narrowed && left > 0;
      shown += left;
    }
    filter.querySelector("output").textContent = narrowed ? `${shown} shown` : "";
  };
  filter.addEventListener("input", apply);
  filter.addEventListener("submit", (event) => event.preventDefault());
})();
