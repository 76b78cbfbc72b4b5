// An output that answers "Predict …" stays folded until the reader has typed a prediction.
// Without JavaScript the forms are hidden and nothing is folded.
for (const form of document.querySelectorAll("form.guess")) {
  const output = form.nextElementSibling;
  const field = form.querySelector("input");
  const button = form.querySelector("button");
  const fold = (folded) => {
    output.classList.toggle("folded", folded);
    output.inert = folded;
  };
  form.hidden = false;
  fold(true);
  field.addEventListener("input", () => {
    button.disabled = !field.value.trim();
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!field.value.trim()) return;
    fold(false);
    field.readOnly = true;
    field.focus();
    button.remove();
  });
}
