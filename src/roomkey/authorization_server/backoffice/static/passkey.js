// Passkeys: what the browser asks them and answers goes between the page's form and the service. All else is forms.
"use strict";

const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (letter) => letter.charCodeAt(0));
const text = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

const descriptors = (list) => (list ?? []).map((one) => ({ ...one, id: bytes(one.id) }));

async function ask(kind, options) {
  options.challenge = bytes(options.challenge);
  if (kind === "create") {
    options.user.id = bytes(options.user.id);
    options.excludeCredentials = descriptors(options.excludeCredentials);
    return navigator.credentials.create({ publicKey: options });
  }
  options.allowCredentials = descriptors(options.allowCredentials);
  return navigator.credentials.get({ publicKey: options });
}

function written(credential) {
  const response = {};
  for (const name of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
    if (credential.response[name]) response[name] = text(credential.response[name]);
  }
  return JSON.stringify({ id: credential.id, rawId: text(credential.rawId), type: credential.type, response });
}

for (const form of document.querySelectorAll("form[data-passkey]")) {
  const problem = form.querySelector("[data-problem]");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    problem.hidden = true;
    try {
      const answer = await fetch(form.dataset.options, {
        method: "POST",
        headers: { "X-CSRF-Token": form.elements.csrf.value },
      });
      if (!answer.ok || answer.redirected) throw new Error("The page is too old; reload it.");
      form.elements.answer.value = written(await ask(form.dataset.passkey, await answer.json()));
      form.submit(); // sends without another submit event
    } catch (error) {
      delete form.dataset.sent;
      problem.textContent = error.name === "NotAllowedError" ? "Nothing was chosen." : error.message;
      problem.hidden = false;
    }
  });
}
