// What a page can do better with a script: copying, filtering as one types. Every page works without it.
"use strict";

for (const button of document.querySelectorAll("[data-copy]")) {
  if (!navigator.clipboard) break; // not a secure origin
  const source = document.getElementById(button.dataset.copy);
  const word = button.querySelector("span");
  const before = word.textContent;
  button.hidden = false;
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(source.textContent.trim());
      word.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(source);
      word.textContent = "Press Ctrl+C";
    }
    setTimeout(() => { word.textContent = before; }, 2000);
  });
}

// Filter fields of a list: rows that do not hold the words are hidden while one types; Enter asks the service.
for (const field of document.querySelectorAll("[data-filter]")) {
  const rows = [...document.querySelectorAll(`#${field.dataset.filter} tbody tr`)];
  field.addEventListener("input", () => {
    const words = field.value.toLowerCase().split(/\s+/);
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
    }
  });
}

// A form that was sent is not sent again by an impatient second click.
for (const form of document.querySelectorAll("form[method=post]:not([target])")) {
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "1";
  });
}
addEventListener("pageshow", (event) => { // came Back: forms can be sent again
  if (event.persisted) for (const form of document.forms) delete form.dataset.sent;
});

// A page that shows a secret is left without it: not even the browser's memory of pages brings it back.
if (document.querySelector("[data-once]")) {
  addEventListener("pagehide", () => { 
    for (const shown of document.querySelectorAll("[data-once]")) shown["value" in shown ? "value" : "textContent"] = "";
  });
}
