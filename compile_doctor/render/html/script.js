"use strict";
// The page is complete without this: it only adds a filter, copying, zoom, and opens what a link leads into.
(() => {
  const make = (name, text, action) => {
    const made = document.createElement(name);
    made.textContent = text;
    made.type = "button";
    made.addEventListener("click", action);
    return made;
  };

  for (const box of document.querySelectorAll("[data-filters]")) {
    const section = document.getElementById(box.dataset.filters);
    const input = box.querySelector("input");
    const output = box.querySelector("output");
    const texts = (selector) => [...section.querySelectorAll(selector)].map((one) => [one, one.textContent.toLowerCase()]);
    let cards, rows;
    box.hidden = false;
    input.addEventListener("input", () => {
      cards ??= texts("article");
      rows ??= texts(".overview li");
      const wanted = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      let count = 0;
      for (const [one, text] of [...cards, ...rows]) one.hidden = !wanted.every((word) => text.includes(word));
      for (const [one] of cards) count += !one.hidden;
      output.textContent = wanted.length ? `${count} of ${cards.length}` : "";
    });
  }

  for (const block of document.querySelectorAll(".copy")) {
    const text = block.textContent;
    const button = make("button", "Copy", async () => {
      try {
        await navigator.clipboard.writeText(text);
        button.textContent = "Copied";
      } catch {
        getSelection().selectAllChildren(block);
        button.textContent = "Selected";
      }
      setTimeout(() => { button.textContent = "Copy"; }, 2000);
    });
    button.className = "copier";
    button.setAttribute("aria-label", "Copy this fix");
    block.before(button);
  }

  for (const region of document.querySelectorAll("[data-zooms]")) {
    const svg = region.querySelector("svg");
    const [width, height] = [svg.width.baseVal.value, svg.height.baseVal.value];
    let scale = 1;
    const zoom = (to) => {
      const middle = (region.scrollLeft + region.clientWidth / 2) / scale;
      scale = Math.min(40, Math.max(0.1, to));
      svg.setAttribute("width", width * scale);
      svg.setAttribute("height", height * ("stretch" in svg.dataset ? 1 : scale));
      svg.classList.toggle("near", scale >= 4);
      region.scrollLeft = middle * scale - region.clientWidth / 2;
    };
    if (!("stretch" in svg.dataset) && width <= region.clientWidth) continue;
    const tools = document.createElement("div");
    tools.className = "tools";
    tools.append(
      make("button", "Larger", () => zoom(scale * 1.5)),
      make("button", "Smaller", () => zoom(scale / 1.5)),
      make("button", "Whole width", () => zoom((region.clientWidth - 20) / width)),
      make("button", "As drawn", () => zoom(1)),
    );
    region.before(tools);
    region.addEventListener("keydown", (event) => {
      const to = { "+": scale * 1.5, "-": scale / 1.5, 0: 1 }[event.key];
      if (to) { zoom(to); event.preventDefault(); }
    });
    region.addEventListener("wheel", (event) => {
      if (!event.ctrlKey) return;
      zoom(scale * (event.deltaY < 0 ? 1.2 : 1 / 1.2));
      event.preventDefault();
    }, { passive: false });
  }

  const reveal = () => {
    const target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target) return;
    for (let one = target; one; one = one.parentElement) if (one.tagName === "DETAILS") one.open = true;
    target.hidden = false;
    target.scrollIntoView();
  };
  addEventListener("hashchange", reveal);
  addEventListener("beforeprint", () => { for (const one of document.querySelectorAll("details")) one.open = true; });
  reveal();
})();
