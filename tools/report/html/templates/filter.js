// SPDX-License-Identifier: GPL-2.0-only
// Folds the tests below their requirements, and filters what is shown by text, chapter, topology and result.
// The filter is in the address, so that it can be sent on: report.html#outcome=FAIL&topology=cxl
"use strict";
document.documentElement.classList.add("js");
document.addEventListener("DOMContentLoaded", () => {
  const MOST_OPENED = 300; // matches up to which requirements unfold by themselves
  const form = document.getElementById("filter");
  const output = form.querySelector("output");
  const small = text => text.toLowerCase();

  const tables = [...document.querySelectorAll("table.matrix")].map(table => {
    const topologies = [...table.tHead.rows[0].cells].slice(3).map(cell => cell.textContent);
    return {
      table, heading: table.previousElementSibling, chapter: table.dataset.chapter,
      requirements: [...table.tBodies].map(body => ({
        body, text: small(body.rows[0].cells[0].textContent), button: foldable(body),
        tests: [...body.rows].slice(2).map(row => ({
          row, text: small(row.cells[0].textContent),
          results: [...row.cells].slice(1).map((cell, index) => [topologies[index], cell.className])
            .filter(([, status]) => status),
        })),
      })),
    };
  });
  const findings = [...document.querySelectorAll("article.finding, .waiting tbody tr")].map(element => ({
    element, ...element.dataset, text: small(said(element)),
  }));

  // Without logs: they are long, and hold all words.
  function said(element) {
    const parts = [...element.querySelectorAll("h3, .message, .requirement")];
    return (parts.length ? parts : [element]).map(part => part.textContent).join("\n");
  }

  function foldable(body) {
    const head = body.rows[0].cells[0];
    const button = document.createElement("button");
    button.type = "button";
    button.className = "toggle";
    button.append(...head.childNodes);
    button.setAttribute("aria-expanded", "false");
    button.addEventListener("click", () => fold(body, button, !body.classList.contains("open")));
    head.append(button);
    return button;
  }

  function fold(body, button, open) {
    body.classList.toggle("open", open);
    button.setAttribute("aria-expanded", String(open));
  }

  function wanted() {
    const data = new FormData(form);
    return {
      text: small(data.get("text").trim()), chapter: data.get("chapter"), topology: data.get("topology"),
      outcomes: new Set(data.getAll("outcome")),
    };
  }

  function apply() {
    const { text, chapter, topology, outcomes } = wanted();
    const counts = result => (!topology || result[0] === topology) && (!outcomes.size || outcomes.has(result[1]));
    let shown = 0, all = 0;
    for (const table of tables) {
      let any = false;
      for (const one of table.requirements) {
        const whole = one.text.includes(text);
        one.matches = 0;
        for (const test of one.tests) {
          const results = (!chapter || table.chapter === chapter) && (whole || test.text.includes(text))
            ? test.results.filter(counts).length : 0;
          test.row.hidden = !results;
          one.matches += results;
          all += test.results.length;
        }
        one.body.hidden = !one.matches;
        any ||= one.matches > 0;
        shown += one.matches;
      }
      table.table.hidden = table.heading.hidden = !any;
    }
    const narrow = (text || outcomes.size) && shown <= MOST_OPENED;
    for (const { requirements } of tables)
      for (const one of requirements) fold(one.body, one.button, Boolean(narrow && one.matches));
    for (const one of findings)
      one.element.hidden = !((!chapter || one.chapters.split(" ").includes(chapter))
        && counts([one.topology, one.status]) && one.text.includes(text));
    for (const table of document.querySelectorAll(".waiting"))
      table.hidden = table.previousElementSibling.hidden = ![...table.tBodies[0].rows].some(row => !row.hidden);
    const found = findings.filter(one => !one.element.hidden).length;
    output.value = `${shown} of ${all} results, ${found} of ${findings.length} findings`;
  }

  function remember() {
    const { text, chapter, topology, outcomes } = wanted();
    const entries = Object.entries({ text, chapter, topology, outcome: [...outcomes].join(" ") });
    const query = new URLSearchParams(entries.filter(([, value]) => value)).toString();
    history.replaceState(null, "", query ? `#${query}` : location.pathname + location.search);
  }

  function filter(query) {
    for (const name of ["text", "chapter", "topology"]) form.elements[name].value = query.get(name) ?? "";
    const outcomes = (query.get("outcome") ?? "").split(" ");
    for (const box of form.querySelectorAll("[name=outcome]")) box.checked = outcomes.includes(box.value);
    apply();
  }

  // The address has a filter, or the id of something that may be folded or filtered away.
  function recall() {
    const hash = location.hash.slice(1);
    if (hash.includes("=")) {
      filter(new URLSearchParams(hash));
      return;
    }
    const target = document.getElementById(hash);
    if (!target) return;
    if (target.closest("[hidden]")) filter(new URLSearchParams());
    const body = target.closest(".matrix tbody");
    if (body) fold(body, body.querySelector(".toggle"), true);
    target.scrollIntoView();
  }

  let timer = 0;
  form.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => { apply(); remember(); }, 80);
  });
  form.addEventListener("submit", event => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(() => { apply(); remember(); }));
  form.addEventListener("click", event => {
    const action = event.target.dataset?.do;
    if (!action) return;
    for (const { requirements } of tables)
      for (const one of requirements) fold(one.body, one.button, action === "expand");
  });
  addEventListener("hashchange", recall);
  addEventListener("beforeprint", () => {
    for (const details of document.querySelectorAll(".finding details")) details.open = true;
  });

  form.hidden = false;
  apply();
  recall();
});
