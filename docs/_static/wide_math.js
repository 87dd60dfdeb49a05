// Formulas inside of a line that are wider than the text scroll, as displayed ones do.
window.addEventListener("load", () => {
  const mark = () =>
    document.querySelectorAll("span.math mjx-container").forEach((formula) => {
      formula.classList.remove("wide");
      const text = formula.closest("p, li, dd, td, article");
      // In a table the table scrolls.
      const wide = !formula.closest("table") && formula.offsetWidth > text.clientWidth;
      formula.classList.toggle("wide", wide);
    });
  if (window.MathJax && window.MathJax.startup) window.MathJax.startup.promise.then(mark);
  window.addEventListener("resize", mark);
});
