"use strict";
(() => {
  const root = document.documentElement;
  root.classList.add("js");
  const said = document.getElementById("said");
  const told = (place, ...values) => {
    place.textContent = place.dataset.text.replace(/{}/g, () => values.shift());
  };
  const parts = (name) =>
    [...document.querySelectorAll("[data-v]")].filter((e) => e.dataset.v === name);

  // Selecting a value lights it up everywhere.
  let selected = null;
  const light = (e, on) => {
    e.classList.toggle("lit", on);
    if (e.matches("button, [role=button]")) e.setAttribute("aria-pressed", String(on));
  };
  const select = (name) => {
    for (const e of document.querySelectorAll(".lit")) light(e, false);
    selected = name === selected ? null : name;
    if (selected === null) { said.textContent = ""; return; }
    const found = parts(selected);
    for (const e of found) light(e, true);
    for (const e of document.querySelectorAll(".link"))
      if (e.dataset.from === selected || e.dataset.to === selected) light(e, true);
    told(said, selected, found.length);
  };
  // Rows that repeat are made when somebody asks, from one of them and the numbers in which they differ.
  const unfold = (button) => {
    const isOpen = button.getAttribute("aria-expanded") === "true";
    const row = button.closest("tr, li, div");
    button.setAttribute("aria-expanded", String(!isOpen));
    if (isOpen) { for (let n = Number(button.dataset.made); n > 0; n--) row.nextElementSibling.remove(); return; }
    const form = row.querySelector("template").innerHTML;
    const made = button.dataset.numbers.split(";").map((line) => {
      const numbers = line.split(" ");
      return form.replace(/\ue000(\d+)\ue001/g, (_, n) => numbers[n]);
    });
    const before = row.parentElement.childElementCount;
    row.insertAdjacentHTML("afterend", made.join(""));
    button.dataset.made = row.parentElement.childElementCount - before;
    if (selected !== null) { const name = selected; selected = null; select(name); }
  };

  document.addEventListener("click", (event) => {
    const more = event.target.closest("button.more");
    if (more) { unfold(more); if (more.closest(".steps")) go(at()); return; }
    const part = event.target.closest("[data-v]");
    if (part) select(part.dataset.v);
  });

  // The derivation, a step at a time.
  const shown = () => document.querySelector(".derivation.chosen");
  const go = (to, follow = true) => {
    const derivation = shown();
    if (!derivation) return;
    const steps = [...derivation.querySelectorAll(".steps > li")];
    const now = Math.max(0, Math.min(steps.length - 1, to));
    derivation.dataset.now = now;
    derivation.querySelector(".steps").classList.add("stepping");
    steps.forEach((step, n) => {
      step.classList.toggle("later", n > now);
      step.classList.toggle("now", n === now);
      if (n === now) step.setAttribute("aria-current", "step");
      else step.removeAttribute("aria-current");
    });
    if (follow) steps[now].scrollIntoView({ block: "nearest" });
    told(document.getElementById("at"), now + 1, steps.length);
    document.getElementById("back").disabled = now === 0;
    document.getElementById("on").disabled = now === steps.length - 1;
  };
  const at = () => Number(shown()?.dataset.now ?? 0);
  const last = () => (shown()?.querySelectorAll(".steps > li").length ?? 1) - 1;
  const choose = (number) => {
    document.querySelectorAll(".derivation").forEach((e, n) => e.classList.toggle("chosen", n === number));
    go(0, false);
  };
  const which = document.getElementById("which");
  if (document.getElementById("on")) {
    which?.addEventListener("change", () => choose(which.selectedIndex));
    document.getElementById("back").addEventListener("click", () => go(at() - 1));
    document.getElementById("on").addEventListener("click", () => go(at() + 1));
    document.getElementById("all").addEventListener("click", () => go(last()));
    choose(0);
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("select, input")) return;
    // Left and right from anywhere but where they scroll; Home and End where the derivation is.
    const step = { ArrowRight: () => at() + 1, ArrowLeft: () => at() - 1 }[event.key];
    const end = { Home: () => 0, End: last }[event.key];
    const to = event.target.closest(".controls, .derivation") ? step ?? end : step;
    const part = event.target.closest("[data-v]");
    if (to && shown() && !event.target.closest(".wide, pre")) { event.preventDefault(); go(to()); }
    else if (event.key === "Escape") { selected = null; select(null); }
    else if ((event.key === "Enter" || event.key === " ") && part && part.tagName !== "BUTTON") {
      event.preventDefault();
      select(part.dataset.v);
    }
  });

  // Layers that repeat, folded or not; light and dark.
  const open = document.getElementById("open");
  if (open) {
    const both = [document.getElementById("folded"), document.getElementById("whole")];
    const turn = () => {
      for (const e of both) e.hidden = !e.hidden;
      open.setAttribute("aria-expanded", String(!both[1].hidden));
    };
    both[1].hidden = true;
    open.hidden = false;
    open.addEventListener("click", turn);
    for (const e of document.querySelectorAll(".node.fold")) e.addEventListener("click", turn);
  }
  document.getElementById("theme").addEventListener("click", () => {
    const dark = root.dataset.theme
      ? root.dataset.theme === "dark"
      : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
  });
})();
